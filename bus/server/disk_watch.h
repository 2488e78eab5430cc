// How full the disk under the bus is, and the ballast that is let go when it is nearly full (design 2.12).
#pragma once

#include <cstdint>
#include <string>

#include "bus/core/gate.h"

namespace pawl::server {

struct DiskLimits {
  // Free bytes below which a mark stands. 0: for `low` a twentieth of the file system, at most 1 GiB; for
  // `critical` half of `low`. A `critical` above `low` is the mark from there on.
  uint64_t low_bytes = 0;
  uint64_t critical_bytes = 0;
  bool ballast = true;
};

// Thread: the loop's.
class DiskWatch {
 public:
  // Empty: there is no disk to watch.
  DiskWatch(std::string directory, DiskLimits limits) : directory_(std::move(directory)), limits_(limits) {}

  // Hold from the next look on.
  void set_limits(DiskLimits limits) { limits_ = limits; }
  // Measures, makes or frees the ballast. A mark is left only with a tenth more than it needs.
  core::DiskMark look();
  uint64_t free_bytes() const { return free_bytes_; }

 private:
  void keep_ballast(uint64_t size);
  std::string ballast_path() const { return directory_ + "/BALLAST"; }

  std::string directory_;
  DiskLimits limits_;
  core::DiskMark mark_ = core::DiskMark::ample;
  uint64_t free_bytes_ = 0;
};

}  // namespace pawl::server
