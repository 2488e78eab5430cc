#include "bus/store/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pawl::store {
namespace {

std::string holder_of(int fd) {
  char text[32] = {};
  const ssize_t got = ::pread(fd, text, sizeof text - 1, 0);
  std::string pid;
  for (ssize_t i = 0; i < got && text[i] >= '0' && text[i] <= '9'; ++i) pid += text[i];
  return pid.empty() ? "pid unknown" : "pid " + pid;
}

}  // namespace

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::take(const std::string& directory, bool read_only) {
  const std::string path = directory + "/LOCK";
  bool writable = true;
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 && read_only && (errno == EROFS || errno == EACCES)) {
    writable = false;
    fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == EROFS)) {
      return std::unique_ptr<DirectoryLock>(new DirectoryLock(-1));
    }
  }
  if (fd < 0) {
    return make_error(Code::err, "cannot open " + path + ": " + std::strerror(errno) +
                                     "; check who owns the directory and its mode");
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    const std::string holder = holder_of(fd);
    ::close(fd);
    if (reason == EWOULDBLOCK) {
      return make_error(Code::err, "another pawl serve holds " + directory + " (" + holder +
                                       "); stop it, or choose another data directory");
    }
    return make_error(Code::err, "cannot lock " + path + ": " + std::strerror(reason) +
                                     "; the file system must support flock");
  }
  if (writable) {
    const std::string pid = std::to_string(::getpid()) + "\n";
    // A pid that cannot be written (full disk) costs only the courtesy.
    if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, pid.data(), pid.size(), 0);
  }
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(fd));
}

DirectoryLock::~DirectoryLock() {
  // The file stays: removing it would let two processes lock two files of one name.
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace pawl::store
