// The small process between a worker and one of its handlers. It is a fork of the worker that runs no other
// program: the parent of the handler, and by PR_SET_CHILD_SUBREAPER the one that inherits whatever the
// handler's children leave behind, those in sessions of their own too. It ends all of them when it is told
// to, or when the worker is gone, and only then says so: its last word is the proof that nobody is left.
//
// One reaper serves one handler at a time, and then the next: forking a worker copies its page tables, which
// takes longer than starting a handler does. They talk over a socket, orders one way and news the other; its
// end is the end of the worker, however it came.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace pawl::runner {

enum class Order : char {
  terminate = 'T',  // TERM to the handler's process group, and CONT: a stopped one would not see it
  pause = 'P',      // STOP
  resume = 'R',     // CONT
  kill = 'K',       // KILL to the group
  finish = 'F',     // KILL to everybody, until nobody is left
};

// What the reaper tells.
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

struct Reaper {
  pid_t pid = -1;
  int socket = -1;  // blocking for what is sent, which the reaper takes at once
};

// One that has nothing to do; a new one where there is none. -1 as pid, with errno: it cannot be made.
Reaper take_reaper();
// For the next; only after News::all_gone.
void give_back(const Reaper& reaper);
// Closes the socket, and waits for the reaper to end what it serves and itself.
void end_reaper(const Reaper& reaper);

// Has it run `arguments` (looked up in PATH) with `ends` as the descriptors 0 to 3. False: it does not
// listen, and is to be ended.
bool order_begin(const Reaper& reaper, const std::array<int, 4>& ends,
                 const std::vector<std::string>& arguments, const std::vector<std::string>& environment);
void give_order(const Reaper& reaper, Order order);

// For a worker whose reaper was killed: what it left has become a child of the worker's, which must be a
// subreaper then. Kills what is no reaper of ours and reaps what is dead; returns whether any are left.
bool end_orphans();
// Makes this process a subreaper.
void adopt_orphans();

}  // namespace pawl::runner
