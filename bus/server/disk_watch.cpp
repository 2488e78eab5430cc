#include "bus/server/disk_watch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "bus/server/log.h"

namespace pawl::server {
namespace {

using core::DiskMark;

constexpr uint64_t low_bytes_max = uint64_t{1} << 30;
constexpr uint64_t low_share = 20;      // a twentieth of the file system
constexpr uint64_t critical_share = 2;  // half of that
constexpr uint64_t ballast_bytes_max = uint64_t{256} << 20;
constexpr uint64_t ballast_share = 64;

constexpr std::string_view mark_names[] = {"ample", "low", "critical"};

}  // namespace

void DiskWatch::keep_ballast(uint64_t size) {
  struct stat info {};
  if (::stat(ballast_path().c_str(), &info) == 0) return;
  const int file = ::open(ballast_path().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  const bool made = ::posix_fallocate(file, 0, static_cast<off_t>(size)) == 0;
  ::close(file);
  // A file system that cannot reserve space has none to give back.
  if (!made) ::unlink(ballast_path().c_str());
}

DiskMark DiskWatch::look() {
  struct statvfs disk {};
  if (directory_.empty() || ::statvfs(directory_.c_str(), &disk) != 0) return mark_;
  const uint64_t size = uint64_t{disk.f_blocks} * disk.f_frsize;
  free_bytes_ = uint64_t{disk.f_bavail} * disk.f_frsize;
  const uint64_t low = limits_.low_bytes != 0 ? limits_.low_bytes : std::min(low_bytes_max, size / low_share);
  const uint64_t critical = limits_.critical_bytes != 0 ? limits_.critical_bytes : low / critical_share;
  const uint64_t ballast = std::min(ballast_bytes_max, size / ballast_share);
  DiskMark mark = DiskMark::ample;
  // On the way back a tenth more is asked for, so that a disk at the edge does not flap.
  const auto below = [&](uint64_t edge, DiskMark of) {
    return free_bytes_ < (mark_ >= of ? edge + edge / 10 : edge);
  };
  if (below(low, DiskMark::low)) mark = DiskMark::low;
  if (below(critical, DiskMark::critical)) mark = DiskMark::critical;
  if (mark == DiskMark::critical && ::unlink(ballast_path().c_str()) == 0) {
    log::warn("the disk is nearly full: the ballast of " + std::to_string(ballast >> 20) + " MiB was freed");
  }
  if (mark == DiskMark::ample && limits_.ballast && free_bytes_ > low + ballast + ballast / 10) {
    keep_ballast(ballast);
  }
  if (mark != mark_) {
    log::warn("disk: " + std::string(mark_names[static_cast<size_t>(mark_)]) + " -> " +
              std::string(mark_names[static_cast<size_t>(mark)]) + ", " + std::to_string(free_bytes_ >> 20) +
              " MiB free; low is below " + std::to_string(low >> 20) + ", critical below " +
              std::to_string(critical >> 20));
  }
  mark_ = mark;
  return mark_;
}

}  // namespace pawl::server
