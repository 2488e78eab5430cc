// Put under the program by LD_PRELOAD: fsync and fdatasync, and the writes of files, do what the word in the
// file $PAWL_DISK_FAULT says; without the file, or with another word, what they always do.
//   fail     syncs answer EIO
//   hang     syncs wait until the word is gone
//   full     writes that would lengthen or change a file answer ENOSPC
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

enum class Fault { none, fail, hang, full };

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

Fault fault() {
  const char* path = std::getenv("PAWL_DISK_FAULT");
  if (path == nullptr) return Fault::none;
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return Fault::none;
  char word[8] = {};
  const ssize_t got = ::read(file, word, sizeof word - 1);
  ::close(file);
  if (got <= 0) return Fault::none;
  if (std::strncmp(word, "fail", 4) == 0) return Fault::fail;
  if (std::strncmp(word, "hang", 4) == 0) return Fault::hang;
  if (std::strncmp(word, "full", 4) == 0) return Fault::full;
  return Fault::none;
}

bool is_file(int fd) {
  struct stat what {};
  return ::fstat(fd, &what) == 0 && S_ISREG(what.st_mode) && what.st_size > 0;
}

// False: this sync fails, and errno says so.
bool may_sync(int fd) {
  if (!is_file(fd)) return true;
  while (fault() == Fault::hang) {
    const timespec pause{0, 5'000'000};
    ::nanosleep(&pause, nullptr);
  }
  if (fault() != Fault::fail) return true;
  errno = EIO;
  return false;
}

bool may_write(int fd) {
  if (!is_file(fd) || fault() != Fault::full) return true;
  errno = ENOSPC;
  return false;
}

}  // namespace

extern "C" {

int fsync(int fd) {
  static const auto real = next<int (*)(int)>("fsync");
  return may_sync(fd) ? real(fd) : -1;
}

int fdatasync(int fd) {
  static const auto real = next<int (*)(int)>("fdatasync");
  return may_sync(fd) ? real(fd) : -1;
}

ssize_t write(int fd, const void* bytes, size_t count) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  return may_write(fd) ? real(fd, bytes, count) : -1;
}

ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  return may_write(fd) ? real(fd, bytes, count, offset) : -1;
}

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  return pwrite64(fd, bytes, count, offset);
}
}
