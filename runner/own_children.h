// The children of this process: its own, and as a subreaper's those that its descendants leave behind.
// Nothing here allocates: it is used behind a fork.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>

namespace pawl::runner {

constexpr size_t own_children_max = 256;  // in one look; the dead among them count too

// Whom /proc names now. As long as none of them is reaped, each number is who it was.
class OwnChildren {
 public:
  void read();
  const pid_t* begin() const { return pids_.data(); }
  const pid_t* end() const { return pids_.data() + count_; }

 private:
  void search();

  std::array<pid_t, own_children_max> pids_{};
  size_t count_ = 0;
};

// KILL to a child that nobody has reaped yet. One with a session of its own takes along who is of its
// process group: who forks and exits over and over is met as a group, however short each one lives.
void kill_child(pid_t pid);

// One round of ending every child, dead ones first: behind thousands of those no living one would be
// looked at. Waits for one to die. False: there are none left.
bool end_children_round();

}  // namespace pawl::runner
