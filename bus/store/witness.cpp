#include "bus/store/witness.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "bus/base/parse.h"

namespace pawl::store {
namespace {

constexpr std::string_view log_word = "log ";
constexpr std::string_view sequence_word = "sequence ";

std::string witness_path(const std::string& directory) { return directory + "/WITNESS"; }

Error file_error(const std::string& what, const std::string& path) {
  return make_error(Code::err, "cannot " + what + " " + path + ": " + std::strerror(errno));
}

std::optional<uint64_t> take_line(std::string_view& text, std::string_view word) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(word)) return std::nullopt;
  const auto number = parse_int(text.substr(word.size(), end - word.size()));
  text.remove_prefix(end + 1);
  if (!number || *number < 0) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

}  // namespace

Result<std::optional<Witness>> read_witness(const std::string& directory) {
  const std::string path = witness_path(directory);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return std::optional<Witness>();
    return file_error("open", path);
  }
  char buffer[128];
  const ssize_t got = ::read(fd, buffer, sizeof buffer);
  ::close(fd);
  if (got < 0) return file_error("read", path);
  std::string_view text(buffer, static_cast<size_t>(got));
  const auto log = take_line(text, log_word);
  const auto sequence = take_line(text, sequence_word);
  if (!log || !sequence) {
    return make_error(Code::err, path +
                                     " is damaged; it guards against a lost log: restore the directory "
                                     "from a backup, or remove the file to open without that guard");
  }
  return std::optional<Witness>(Witness{*log, *sequence});
}

Status write_witness(const std::string& directory, const Witness& witness) {
  const std::string path = witness_path(directory);
  const std::string fresh = path + ".new";
  const std::string text = std::string(log_word) + std::to_string(witness.log) + "\n" +
                           std::string(sequence_word) + std::to_string(witness.sequence) + "\n";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return file_error("create", fresh);
  const bool written =
      ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fdatasync(fd) == 0;
  if (!written) {
    const Error error = file_error("write", fresh);
    ::close(fd);
    return error;
  }
  ::close(fd);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return file_error("rename", fresh);
  return sync_directory(directory);
}

Status sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return file_error("open", path);
  if (::fsync(fd) != 0) {
    const Error error = file_error("fsync", path);
    ::close(fd);
    return error;
  }
  ::close(fd);
  return {};
}

}  // namespace pawl::store
