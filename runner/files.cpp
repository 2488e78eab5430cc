#include "runner/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pawl::runner {
namespace {

Error failed(const char* what, const std::string& path) {
  return make_error(Code::err, std::string("cannot ") + what + " " + path + ": " + std::strerror(errno));
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = write(fd, bytes.data(), bytes.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  // Whoever made a pipe of it shall not make us wait for its other end.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return failed("read", path);
  std::string text(bytes_max + 1, '\0');
  size_t filled = 0;
  ssize_t got = 0;
  while (filled < text.size() && (got = read(fd, text.data() + filled, text.size() - filled)) > 0) {
    filled += static_cast<size_t>(got);
  }
  const Error why = failed("read", path);
  close(fd);
  if (got < 0) return why;
  if (filled > bytes_max) {
    return make_error(Code::err,
                      "cannot take " + path + ": it is larger than " + std::to_string(bytes_max) + " bytes");
  }
  text.resize(filled);
  return text;
}

Status write_file(const std::string& path, std::string_view bytes, mode_t mode, bool durable) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string temporary = folder + "/." + name + ".new";
  unlink(temporary.c_str());
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return failed("write", path);
  bool done = write_all(fd, bytes) && (!durable || fdatasync(fd) == 0);
  Error why = failed("write", path);
  if (close(fd) != 0 && done) {
    why = failed("write", path);
    done = false;
  }
  if (done && rename(temporary.c_str(), path.c_str()) != 0) {
    why = failed("write", path);
    done = false;
  }
  if (!done) {
    unlink(temporary.c_str());
    return why;
  }
  return durable ? sync_folder(folder) : Status();
}

Status make_folders(const std::string& path) {
  for (size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    const std::string part = path.substr(0, at);
    if (at != std::string::npos) ++at;
    if (part.empty() || part == ".") continue;
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return failed("make the folder", part);
  }
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return failed("use", path);
  if (S_ISDIR(status.st_mode)) return {};
  return make_error(Code::err, path + " is no folder");
}

Status sync_folder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("open", path);
  const Status status = fsync(fd) == 0 ? Status() : Status(failed("sync", path));
  close(fd);
  return status;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* open_folder = opendir(folder.c_str());
  if (!open_folder) return names;
  while (const dirent* entry = readdir(open_folder)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(open_folder);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace pawl::runner
