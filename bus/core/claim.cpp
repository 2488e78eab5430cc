// Taking: CLAIM and the windows that it takes from.
#include <algorithm>
#include <utility>

#include "bus/core/machine.h"

namespace pawl::core {

bool Machine::offer(RoleState& role, Lane& lane, const LaneEntry& entry) {
  lane.last_used = turn_;
  const bool entered = lane.offer(entry, config_.window_entries_max) > 0;
  if (entered && ++window_entries_ > config_.window_entries_total_max) shrink_windows();
  if (!role_waits_.empty()) readied(role);
  return entered;
}

void Machine::leave_window(Lane& lane, uint64_t sequence) {
  if (lane.remove(sequence)) --window_entries_;
}

void Machine::shrink_windows() {
  std::vector<Lane*> lanes;
  for (auto& [number, role] : roles_) {
    for (auto* set : {&role->home, &role->back}) {
      for (Lane& lane : *set) {
        if (lane.size() > config_.window_entries_min) lanes.push_back(&lane);
      }
    }
  }
  // Ties in age are broken by the order of roles and lanes, so the outcome is the same everywhere.
  std::stable_sort(lanes.begin(), lanes.end(),
                   [](const Lane* a, const Lane* b) { return a->last_used < b->last_used; });
  const size_t goal = config_.window_entries_total_max / 4 * 3;
  for (Lane* lane : lanes) {
    if (window_entries_ <= goal) break;
    window_entries_ -= lane->shrink(config_.window_entries_min);
  }
}

// Every home row of the lane with a sequence at or below the mark is claimed, ended or listed elsewhere.
uint64_t Machine::home_mark(const Lane& lane) const {
  if (!lane.empty()) return lane.front().sequence - (PAWL_FAULT(mark_one_too_high) ? 0 : 1);
  return lane.complete() ? head_.next_sequence - 1 : lane.loaded_through();
}

// Until there is something to take, the lane has ended, or a step's worth of rows has been looked at.
void Machine::refill(RoleState& role, int index, bool home) {
  Lane& lane = home ? role.home[static_cast<size_t>(index)] : role.back[static_cast<size_t>(index)];
  lane.last_used = turn_;
  for (size_t examined = 0; lane.needs_refill() && examined < config_.refill_rows_per_step;) {
    examined += home ? refill_home(role, index, lane) : refill_back(role, index, lane);
  }
  if (window_entries_ > config_.window_entries_total_max) shrink_windows();
}

size_t Machine::refill_home(RoleState& role, int index, Lane& lane) {
  const auto lane_byte = static_cast<uint8_t>(index * 2);
  const BirthKey from{role.number, lane_byte, lane.loaded_through() + (PAWL_FAULT(refill_skips_one) ? 2 : 1)};
  const std::string end = keys::after_prefix(keys::lane(role.number, lane_byte));
  std::vector<BirthKey> found;
  const size_t want = rows_at_once();
  view_.scan(Table::home, keys::birth(from), end, [&](std::string_view key, std::string_view row) {
    found.push_back(keys::read_birth(key));
    if (auto home = decode<HomeRecord>(row)) home_cache_.put(found.back().sequence, std::move(*home));
    return found.size() < want;
  });
  const bool complete = found.size() < want;
  if (!found.empty()) {
    // A home row with a life row has been moved, cancelled or expired since, or stands in the return lane.
    std::set<uint64_t> touched;
    view_.scan(Table::life, keys::birth(found.front()), keys::after_prefix(keys::birth(found.back())),
               [&](std::string_view key, std::string_view) {
                 touched.insert(keys::read_birth(key).sequence);
                 return true;
               });
    for (const BirthKey& key : found) {
      if (touched.count(key.sequence) != 0) continue;
      lane.append(LaneEntry{key.sequence, key});
      ++window_entries_;
    }
  }
  lane.set_loaded_through(complete ? Lane::everything : found.back().sequence);
  // What was stepped over is never looked at again, after a restart neither.
  role.mark_dirty[static_cast<size_t>(index)] = true;
  if (!found.empty()) counts(role);
  return found.size();
}

size_t Machine::refill_back(RoleState& role, int index, Lane& lane) {
  const int priority = 9 - index;
  const std::string end = keys::after_prefix(keys::lane(role.number, static_cast<uint8_t>(index)));
  const size_t want = rows_at_once();
  size_t found = 0;
  uint64_t last = 0;
  view_.scan(Table::back, keys::back(role.number, priority, lane.loaded_through() + 1), end,
             [&](std::string_view key, std::string_view value) {
               last = keys::read_be(key, 5, 8);
               lane.append(LaneEntry{last, keys::read_birth(value)});
               ++window_entries_;
               return ++found < want;
             });
  lane.set_loaded_through(found < want ? Lane::everything : last);
  return found;
}

// The next message of a role: by priority, then by push over home and return lane.
Machine::Peek Machine::peek(RoleState& role, Lane*& lane, bool& from_home, int& index) {
  for (index = 0; index < 10; ++index) {
    Lane& home = role.home[static_cast<size_t>(index)];
    Lane& back = role.back[static_cast<size_t>(index)];
    if (home.needs_refill()) refill(role, index, true);
    if (back.needs_refill()) refill(role, index, false);
    if (home.needs_refill() || back.needs_refill()) return Peek::loading;
    if (home.empty() && back.empty()) continue;
    const bool home_first = !home.empty() && !back.empty() && home.front().sequence < back.front().sequence;
    from_home = back.empty() || home_first || (!home.empty() && PAWL_FAULT(return_lane_last));
    lane = from_home ? &home : &back;
    return Peek::found;
  }
  return Peek::nothing;
}

size_t Machine::first_turn(std::string_view daemon, const std::vector<std::string_view>& roles) {
  if (roles.size() < 2 || PAWL_FAULT(turns_start_over)) return 0;
  const std::string_view name = without_boot(daemon);
  uint32_t last = 0;
  if (const auto cached = daemon_turns_.find(name); cached != daemon_turns_.end()) {
    last = cached->second;
  } else {
    std::string value;
    if (view_.get(Table::daemon, name, value) && value.size() == 4) {
      last = static_cast<uint32_t>(keys::read_be(value, 0, 4));
    }
  }
  for (size_t i = 0; i < roles.size(); ++i) {
    const RoleState* role = find_role(roles[i]);
    if (role != nullptr && role->number == last) return (i + 1) % roles.size();
  }
  return 0;
}

void Machine::served(std::string_view daemon, const RoleState& role) {
  constexpr size_t cache_max = 10'000;
  const std::string_view name = without_boot(daemon);
  const auto cached = daemon_turns_.find(name);
  if (cached != daemon_turns_.end() && cached->second == role.number) return;
  if (cached != daemon_turns_.end()) {
    cached->second = role.number;
  } else {
    if (daemon_turns_.size() >= cache_max) daemon_turns_.clear();
    daemon_turns_.emplace(name, role.number);
  }
  view_.put(Table::daemon, std::string(name), keys::role(role.number));
}

ClaimOutcome Machine::take(const ClaimAsk& ask) {
  ClaimOutcome outcome;
  std::vector<bool>& over = asked_;
  over.assign(ask.roles.size(), false);
  size_t held = 0;
  size_t bytes = 0;
  const size_t start = first_turn(ask.daemon, ask.roles);
  const RoleState* last = nullptr;
  bool full = false;
  if (const Answer answer = gate_.admit_daemon(ask.daemon, *desk_); !answer.allowed()) {
    outcome.verdict = answer.verdict();
    outcome.all_held = outcome.daemon_held = true;
    return outcome;
  }
  for (bool progress = true; progress && !full;) {
    progress = false;
    for (size_t turn = 0; turn < ask.roles.size() && !full; ++turn) {
      const size_t i = (start + turn) % ask.roles.size();
      if (over[i]) continue;
      RoleState* role = find_role(ask.roles[i]);
      over[i] = true;
      if (role == nullptr) continue;
      const RoleFacts role_facts = facts(*role);
      const Candidate candidate{role_facts, ask.daemon, clocks()};
      if (const Verdict* verdict = ask_claim(*role, candidate)) {
        if (verdict->empty) continue;
        ++held;
        const bool sooner = !outcome.verdict ||
                            (verdict->retry_at_ms && (!outcome.verdict->retry_at_ms ||
                                                      *verdict->retry_at_ms < *outcome.verdict->retry_at_ms));
        if (sooner) outcome.verdict = *verdict;
        continue;
      }
      Lane* lane = nullptr;
      bool from_home = false;
      int index = 0;
      const Peek peeked = peek(*role, lane, from_home, index);
      if (peeked == Peek::loading) outcome.loading = true;
      if (peeked != Peek::found) continue;
      const LaneEntry entry = lane->front();
      auto home = home_of(entry, from_home);
      if (!home) {
        damage("a home row that a window names");
        return outcome;
      }
      bytes += home->bytes() + 512;
      if (bytes > limits::reply_bytes_max && !outcome.granted.empty()) {
        full = true;
        break;
      }
      over[i] = false;
      progress = true;
      lane->pop_front();
      --window_entries_;
      if (from_home) role->mark_dirty[static_cast<size_t>(index)] = true;
      const LiveClaim& claim = grant(*role, entry, from_home, *home, ask, gate_.taken(candidate, *desk_));
      outcome.granted.push_back(Granted{&claim, role, std::move(*home)});
      last = role;
      full = outcome.granted.size() >= ask.count;
    }
  }
  if (last != nullptr) served(ask.daemon, *last);
  outcome.all_held = outcome.granted.empty() && held == ask.roles.size();
  return outcome;
}

std::optional<HomeRecord> Machine::home_of(const LaneEntry& entry, bool from_home) {
  if (from_home) {
    if (auto cached = home_cache_.take(entry.sequence)) return cached;
  }
  if (!view_.get(Table::home, keys::birth(entry.key), row_)) return std::nullopt;
  return decode<HomeRecord>(row_);
}

const LiveClaim& Machine::grant(RoleState& role, const LaneEntry& entry, bool from_home,
                                const HomeRecord& home, const ClaimAsk& ask, Reservation reserved) {
  const auto [at, fresh] = claims_.emplace(
      entry.sequence, LiveClaim{entry.key, {}, HomeFacts(home), home.max_attempts, open_sequence()});
  PAWL_CHECK(fresh);
  LifeRecord& life = at->second.life;
  if (from_home) {
    life.role = role.number;
    life.priority = static_cast<uint8_t>(priority_of_lane(entry.key.lane));
    life.expire_at_ms = home.expire_at_ms;
  } else {
    auto stored =
        view_.get(Table::life, keys::birth(entry.key), row_) ? decode<LifeRecord>(row_) : std::nullopt;
    if (stored) {
      life = std::move(*stored);
    } else {
      damage("a life row that a window names");
    }
    view_.erase(Table::back, keys::back(role.number, life.priority, entry.sequence));
  }
  life.place = Place::claimed;
  ++life.deliveries;
  life.token = head_.next_token++;
  life.daemon = std::string(ask.daemon);
  life.claimed_at_ms = head_.wall_ms;
  life.lease_ms = ask.lease_ms.value_or(home.lease_ms != 0 ? home.lease_ms : role.config->lease_ms);
  life.deadline_ms = head_.lease_ms + life.lease_ms;
  life.cancel = false;
  life.progress = -1;
  life.note.clear();
  life.tokens = life.cost = 0;
  life.limp = std::move(reserved.limp);
  life.reserved = std::move(reserved);
  life.version = std::string(ask.version);
  if (!ask.version.empty()) role.version = ask.version;
  life.invocation_written = false;
  put_life(entry.key, life);
  shift(role, MessageState::ready, MessageState::claimed);
  ++counts(role).claimed;
  leases_.emplace(life.deadline_ms, entry.sequence);
  batch_claims_.emplace_back(entry.key, life.token);
  ++claim_batches_[open_sequence()];
  return at->second;
}

void Machine::write_claims(ClientId client, const ClaimOutcome& outcome, ReplyWriter& writer,
                           Outbox& outbox) {
  writer.array(outcome.granted.size());
  for (const auto& [claim, role, home] : outcome.granted) {
    const LifeRecord& life = claim->life;
    outbox.carries_claim(client, claim->key, life.token);
    std::string blob;
    if (home.blob_bytes != 0 && !view_.get(Table::blob, keys::birth(claim->key), blob))
      damage("the payload of a claimed message");
    char id[id_bytes];
    write_id(claim->key, id);
    const uint64_t deployed = role->record.deployed;
    writer.map(size_t{9} + (deployed == 0 ? 0 : 1) + (life.limp.empty() ? 0 : 1));
    writer.bulk("id");
    writer.bulk({id, id_bytes});
    writer.bulk("role");
    writer.bulk(role->record.name);
    writer.bulk("token");
    writer.bulk(encode_token(life.token));
    writer.bulk("delivery");
    writer.integer(life.deliveries);
    writer.bulk("attempt");
    writer.integer(int64_t{life.spent} + 1);
    writer.bulk("deadline");
    writer.integer(wall_of_lease(life.deadline_ms));
    writer.bulk("priority");
    writer.integer(life.priority);
    if (deployed != 0) {
      writer.bulk("deployed");
      writer.integer(static_cast<int64_t>(deployed));
    }
    if (!life.limp.empty()) {
      writer.bulk("limp");
      writer.bulk(life.limp);
    }
    writer.bulk("payload");
    writer.bulk(home.blob_bytes != 0 ? blob : home.payload);
    writer.bulk("headers");
    writer.map(home.headers.size());
    for (const auto& [name, value] : home.headers) {
      writer.bulk(name);
      writer.bulk(value);
    }
  }
}

// Somebody waits for one of these windows to be filled: who comes later may not overtake.
bool Machine::behind_loaders(const std::vector<std::string_view>& roles) const {
  for (const uint64_t number : loading_waits_) {
    for (const std::string& role : waits_.at(number).roles) {
      if (std::find(roles.begin(), roles.end(), role) != roles.end()) return true;
    }
  }
  return false;
}

Applied Machine::apply_claim(ClientId client, const op::Claim& claim, Outbox& outbox) {
  ClaimOutcome outcome;
  outcome.loading = behind_loaders(claim.roles);
  if (!outcome.loading)
    outcome = take(ClaimAsk{claim.daemon, claim.roles, claim.count, claim.lease_ms, claim.version});
  const int64_t wait_ms = claim.wait_ms.value_or(0);
  if (outcome.granted.empty() && (wait_ms > 0 || outcome.loading)) {
    Wait& wait = park(client, WaitKind::claim, wait_ms);
    wait.until_loaded = wait_ms == 0;
    wait.daemon = std::string(claim.daemon);
    wait.count = claim.count;
    wait.lease_ms = claim.lease_ms;
    wait.version = std::string(claim.version);
    for (const std::string_view role : claim.roles) {
      wait.roles.emplace_back(role);
      role_waits_[wait.roles.back()].insert(wait.number);
    }
    if (outcome.loading) {
      loading_waits_.insert(wait.number);
      more_work_ = true;
    }
    return Applied::parked;
  }
  ReplyWriter& writer = outbox.reply_to(client);
  if (outcome.all_held) {
    writer.error(refusal(*outcome.verdict));
    gate_.refused(*outcome.verdict, *desk_);
  } else {
    write_claims(client, outcome, writer, outbox);
  }
  return Applied::replied;
}

Error Machine::refusal(const Verdict& verdict) const {
  Error error = make_error(verdict.code, verdict.reason);
  if (verdict.retry_at_ms) error.retry_after_ms = std::max<int64_t>(0, *verdict.retry_at_ms - head_.wall_ms);
  return error;
}

}  // namespace pawl::core
