// A daemon's output, in files that do not grow without bound: PATH is written, PATH.1
// is the one before, and so on.
//
// A rate bound keeps a flood off the disk: within each second so many bytes are
// written, the rest is dropped, whole lines where it has lines, and counted in the file
// itself. Whoever feeds it never waits for more than the write of one piece. Lines
// longer than 64 KiB are broken. A write that fails (a full disk) is a drop too.
//
// One thread. Times are of the steady clock, in milliseconds; `wall_ms` is for the
// words in the file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bus/base/result.h"

namespace pawl::runner {

struct LogRule {
  std::string path;
  uint64_t bytes_max = uint64_t{10} << 20;  // of one file
  uint32_t files = 5;                       // with the one that is written
  uint64_t bytes_per_second = uint64_t{1} << 20;
};

class LogSink {
 public:
  // ERR when the file cannot be opened for appending.
  static Result<LogSink> open(LogRule rule);

  LogSink(LogSink&& other) noexcept;
  LogSink& operator=(LogSink&&) = delete;
  LogSink(const LogSink&) = delete;
  LogSink& operator=(const LogSink&) = delete;
  ~LogSink();  // writes what is left of a line

  // What came out of the daemon, in any pieces.
  void feed(std::string_view bytes, int64_t now_ms);
  // A line of the launcher's own, past the bound.
  void note(std::string_view line);
  // Nothing has come for a while: writes an unfinished line, and says what was dropped.
  void settle(int64_t now_ms);
  // The last line that was no empty one, cut to 200 bytes; dropped ones too.
  const std::string& last_line() const { return last_line_; }
  // Lines were dropped and the file does not say so yet: settle() will, a second after them.
  bool owes() const { return dropped_lines_ > 0; }

  uint64_t dropped_lines() const { return dropped_lines_all_; }
  uint64_t dropped_bytes() const { return dropped_bytes_all_; }

 private:
  explicit LogSink(LogRule rule) : rule_(std::move(rule)) {}
  void take_line(std::string_view line, int64_t now_ms);
  void say_dropped();
  void put(std::string_view line);
  void rotate();
  bool reopen();

  LogRule rule_;
  int fd_ = -1;
  uint64_t size_ = 0;
  std::string partial_;
  int64_t window_ms_ = 0;  // when the current second began
  uint64_t in_window_ = 0;
  uint64_t dropped_lines_ = 0;  // not yet told in the file
  uint64_t dropped_bytes_ = 0;
  uint64_t dropped_lines_all_ = 0;
  uint64_t dropped_bytes_all_ = 0;
  std::string last_line_;
};

}  // namespace pawl::runner
