#include "runner/log_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace pawl::runner {
namespace {

constexpr size_t line_bytes_max = size_t{64} << 10;
constexpr size_t last_line_bytes_max = 200;
constexpr int64_t window_ms = 1000;

}  // namespace

Result<LogSink> LogSink::open(LogRule rule) {
  LogSink sink(std::move(rule));
  if (!sink.reopen()) {
    return make_error(Code::err, "cannot write " + sink.rule_.path + ": " + std::strerror(errno) +
                                     "; check the folder, its owner and its mode");
  }
  return sink;
}

LogSink::LogSink(LogSink&& other) noexcept
    : rule_(std::move(other.rule_)),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      partial_(std::move(other.partial_)),
      window_ms_(other.window_ms_),
      in_window_(other.in_window_),
      dropped_lines_(other.dropped_lines_),
      dropped_bytes_(other.dropped_bytes_),
      dropped_lines_all_(other.dropped_lines_all_),
      dropped_bytes_all_(other.dropped_bytes_all_),
      last_line_(std::move(other.last_line_)) {
  other.partial_.clear();
}

LogSink::~LogSink() {
  if (fd_ < 0) return;
  settle(window_ms_ + window_ms);
  close(fd_);
}

bool LogSink::reopen() {
  fd_ = ::open(rule_.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  struct stat file {};
  size_ = fd_ >= 0 && fstat(fd_, &file) == 0 ? static_cast<uint64_t>(file.st_size) : 0;
  return fd_ >= 0;
}

void LogSink::feed(std::string_view bytes, int64_t now_ms) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const size_t room = line_bytes_max - partial_.size();
    const size_t length = std::min(end == std::string_view::npos ? bytes.size() : end, room);
    const bool complete = end == length;
    if (complete && partial_.empty()) {
      take_line(bytes.substr(0, length), now_ms);
    } else {
      partial_.append(bytes.substr(0, length));
      if (complete || partial_.size() >= line_bytes_max) {
        take_line(partial_, now_ms);
        partial_.clear();
      }
    }
    bytes.remove_prefix(length + (complete ? 1 : 0));
  }
}

void LogSink::settle(int64_t now_ms) {
  if (!partial_.empty()) take_line(std::exchange(partial_, {}), now_ms);
  if (now_ms - window_ms_ >= window_ms) say_dropped();
}

void LogSink::note(std::string_view line) { put(line); }

void LogSink::take_line(std::string_view line, int64_t now_ms) {
  if (!line.empty()) last_line_.assign(line.substr(0, last_line_bytes_max));
  if (now_ms - window_ms_ >= window_ms) {
    say_dropped();
    window_ms_ = now_ms;
    in_window_ = 0;
  }
  if (in_window_ + line.size() + 1 > rule_.bytes_per_second) {
    // Once over, nothing more of this second: a hole in the middle is easier to read than a sieve.
    in_window_ = rule_.bytes_per_second;
    ++dropped_lines_;
    dropped_bytes_ += line.size() + 1;
    ++dropped_lines_all_;
    dropped_bytes_all_ += line.size() + 1;
    return;
  }
  in_window_ += line.size() + 1;
  put(line);
}

void LogSink::say_dropped() {
  if (dropped_lines_ == 0) return;
  const std::string text = "pawl: " + std::to_string(dropped_lines_) + " lines (" +
                           std::to_string(dropped_bytes_) + " bytes) dropped: more than " +
                           std::to_string(rule_.bytes_per_second) + " bytes a second";
  dropped_lines_ = 0;
  dropped_bytes_ = 0;
  put(text);
}

void LogSink::put(std::string_view line) {
  if (size_ > 0 && size_ + line.size() + 1 > rule_.bytes_max) rotate();
  if (fd_ < 0 && !reopen()) return;
  std::string bytes(line);
  bytes += '\n';
  const ssize_t written = write(fd_, bytes.data(), bytes.size());
  if (written > 0) size_ += static_cast<uint64_t>(written);
  if (written != static_cast<ssize_t>(bytes.size())) {
    ++dropped_lines_;
    dropped_bytes_ += bytes.size();
    ++dropped_lines_all_;
    dropped_bytes_all_ += bytes.size();
  }
}

// What cannot be renamed is written on: a file too long is better than none.
void LogSink::rotate() {
  const auto named = [this](uint32_t n) {
    return n == 0 ? rule_.path : rule_.path + "." + std::to_string(n);
  };
  if (rule_.files <= 1) {
    if (fd_ >= 0 && ftruncate(fd_, 0) == 0) size_ = 0;
    return;
  }
  for (uint32_t n = rule_.files - 1; n > 0; --n) std::rename(named(n - 1).c_str(), named(n).c_str());
  if (fd_ >= 0) close(fd_);
  reopen();
}

}  // namespace pawl::runner
