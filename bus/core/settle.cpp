// Leaving a claim: ACK, FAIL, EXTEND, RELEASE, and the lapse of a lease.
#include <algorithm>
#include <utility>

#include "bus/base/parse.h"
#include "bus/core/fingerprint.h"
#include "bus/core/ops_desk.h"

namespace pawl::core {
namespace {

// At most `max` bytes, not ending inside a UTF-8 sequence.
std::string cut_text(std::string_view text, size_t max) {
  if (text.size() <= max) return std::string(text);
  size_t end = max;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

}  // namespace

void Machine::add_usage(Headers& fields, const LifeRecord& life) {
  if (life.tokens != 0) fields.emplace_back("tokens", std::to_string(life.tokens));
  if (life.cost != 0) fields.emplace_back("cost", std::to_string(life.cost));
}

// Who runs it knows best what with: the claim may have been asked for before that changed.
void Machine::note_version(LifeRecord& life, std::string_view version) {
  if (version.empty() || life.version == version) return;
  life.version = std::string(version);
  // What a role runs is what it runs when nothing is out.
  if (!life.limp.empty()) return;
  RoleState& role = role_by_number(life.role);
  role.version = life.version;
  counts(role);
}

LiveClaim* Machine::find_claim(std::string_view id, std::string_view token) {
  const auto key = decode_id(id);
  const auto number = decode_token(token);
  if (!key || !number) return nullptr;
  const auto found = claims_.find(key->sequence);
  if (found == claims_.end() || found->second.key != *key ||
      (found->second.life.token != *number && !PAWL_FAULT(token_not_checked)))
    return nullptr;
  return &found->second;
}

void Machine::charge(LifeRecord& life, const op::Usage& usage, bool live) {
  if (!usage.tokens && !usage.cost) return;
  RoleState& role = role_by_number(life.role);
  RoleCounts& now = counts(role);
  const uint64_t tokens_before = life.tokens;
  const uint64_t cost_before = life.cost;
  // Totals of the delivery so far: only what exceeds the last report is new.
  const auto more = [](uint64_t& known, const std::optional<int64_t>& total) -> uint64_t {
    if (!total || static_cast<uint64_t>(*total) <= known) return 0;
    const uint64_t added = static_cast<uint64_t>(*total) - known;
    known = static_cast<uint64_t>(*total);
    return added;
  };
  now.tokens += more(life.tokens, usage.tokens);
  now.cost += more(life.cost, usage.cost);
  if (life.tokens == tokens_before && life.cost == cost_before) return;
  const RoleFacts role_facts = facts(role);
  gate_.used(Usage{role_facts, life.reserved, live, tokens_before, life.tokens, cost_before, life.cost},
             *desk_);
}

// The work was done, whoever holds the message now: what it used is charged to the delivery that used it.
void Machine::charge_lost(std::string_view id, std::string_view token, const op::Usage& usage) {
  if (!usage.tokens && !usage.cost) return;
  const auto number = decode_token(token);
  auto message = number && *number != 0 ? load(id) : std::nullopt;
  if (!message || message->fresh) return;
  if (message->life.token == *number && message->life.place != Place::claimed) {
    charge(message->life, usage, false);
    put_life(message->key, message->life);
  }
  for (InvocationRecord& record : invocations(*message)) {
    const bool has_row = record.delivery != message->life.deliveries || message->life.invocation_written;
    if (record.token != *number || !has_row) continue;
    LifeRecord of_delivery;
    of_delivery.role = message->life.role;
    of_delivery.tokens = record.tokens;
    of_delivery.cost = record.cost;
    of_delivery.reserved = record.reserved;
    // The newest delivery stands in both records and is charged once.
    if (message->life.token != *number) charge(of_delivery, usage, false);
    record.tokens = std::max(of_delivery.tokens, static_cast<uint64_t>(usage.tokens.value_or(0)));
    record.cost = std::max(of_delivery.cost, static_cast<uint64_t>(usage.cost.value_or(0)));
    view_.put(Table::invocation, keys::invocation(message->key, record.delivery), encode(record));
  }
}

void Machine::write_lost(std::string_view id, ReplyWriter& writer) {
  writer.error(make_error(Code::lost, "the claim on " + std::string(id) +
                                          " is not yours any more; drop the work and claim again"));
}

uint32_t Machine::max_attempts(const RoleState& role, uint32_t own) const {
  return own != 0 ? own : role.config->max_attempts;
}

void Machine::apply_ack(ClientId client, const op::Ack& ack, ReplyWriter& writer, Outbox& outbox) {
  LiveClaim* claim = find_claim(ack.id, ack.token);
  if (claim == nullptr) {
    charge_lost(ack.id, ack.token, ack.usage);
    return write_lost(ack.id, writer);
  }
  charge(claim->life, ack.usage);
  const std::string daemon = ack.next ? claim->life.daemon : std::string();
  acknowledge(*claim, ack.result, ack.version);
  if (!ack.next) return writer.simple("OK");
  const ClaimAsk ask{daemon, ack.next->roles, ack.next->count, ack.next->lease_ms, ack.version};
  // NEXT cannot wait for a window to be filled; so much of it is worth the time of a turn.
  constexpr int refills_max = 16;
  PAWL_UNASKED_PATH(next_not_asked);
  ClaimOutcome outcome = take(ask);
  for (int i = 0; i < refills_max && outcome.granted.empty() && outcome.loading; ++i) outcome = take(ask);
  write_claims(client, outcome, writer, outbox);
}

void Machine::apply_multi_ack(const op::MultiAck& ack, ReplyWriter& writer) {
  writer.array(ack.items.size());
  for (const auto& [id, token] : ack.items) {
    LiveClaim* claim = find_claim(id, token);
    if (claim == nullptr) {
      writer.simple("LOST");
      continue;
    }
    acknowledge(*claim, "");
    writer.simple("OK");
  }
}

void Machine::acknowledge(LiveClaim& claim, std::string_view result, std::string_view version) {
  note_version(claim.life, version);
  claim.life.crashes_in_row = 0;
  const auto closed = close_claim(claim, Outcome::done, ErrorClass::unknown, "");
  LifeRecord& life = closed.mapped().life;
  life.result = std::string(result);
  ++counts(role_by_number(life.role)).done;
  settled(closed.mapped(), Outcome::done);
  end_message(closed.mapped().key, life, closed.mapped().home, MessageState::claimed, Place::done);
}

Claims::node_type Machine::close_claim(const LiveClaim& claim, Outcome outcome, ErrorClass error_class,
                                       std::string_view text) {
  leases_.erase({claim.life.deadline_ms, claim.key.sequence});
  const auto batch = claim_batches_.find(claim.batch);
  PAWL_CHECK(batch != claim_batches_.end());
  if (--batch->second == 0) {
    if (batch->first != open_sequence()) view_.erase(Table::claimed, keys::number(batch->first));
    claim_batches_.erase(batch);
  }
  Claims::node_type closed = claims_.extract(claim.key.sequence);
  LifeRecord& life = closed.mapped().life;
  if (PAWL_FAULT(cancel_request_forgotten)) life.cancel = false;
  // A success needs no row of its own: the life row says who did it and when.
  if (outcome != Outcome::done) {
    InvocationRecord record;
    record.delivery = life.deliveries;
    record.token = life.token;
    record.daemon = life.daemon;
    record.start_ms = life.claimed_at_ms;
    record.end_ms = head_.wall_ms;
    record.outcome = outcome;
    record.error_class = error_class;
    record.error_text = std::string(text);
    record.tokens = life.tokens;
    record.cost = life.cost;
    record.version = life.version;
    record.limp = life.limp;
    if (outcome == Outcome::lapsed) record.reserved = life.reserved;
    const BirthKey& key = closed.mapped().key;
    view_.put(Table::invocation, keys::invocation(key, life.deliveries), encoded(record));
    life.invocation_written = true;
  }
  return closed;
}

Ending Machine::ending_of(const RoleFacts& role, const LiveClaim& closed, Outcome outcome) const {
  const LifeRecord& life = closed.life;
  Ending ending{role, closed.key, life.deliveries, life.daemon, outcome,   ErrorClass::unknown, "",
                0,    false,      life.reserved,   life.tokens, life.cost, life.claimed_at_ms};
  if (outcome == Outcome::failed || outcome == Outcome::lapsed) {
    ending.error_class = life.error_class;
    ending.text = life.error_text;
  }
  ending.crashes_in_row = life.crashes_in_row;
  ending.limp = life.limp;
  return ending;
}

Ruling Machine::judge(LiveClaim& closed, Outcome outcome, bool final) {
  const RoleFacts role = facts(role_by_number(closed.life.role));
  Ending ending = ending_of(role, closed, outcome);
  ending.final = final;
  return gate_.judge(ending, *desk_);
}

// What guards held back for the claim ends with it; of a lapsed one it stands as what was charged.
void Machine::settled(LiveClaim& closed, Outcome outcome, const Ruling& ruling, bool final) {
  RoleState& role = role_by_number(closed.life.role);
  const RoleFacts role_facts = facts(role);
  Ending ending = ending_of(role_facts, closed, outcome);
  ending.final = final && !PAWL_FAULT(breaker_counts_final);
  gate_.ended(ending, ruling, *desk_);
  Reservation& reserved = closed.life.reserved;
  reserved.probe.clear();
  if (outcome != Outcome::lapsed) reserved = {};
  // A cap on what runs at once has room again.
  if (role.held && !PAWL_FAULT(slot_wakes_nobody)) wake(role);
}

void Machine::spend(LifeRecord& life, ErrorClass error_class) {
  ++life.spent;
  life.spent_delivery = life.deliveries;
  ++life.causes[static_cast<size_t>(error_class)];
  const bool crash = error_class == ErrorClass::crash || error_class == ErrorClass::lease_expired;
  life.crashes_in_row = crash ? life.crashes_in_row + 1 : 0;
  life.releases = 0;
  life.released_by.clear();
}

// base·2ⁿ, at most max, plus random(0, base); n failures came before this one.
int64_t Machine::backoff_ms(const RoleState& role, ErrorClass error_class, uint32_t before) {
  const ClassPolicy& policy = role.config->classes[static_cast<size_t>(error_class)];
  const int64_t base = policy.base_ms != 0 ? policy.base_ms : role.config->backoff_base_ms;
  const int64_t max = policy.max_ms != 0 ? policy.max_ms : std::max(base, role.config->backoff_max_ms);
  int64_t delay = base;
  if (PAWL_FAULT(backoff_never_grows)) before = 0;
  for (uint32_t i = 0; i < before && delay < max; ++i) delay *= 2;
  return std::min(delay, max) + static_cast<int64_t>(jitter(static_cast<uint64_t>(base)));
}

void Machine::apply_fail(const op::Fail& fail, ReplyWriter& writer) {
  LiveClaim* claim = find_claim(fail.id, fail.token);
  if (claim == nullptr) {
    charge_lost(fail.id, fail.token, fail.usage);
    return write_lost(fail.id, writer);
  }
  charge(claim->life, fail.usage);
  fail_claim(*claim, fail, writer);
}

void Machine::fail_claim(LiveClaim& claim, const op::Fail& fail, ReplyWriter& writer) {
  note_version(claim.life, fail.version);
  const std::string text = cut_text(fail.text, limits::error_text_bytes_max);
  const auto closed = close_claim(claim, Outcome::failed, fail.error_class, text);
  auto& [key, life, home, own_max, batch] = closed.mapped();
  RoleState& role = role_by_number(life.role);
  ++counts(role).failed;
  life.has_error = true;
  life.error_class = fail.error_class;
  life.error_text = text;
  life.fingerprint = fingerprint(fail.error_class, text);
  const uint32_t before = life.spent;
  const bool fatal = fail.dead || role.config->classes[static_cast<size_t>(fail.error_class)].dead;
  // A handler that was told to stop has not failed.
  const bool told_to_stop = fail.error_class == ErrorClass::cancelled;
  const Ruling ruling =
      told_to_stop ? Ruling{false, false, ""} : judge(closed.mapped(), Outcome::failed, fatal);
  const bool expired =
      !PAWL_FAULT(expiry_ignored_on_fail) && life.expire_at_ms != 0 && life.expire_at_ms <= head_.wall_ms;

  const auto state_only = [&](MessageState state) {
    writer.map(1);
    writer.bulk("state");
    writer.bulk(state_name(state));
  };
  settled(closed.mapped(), Outcome::failed, ruling, fatal);
  if (!fail.dead && life.cancel) {
    end_message(key, life, home, MessageState::claimed, Place::cancelled);
    return state_only(MessageState::cancelled);
  }
  if (!fail.dead && expired) {
    end_message(key, life, home, MessageState::claimed, Place::expired);
    return state_only(MessageState::expired);
  }
  if (ruling.spend) spend(life, fail.error_class);
  const bool used_up = ruling.spend && life.spent >= max_attempts(role, own_max);
  if (fatal || ruling.poison || used_up) {
    bury(key, life, home, MessageState::claimed, ruling);
    return state_only(MessageState::dead);
  }
  const int64_t delay_ms =
      std::max(ruling.rest_ms,
               fail.retry_in_ms.has_value() ? *fail.retry_in_ms : backoff_ms(role, fail.error_class, before));
  place_due(key, life, head_.bus_ms + delay_ms, false);
  put_life(key, life);
  shift(role, MessageState::claimed, MessageState::scheduled);
  Headers fields = {{"id", encode_id(key)},
                    {"role", role.record.name},
                    {"delivery", std::to_string(life.deliveries)},
                    {"daemon", life.daemon},
                    {"class", std::string(class_name(fail.error_class))},
                    {"text", cut_text(text, 512)},
                    {"fingerprint", fingerprint_text(life.fingerprint)},
                    {"spent", std::to_string(life.spent)},
                    {"in_ms", std::to_string(delay_ms)}};
  add_usage(fields, life);
  if (!ruling.reason.empty()) fields.emplace_back("ruling", ruling.reason);
  chronicle("message.retry", std::move(fields));
  writer.map(2);
  writer.bulk("state");
  writer.bulk(state_name(MessageState::scheduled));
  writer.bulk("at");
  writer.integer(head_.wall_ms + delay_ms);
}

void Machine::apply_extend(const op::Extend& extend, ReplyWriter& writer) {
  LiveClaim* claim = find_claim(extend.id, extend.token);
  if (claim == nullptr) {
    if (!freeze_.all()) charge_lost(extend.id, extend.token, extend.usage);
    return write_lost(extend.id, writer);
  }
  if (freeze_.all() && !PAWL_FAULT(freeze_extend_writes)) return write_extended(*claim, writer);
  charge(claim->life, extend.usage);
  note_version(claim->life, extend.version);
  leases_.erase({claim->life.deadline_ms, claim->key.sequence});
  if (extend.lease_ms) claim->life.lease_ms = *extend.lease_ms;
  claim->life.deadline_ms = head_.lease_ms + claim->life.lease_ms;
  leases_.emplace(claim->life.deadline_ms, claim->key.sequence);
  if (extend.progress) {
    claim->life.progress = extend.progress->first;
    claim->life.note = cut_text(extend.progress->second, limits::note_bytes_max);
  }
  put_life(claim->key, claim->life);
  write_extended(*claim, writer);
}

// A freeze that lets work in flight end is no matter of the worker's.
void Machine::write_extended(const LiveClaim& claim, ReplyWriter& writer) {
  std::vector<IncidentBrief> incidents;
  if (ops_) {
    incidents =
        desk_->incidents_of(without_boot(claim.life.daemon), {role_by_number(claim.life.role).record.name});
  }
  writer.map(incidents.empty() ? 3 : 4);
  writer.bulk("deadline");
  writer.integer(wall_of_lease(claim.life.deadline_ms));
  writer.bulk("cancel");
  writer.integer(claim.life.cancel ? 1 : 0);
  writer.bulk("freeze");
  const bool told = freeze_.all() && !PAWL_FAULT(freeze_untold_on_extend);
  writer.bulk(freeze_kind_name(told ? freeze_.kind : FreezeKind::none));
  if (incidents.empty()) return;
  writer.bulk("incidents");
  write_incidents(incidents, writer);
}

void Machine::release_claim(LiveClaim& claim, int64_t delay_ms) {
  const auto closed = close_claim(claim, Outcome::released, ErrorClass::unknown, "");
  auto& [key, life, home, own_max, batch] = closed.mapped();
  RoleState& role = role_by_number(life.role);
  ++counts(role).released;
  if (PAWL_FAULT(release_spends)) spend(life, ErrorClass::unknown);
  if (PAWL_FAULT(poison_counts_releases)) ++life.crashes_in_row;
  settled(closed.mapped(), Outcome::released);
  if (life.cancel) return end_message(key, life, home, MessageState::claimed, Place::cancelled);
  if (life.expire_at_ms != 0 && life.expire_at_ms <= head_.wall_ms) {
    return end_message(key, life, home, MessageState::claimed, Place::expired);
  }
  if (delay_ms > 0) {
    place_due(key, life, head_.bus_ms + delay_ms, false);
    put_life(key, life);
    shift(role, MessageState::claimed, MessageState::scheduled);
  } else {
    shift(role, MessageState::claimed, MessageState::ready);
    place_back(role, key, life);
  }
}

void Machine::apply_release(const op::Release& release, ReplyWriter& writer) {
  LiveClaim* claim = find_claim(release.id, release.token);
  if (claim == nullptr) return write_lost(release.id, writer);
  LifeRecord& life = claim->life;
  const std::string_view name = without_boot(life.daemon);
  if (life.releases == 0 || life.released_by != name) {
    life.releases = 0;
    life.released_by = std::string(name);
  }
  // A daemon that keeps handing the same message back must not spin on it.
  int64_t delay_ms = limits::release_delay_ms_first;
  const int64_t max = std::max(delay_ms, role_by_number(life.role).config->backoff_max_ms);
  for (uint32_t i = 0; i < life.releases && delay_ms < max; ++i) delay_ms *= 2;
  ++life.releases;
  release_claim(*claim, release.delay_ms.value_or(std::min(delay_ms, max)));
  writer.simple("OK");
}

void Machine::apply_unclaim(const op::Unclaim& unclaim) {
  for (const auto& [id, token] : unclaim.items) {
    if (LiveClaim* claim = find_claim(id, token)) release_claim(*claim, 0);
  }
}

void Machine::lapse(LiveClaim& claim) {
  end_unheard(claim, ErrorClass::lease_expired,
              "no sign of life for the lease of " + format_duration(claim.life.lease_ms));
}

// The worker said nothing more: its lease ran out, or its process is known to be gone.
void Machine::end_unheard(LiveClaim& claim, ErrorClass error_class, std::string text) {
  const auto closed = close_claim(claim, Outcome::lapsed, error_class, text);
  auto& [key, life, home, own_max, batch] = closed.mapped();
  RoleState& role = role_by_number(life.role);
  ++counts(role).lapsed;
  life.has_error = true;
  life.error_class = error_class;
  life.fingerprint = fingerprint(error_class, text);
  life.error_text = std::move(text);
  const bool fatal = role.config->classes[static_cast<size_t>(error_class)].dead;
  const Ruling ruling = judge(closed.mapped(), Outcome::lapsed, fatal);
  settled(closed.mapped(), Outcome::lapsed, ruling, fatal);
  if (life.cancel) return end_message(key, life, home, MessageState::claimed, Place::cancelled);
  if (life.expire_at_ms != 0 && life.expire_at_ms <= head_.wall_ms) {
    return end_message(key, life, home, MessageState::claimed, Place::expired);
  }
  if (ruling.spend && !PAWL_FAULT(lapse_spends_nothing)) spend(life, error_class);
  const bool crashed = error_class == ErrorClass::crash;
  Headers fields = {{"id", encode_id(key)},
                    {"role", role.record.name},
                    {"delivery", std::to_string(life.deliveries)},
                    {"daemon", life.daemon},
                    {"lease_ms", std::to_string(life.lease_ms)},
                    {"spent", std::to_string(life.spent)}};
  if (!ruling.reason.empty()) fields.emplace_back("ruling", ruling.reason);
  chronicle(crashed ? "message.crash" : "message.lapse", std::move(fields));
  const bool used_up = ruling.spend && life.spent >= max_attempts(role, own_max);
  if (fatal || ruling.poison || used_up) return bury(key, life, home, MessageState::claimed, ruling);
  shift(role, MessageState::claimed, MessageState::ready);
  place_back(role, key, life);
}

}  // namespace pawl::core
