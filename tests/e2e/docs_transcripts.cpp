// Plays the transcripts of a page against a live bus: docs_transcripts PAGE SOCKET 2|3.
// Each block on a connection of its own. Exit 0 and the number of steps on stdout, or 1 and what differs on
// stderr.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/protocol/transcript.h"

namespace {

using pawl::protocol::WireReply;

constexpr time_t reply_seconds = 30;

class Connection {
 public:
  explicit Connection(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path.c_str());
    const timeval limit{reply_seconds, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      error_ = path + ": " + std::strerror(errno);
    }
  }
  ~Connection() { close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const std::string& error() const { return error_; }

  // Nothing, and error() says why, when no whole reply comes.
  std::optional<WireReply> call(const std::vector<std::string>& words) {
    std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    if (send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
      error_ = "cannot send: " + std::string(std::strerror(errno));
      return std::nullopt;
    }
    for (;;) {
      size_t at = 0;
      auto reply = pawl::protocol::read_reply(received_, at);
      if (reply) {
        received_.erase(0, at);
        return reply;
      }
      char chunk[65536];
      const ssize_t got = recv(socket_, chunk, sizeof chunk, 0);
      if (got <= 0) {
        error_ =
            got == 0 ? "the bus closed the connection" : "no reply: " + std::string(std::strerror(errno));
        return std::nullopt;
      }
      received_.append(chunk, static_cast<size_t>(got));
    }
  }

  // What has come beyond the replies asked for.
  const std::string& left_over() const { return received_; }

 private:
  int socket_;
  std::string received_;
  std::string error_;
};

// Empty, or what differs.
std::string play(const pawl::protocol::Transcript& block, const std::string& path,
                 const std::string& version) {
  Connection connection(path);
  if (!connection.error().empty()) return connection.error();
  const auto hello = connection.call({"HELLO", version});
  if (!hello || hello->kind == WireReply::Kind::error) {
    return "HELLO " + version + ": " + (hello ? hello->text : connection.error());
  }
  pawl::protocol::Bindings bindings;
  for (const auto& step : block) {
    const std::string where = "line " + std::to_string(step.line) + ": > " + step.command + ": ";
    const auto words = command_words(step, bindings);
    if (!words) return where + "a placeholder without a value, or a quote without its end";
    const auto reply = connection.call(*words);
    if (!reply) return where + connection.error();
    const std::string why = mismatch(step, *reply, bindings);
    if (!why.empty()) return why;
    if (!connection.left_over().empty()) return where + "more than one reply";
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 || (std::string(argv[3]) != "2" && std::string(argv[3]) != "3")) {
    std::fputs("usage: docs_transcripts PAGE SOCKET 2|3\n", stderr);
    return 2;
  }
  std::ifstream file(argv[1]);
  std::stringstream text;
  text << file.rdbuf();
  if (!file.good()) {
    std::fprintf(stderr, "%s: cannot be read\n", argv[1]);
    return 1;
  }
  size_t steps = 0;
  bool fine = true;
  for (const auto& block : pawl::protocol::read_transcripts(text.str())) {
    const std::string why = play(block, argv[2], argv[3]);
    if (!why.empty()) std::fprintf(stderr, "%s: %s\n", argv[1], why.c_str());
    fine = fine && why.empty();
    steps += block.size();
  }
  std::printf("%zu\n", steps);
  return fine ? 0 : 1;
}
