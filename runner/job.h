// One claimed message in the hands of `pawl exec`: its handler, its claim, its report.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/client/client.h"
#include "cli/handler_report.h"
#include "runner/handler.h"

namespace pawl::cli {

struct ExecJob {
  std::string id;
  std::string token;
  std::string role;
  std::string delivery;
  std::optional<client::Reply> held_claim;   // not begun yet: the fleet is frozen
  std::unique_ptr<runner::Handler> handler;  // null before it began and once it ended
  HandlerReport report;
  bool report_is_news = false;  // progress that the bus has not seen
  bool bad_report_said = false;
  int64_t started_ms = 0;

  // The claim.
  int64_t extend_every_ms = 0;
  int64_t extend_at_ms = 0;
  int64_t news_at_ms = 0;  // when progress may be told again
  bool extend_in_flight = false;
  bool lost = false;
  bool cancelled = false;
  bool told_to_stop = false;  // by our own shutdown, or for a freeze

  // The report of its end.
  std::optional<client::Command> settle;
  enum class Ending : uint8_t { handled, failed, cancelled, released } ending = Ending::failed;
  std::string output;  // for a shorter result, should the bus find it too big
  uint64_t output_bytes = 0;
  int64_t settle_at_ms = 0;
  bool settle_in_flight = false;
  bool held_said = false;
  bool settle_unsure = false;  // sent once, and the connection broke before the answer
  bool settled = false;
};

// What a freeze of scope all does to what runs.
enum class OnFreeze : uint8_t { pause, terminate, finish };

struct ExecOptions {
  std::vector<std::string> roles;
  std::vector<std::string> command;
  std::string daemon;
  size_t jobs = 1;
  bool once = false;
  bool drain = false;
  int64_t once_wait_ms = 0;
  std::optional<int64_t> lease_ms;
  std::optional<int64_t> timeout_ms;
  int64_t reconnect_ms = 60'000;
  OnFreeze on_freeze = OnFreeze::pause;
};

// What the handler of `claim` (a map of CLAIM) gets: command, payload, environment.
// BADARG when the headers do not fit into an environment variable.
Result<runner::HandlerSpec> handler_spec(const client::Reply& claim, const ExecOptions& options,
                                         const client::Endpoint& endpoint, int64_t now_ms);

// EXTEND for a running job, with what it reported so far.
client::Command extend_command(const ExecJob& job, const ExecOptions& options);

// Gives the message back, unspent and at once.
client::Command release_command(const ExecJob& job);
// FAIL for a message that was cancelled.
client::Command cancelled_command(const ExecJob& job);

// Decides how the message ends now that the handler did, and makes ACK, FAIL or RELEASE.
void prepare_settle(ExecJob* job, const runner::HandlerResult& ended, const ExecOptions& options);
// A shorter result after TOOBIG; false when it cannot get shorter.
bool shrink_result(ExecJob* job);

}  // namespace pawl::cli
