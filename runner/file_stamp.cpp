#include "runner/file_stamp.h"

#include <sys/stat.h>

#include <algorithm>

#include "runner/clock.h"

namespace pawl::runner {
namespace {

// Time stamps of files advance in ticks of the kernel's: two writes within one look alike.
constexpr int64_t fresh_ms = 50;

}  // namespace

FileStamp stamp_of(const std::string& path) {
  struct stat status {};
  FileStamp stamp;
  if (stat(path.c_str(), &status) != 0) return stamp;
  stamp.device = status.st_dev;
  stamp.inode = status.st_ino;
  stamp.bytes = status.st_size;
  // A program that sets the time of last change back (cp -p, rsync) cannot hide from the other one.
  const timespec& changed =
      std::max(status.st_mtim, status.st_ctim, [](const timespec& a, const timespec& b) {
        return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
      });
  stamp.changed_ns = int64_t{changed.tv_sec} * 1'000'000'000 + changed.tv_nsec;
  stamp.fresh = stamp.changed_ns / 1'000'000 + fresh_ms > wall_now_ms();
  return stamp;
}

}  // namespace pawl::runner
