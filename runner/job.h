// One claimed message in a worker's hands: its handler, its claim, its report.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/client/client.h"
#include "runner/handler.h"
#include "runner/handler_report.h"
#include "runner/setup.h"

namespace pawl::runner {

struct Lane;

struct Job {
  std::string id;
  std::string token;
  std::string role;
  std::string delivery;
  std::string daemon;                       // who claimed it
  Lane* lane = nullptr;                     // null: an outcome that an earlier process left
  SetupPtr setup;                           // null: likewise
  std::string claimed_version;              // what the bus was told at the claim
  int64_t deployed = 0;                     // the version that the claim asks for; 0: what the file says
  std::optional<client::Reply> held_claim;  // not begun yet: the fleet is frozen, or the version not at hand
  bool awaits_version = false;
  std::unique_ptr<Handler> handler;  // null before it began and once it ended
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
  uint64_t output_bytes = 0;  // of the whole result, should the bus find it too big
  int64_t settle_at_ms = 0;
  bool settle_in_flight = false;
  bool held_said = false;
  bool settle_unsure = false;  // sent once, and the connection broke before the answer
  bool spooled = false;        // its outcome is on disk as well
  bool settled = false;
};

// Where a handler is to find the bus, and its kill switch.
struct Surroundings {
  std::string url;        // password included
  std::string kill_file;  // DIR/KILL; "" where it is not known
};

// What the handler of `claim` (a map of CLAIM) gets: command, payload, environment.
// BADARG when the headers do not fit into an environment variable.
Result<HandlerSpec> handler_spec(const client::Reply& claim, const Setup& setup,
                                 const Surroundings& surroundings, int64_t now_ms);

// EXTEND for a running job, with what it reported so far.
client::Command extend_command(const Job& job);
// Gives the message back, unspent and at once.
client::Command release_command(const Job& job);
// FAIL for a message that was cancelled.
client::Command cancelled_command(const Job& job);

// Decides how the message ends now that the handler did, and makes ACK, FAIL or RELEASE.
void prepare_settle(Job* job, const HandlerResult& ended);
// A shorter result after TOOBIG; false when it cannot get shorter.
bool shrink_result(Job* job);

}  // namespace pawl::runner
