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

#include "bus/store/wal_log.h"
#include "bus/store/wal_proof.h"
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

WalRecord decode(std::string_view record) {
  if (record.size() < record_header_bytes) return {};
  return read_wal_record(rocksdb::WriteBatch(std::string(record)));
}

// What the logs are, read in order.
struct Survey {
  std::optional<core::ChainLink> last;  // newest batch before the damage
  bool damaged = false;
  std::string file;      // the damaged log
  size_t sound = 0;      // its bytes before the damage
  size_t size = 0;       // all its bytes
  std::string reason;    // in words
  bool strange = false;  // the reason is a whole record that is no batch of this chain
  // What the damage must not cost: batches behind it, or a whole record that is no batch.
  size_t behind = 0;
  uint64_t behind_first = 0;  // of batches
  uint64_t behind_last = 0;
};

void count_behind(Survey& survey, const WalRecord& record) {
  // What a search in damaged bytes brings up may be a piece of a payload.
  if (record.kind != WalRecord::Kind::batch && record.kind != WalRecord::Kind::forged) return;
  const uint64_t sequence = record.link.sequence;
  if (survey.last && sequence <= survey.last->sequence) return;
  survey.behind_first = survey.behind_first == 0 ? sequence : std::min(survey.behind_first, sequence);
  survey.behind_last = std::max(survey.behind_last, sequence);
  ++survey.behind;
}

class LogSurvey {
 public:
  LogSurvey(Survey& survey, std::string path, std::string_view bytes)
      : survey_(survey), path_(std::move(path)), bytes_(bytes), reader_(bytes) {}

  void run() {
    for (;;) {
      const auto record = reader_.next();
      if (record) {
        take(decode(*record));
        continue;
      }
      if (!reader_.damaged()) return;
      if (!survey_.damaged) mark("a torn record");
      if (!reader_.resume()) return;
    }
  }

 private:
  void take(const WalRecord& record) {
    const std::string broken = chain_break(survey_.last, record);
    // Where a later log goes on after the damage of an earlier one, the damaged bytes were never
    // answered: opening dropped them then.
    const bool later_log = survey_.damaged && survey_.file != path_ && sound_ == 0;
    if (later_log && survey_.last && survey_.behind == 0 && broken.empty()) survey_.damaged = false;
    if (survey_.damaged) {
      count_behind(survey_, record);
    } else if (broken.empty()) {
      if (record.kind == WalRecord::Kind::batch) survey_.last = record.link;
      sound_ = reader_.sound_bytes();
    } else {
      // Read whole and in its place: never to be cut, whatever it is.
      mark(broken);
      count_behind(survey_, record);
      survey_.behind = std::max<size_t>(survey_.behind, 1);
      survey_.strange = record.kind != WalRecord::Kind::batch;
    }
  }

  void mark(std::string reason) {
    survey_.damaged = true;
    survey_.file = path_;
    survey_.sound = sound_;
    survey_.size = bytes_.size();
    survey_.reason = std::move(reason);
  }

  Survey& survey_;
  std::string path_;
  std::string_view bytes_;
  LogReader reader_;
  size_t sound_ = 0;
};

Result<Survey> survey_logs(const LogRepair& what) {
  const auto numbers = log_numbers(what.database);
  if (!numbers.ok()) return numbers.error();
  Survey survey;
  for (const uint64_t number : *numbers) {
    const std::string path = log_path(what.database, number);
    const auto bytes = read_whole(path);
    if (!bytes.ok()) return bytes.error();
    LogSurvey(survey, path, *bytes).run();
  }
  return survey;
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
  const std::string backup = "; restore " + what.directory + " from a backup";
  const std::string place = survey.file + " is damaged at byte " + std::to_string(survey.sound) + ": ";
  const uint64_t next = survey.last ? survey.last->sequence + 1 : 1;
  if (survey.strange || survey.behind_first <= next) {
    return make_error(Code::err, place + "it holds " + survey.reason + backup);
  }
  if (!survey.last) {
    return make_error(Code::err, place + "the batches before batch " + std::to_string(survey.behind_first) +
                                     " are missing" + backup);
  }
  const uint64_t to = survey.behind_first - 1;
  const std::string missing =
      to == next ? "batch " + std::to_string(to) + " is missing"
                 : "batches " + std::to_string(next) + " to " + std::to_string(to) + " are missing";
  return make_error(Code::err, place + missing + ", answered ones up to " +
                                   std::to_string(survey.behind_last) + " follow" + backup);
}

// Keeps a copy and cuts.
Result<LogRepaired> cut_tail(const LogRepair& what, const std::string& file, size_t sound,
                             const std::string& after) {
  const auto bytes = read_whole(file);
  if (!bytes.ok()) return bytes.error();
  if (what.look_only) {
    return make_error(Code::err, file + " has a torn tail from byte " + std::to_string(sound) +
                                     "; start pawl serve on " + what.directory + " once, it cuts it");
  }
  const auto copy = keep_copy(what, file, *bytes);
  if (!copy.ok()) return copy.error();
  if (const Status done = cut(file, sound); !done.ok()) return done.error();
  return LogRepaired{true, "cut " + std::to_string(bytes->size() - sound) + " torn bytes off " + file +
                               " after " + after + "; the damaged file is kept as " + *copy};
}

}  // namespace

Result<LogRepaired> repair_log(const LogRepair& what) {
  const auto survey = survey_logs(what);
  if (!survey.ok()) return survey.error();
  if (!survey->damaged) return LogRepaired{};
  if (survey->behind > 0) return lost(what, *survey);
  return cut_tail(what, survey->file, survey->sound,
                  survey->last ? "batch " + std::to_string(survey->last->sequence) : "its beginning");
}

Status refuse_hidden_batches(const LogRepair& what) {
  const auto numbers = log_numbers(what.database);
  if (!numbers.ok()) return numbers.error();
  bool plain = true;
  for (const uint64_t number : *numbers) {
    const auto whole = is_plain_log(log_path(what.database, number));
    if (!whole.ok()) return whole.error();
    plain = plain && *whole;
  }
  if (plain) return {};
  const auto survey = survey_logs(what);
  if (!survey.ok()) return survey.error();
  if (survey->damaged && survey->behind > 0) return lost(what, *survey);
  return {};
}

Result<LogRepaired> repair_manifest(const LogRepair& what) {
  auto name = read_whole(what.database + "/CURRENT");
  if (!name.ok()) return name.error();
  while (!name->empty() && name->back() == '\n') name->pop_back();
  const std::string path = what.database + "/" + *name;
  const auto bytes = read_whole(path);
  if (!bytes.ok()) return bytes.error();
  LogReader reader(*bytes);
  while (reader.next()) {
  }
  const size_t sound = reader.sound_bytes();
  if (!reader.damaged() || sound == 0) return LogRepaired{};
  if (reader.resume() && reader.next()) return LogRepaired{};  // more than its last entry
  return cut_tail(what, path, sound, "its last whole entry");
}

}  // namespace pawl::store
