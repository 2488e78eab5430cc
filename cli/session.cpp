#include "cli/session.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bus/base/ids.h"
#include "bus/base/limits.h"

namespace pawl::cli {
namespace {

constexpr const char* default_data = "pawl-data";
constexpr const char* default_url = "tcp://127.0.0.1:7295";

std::string socket_of_default_data() {
  std::array<char, 4096> folder{};
  if (!getcwd(folder.data(), folder.size())) return {};
  const std::string path = std::string(folder.data()) + "/" + default_data + "/pawl.sock";
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode) ? path : std::string();
}

std::string host_name() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) std::strcpy(host.data(), "host");
  return std::string(host.data()).substr(0, 80);
}

// With what names do not take replaced.
std::string as_name(std::string text) {
  for (char& c : text) {
    if (!well_formed_name(std::string_view(&c, 1))) c = '_';
  }
  return text;
}

}  // namespace

Result<client::Endpoint> Session::endpoint() const {
  if (arguments.url) return client::parse_url(*arguments.url);
  if (const auto data = arguments.text("data")) {
    client::Endpoint endpoint;
    endpoint.path = *data + "/pawl.sock";
    return endpoint;
  }
  const char* from_environment = std::getenv("PAWL_URL");
  if (from_environment && *from_environment) return client::parse_url(from_environment);
  const std::string socket = socket_of_default_data();
  if (!socket.empty()) return client::parse_url("unix://" + socket);
  return client::parse_url(default_url);
}

client::Timeouts Session::timeouts() const {
  client::Timeouts timeouts;
  if (arguments.timeout_ms) {
    timeouts.connect_ms = *arguments.timeout_ms;
    timeouts.reply_ms = *arguments.timeout_ms;
  }
  return timeouts;
}

client::Client* Session::bus() {
  if (client_) return &*client_;
  auto where = endpoint();
  if (!where) {
    fail(where.error());
    return nullptr;
  }
  auto connected = client::Client::connect(*where, timeouts());
  if (!connected) {
    unreachable(connected.error());
    return nullptr;
  }
  client_.emplace(std::move(*connected));
  return &*client_;
}

std::optional<client::Reply> Session::ask(const client::Command& command, int64_t wait_ms) {
  client::Client* client = bus();
  if (!client) return std::nullopt;
  auto reply = client->call(command, wait_ms);
  if (!reply) {
    unreachable(reply.error());
    return std::nullopt;
  }
  if (reply->is_error()) {
    fail(reply->error());
    return std::nullopt;
  }
  return std::move(*reply);
}

Result<client::Reply> Session::try_ask(const client::Command& command, const client::Timeouts& limits) {
  if (!client_) {
    const auto where = endpoint();
    if (!where) return where.error();
    auto connected = client::Client::connect(*where, limits);
    if (!connected) return connected.error();
    client_.emplace(std::move(*connected));
  }
  return client_->call(command);
}

void Session::introduce() {
  client::Client* client = bus();
  // A bus that knows its users by name may not want to hear another one.
  if (client) static_cast<void>(client->call({"CLIENT", "SETNAME", operator_name()}));
}

int Session::fail(int code, std::string_view text) {
  out.error(text);
  exit_code_ = code;
  return code;
}

int Session::fail(const Error& answered) {
  std::string text = error_line(answered);
  if (answered.code == Code::noauth) {
    text +=
        "; the url says who you are: PAWL_URL=tcp://user:password@host:port, or unix://user:password@/path";
  }
  return fail(exit_code_of(answered.code), text);
}

int Session::unreachable(const Error& error) {
  if (error.code != Code::err) return fail(error);  // a refused password
  return fail(exit_unreachable, error.text + "; is it running (pawl serve), and is --url right?");
}

Result<std::string> read_whole(const std::string& path) {
  const bool standard = path == "-";
  std::FILE* file = standard ? stdin : std::fopen(path.c_str(), "rbe");
  if (!file) return make_error(Code::badarg, "cannot read '" + path + "': " + std::strerror(errno));
  std::string bytes;
  std::array<char, 65536> buffer;
  bool too_big = false;
  for (size_t got = 0; !too_big && (got = std::fread(buffer.data(), 1, buffer.size(), file)) > 0;) {
    bytes.append(buffer.data(), got);
    too_big = bytes.size() > limits::command_bytes_max;
  }
  const int failure = std::ferror(file) ? errno : 0;
  if (!standard) std::fclose(file);
  if (failure != 0) return make_error(Code::badarg, "cannot read '" + path + "': " + std::strerror(failure));
  if (too_big) {
    return make_error(Code::toobig, "'" + path + "' is larger than one command may be (" +
                                        std::to_string(limits::command_bytes_max) + " bytes)");
  }
  return bytes;
}

Result<std::string> read_argument(const std::string& argument) {
  if (argument == "-") return read_whole("-");
  if (argument.size() > 1 && argument[0] == '@') {
    return argument[1] == '@' ? Result<std::string>(argument.substr(1)) : read_whole(argument.substr(1));
  }
  return argument;
}

std::string own_host_name() { return as_name(host_name()); }

std::string default_daemon_name() { return as_name("cli-" + host_name()) + "-" + std::to_string(getpid()); }

std::string operator_name() {
  // Not from the user database: it may be on a network that is down, and this is for a kill switch.
  const char* user = std::getenv("USER");
  const std::string name = user && *user ? std::string(user) : "uid" + std::to_string(geteuid());
  return as_name(name.substr(0, 40)) + "@" + as_name(host_name());
}

}  // namespace pawl::cli
