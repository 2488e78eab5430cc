// Lines of a file or pipe in bounded memory.
#pragma once

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>

#include "bus/base/result.h"

namespace pawl::cli {

class LineReader {
 public:
  // "-" is stdin. BADARG when it cannot be opened.
  static Result<LineReader> open(const std::string& path, size_t line_bytes_max);

  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&&) = delete;
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  // The next line without its '\n' (a last one needs none). False at the end.
  // TOOBIG for a line over the bound, ERR when reading fails.
  Result<bool> next(std::string* line);

  // Once *flag is set (by a signal that interrupts reading), a read ends the input early.
  void stop_on(const volatile std::sig_atomic_t* flag) { stop_ = flag; }

  uint64_t line_number() const { return lines_; }  // of the line just read, from 1
  uint64_t bytes_read() const { return bytes_; }
  uint64_t size() const { return size_; }  // of a regular file; 0: not known

 private:
  LineReader() = default;
  bool fill();

  std::FILE* file_ = nullptr;
  bool owned_ = false;
  size_t line_bytes_max_ = 0;
  std::array<char, 65536> buffer_{};
  size_t at_ = 0;
  size_t end_ = 0;
  uint64_t lines_ = 0;
  uint64_t bytes_ = 0;
  uint64_t size_ = 0;
  int failure_ = 0;
  const volatile std::sig_atomic_t* stop_ = nullptr;
};

}  // namespace pawl::cli
