#include "bus/server/flag_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include "bus/base/limits.h"
#include "bus/base/parse.h"

namespace pawl::server {
namespace {

constexpr std::string_view soft_name = "KILL";
constexpr std::string_view hard_name = "KILL_HARD";
constexpr size_t flag_bytes_max = 4096;

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

// Gives a whole file its name; false with errno.
using Place = std::function<bool(const std::string& fresh, const std::string& flag)>;

Status write_durably(const std::string& path, const std::string& text, const Place& place) {
  const std::string fresh = path + ".new";
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return failed(fresh);
  const bool written =
      ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const int why = errno;
  ::close(file);
  errno = why;
  if (!written || !place(fresh, path)) {
    const Status status = failed(path);
    ::unlink(fresh.c_str());
    return status;
  }
  return {};
}

// Into the file that is there, if it still is: without a name of its own it cannot come back.
Status write_in_place(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (file < 0) return {};
  struct stat info {};
  if (::fstat(file, &info) == 0 && S_ISREG(info.st_mode)) {
    // Never empty in between: an empty flag is a flag of its own.
    const bool written = ::pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()) &&
                         ::ftruncate(file, static_cast<off_t>(text.size())) == 0 && ::fsync(file) == 0;
    static_cast<void>(written);  // the flag stands, whatever it says
  }
  ::close(file);
  return {};
}

void touch(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
  if (file >= 0) ::close(file);
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

FlagFiles::Mark FlagFiles::mark_of(std::string_view name) const {
  struct stat info {};
  Mark mark;
  if (::lstat(path(name).c_str(), &info) == 0) {
    constexpr int64_t ns_per_s = 1'000'000'000;
    mark = {true, info.st_dev, info.st_ino, info.st_mtim.tv_sec * ns_per_s + info.st_mtim.tv_nsec};
  } else {
    mark.there = errno != ENOENT && errno != ENOTDIR;  // what cannot be looked at counts as set
  }
  return mark;
}

FlagFile FlagFiles::read(std::string_view name) const {
  if (const std::optional<std::string> text = read_file(path(name))) {
    FlagFile file = parse_flag(*text);
    if (file.reason.empty()) file.reason = "the file " + std::string(name) + " was made";
    return file;
  }
  FlagFile file;
  file.reason = std::string(name) + " is there and cannot be read";
  return file;
}

std::optional<FlagFile> FlagFiles::unexpected(std::string_view name, uint64_t newest) const {
  FlagFile file = read(name);
  if (file.number == 0 || file.number > newest) return file;
  ::unlink(path(name).c_str());
  return std::nullopt;
}

std::optional<FlagNews> FlagFiles::look(const core::FreezeRecord& standing,
                                        const core::FreezeRecord& committed) {
  if (!enabled()) return std::nullopt;
  const bool first = !std::exchange(looked_, true);
  const Mark soft = mark_of(soft_name);
  const Mark hard = mark_of(hard_name);
  if (standing.kind == core::FreezeKind::hard) {
    soft_ = soft;
    hard_ = hard;
    if (!soft.there || !hard.there) write_later(standing);
    return std::nullopt;
  }
  if (standing.frozen()) return look_at_soft(standing, soft, hard, first);
  if (!soft.there && !hard.there) {
    soft_ = hard_ = {};
    return std::nullopt;
  }
  if (committed.frozen()) return look_at_clear(committed, soft, hard);
  FlagNews news;
  std::optional<FlagFile> file;
  if (hard.there) file = unexpected(hard_name, standing.number);
  news.hard = file.has_value();
  if (soft.there && !file) file = unexpected(soft_name, standing.number);
  if (!file) return std::nullopt;
  news.soft = soft.there;
  news.file = *std::move(file);
  soft_ = soft;
  hard_ = hard;
  return news;
}

std::optional<FlagNews> FlagFiles::look_at_soft(const core::FreezeRecord& standing, const Mark& soft,
                                                const Mark& hard, bool first) {
  FlagNews news;
  news.soft = soft.there;
  if (hard.there) {
    const auto file = unexpected(hard_name, standing.number);
    if (!file) return std::nullopt;
    news.hard = true;
    news.file = *file;
    return news;
  }
  if (!soft.there) {
    soft_ = {};
    // One that was not written yet was not removed either.
    if (is_seen(standing.number) || (first && standing.flagged)) return news;
    if (first) write_later(standing);
    return std::nullopt;
  }
  if (soft == soft_ && is_seen(standing.number)) return std::nullopt;
  const std::optional<std::string> text = read_file(path(soft_name));
  soft_ = soft;
  // All that a full disk took of the flag; it is written when there is room.
  if (text && text->empty() && !is_seen(standing.number)) return std::nullopt;
  seen_ = standing.number;
  if (!text) return std::nullopt;
  news.file = parse_flag(*text);
  if (news.file.number == standing.number) return std::nullopt;
  // Of an earlier freeze: the one that stands now is being written.
  if (news.file.number != 0 && news.file.number < standing.number) return std::nullopt;
  if (news.file.reason.empty()) news.file.reason = "the file KILL was written";
  news.written = true;
  return news;
}

// A clear is on its way to the disk. The files that it ends go once it is durable; others are flags anew.
std::optional<FlagNews> FlagFiles::look_at_clear(const core::FreezeRecord& committed, const Mark& soft,
                                                 const Mark& hard) {
  const auto is_new = [&](const Mark& now, Mark& known, std::string_view name) {
    if (!now.there || now == known) return false;
    // Written by the commit of the freeze itself, which had not ended when it was cleared.
    const bool own = !known.there && seen_ != committed.number && read(name).number == committed.number;
    if (own) known = now;
    return !own;
  };
  FlagNews news;
  news.hard = is_new(hard, hard_, hard_name);
  news.soft = is_new(soft, soft_, soft_name);
  if (!news.hard && !news.soft) return std::nullopt;
  news.file = read(news.hard ? hard_name : soft_name);
  soft_ = soft;
  hard_ = hard;
  return news;
}

Status FlagFiles::write(const core::FreezeRecord& freeze) const {
  std::unique_lock lock(placing_);
  const uint64_t clears = clears_;
  lock.unlock();
  return write_unless_cleared(freeze, clears);
}

Status FlagFiles::write_unless_cleared(const core::FreezeRecord& freeze, uint64_t clears) const {
  if (!enabled()) return {};
  const std::string text = format_flag(freeze);
  const bool is_hard = freeze.kind == core::FreezeKind::hard;
  if (freeze.by == "file" && !is_hard) return write_in_place(path(soft_name), text);
  Status status;
  // The hard flag first: whoever sees the other alone takes it for a soft one.
  const Place place = [&](const std::string& fresh, const std::string& flag) {
    const std::lock_guard lock(placing_);
    // One that was cleared while its flag was being written gets none any more.
    return clears == clears_ ? ::rename(fresh.c_str(), flag.c_str()) == 0 : ::unlink(fresh.c_str()) == 0;
  };
  if (is_hard) status = write_durably(path(hard_name), text, place);
  if (status.ok()) status = write_durably(path(soft_name), text, place);
  if (status.ok()) return sync_directory(directory_);
  const std::lock_guard lock(placing_);
  if (clears != clears_) return {};
  if (is_hard) touch(path(hard_name));
  touch(path(soft_name));
  return status;
}

void FlagFiles::adopt() {
  if (!enabled()) return;
  soft_ = mark_of(soft_name);
  hard_ = mark_of(hard_name);
}

void FlagFiles::write_later(const core::FreezeRecord& freeze) {
  if (!rewrites_) rewrites_.emplace([] {});
  static_cast<void>(rewrites_->take_done());
  if (rewrites_->busy()) return;
  rewrites_->run([this, freeze, clears = clears_] {  // only this thread changes it
    static_cast<void>(write_unless_cleared(freeze, clears));
  });
}

void FlagFiles::remove(uint64_t number) {
  if (!enabled()) return;
  const std::lock_guard lock(placing_);
  ++clears_;
  // Not synced: after a crash the number in the file says that it is an old one.
  const auto remove_one = [&](std::string_view name, const Mark& known) {
    const Mark now = mark_of(name);
    // Or it was written by ourselves since the last look.
    if (now.there && (now == known || read(name).number == number)) ::unlink(path(name).c_str());
  };
  remove_one(hard_name, hard_);
  remove_one(soft_name, soft_);
  soft_ = hard_ = {};
}

}  // namespace pawl::server
