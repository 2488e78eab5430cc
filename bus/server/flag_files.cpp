#include "bus/server/flag_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bus/base/limits.h"
#include "bus/base/parse.h"

namespace pawl::server {
namespace {

constexpr std::string_view soft_name = "KILL";
constexpr std::string_view hard_name = "KILL_HARD";
constexpr size_t flag_bytes_max = 4096;

// What cannot be looked at counts as set.
bool is_there(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

// Nothing: the file is there and cannot be read.
std::optional<std::string> read_file(const std::string& path) {
  // A pipe made under the name must not keep the bus.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return std::nullopt;
  std::string text(flag_bytes_max, '\0');
  const ssize_t count = ::read(file, text.data(), text.size());
  ::close(file);
  if (count < 0) return std::nullopt;
  text.resize(static_cast<size_t>(count));
  return text;
}

// One line of printable text.
std::string one_line(std::string_view text) {
  std::string line(text.substr(0, limits::reason_bytes_max));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  const size_t end = line.find_last_not_of(' ');
  line.resize(end == std::string::npos ? 0 : end + 1);
  return line;
}

bool take(std::string_view line, std::string_view key, std::string_view& value) {
  if (!line.starts_with(key)) return false;
  value = line.substr(key.size());
  return true;
}

Status failed(const std::string& what) {
  return make_error(Code::err, "cannot write " + what + ": " + std::strerror(errno));
}

Status write_durably(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return failed(fresh);
  const bool written =
      ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const int why = errno;
  ::close(file);
  errno = why;
  if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) {
    const Status status = failed(path);
    ::unlink(fresh.c_str());
    return status;
  }
  return {};
}

Status sync_directory(const std::string& path) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return failed(path);
  const bool synced = ::fsync(directory) == 0;
  ::close(directory);
  return synced ? Status{} : failed(path);
}

}  // namespace

FlagFile parse_flag(std::string_view text) {
  FlagFile file;
  bool has_keys = false;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    std::string_view value;
    if (take(line, "reason=", value)) {
      file.reason = one_line(value);
    } else if (take(line, "scope=", value)) {
      // A word that is none stops everything.
      file.scope = core::freeze_scope_from(value).value_or(core::FreezeScope::all);
    } else if (take(line, "until=", value)) {
      file.until_ms = parse_int(value).value_or(0);
    } else if (take(line, "freeze=", value)) {
      file.number = static_cast<uint64_t>(std::max<int64_t>(0, parse_int(value).value_or(0)));
    } else {
      continue;
    }
    has_keys = true;
  }
  if (!has_keys) file.reason = one_line(text);
  return file;
}

std::string format_flag(const core::FreezeRecord& freeze) {
  std::string text = "reason=" + one_line(freeze.reason) +
                     "\nscope=" + std::string(core::freeze_scope_name(freeze.scope)) + "\n";
  if (freeze.until_ms != 0) text += "until=" + std::to_string(freeze.until_ms) + "\n";
  return text + "freeze=" + std::to_string(freeze.number) + "\n";
}

std::optional<FlagFile> FlagFiles::unexpected(std::string_view name,
                                              const core::FreezeRecord& standing) const {
  const std::optional<std::string> text = read_file(path(name));
  FlagFile file;
  if (text) {
    file = parse_flag(*text);
  } else if (errno == ENOENT) {
    return std::nullopt;
  } else {
    file.reason = std::string(name) + " is there and cannot be read";
  }
  if (file.number != 0 && file.number <= standing.number) {
    ::unlink(path(name).c_str());
    return std::nullopt;
  }
  if (file.reason.empty()) file.reason = "the file " + std::string(name) + " was made";
  return file;
}

std::optional<FlagNews> FlagFiles::look(const core::FreezeRecord& standing,
                                        const core::FreezeRecord& committed) {
  if (!enabled()) return std::nullopt;
  FlagNews news;
  news.soft = is_there(path(soft_name));
  news.hard = is_there(path(hard_name));
  if (standing.kind == core::FreezeKind::hard) {
    if (news.soft && news.hard) return std::nullopt;
    static_cast<void>(write(standing));
    return std::nullopt;
  }
  if (standing.frozen()) {
    if (!news.hard) {
      // A file that is not written yet was not removed either.
      if (news.soft || !standing.flagged) return std::nullopt;
      return news;
    }
    const auto hard = unexpected(hard_name, standing);
    if (!hard) return std::nullopt;
    news.file = *hard;
    return news;
  }
  // A clear on its way: its files go once it is durable.
  if ((!news.soft && !news.hard) || committed.frozen()) return std::nullopt;
  std::optional<FlagFile> file;
  if (news.hard) file = unexpected(hard_name, standing);
  news.hard = file.has_value();
  if (news.soft && !file) file = unexpected(soft_name, standing);
  if (!file) return std::nullopt;
  news.file = *std::move(file);
  return news;
}

Status FlagFiles::write(const core::FreezeRecord& freeze) const {
  if (!enabled()) return {};
  const std::string text = format_flag(freeze);
  // The hard flag first: whoever sees the other alone takes it for a soft one.
  if (freeze.kind == core::FreezeKind::hard) {
    if (Status status = write_durably(path(hard_name), text); !status.ok()) return status;
  }
  if (Status status = write_durably(path(soft_name), text); !status.ok()) return status;
  return sync_directory(directory_);
}

void FlagFiles::remove() const {
  if (!enabled()) return;
  ::unlink(path(hard_name).c_str());
  ::unlink(path(soft_name).c_str());
  static_cast<void>(sync_directory(directory_));
}

}  // namespace pawl::server
