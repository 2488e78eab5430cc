#include "cli/kill_flags.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bus/server/flag_files.h"

namespace pawl::cli {
namespace {

constexpr const char* soft_name = "/KILL";
constexpr const char* hard_name = "/KILL_HARD";
constexpr size_t flag_bytes_max = 4096;

// Only what is certainly not there is not set.
bool is_there(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

// Nothing: it cannot be read.
std::optional<std::string> read_flag(const std::string& path) {
  // Whoever made a pipe of it shall not make us wait for its other end.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::string text(flag_bytes_max, '\0');
  const ssize_t got = read(fd, text.data(), text.size());
  close(fd);
  if (got < 0) return std::nullopt;
  text.resize(static_cast<size_t>(got));
  return text;
}

Error failed(const std::string& what, const std::string& path) {
  return make_error(Code::err, "cannot " + what + " " + path + ": " + std::strerror(errno));
}

Status sync_folder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("open", folder);
  const Status status = fsync(fd) == 0 ? Status() : Status(failed("sync", folder));
  close(fd);
  return status;
}

// An empty flag is one, and needs no block of a full disk.
bool make_empty(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0644);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

}  // namespace

std::optional<core::FreezeRecord> read_kill_flags(const std::string& folder, int64_t now_ms) {
  for (const bool hard : {true, false}) {
    const std::string path = folder + (hard ? hard_name : soft_name);
    if (!is_there(path)) continue;
    const auto text = read_flag(path);
    const server::FlagFile file = server::parse_flag(text.value_or(""));
    core::FreezeRecord freeze;
    freeze.kind = hard ? core::FreezeKind::hard : core::FreezeKind::soft;
    freeze.by = "file";
    freeze.reason = file.reason;
    freeze.number = file.number;
    if (!text) freeze.reason = path.substr(folder.size() + 1) + " is there and cannot be read";
    if (!hard) {
      freeze.scope = file.scope;
      freeze.until_ms = file.until_ms;
    }
    const bool over = freeze.number != 0 && freeze.until_ms != 0 && freeze.until_ms <= now_ms;
    if (!over) return freeze;
  }
  return std::nullopt;
}

Status write_kill_flags(const std::string& folder, const core::FreezeRecord& freeze) {
  const Status written = server::FlagFiles(folder).write(freeze);
  if (written) return {};
  const bool hard = freeze.kind == core::FreezeKind::hard;
  if ((hard && !make_empty(folder + hard_name)) || !make_empty(folder + soft_name)) return written;
  return sync_folder(folder);
}

Result<Removed> remove_kill_flag(const std::string& folder) {
  if (is_there(folder + hard_name)) return Removed::hard_stands;
  const std::string path = folder + soft_name;
  if (unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return Removed::none;
    return failed("remove", path);
  }
  if (Status synced = sync_folder(folder); !synced) return synced.error();
  return Removed::soft;
}

std::string folder_of(const client::Endpoint& endpoint) {
  constexpr std::string_view socket_name = "/pawl.sock";
  const std::string& path = endpoint.path;
  if (!path.ends_with(socket_name)) return {};
  std::string folder = path.substr(0, path.size() - socket_name.size());
  // A socket may be put anywhere; a folder that a bus keeps its data in has a lock.
  return is_there(folder + "/LOCK") ? folder : std::string();
}

}  // namespace pawl::cli
