// The small process between a worker and one of its handlers. It is a fork of the worker that runs no other
// program: the parent of the handler, and by PR_SET_CHILD_SUBREAPER the one that inherits whatever the
// handler's children leave behind, those in sessions of their own too. It ends all of them when it is told
// to, or when the worker is gone, and only goes itself when nobody is left: its end is the proof.
//
// They talk over two pipes: orders one way, a byte each; news the other way. The end of the orders is the end
// of the worker, however it came.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>

namespace pawl::runner {

enum class Order : char {
  terminate = 'T',  // TERM to the handler's process group, and CONT: a stopped one would not see it
  pause = 'P',      // STOP
  resume = 'R',     // CONT
  kill = 'K',       // KILL to the group
  finish = 'F',     // KILL to everybody, until nobody is left
};

// What the reaper tells. Smaller than PIPE_BUF: each comes whole.
struct News {
  enum class Kind : uint8_t {
    begun,      // `number`: the handler's process
    not_begun,  // `number`: errno
    exited,     // `number`: exit code
    signalled,  // `number`: the signal
    all_gone,   // the last one
  };
  Kind kind = Kind::begun;
  int32_t number = 0;
};

struct ReaperSpec {
  std::array<int, 4> ends{};  // of the handler's descriptors 0 to 3
  int orders = -1;            // to read
  int news = -1;              // to write
  // For execvpe; all of it ready before, since nothing may be allocated behind a fork.
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
};

// The reaper's process id, or -1 with errno. All descriptors in `spec` are 10 or more and stay the caller's.
pid_t start_reaper(const ReaperSpec& spec);

// For a worker whose reaper was killed: what it left has become a child of the worker's, which must be a
// subreaper then. Kills what is no reaper of ours and reaps what is dead; returns whether any are left.
bool end_orphans();
// Makes this process a subreaper, and tells end_orphans() whom to leave alone.
void adopt_orphans();
void reaper_is_known(pid_t reaper, bool known);

}  // namespace pawl::runner
