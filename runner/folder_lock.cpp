#include "runner/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "runner/files.h"

namespace pawl::runner {
namespace {

std::string holder_of(int file) {
  std::string text(32, '\0');
  const ssize_t got = pread(file, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? "another process" : "process " + text;
}

}  // namespace

Result<FolderLock> FolderLock::take(const std::string& folder) {
  if (Status made = make_folders(folder); !made) return made.error();
  const std::string path = folder + "/LOCK";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return make_error(Code::err, "cannot write " + path + ": " + std::strerror(errno));
  }
  const std::unique_ptr<char, decltype(&std::free)> whole(realpath(folder.c_str(), nullptr), &std::free);
  FolderLock lock(whole ? whole.get() : folder, file);
  if (flock(file, LOCK_EX | LOCK_NB) != 0) return make_error(Code::state, holder_of(file));
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(file, 0) != 0 || pwrite(file, pid.data(), pid.size(), 0) <= 0) {
    return make_error(Code::err, "cannot write " + path + ": " + std::strerror(errno));
  }
  const std::string probe = folder + "/probe";
  Status written = write_file(probe, pid, 0600, true);
  unlink(probe.c_str());
  if (!written) return written.error();
  return lock;
}

FolderLock::~FolderLock() {
  if (file_ >= 0) close(file_);
}

}  // namespace pawl::runner
