#include "runner/up_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "bus/base/parse.h"

namespace pawl::runner {
namespace {

Error cannot(const std::string& what, const std::string& path) {
  return make_error(Code::err, "cannot " + what + " " + path + ": " + std::strerror(errno) +
                                   "; check the folder, its owner and its mode");
}

Status make_folder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return cannot("create", path);
}

std::string process_text(const ProcessId& process) {
  return std::to_string(process.pid) + " " + std::to_string(process.start);
}

ProcessId parse_process(const std::string& text) {
  std::istringstream words(text);
  ProcessId process;
  words >> process.pid >> process.start;
  return process;
}

std::string text_of(const RunRecord& record) {
  return "boot " + record.boot + "\nkeeper " + process_text(record.keeper) + "\nmain " +
         process_text(record.main) + "\npipe " + std::to_string(record.pipe) + "\ngroup " + record.group +
         "\nfingerprint " + record.fingerprint + "\nstarted " + std::to_string(record.started_at) +
         "\nready " + (record.ready ? "1" : "0") + "\n";
}

RunRecord parse_record(const std::string& name, std::istream& text) {
  RunRecord record;
  record.name = name;
  for (std::string line; std::getline(text, line);) {
    const size_t space = line.find(' ');
    if (space == std::string::npos) continue;
    const std::string key = line.substr(0, space);
    const std::string value = line.substr(space + 1);
    if (key == "boot") record.boot = value;
    if (key == "keeper") record.keeper = parse_process(value);
    if (key == "main") record.main = parse_process(value);
    if (key == "pipe") record.pipe = static_cast<uint64_t>(parse_int(value).value_or(0));
    if (key == "group") record.group = value;
    if (key == "fingerprint") record.fingerprint = value;
    if (key == "started") record.started_at = parse_int(value).value_or(0);
    if (key == "ready") record.ready = value == "1";
  }
  return record;
}

// A socket's address holds 107 bytes; through the descriptor of its folder any path fits.
sockaddr_un address_in(int folder, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder, name.c_str());
  return address;
}

std::string holder_of(int fd) {
  std::string text(64, '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  text = text.substr(0, text.find('\n'));
  return text.empty() ? "pid unknown" : "pid " + text;
}

}  // namespace

Result<UpFolder> UpFolder::look(const std::string& path) {
  UpFolder folder(path);
  folder.folder_ = ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder.folder_ < 0) return make_error(Code::notfound, path + ": " + std::strerror(errno));
  return folder;
}

Result<UpFolder> UpFolder::open(const std::string& path) {
  for (const char* part : {"", "/run", "/sock", "/log"}) {
    if (const Status made = make_folder(path + part); !made.ok()) return made.error();
  }
  Result<UpFolder> folder = look(path);
  if (!folder) return folder.error();
  const std::string lock_path = path + "/lock";
  folder->lock_ = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (folder->lock_ < 0) return cannot("open", lock_path);
  if (flock(folder->lock_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return cannot("lock", lock_path);
    return make_error(Code::state, "another launcher (" + holder_of(folder->lock_) + ") holds " + path +
                                       "; pawl ops list shows what it keeps, kill -TERM ends it");
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  // A pid that cannot be written (full disk) costs only the courtesy.
  if (ftruncate(folder->lock_, 0) == 0) (void)!pwrite(folder->lock_, pid.data(), pid.size(), 0);
  if (access((path + "/log").c_str(), W_OK) != 0) return cannot("write into", path + "/log");
  return folder;
}

UpFolder::UpFolder(UpFolder&& other) noexcept
    : path_(std::move(other.path_)),
      folder_(std::exchange(other.folder_, -1)),
      lock_(std::exchange(other.lock_, -1)) {}

UpFolder::~UpFolder() {
  if (lock_ >= 0) close(lock_);
  if (folder_ >= 0) close(folder_);
}

Status UpFolder::write_file(const std::string& name, std::string_view text) const {
  const std::string path = path_ + "/" + name;
  const std::string beside = path + "~";
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return cannot("write", beside);
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  if (!written || std::rename(beside.c_str(), path.c_str()) != 0) return cannot("write", path);
  return {};
}

Status UpFolder::save(const RunRecord& record) const {
  return write_file("run/" + record.name, text_of(record));
}

void UpFolder::drop(const std::string& name) const { unlink((path_ + "/run/" + name).c_str()); }

std::vector<RunRecord> UpFolder::records() const {
  std::vector<RunRecord> found;
  DIR* folder = opendir((path_ + "/run").c_str());
  if (folder == nullptr) return found;
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (name[0] == '.' || name.back() == '~') continue;
    std::ifstream file(path_ + "/run/" + name);
    found.push_back(parse_record(name, file));
  }
  closedir(folder);
  return found;
}

Status UpFolder::save_reaps(const Reaps& reaps) const {
  std::string text;
  for (const auto& [name, boot] : reaps) text += name + " " + boot + "\n";
  return write_file("reap", text);
}

UpFolder::Reaps UpFolder::reaps() const {
  Reaps found;
  std::ifstream file(path_ + "/reap");
  std::string name;
  std::string boot;
  while (file >> name >> boot) found.emplace_back(name, boot);
  return found;
}

Status UpFolder::save_failures(const std::vector<Failures>& failures) const {
  std::string text;
  for (const Failures& one : failures) {
    text += one.name + " " + std::to_string(one.in_a_row);
    for (const int64_t at : one.at) text += " " + std::to_string(at);
    text += "\n";
  }
  return write_file("failures", text);
}

std::vector<UpFolder::Failures> UpFolder::failures() const {
  std::vector<Failures> found;
  std::ifstream file(path_ + "/failures");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Failures one;
    words >> one.name >> one.in_a_row;
    for (int64_t at = 0; words >> at;) one.at.push_back(at);
    found.push_back(std::move(one));
  }
  return found;
}

std::vector<std::string> UpFolder::lines(const std::string& name) const {
  std::vector<std::string> found;
  std::ifstream file(path_ + "/" + name);
  for (std::string line; std::getline(file, line);) found.push_back(std::move(line));
  return found;
}

int UpFolder::listen_at(const std::string& name) const {
  const sockaddr_un address = address_in(folder_, name);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  unlink_socket(name);
  constexpr int backlog = 16;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      listen(fd, backlog) == 0) {
    return fd;
  }
  const int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

int UpFolder::connect_to(const std::string& name) const {
  const sockaddr_un address = address_in(folder_, name);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
  }
  const int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

void UpFolder::unlink_socket(const std::string& name) const { unlinkat(folder_, name.c_str(), 0); }

}  // namespace pawl::runner
