#include "cli/line_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pawl::cli {

Result<LineReader> LineReader::open(const std::string& path, size_t line_bytes_max) {
  LineReader reader;
  reader.line_bytes_max_ = line_bytes_max;
  reader.owned_ = path != "-";
  reader.file_ = reader.owned_ ? std::fopen(path.c_str(), "rbe") : stdin;
  struct stat status {};
  if (!reader.file_ || fstat(fileno(reader.file_), &status) != 0 || S_ISDIR(status.st_mode)) {
    const int failure = reader.file_ && S_ISDIR(status.st_mode) ? EISDIR : errno;
    return make_error(Code::badarg, "cannot read '" + path + "': " + std::strerror(failure));
  }
  if (S_ISREG(status.st_mode)) reader.size_ = static_cast<uint64_t>(status.st_size);
  return reader;
}

LineReader::LineReader(LineReader&& other) noexcept
    : file_(other.file_),
      owned_(other.owned_),
      line_bytes_max_(other.line_bytes_max_),
      buffer_(other.buffer_),
      at_(other.at_),
      end_(other.end_),
      lines_(other.lines_),
      bytes_(other.bytes_),
      size_(other.size_),
      stop_(other.stop_) {
  other.file_ = nullptr;
}

LineReader::~LineReader() {
  if (file_ && owned_) std::fclose(file_);
}

// read(2), not fread: a line that a pipe already holds must not wait for a full buffer.
bool LineReader::fill() {
  ssize_t got = 0;
  do {
    got = read(fileno(file_), buffer_.data(), buffer_.size());
  } while (got < 0 && errno == EINTR && !(stop_ && *stop_));
  at_ = 0;
  end_ = got > 0 ? static_cast<size_t>(got) : 0;
  bytes_ += end_;
  failure_ = got < 0 && errno != EINTR ? errno : 0;  // interrupted by a stop: an early end
  return end_ > 0;
}

Result<bool> LineReader::next(std::string* line) {
  line->clear();
  for (;;) {
    if (at_ == end_ && !fill()) {
      if (failure_ != 0)
        return make_error(Code::err, std::string("reading failed: ") + std::strerror(failure_));
      if (line->empty()) return false;
      ++lines_;
      return true;
    }
    const char* from = buffer_.data() + at_;
    const auto* found = static_cast<const char*>(std::memchr(from, '\n', end_ - at_));
    const size_t length = found ? static_cast<size_t>(found - from) : end_ - at_;
    if (line->size() + length > line_bytes_max_) {
      ++lines_;
      return make_error(Code::toobig, "line " + std::to_string(lines_) + " has more than " +
                                          std::to_string(line_bytes_max_) + " bytes");
    }
    line->append(from, length);
    at_ += length + (found ? 1 : 0);
    if (!found) continue;
    ++lines_;
    return true;
  }
}

}  // namespace pawl::cli
