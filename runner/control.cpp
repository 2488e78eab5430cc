#include "runner/control.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "runner/up_folder.h"

namespace pawl::runner {
namespace {

constexpr size_t packet_bytes_max = size_t{64} << 10;

Error nobody(const std::string& folder, const std::string& why) {
  return make_error(Code::notleader,
                    "no launcher answers at " + folder + " (" + why + "); pawl up starts one");
}

Status converse(int fd, const std::string& folder, const std::string& request,
                const std::function<void(std::string_view, std::string_view)>& on_answer) {
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return nobody(folder, std::strerror(errno));
  std::array<char, packet_bytes_max> buffer;
  for (;;) {
    pollfd ready{fd, POLLIN, 0};
    poll(&ready, 1, -1);
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return nobody(folder, "it has gone");
    const std::string_view packet(buffer.data(), static_cast<size_t>(got));
    const std::string_view verb = packet.substr(0, packet.find(' '));
    const std::string_view rest = packet.substr(std::min(verb.size() + 1, packet.size()));
    if (verb == "done") return {};
    if (verb == "failed") return make_error(Code::err, std::string(rest));
    if (verb == "notfound") return make_error(Code::notfound, std::string(rest));
    on_answer(verb, rest);
  }
}

}  // namespace

Status ask_launcher(const std::string& folder, const std::string& request,
                    const std::function<void(std::string_view, std::string_view)>& on_answer) {
  const Result<UpFolder> place = UpFolder::look(folder);
  if (!place) return nobody(folder, place.error().text);
  const int fd = place->connect_to("control");
  if (fd < 0) return nobody(folder, std::strerror(errno));
  const Status status = converse(fd, folder, request, on_answer);
  close(fd);
  return status;
}

}  // namespace pawl::runner
