#include "bus/store/wal_repair.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "bus/store/witness.h"

namespace pawl::store {
namespace {

constexpr size_t record_header_bytes = 12;  // of RocksDB's WriteBatch

Error trouble(const std::string& what, const std::string& path) {
  return make_error(Code::err, "cannot " + what + " " + path + ": " + std::strerror(errno) +
                                   "; the log is damaged and was left as it is");
}

Result<std::string> read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.is_open() || file.bad()) return trouble("read", path);
  return bytes;
}

WalRecord decode(std::string_view record, const FamilyIds& families) {
  if (record.size() < record_header_bytes) return {};
  return read_log_record(rocksdb::WriteBatch(std::string(record)), families);
}

// What the logs are, read in order.
struct Survey {
  std::optional<core::ChainLink> last;  // newest batch before the damage
  bool damaged = false;
  std::string file;    // the damaged log
  size_t sound = 0;    // its bytes before the damage
  size_t size = 0;     // all its bytes
  std::string reason;  // in words
  // Batches behind the damage.
  uint64_t behind = 0;
  uint64_t behind_first = 0;
  uint64_t behind_last = 0;
};

void count_behind(Survey& survey, const WalRecord& record) {
  // A batch that names itself ours counts even when its hash is wrong: its bytes were whole once.
  if (record.kind != WalRecord::Kind::batch && record.kind != WalRecord::Kind::forged &&
      record.kind != WalRecord::Kind::newer) {
    return;
  }
  const uint64_t sequence = record.link.sequence;
  if (record.kind == WalRecord::Kind::batch && survey.last && sequence <= survey.last->sequence) return;
  survey.behind_first = survey.behind == 0 ? sequence : std::min(survey.behind_first, sequence);
  survey.behind_last = std::max(survey.behind_last, sequence);
  ++survey.behind;
}

void survey_log(Survey& survey, const std::string& path, std::string_view bytes, const FamilyIds& families) {
  LogReader reader(bytes);
  const auto mark = [&](size_t sound, std::string reason) {
    survey.damaged = true;
    survey.file = path;
    survey.sound = sound;
    survey.size = bytes.size();
    survey.reason = std::move(reason);
  };
  size_t sound = 0;
  for (;;) {
    const auto bytes_of_record = reader.next();
    if (!bytes_of_record) {
      if (!reader.damaged()) return;
      if (!survey.damaged) mark(sound, "a torn record");
      if (!reader.resume()) return;
      continue;
    }
    const WalRecord record = decode(*bytes_of_record, families);
    if (!survey.damaged) {
      const std::string broken = chain_break(survey.last, record);
      if (broken.empty()) {
        if (record.kind == WalRecord::Kind::batch) survey.last = record.link;
        sound = reader.sound_bytes();
        continue;
      }
      mark(sound, broken);
    }
    count_behind(survey, record);
  }
}

Result<std::string> keep_copy(const LogRepair& what, const std::string& file, std::string_view bytes) {
  const std::string folder = what.directory + "/damaged";
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return trouble("create", folder);
  std::string path;
  int fd = -1;
  for (int i = 1; fd < 0; ++i) {
    path = folder + "/" + std::filesystem::path(file).filename().string() + "." + std::to_string(i);
    fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) return trouble("create", path);
  }
  bool written = true;
  while (written && !bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    written = count > 0;
    if (written) bytes.remove_prefix(static_cast<size_t>(count));
  }
  written = written && ::fsync(fd) == 0;
  if (!written) {
    const Error error = trouble("write", path);
    ::close(fd);
    ::unlink(path.c_str());
    return error;
  }
  ::close(fd);
  for (const auto& directory : {folder, what.directory}) {
    if (const Status synced = sync_directory(directory); !synced.ok()) return synced.error();
  }
  return path;
}

Status cut(const std::string& path, size_t size) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return trouble("open", path);
  const bool done = ::ftruncate(fd, static_cast<off_t>(size)) == 0 && ::fsync(fd) == 0;
  const Status status = done ? Status() : Status(trouble("cut", path));
  ::close(fd);
  return status;
}

Error lost(const LogRepair& what, const Survey& survey) {
  const uint64_t last = survey.last ? survey.last->sequence : 0;
  std::string missing;
  if (survey.behind_first > last + 1) {
    const uint64_t to = survey.behind_first - 1;
    missing = to == last + 1 ? "batch " + std::to_string(to) + " is missing"
                             : "batches " + std::to_string(last + 1) + " to " + std::to_string(to) + " are missing";
  } else {
    missing = "batch " + std::to_string(survey.behind_first) + " does not prove itself";
  }
  return make_error(Code::err, survey.file + " is damaged at byte " + std::to_string(survey.sound) + " (" +
                                   survey.reason + ") and " + std::to_string(survey.behind) +
                                   " answered batches follow, up to " + std::to_string(survey.behind_last) + ": " +
                                   missing + "; restore " + what.directory + " from a backup");
}

}  // namespace

Result<LogRepaired> repair_log(const LogRepair& what) {
  const auto numbers = log_numbers(what.database);
  if (!numbers.ok()) return numbers.error();
  Survey survey;
  for (const uint64_t number : *numbers) {
    if (number < what.first_log) continue;
    const std::string path = log_path(what.database, number);
    const auto bytes = read_whole(path);
    if (!bytes.ok()) return bytes.error();
    survey_log(survey, path, *bytes, what.families);
  }
  if (!survey.damaged) return LogRepaired{};
  if (survey.behind > 0) return lost(what, survey);
  if (what.look_only) {
    return make_error(Code::err, survey.file + " has a torn tail from byte " + std::to_string(survey.sound) +
                                     "; start pawl serve on " + what.directory + " once, it cuts it");
  }
  const auto bytes = read_whole(survey.file);
  if (!bytes.ok()) return bytes.error();
  const auto copy = keep_copy(what, survey.file, *bytes);
  if (!copy.ok()) return copy.error();
  if (const Status done = cut(survey.file, survey.sound); !done.ok()) return done.error();
  const std::string after = survey.last ? "batch " + std::to_string(survey.last->sequence) : "its beginning";
  return LogRepaired{true, "cut " + std::to_string(survey.size - survey.sound) + " torn bytes off " + survey.file +
                               " after " + after + "; the damaged log is kept as " + *copy};
}

}  // namespace pawl::store
