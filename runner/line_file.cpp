#include "runner/line_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runner/files.h"

namespace pawl::runner {
namespace {

class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() { close(fd_); }
  int fd() const { return fd_; }

 private:
  int fd_;
};

Error failed(const std::string& path) {
  return make_error(Code::err, "cannot write " + path + ": " + std::strerror(errno));
}

// The file's last `most` bytes, or fewer; false: it cannot be read.
bool read_tail(int fd, off_t size, size_t most, std::string* tail) {
  tail->assign(std::min(static_cast<size_t>(size), most), '\0');
  const off_t from = size - static_cast<off_t>(tail->size());
  for (size_t filled = 0; filled < tail->size();) {
    const ssize_t got =
        pread(fd, tail->data() + filled, tail->size() - filled, from + static_cast<off_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    filled += static_cast<size_t>(got);
  }
  return true;
}

// What is still to be written so that `whole`, a line with its end, is the file's last one.
std::string missing_of(const std::string& tail, const std::string& whole) {
  if (tail.empty()) return whole;
  if (tail.back() == '\n') {
    const bool there = tail.size() >= whole.size() && tail.ends_with(whole) &&
                       (tail.size() == whole.size() || tail[tail.size() - whole.size() - 1] == '\n');
    return there ? "" : whole;
  }
  const size_t end = tail.rfind('\n');
  const std::string begun = end == std::string::npos ? tail : tail.substr(end + 1);
  if (begun.size() < whole.size() && whole.starts_with(begun)) return whole.substr(begun.size());
  return "\n" + whole;  // somebody else's: it stays, and has its own line
}

}  // namespace

Status append_line(const std::string& path, std::string_view line) {
  // A pipe without a reader is an error here, not something to wait for.
  constexpr int how = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const int fd = ::open(path.c_str(), how, 0640);
  if (fd < 0) return failed(path);
  const OpenFile file(fd);
  struct stat status {};
  if (fstat(fd, &status) != 0) return failed(path);
  if (!S_ISREG(status.st_mode))
    return make_error(Code::err, "cannot write " + path + ": it is no plain file");
  const std::string whole = std::string(line) + "\n";
  std::string tail;
  if (!read_tail(fd, status.st_size, whole.size() + 1, &tail)) return failed(path);
  const std::string missing = missing_of(tail, whole);
  std::string_view rest = missing;
  while (!rest.empty()) {
    const ssize_t sent = write(fd, rest.data(), rest.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) {
      const Error why = failed(path);
      // Half a line is worse than none; should this fail too, it is completed the next time.
      if (ftruncate(fd, status.st_size) != 0) return why;
      return why;
    }
    rest.remove_prefix(static_cast<size_t>(sent));
  }
  if (fdatasync(fd) != 0) return failed(path);
  if (status.st_size > 0) return {};
  const size_t slash = path.rfind('/');
  return sync_folder(slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash));
}

}  // namespace pawl::runner
