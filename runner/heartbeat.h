// The BEATs of a daemon: what it says, when, and what it makes of the answers. No connection and no clock:
// whoever has them asks what is due.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bus/client/client.h"

namespace pawl::runner {

class Heartbeat {
 public:
  Heartbeat(std::string name, std::string boot, int64_t interval_ms)
      : name_(std::move(name)), boot_(std::move(boot)), interval_ms_(interval_ms) {}

  // What it serves and depends on; said with each beat.
  void describe(const std::vector<std::string>& roles, const std::vector<std::string>& needs);
  // Values of its own that DAEMON shows; said with each beat from now on.
  void set_values(std::vector<std::pair<std::string, std::string>> values) { values_ = std::move(values); }

  bool due(int64_t now_ms) const { return !unknown_ && !in_flight_ && now_ms >= next_ms_; }
  // When it is due; INT64_MAX while it is not to be waited for.
  int64_t due_at_ms() const { return unknown_ || in_flight_ ? INT64_MAX : next_ms_; }
  // `errors`: attempts that failed since the process began.
  client::Command beat(int64_t now_ms, int64_t errors);
  // The last one, on the way out.
  client::Command farewell(int64_t errors) const;
  // Null: none came.
  void on_reply(const client::Reply* reply, int64_t now_ms);

  bool verbose() const { return verbose_; }
  bool reduce() const { return reduce_; }
  // The bus has no such command: there is nobody to beat for.
  bool unknown() const { return unknown_; }

 private:
  client::Command command(std::string_view state, int64_t errors) const;

  const std::string name_;
  const std::string boot_;
  int64_t interval_ms_;
  std::string roles_;
  std::string needs_;
  std::vector<std::pair<std::string, std::string>> values_;
  int64_t next_ms_ = 0;
  bool in_flight_ = false;
  bool unknown_ = false;
  bool verbose_ = false;
  bool reduce_ = false;
};

// A fresh id for this start of a process.
std::string fresh_boot_id();

}  // namespace pawl::runner
