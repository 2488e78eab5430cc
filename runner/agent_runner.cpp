#include "runner/agent_runner.h"

#include <algorithm>

#include "runner/clock.h"

namespace pawl::runner {
namespace {

// For what nobody's claim would notice: a new role, another number at a time.
constexpr int64_t look_every_ms = 1000;

WorkOptions work_options(const RunnerOptions& options) {
  WorkOptions work;
  work.daemon = options.name + "@" + options.boot;
  work.drain = options.drain;
  return work;
}

}  // namespace

AgentRunner::AgentRunner(RunnerOptions options, WorkPlace place, RoleRegistry* registry, Spool* spool,
                         Voice* voice, int signal_fd)
    : options_(std::move(options)),
      registry_(registry),
      voice_(voice),
      heartbeat_(options_.name, options_.boot, options_.heartbeat_ms),
      loop_(work_options(options_), std::move(place), voice, signal_fd, this, spool),
      deployed_([this](const std::string& role, std::optional<DeployedVersion> version) {
        on_deployed(role, std::move(version));
      }) {
  apply();
}

size_t AgentRunner::capacity_of(const ServedRole& role) const {
  return heartbeat_.reduce() ? std::max<size_t>(1, role.concurrency / 2) : role.concurrency;
}

// Lanes as the registry has them now.
void AgentRunner::apply() {
  std::vector<std::string> names;
  std::vector<std::string> needs;
  for (const auto& [name, role] : registry_->roles()) {
    names.push_back(name);
    for (const std::string& need : role.needs) {
      if (std::find(needs.begin(), needs.end(), need) == needs.end()) needs.push_back(need);
    }
    Lane*& lane = lanes_[name];
    if (!lane) {
      lane = loop_.add_lane({name}, capacity_of(role), role.setup);
      voice_->talk(name + ": version " + role.setup->version + ", " + std::to_string(role.concurrency) +
                   " at a time");
      continue;
    }
    if (lane->setup->version != role.setup->version) {
      voice_->talk(name + ": version " + role.setup->version + " from the next claim on (was " +
                   lane->setup->version + ")");
    } else if (lane->setup != role.setup) {
      voice_->talk(name + ": another limp command from the next claim on");
    }
    lane->setup = role.setup;
    lane->capacity = capacity_of(role);
  }
  std::erase_if(lanes_, [&](const auto& one) {
    if (registry_->roles().count(one.first) != 0) return false;
    voice_->talk(one.first + ": not handled any more");
    loop_.retire(one.second);
    return true;
  });
  heartbeat_.describe(names, needs);
}

std::vector<std::string> AgentRunner::role_names() const {
  std::vector<std::string> names;
  for (const auto& [name, role] : registry_->roles()) names.push_back(name);
  return names;
}

void AgentRunner::on_deployed(const std::string& role, std::optional<DeployedVersion> version) {
  const bool changed = registry_->deploy(role, std::move(version));
  const auto lane = lanes_.find(role);
  for (const std::string& complaint : registry_->take_complaints()) {
    const bool goes_on = lane != lanes_.end() && lane->second->has_begun;
    voice_->error(complaint + (goes_on ? "\nwhat ran before goes on; pawl ops rollback " + role + " ends this"
                                       : "\nthe role waits until it can; or pawl ops rollback " + role));
  }
  if (changed) apply();
  answered_ = true;
  loop_.begin_waiting(role);
  answered_ = false;
}

WorkHost::Readiness AgentRunner::readiness(const Lane& lane, int64_t deployed, std::string* why) {
  const std::string& role = lane.roles.front();
  const auto served = registry_->roles().find(role);
  // It is on its way out, with what it had.
  if (lane.retired || served == registry_->roles().end()) return Readiness::begin;
  if (deployed == 0 && registry_->deployed(role) != 0 && registry_->deploy(role, std::nullopt)) apply();
  if (served->second.deployed == deployed) return Readiness::begin;
  const bool ask_again = registry_->is_faulty(role) && !answered_;
  if (registry_->deployed(role) != deployed || ask_again) {
    deployed_.want(role, deployed);
    return Readiness::wait;
  }
  // It is at hand and cannot be run. What ran before is better than nothing; at the start there was nothing.
  if (lane.has_begun) return Readiness::begin;
  *why = deployed == 0 ? "what the file says cannot be run"
                       : "version " + std::to_string(deployed) + " cannot be run here";
  return Readiness::refuse;
}

void AgentRunner::look(bool forced) {
  const bool changed = registry_->refresh(forced);
  for (const std::string& complaint : registry_->take_complaints()) {
    voice_->error(complaint + "\nwhat was there before stays in use");
  }
  if (changed) apply();
}

void AgentRunner::refresh(int64_t now) {
  look_at_ms_ = now + look_every_ms;
  look(false);
}

void AgentRunner::hang_up() { look(true); }

void AgentRunner::turn(int64_t now, int64_t* wake_ms) {
  if (!loop_.shutting_down()) {
    if (now >= look_at_ms_) refresh(now);
    *wake_ms = std::min(*wake_ms, look_at_ms_);
  }
  deployed_.turn(
      &loop_.reports(), [this] { return role_names(); }, now);
  if (loop_.reports().up() && !loop_.shutting_down()) {
    if (heartbeat_.due(now)) {
      loop_.reports().ask(
          heartbeat_.beat(now, loop_.counts().failed), 0, now,
          [this](const client::Reply* reply) { heartbeat_.on_reply(reply, steady_now_ms()); });
    }
    *wake_ms = std::min(*wake_ms, heartbeat_.due_at_ms());
  }
  if (reduced_ == heartbeat_.reduce()) return;
  reduced_ = heartbeat_.reduce();
  voice_->talk(reduced_ ? "the bus asks for less: half as many messages at a time"
                        : "the bus takes the full load again");
  apply();
}

void AgentRunner::stopping() {
  Link& link = loop_.reports();
  if (!link.up() || heartbeat_.unknown()) return;
  link.ask(heartbeat_.farewell(loop_.counts().failed), 0, steady_now_ms(), [](const client::Reply*) {});
}

}  // namespace pawl::runner
