#include "runner/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>

#include "bus/base/parse.h"

namespace pawl::runner {
namespace {

constexpr size_t environment_bytes_max = size_t{4} << 20;

std::optional<std::string> read_file(const std::string& path, size_t bytes_max = size_t{64} << 10) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string text;
  std::array<char, 16384> buffer;
  ssize_t got = 0;
  while (text.size() < bytes_max && (got = read(fd, buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  close(fd);
  return got < 0 ? std::nullopt : std::optional(std::move(text));
}

struct Stat {
  char state = '?';
  pid_t parent = 0;
  uint64_t start = 0;
};

// /proc/PID/stat: the name in parentheses may hold anything, so the fields count from the last ')'.
std::optional<Stat> stat_of(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = text ? text->rfind(')') : std::string::npos;
  if (name_end == std::string::npos) return std::nullopt;
  constexpr size_t state_field = 0;
  constexpr size_t parent_field = 1;
  constexpr size_t start_field = 19;
  Stat stat;
  size_t at = name_end + 2;
  for (size_t field = 0; field <= start_field && at < text->size(); ++field) {
    const size_t end = std::min(text->find(' ', at), text->size());
    const std::string_view word = std::string_view(*text).substr(at, end - at);
    if (field == state_field) stat.state = word.empty() ? '?' : word[0];
    if (field == parent_field) stat.parent = static_cast<pid_t>(parse_int(word).value_or(0));
    if (field == start_field) stat.start = static_cast<uint64_t>(parse_int(word).value_or(0));
    at = end + 1;
  }
  return stat;
}

bool gone(const Stat& stat) { return stat.state == 'Z' || stat.state == 'X'; }

void each_process(const std::function<void(pid_t)>& visit) {
  DIR* folder = opendir("/proc");
  if (folder == nullptr) return;
  while (const dirent* entry = readdir(folder)) {
    const auto pid = parse_int(entry->d_name);
    if (pid && *pid > 0) visit(static_cast<pid_t>(*pid));
  }
  closedir(folder);
}

bool has_entry(std::string_view environment, std::string_view entry) {
  for (size_t at = 0; at < environment.size();) {
    const size_t end = std::min(environment.find('\0', at), environment.size());
    if (environment.substr(at, end - at) == entry) return true;
    at = end + 1;
  }
  return false;
}

bool holds_pipe(pid_t pid, uint64_t pipe) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd";
  const std::string wanted = "pipe:[" + std::to_string(pipe) + "]";
  DIR* folder = opendir(path.c_str());
  if (folder == nullptr) return false;
  bool found = false;
  while (const dirent* entry = found ? nullptr : readdir(folder)) {
    std::array<char, 64> target;
    const ssize_t length = readlinkat(dirfd(folder), entry->d_name, target.data(), target.size());
    found = length > 0 && std::string_view(target.data(), static_cast<size_t>(length)) == wanted;
  }
  closedir(folder);
  return found;
}

// Where cgroup v2 is mounted, and this process's place in it.
std::optional<std::string> own_group() {
  const auto mounts = read_file("/proc/self/mountinfo", size_t{1} << 20);
  const auto groups = read_file("/proc/self/cgroup");
  if (!mounts || !groups) return std::nullopt;
  std::string mount;
  for (size_t at = 0; at < mounts->size();) {
    const size_t end = std::min(mounts->find('\n', at), mounts->size());
    const std::string line = mounts->substr(at, end - at);
    at = end + 1;
    if (line.find(" - cgroup2 ") == std::string::npos) continue;
    size_t field = 0;  // 36 35 98:0 /root /mount …
    for (int i = 0; i < 4; ++i) field = line.find(' ', field) + 1;
    mount = line.substr(field, line.find(' ', field) - field);
    break;
  }
  if (mount.empty()) return std::nullopt;
  for (size_t at = 0; at < groups->size();) {
    const size_t end = std::min(groups->find('\n', at), groups->size());
    const std::string_view line = std::string_view(*groups).substr(at, end - at);
    at = end + 1;
    if (line.substr(0, 3) == "0::") return mount + std::string(line.substr(line == "0::/" ? 4 : 3));
  }
  return std::nullopt;
}

bool write_file(const std::string& path, std::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return written;
}

void remove_groups(const std::string& path) {
  if (DIR* folder = opendir(path.c_str())) {
    while (const dirent* entry = readdir(folder)) {
      const std::string_view name = entry->d_name;
      if (entry->d_type == DT_DIR && name != "." && name != "..") remove_groups(path + "/" + entry->d_name);
    }
    closedir(folder);
  }
  rmdir(path.c_str());
}

}  // namespace

std::optional<ProcessId> process_of(pid_t pid) {
  const auto stat = stat_of(pid);
  if (!stat || gone(*stat)) return std::nullopt;
  return ProcessId{pid, stat->start};
}

bool alive(const ProcessId& process) {
  const auto now = process_of(process.pid);
  return now && now->start == process.start;
}

bool send_signal(const ProcessId& process, int signal) {
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0));
  if (fd < 0) return errno == ENOSYS && alive(process) && kill(process.pid, signal) == 0;
  // The descriptor holds one process; whether it is the one meant is looked at after it was taken.
  const bool sent = alive(process) && syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0) == 0;
  close(fd);
  return sent;
}

std::vector<ProcessId> descendants_of(pid_t root) { return descendants_of(std::vector<pid_t>{root}); }

std::vector<ProcessId> descendants_of(const std::vector<pid_t>& roots) {
  std::multimap<pid_t, ProcessId> by_parent;
  each_process([&](pid_t pid) {
    const auto stat = stat_of(pid);
    if (stat && !gone(*stat)) by_parent.emplace(stat->parent, ProcessId{pid, stat->start});
  });
  std::vector<ProcessId> found;
  const auto take = [&](pid_t parent) {
    const auto [first, last] = by_parent.equal_range(parent);
    for (auto at = first; at != last; ++at) found.push_back(at->second);
    by_parent.erase(first, last);
  };
  for (const pid_t root : roots) take(root);
  for (size_t i = 0; i < found.size(); ++i) take(found[i].pid);
  return found;
}

bool is_within(pid_t pid, pid_t root) {
  constexpr int depth_max = 1000;
  for (int i = 0; i < depth_max && pid > 0; ++i) {
    if (pid == root) return true;
    const auto stat = stat_of(pid);
    if (!stat) return false;
    pid = stat->parent;
  }
  return false;
}

std::vector<ProcessId> marked_processes(std::string_view entry, uint64_t pipe) {
  std::vector<ProcessId> found;
  each_process([&](pid_t pid) {
    if (pid == getpid()) return;
    const auto stat = stat_of(pid);
    if (!stat || gone(*stat)) return;
    const auto environment = read_file("/proc/" + std::to_string(pid) + "/environ", environment_bytes_max);
    const bool named = environment && has_entry(*environment, entry);
    if (named || (pipe != 0 && holds_pipe(pid, pipe))) found.push_back({pid, stat->start});
  });
  return found;
}

bool become_subreaper() { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0; }

bool has_children() {
  for (;;) {
    const pid_t pid = waitpid(-1, nullptr, WNOHANG);
    if (pid > 0) continue;
    if (pid == 0) return true;
    if (errno != EINTR) return errno != ECHILD;
  }
}

Result<ControlGroup> ControlGroup::create(const std::string& name) {
  const auto parent = own_group();
  if (!parent) return make_error(Code::err, "there is no cgroup v2 here");
  ControlGroup group(*parent + "/" + name);
  if (mkdir(group.path_.c_str(), 0755) != 0) {
    return make_error(Code::err, "cannot create " + group.path_ + ": " + std::strerror(errno));
  }
  // Kernels before 5.14 have groups without a kill file, and a group may be of a kind that takes no process.
  if (access((group.path_ + "/cgroup.kill").c_str(), W_OK) != 0 || access(group.procs_.c_str(), W_OK) != 0) {
    const std::string why = std::strerror(errno);
    group.remove();
    return make_error(Code::err, group.path_ + " cannot be used: " + why);
  }
  return group;
}

std::optional<ControlGroup> ControlGroup::open(const std::string& path) {
  if (path.empty() || access((path + "/cgroup.procs").c_str(), F_OK) != 0) return std::nullopt;
  return ControlGroup(path);
}

bool ControlGroup::enter() const {
  const int fd = ::open(procs_.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool entered = write(fd, "0", 1) == 1;
  close(fd);
  return entered;
}

bool ControlGroup::populated() const {
  const auto events = read_file(path_ + "/cgroup.events");
  return events && events->find("populated 1") != std::string::npos;
}

bool ControlGroup::kill_all() const { return write_file(path_ + "/cgroup.kill", "1"); }

void ControlGroup::remove() const { remove_groups(path_); }

}  // namespace pawl::runner
