#include "runner/heartbeat.h"

#include <sys/random.h>

#include <algorithm>

#include "bus/base/text.h"
#include "runner/clock.h"

namespace pawl::runner {
namespace {

constexpr int64_t interval_least_ms = 100;
constexpr int64_t interval_most_ms = 3'600'000;

}  // namespace

void Heartbeat::describe(const std::vector<std::string>& roles, const std::vector<std::string>& needs) {
  roles_ = joined(roles, " ");
  needs_ = joined(needs, " ");
}

client::Command Heartbeat::command(std::string_view state, int64_t errors) const {
  client::Command command = {"BEAT",     name_,
                             "boot",     boot_,
                             "interval", std::to_string(interval_ms_),
                             "errors",   std::to_string(errors),
                             "state",    std::string(state)};
  if (!roles_.empty()) command.insert(command.end(), {"roles", roles_});
  if (!needs_.empty()) command.insert(command.end(), {"needs", needs_});
  for (const auto& [name, value] : values_) command.insert(command.end(), {name, value});
  return command;
}

client::Command Heartbeat::beat(int64_t now_ms, int64_t errors) {
  in_flight_ = true;
  next_ms_ = now_ms + interval_ms_;
  return command("running", errors);
}

client::Command Heartbeat::farewell(int64_t errors) const { return command("stopping", errors); }

void Heartbeat::on_reply(const client::Reply* reply, int64_t now_ms) {
  in_flight_ = false;
  if (!reply) {
    next_ms_ = now_ms;  // as soon as the bus is back
    return;
  }
  if (reply->is_error()) {
    const Error error = reply->error();
    unknown_ = error.code == Code::err && error.text.find("unknown command") != std::string::npos;
    return;
  }
  verbose_ = reply->int_of("verbose").value_or(0) != 0;
  reduce_ = reply->int_of("reduce").value_or(0) != 0;
  const int64_t asked = reply->int_of("interval").value_or(interval_ms_);
  const int64_t next = std::clamp(asked, interval_least_ms, interval_most_ms);
  next_ms_ += next - interval_ms_;
  interval_ms_ = next;
}

std::string fresh_boot_id() {
  uint64_t bits = 0;
  if (getrandom(&bits, sizeof bits, 0) != sizeof bits) {
    bits = static_cast<uint64_t>(wall_now_ms()) * 1'000'003U ^ static_cast<uint64_t>(steady_now_ms());
  }
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";
  std::string id;
  for (int i = 0; i < 12; ++i, bits >>= 5) id += digits[bits & 31];
  return id;
}

}  // namespace pawl::runner
