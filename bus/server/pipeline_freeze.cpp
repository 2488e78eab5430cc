// The kill switch where it meets the disk: flag files, and a KILL that cannot commit.
#include <algorithm>
#include <utility>
#include <variant>

#include "bus/server/log.h"
#include "bus/server/pipeline.h"

namespace pawl::server {
namespace {

constexpr int64_t flag_retry_ms = 1000;

std::string name_of(const Client& client) {
  return client.name.empty() ? "client " + std::to_string(client.id) : client.name;
}

}  // namespace

// The bus came back: what it could not keep begins now, before anything else runs.
void Pipeline::begin_held_freeze() {
  core::Bus* bus = writable_bus();
  if (bus == nullptr || !held_freeze_) return;
  const core::FreezeRecord held = *std::exchange(held_freeze_, std::nullopt);
  core::op::KillSet set;
  set.hard = held.kind == core::FreezeKind::hard;
  set.scope = held.scope;
  set.reason = held.reason;
  if (held.until_ms != 0) set.for_ms = std::max<int64_t>(1, held.until_ms - now_.wall_ms);
  bus->apply(core::Caller(0, held.by, nullptr), set, *this);
  settle(current_tag());
}

void Pipeline::look_at_flags() {
  core::Bus* bus = writable_bus();
  if (bus == nullptr) return;
  begin_held_freeze();
  const core::FreezeRecord& standing = bus->freeze();
  if (const auto news = flags_.look(standing, bus->committed_freeze())) {
    core::op::KillFiles files;
    files.soft = news->soft;
    files.hard = news->hard;
    files.written = news->written;
    files.scope = news->file.scope;
    files.until_ms = news->file.until_ms;
    files.reason = news->file.reason;
    bus->apply(0, files, *this);
    settle(current_tag());
    if (standing.frozen()) flags_.seen(standing.number);
  }
  if (!flags_.enabled() || !standing.frozen() || standing.flagged) return;
  if (flags_.is_seen(standing.number)) {
    bus->set_freeze_flagged(true);
  } else if (now_.mono_ms >= flag_retry_at_ms_) {
    flag_retry_at_ms_ = now_.mono_ms + flag_retry_ms;
    flags_.write_later(standing);
  }
}

// The files of a freeze stand before its commit does; made by the thread that commits, as they wait for the
// disk as well.
std::function<Status()> Pipeline::flag_writer() {
  const core::FreezeRecord& freeze = engine_.bus()->freeze();
  if (!flags_.enabled() || !freeze.frozen() || freeze.number == flag_number_) return {};
  flag_number_ = freeze.number;
  return [this, freeze] { return flags_.write(freeze); };
}

void Pipeline::freeze_committed() {
  core::Bus& bus = *engine_.bus();
  const core::FreezeRecord& now = bus.committed_freeze();
  if (last_freeze_.frozen() && !now.frozen() && !bus.freeze().frozen()) flags_.remove(last_freeze_.number);
  if (now.frozen() && now.number == flag_number_ && now.number != last_freeze_.number &&
      !engine_.first_status().ok()) {
    log::error("the flag file of the freeze: " + engine_.first_status().error().text);
    if (bus.freeze().number == now.number) bus.set_freeze_flagged(false);
  }
  if (!last_freeze_.same_as(now)) last_freeze_ = now;
  if (pending_kills_.empty()) return;
  std::erase_if(pending_kills_, [&](const PendingKill& kill) { return kill.sequence <= engine_.durable(); });
}

void Pipeline::note_kill(Client& client, bool was_holding) {
  const core::FreezeRecord& freeze = engine_.bus()->freeze();
  if (!freeze.frozen()) return;
  pending_kills_.push_back(
      {client.id, freeze, engine_.bus()->open_sequence(), now_.mono_ms, client.replies.end(), !was_holding});
}

void Pipeline::hold_freeze(const core::FreezeRecord& freeze) {
  // A soft one does not take the place of a hard one.
  if (held_freeze_ && held_freeze_->kind == core::FreezeKind::hard) return;
  held_freeze_ = freeze;
  log::warn("a freeze could not be committed; it holds while this process lives: " + freeze.reason);
  if (const Status status = flags_.write(freeze); !status.ok()) log::error(status.error().text);
  flags_.adopt();
}

// A freeze that acts and is not durable, if there is one.
const core::FreezeRecord* Pipeline::undurable_freeze() const {
  if (held_freeze_) return &*held_freeze_;
  for (const PendingKill& kill : pending_kills_) {
    if (kill.answered) return &kill.freeze;
  }
  return nullptr;
}

void Pipeline::answer_freeze(Client& client, const core::FreezeRecord& freeze) {
  const bool durable = undurable_freeze() == nullptr;
  answer(client, [&](protocol::RespWriter& writer) { core::write_freeze(freeze, durable, writer); });
}

bool Pipeline::answer_undurable(const PendingKill& kill) {
  Client* client = find(kill.client);
  // What was asked before or after it has no answer; the connection ends as every such one does.
  if (client == nullptr || !kill.only || client->replies.end() != kill.reply_ends) return false;
  client->replies.drop_held();
  answer(*client, [&](protocol::RespWriter& writer) { core::write_freeze(kill.freeze, false, writer); });
  return true;
}

// A disk that hangs must not keep an operator from knowing that the fleet stands still.
void Pipeline::give_up_slow_kills() {
  if (pending_kills_.empty()) return;
  for (PendingKill& kill : pending_kills_) {
    if (!kill.answered && now_.mono_ms - kill.since_ms >= slow_kill_ms)
      kill.answered = answer_undurable(kill);
  }
}

// KILL while there is no bus that could commit it. True: answered.
bool Pipeline::serve_without_disk(Client& client, const core::Operation& operation) {
  if (writable_bus() != nullptr) return false;
  if (const auto* set = std::get_if<core::op::KillSet>(&operation)) {
    core::FreezeRecord freeze;
    freeze.number = last_freeze_.number + 1;
    freeze.kind = set->hard ? core::FreezeKind::hard : core::FreezeKind::soft;
    freeze.scope = set->hard ? core::FreezeScope::all : set->scope;
    freeze.reason = std::string(set->reason);
    freeze.by = name_of(client);
    freeze.since_ms = now_.wall_ms;
    if (set->for_ms && !set->hard) freeze.until_ms = now_.wall_ms + *set->for_ms;
    // A soft one over a hard one that the store has changes nothing.
    const bool stands = last_freeze_.kind == core::FreezeKind::hard && !set->hard && !held_freeze_;
    if (!stands) hold_freeze(freeze);
    answer_freeze(client, stands ? last_freeze_ : *held_freeze_);
    return true;
  }
  const auto* clear = std::get_if<core::op::KillClear>(&operation);
  if (clear == nullptr) return false;
  const bool hard = last_freeze_.kind == core::FreezeKind::hard ||
                    (held_freeze_ && held_freeze_->kind == core::FreezeKind::hard);
  if (hard && !clear->hard) {
    answer_error(client, make_error(Code::frozen, "the freeze is hard; only KILL CLEAR HARD reason ends it"));
    return true;
  }
  // What the store has ends in the store.
  if (!held_freeze_ || last_freeze_.frozen()) return false;
  flags_.remove(held_freeze_->number);
  held_freeze_.reset();
  answer_freeze(client, last_freeze_);
  return true;
}

}  // namespace pawl::server
