// What a command runs in: its arguments, its output, its connection to the bus.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bus/client/client.h"
#include "cli/arguments.h"
#include "cli/exit_codes.h"
#include "cli/output.h"

namespace pawl::cli {

class Session {
 public:
  explicit Session(const Arguments& given) : arguments(given), out(given) {}

  const Arguments& arguments;
  Output out;

  // Where the bus is: --url, the socket in --data, PAWL_URL, the socket of ./pawl-data where there is one,
  // TCP.
  Result<client::Endpoint> endpoint() const;
  client::Timeouts timeouts() const;

  // Connects at the first call. Null: said why, and exit_code() is set.
  client::Client* bus();

  // Asks, and waits up to `wait_ms` longer than usual. Nothing: the bus could not be
  // reached or answered an error; said so, and exit_code() is set.
  std::optional<client::Reply> ask(const client::Command& command, int64_t wait_ms = 0);
  // The same without a word: an Error means that the bus could not be reached, a reply may be an error.
  // `timeouts` count at the first call, for the connection.
  Result<client::Reply> try_ask(const client::Command& command, const client::Timeouts& timeouts);
  // Tells the bus who the operator is, for the chronicle. Before the commands of one.
  void introduce();

  // Says what failed and sets the exit code; returns it.
  int fail(int code, std::string_view text);
  int fail(const Error& answered);  // an error that the bus answered
  int unreachable(const Error& error);
  int exit_code() const { return exit_code_; }

 private:
  std::optional<client::Client> client_;
  int exit_code_ = exit_ok;
};

// PAYLOAD, "-" (stdin) or "@FILE" (the file's bytes). "@@…" is a text that begins with '@'.
Result<std::string> read_argument(const std::string& argument);
// All of a file, or of stdin for "-"; TOOBIG above what one command may carry.
Result<std::string> read_whole(const std::string& path);

// This machine's, within the alphabet of names.
std::string own_host_name();
// cli-HOST-PID, within the alphabet of names.
std::string default_daemon_name();
// USER@HOST, for "by" and the chronicle.
std::string operator_name();

}  // namespace pawl::cli
