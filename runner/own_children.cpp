#include "runner/own_children.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace pawl::runner {
namespace {

pid_t parent_of(const char* number) {
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(), "/proc/%s/stat", number);
  const int fd = open(text.data(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t got = ::read(fd, text.data(), text.size() - 1);
  close(fd);
  text[static_cast<size_t>(std::max<ssize_t>(got, 0))] = '\0';
  // "12 (any name) S 1 …"
  const char* behind = std::strrchr(text.data(), ')');
  return behind && std::strlen(behind) > 4 ? static_cast<pid_t>(std::atoi(behind + 4)) : -1;
}

// False: there are no children at all.
bool collect_one(int options) {
  siginfo_t info{};
  int done = 0;
  while ((done = waitid(P_ALL, 0, &info, WEXITED | options)) != 0 && errno == EINTR) {
  }
  return done == 0 && info.si_pid != 0;
}

}  // namespace

void OwnChildren::read() {
  count_ = 0;
  // Of the thread that forked: who uses this has one.
  const int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return search();
  std::array<char, 4096> text{};
  pid_t number = 0;
  for (ssize_t got = 0; count_ < pids_.size() && (got = ::read(fd, text.data(), text.size())) > 0;) {
    for (ssize_t i = 0; i < got; ++i) {
      const char c = text[static_cast<size_t>(i)];
      if (c >= '0' && c <= '9') {
        number = number * 10 + (c - '0');
      } else if (number != 0) {
        if (count_ < pids_.size()) pids_[count_++] = number;
        number = 0;
      }
    }
  }
  close(fd);
}

// A kernel without CONFIG_PROC_CHILDREN: everybody is asked for his parent.
void OwnChildren::search() {
  DIR* folder = opendir("/proc");
  if (!folder) return;
  const pid_t self = getpid();
  while (const dirent* entry = readdir(folder)) {
    const pid_t pid = static_cast<pid_t>(std::atoi(entry->d_name));
    if (pid > 0 && parent_of(entry->d_name) == self && count_ < pids_.size()) pids_[count_++] = pid;
  }
  closedir(folder);
}

void kill_child(pid_t pid) {
  const pid_t session = getsid(pid);
  const pid_t group = getpgid(pid);
  // A session that a descendant began has none but our descendants in it.
  if (session > 0 && group > 0 && session != getsid(0)) kill(-group, SIGKILL);
  kill(pid, SIGKILL);
}

bool end_children_round() {
  OwnChildren children;
  children.read();
  for (const pid_t pid : children) kill_child(pid);
  if (!collect_one(0)) return false;
  while (collect_one(WNOHANG)) {
  }
  return true;
}

}  // namespace pawl::runner
