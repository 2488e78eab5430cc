#include "bus/core/machine.h"

#include <algorithm>
#include <utility>

#include "bus/core/deploy.h"
#include "bus/core/desk.h"
#include "bus/core/ops_desk.h"

namespace pawl::core {
namespace {

constexpr size_t early_ended_max = 100'000;

// SplitMix64 (Steele, Lea, Flood 2014): the whole state is one number, which rides in the head row.
uint64_t next_random(uint64_t& state) {
  state += 0x9e3779b97f4a7c15U;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

}  // namespace

Machine::Machine(const StateView& committed, const BusConfig& config, Gate& gate, Office* office)
    : view_(committed), config_(config), gate_(gate), desk_(std::make_unique<GuardDesk>(*this)) {
  if (office != nullptr) ops_ = std::make_unique<OpsDesk>(*this, *office);
}

Machine::~Machine() = default;

Status Machine::open() {
  std::string value;
  if (view_.get(Table::meta, chain_key, value)) {
    const auto link = decode_chain(value);
    if (!link) return make_error(Code::err, "the chain row is damaged; restore a backup");
    chain_ = *link;
  }
  if (view_.get(Table::meta, keys::head_row, value)) {
    const auto head = decode<HeadRecord>(value);
    if (!head) return make_error(Code::err, "the head row is damaged or from a newer pawl");
    head_ = *head;
    ended_from_ = head_.ended_low;
    if (PAWL_FAULT(tokens_start_over)) head_.next_token = 1;
  } else if (chain_.sequence != 0) {
    return make_error(Code::err, "the head row is missing; restore a backup");
  } else {
    head_.bus_ms = 1;           // a due time of 0 means none
    head_.jitter = 0x7061776c;  // any fixed seed; what follows depends on the history alone
  }
  if (Status status = load_roles(); !status) return status;
  if (Status status = load_freeze(); !status) return status;
  if (Status status = load_chronicle(); !status) return status;
  if (Status status = load_claims(); !status) return status;
  load_reaps();
  for (const auto& [name, config] : config_.roles) {
    if (find_role(name) == nullptr) make_role(name);
  }
  if (Status status = gate_.open(*desk_); !status) return status;
  for (const auto& [sequence, claim] : claims_) {
    const RoleFacts role = facts(role_by_number(claim.life.role));
    gate_.restored(role, claim.life.reserved, claim.life.tokens, claim.life.cost);
  }
  if (Status status = ops_ ? ops_->open() : Status(); !status) return status;
  find_next_due();
  // A role that was dropped for good, but whose rows were still there when the process ended.
  std::vector<RoleState*> all;
  for (const auto& [number, role] : roles_) all.push_back(role.get());
  for (RoleState* role : all) forget_role_if_done(*role);
  if (failed()) return make_error(Code::readonly, "the store cannot be read");
  return {};
}

Status Machine::load_roles() {
  Status status;
  view_.scan(Table::role, "", "", [&](std::string_view key, std::string_view bytes) {
    auto record = decode<RoleRecord>(bytes);
    if (!record || key.size() != 4) {
      status = make_error(Code::err, "a role row is damaged or from a newer pawl");
      return false;
    }
    auto role = std::make_unique<RoleState>();
    role->number = static_cast<uint32_t>(keys::read_be(key, 0, 4));
    role->record = role->committed_record = std::move(*record);
    role->config = &config_.role(role->record.name);
    if (!role->record.dropped) role_names_[role->record.name] = shown_names_[role->record.name] = role.get();
    roles_[role->number] = std::move(role);
    return true;
  });
  if (!status) return status;
  std::string value;
  for (auto& [number, role] : roles_) {
    if (view_.get(Table::count, keys::role(number), value)) {
      const auto counts = decode<RoleCounts>(value);
      if (!counts) return make_error(Code::err, "a count row is damaged or from a newer pawl");
      role->counts = role->sealed = role->committed = *counts;
    }
    for (int index = 0; index < 10; ++index) {
      const auto lane = static_cast<uint8_t>(index * 2);
      if (!view_.get(Table::mark, keys::lane(number, lane), value)) continue;
      if (value.size() != 8) return make_error(Code::err, "a mark row is damaged");
      role->home[static_cast<size_t>(index)].set_loaded_through(keys::read_be(value, 0, 8));
    }
  }
  return {};
}

Status Machine::load_claims() {
  std::vector<std::pair<uint64_t, ClaimedRecord>> rows;
  bool damaged = false;
  view_.scan(Table::claimed, keys::number(head_.claimed_low), "",
             [&](std::string_view key, std::string_view bytes) {
               auto record = decode<ClaimedRecord>(bytes);
               damaged = !record || key.size() != 8;
               if (damaged) return false;
               rows.emplace_back(keys::read_be(key, 0, 8), std::move(*record));
               return true;
             });
  if (damaged) return make_error(Code::err, "a row of live claims is damaged or from a newer pawl");
  for (const auto& [batch, record] : rows) {
    for (const auto& [key, token] : record.claims) {
      auto message = load(key);
      if (!message || message->life.place != Place::claimed || message->life.token != token) continue;
      LiveClaim claim{key, std::move(message->life), HomeFacts(message->home), message->home.max_attempts,
                      batch};
      leases_.emplace(claim.life.deadline_ms, key.sequence);
      claims_.emplace(key.sequence, std::move(claim));
      ++claim_batches_[batch];
    }
  }
  return {};
}

void Machine::begin_turn(Instant now) {
  ++turn_;
  if (first_turn_) {
    first_turn_ = false;
    mono_ms_ = clocks_saved_mono_ms_ = history_mono_ms_ = now.mono_ms;
  }
  const int64_t step = std::max<int64_t>(0, now.mono_ms - mono_ms_);
  mono_ms_ += step;
  head_.bus_ms += step;
  // A hang of the process or the disk must lapse nobody who could not be heard meanwhile.
  // Under a freeze of everything no worker can show a sign of life.
  if (!freeze_.all() || PAWL_FAULT(lease_time_in_freeze)) {
    head_.lease_ms += PAWL_FAULT(lease_time_uncapped) ? step : std::min(step, limits::clock_step_ms_max);
  }
  head_.wall_ms = PAWL_FAULT(wall_runs_back) ? now.wall_ms : std::max(head_.wall_ms, now.wall_ms);
  if (!hold_ends_.empty() && !freeze_.all()) end_holds();
  if (mono_ms_ - clocks_saved_mono_ms_ < limits::clock_persist_ms) return;
  const bool depends = !claims_.empty() || next_due_bus_ms_ != INT64_MAX || next_ended_ms_ != INT64_MAX ||
                       gate_.next_wakeup_ms().has_value() || (ops_ && ops_->needs_bus_time());
  if (depends) clocks_due_ = true;
}

RoleState* Machine::find_role(std::string_view name) {
  const auto found = role_names_.find(name);
  return found == role_names_.end() ? nullptr : found->second;
}

RoleState& Machine::role_by_number(uint32_t number) {
  const auto found = roles_.find(number);
  PAWL_CHECK(found != roles_.end());
  return *found->second;
}

std::optional<Error> Machine::check_role(std::string_view name) {
  if (!config_.strict_roles || find_role(name) != nullptr ||
      config_.roles.find(name) != config_.roles.end()) {
    return std::nullopt;
  }
  return make_error(Code::notfound, "role '" + std::string(name) +
                                        "' is not in pawl.toml, and strict_roles allows no others");
}

Result<RoleState*> Machine::role_for_write(std::string_view name) {
  if (RoleState* role = find_role(name)) return role;
  if (auto error = check_role(name)) return *std::move(error);
  return &make_role(name);
}

RoleState& Machine::make_role(std::string_view name) {
  auto role = std::make_unique<RoleState>();
  role->number = head_.next_role++;
  PAWL_CHECK(role->number <= limits::role_number_max);
  role->record.name = std::string(name);
  role->config = &config_.role(name);
  // Nothing of it is on disk yet, so its windows cover everything.
  for (Lane& lane : role->home) lane.set_loaded_through(Lane::everything);
  for (Lane& lane : role->back) lane.set_loaded_through(Lane::everything);
  RoleState& made = *role;
  put_role(made);
  counts(made);
  role_names_[made.record.name] = &made;
  roles_[made.number] = std::move(role);
  return made;
}

RoleCounts& Machine::counts(RoleState& role) {
  if (!role.counts_dirty) {
    role.counts_dirty = true;
    dirty_roles_.push_back(&role);
  }
  return role.counts;
}

void Machine::shift(RoleState& role, MessageState from, MessageState to) {
  RoleCounts& now = counts(role);
  PAWL_CHECK(now.at(from) > 0);
  --now.at(from);
  ++now.at(to);
}

void Machine::damage(std::string_view what) {
  if (damage_.empty()) damage_ = std::string(what);
}

std::string Machine::failure() const {
  if (!damage_.empty()) return damage_ + " is missing or damaged";
  return view_.failed() ? "the store cannot be read" : "";
}

uint64_t Machine::jitter(uint64_t below_or_at) { return next_random(head_.jitter) % (below_or_at + 1); }

void Machine::flush_ended() {
  for (const auto& [at_ms, record] : ended_) {
    view_.put(Table::ended, keys::ended(at_ms, open_sequence()), encoded(record));
    if (at_ms >= ended_from_) continue;
    early_ended_.emplace(at_ms, open_sequence());
    if (early_ended_.size() <= early_ended_max) continue;
    ended_from_ = early_ended_.begin()->first;
    early_ended_.clear();
  }
  head_.ended_low = early_ended_.empty() ? ended_from_ : early_ended_.begin()->first;
}

Batch Machine::seal() {
  gate_.sealing(*desk_);
  if (ops_) ops_->sealing();
  seal_chronicle();
  flush_ended();
  if (!ended_.empty()) next_ended_ms_ = std::min(next_ended_ms_, ended_.begin()->first);
  ended_.clear();
  for (RoleState* role : dirty_roles_) {
    view_.put(Table::count, keys::role(role->number), encoded(role->counts));
    for (int index = 0; index < 10; ++index) {
      bool& dirty = role->mark_dirty[static_cast<size_t>(index)];
      if (!dirty) continue;
      dirty = false;
      std::string mark;
      keys::append_be(mark, home_mark(role->home[static_cast<size_t>(index)]), 8);
      view_.put(Table::mark, keys::lane(role->number, static_cast<uint8_t>(index * 2)), std::move(mark));
    }
    role->counts_dirty = false;
    role->sealed = role->counts;
    role->sealed_record = role->record;
    role->sealed_version = role->version;
  }
  if (!sealed_freeze_.same_as(freeze_)) sealed_freeze_ = freeze_;
  sealed_roles_ = std::move(dirty_roles_);
  dirty_roles_.clear();

  if (const auto listed = claim_batches_.find(open_sequence()); listed != claim_batches_.end()) {
    ClaimedRecord record;
    for (const auto& [key, token] : batch_claims_) {
      const auto claim = claims_.find(key.sequence);
      if (claim != claims_.end() && claim->second.life.token == token) record.claims.emplace_back(key, token);
    }
    view_.put(Table::claimed, keys::number(open_sequence()), encode(record));
  }
  batch_claims_.clear();
  head_.claimed_low = claim_batches_.empty() ? open_sequence() + 1 : claim_batches_.begin()->first;
  view_.put(Table::meta, keys::head_row, encoded(head_));
  clocks_due_ = false;
  clocks_saved_mono_ms_ = mono_ms_;

  Batch batch;
  batch.rows = view_.seal(batch.row_count);
  batch.link.sequence = chain_.sequence + 1;
  batch.link.term = chain_.term;
  batch.link.previous = chain_.hash;
  batch.link.hash = hash_batch(chain_.hash, batch.link.sequence, batch.link.term, batch.rows);
  chain_ = batch.link;
  return batch;
}

void Machine::committed() {
  view_.drop_sealed();
  if (!committed_freeze_.same_as(sealed_freeze_)) committed_freeze_ = sealed_freeze_;
  for (RoleState* role : sealed_roles_) {
    role->committed = role->sealed;
    role->committed_record = role->sealed_record;
    role->committed_version = role->sealed_version;
    const auto shown = shown_names_.find(role->record.name);
    if (!role->sealed_record.dropped) {
      shown_names_[role->record.name] = role;
    } else if (shown != shown_names_.end() && shown->second == role) {
      shown_names_.erase(shown);
    }
  }
  for (RoleState* role : std::exchange(sealed_roles_, {})) {
    forget_role_if_done(*role);
  }
}

BusTotals Machine::totals() const {
  BusTotals totals;
  totals.batch_sequence = view_.in_flight() ? chain_.sequence - 1 : chain_.sequence;
  totals.live_claims = claims_.size();
  totals.waiting = waits_.size();
  totals.window_entries = window_entries_;
  totals.done_bytes = head_.done_bytes;
  totals.dead_bytes = head_.dead_bytes;
  totals.chronicle_bytes = head_.chronicle_bytes;
  return totals;
}

void Machine::reconfigure(const BusConfig& config, const std::string& changes, const std::string& by) {
  config_ = config;
  for (const auto& [number, role] : roles_) role->config = &config_.role(role->record.name);
  for (const auto& [name, unused] : config_.roles) {
    if (find_role(name) == nullptr) make_role(name);
  }
  gate_.configured(*desk_);
  if (ops_) ops_->configured();
  chronicle("config.reload", {{"by", by}, {"changes", changes}});
  wake_all();
}

void Machine::set_disk(DiskMark mark) {
  if (mark == disk_) return;
  constexpr std::string_view names[] = {"ample", "low", "critical"};
  chronicle("disk.mark", {{"from", std::string(names[static_cast<size_t>(disk_)])},
                          {"to", std::string(names[static_cast<size_t>(mark)])}});
  disk_ = mark;
  wake_all();
}

Applied Machine::apply(const Caller& caller, const Operation& operation, Outbox& outbox) {
  // Who waits comes before who asks now: what held a role may be over since the last turn.
  if (!readied_.empty()) serve_ready(outbox);
  Applied applied = Applied::replied;
  const Answer answer = gate_.admit(operation, caller, *desk_);
  if (answer.allowed()) [[likely]] {
    applied = dispatch(caller, operation, outbox);
  } else {
    const Verdict verdict = answer.verdict();
    outbox.reply_to(caller.client).error(refusal(verdict));
    gate_.refused(verdict, *desk_);
  }
  if (ops_) ops_->settle(outbox);
  serve_ready(outbox);
  return applied;
}

Applied Machine::dispatch(const Caller& caller, const Operation& operation, Outbox& outbox) {
  // tidy: long-function because it is a table.
  // Operations that may park reach for the outbox themselves; the others answer at once.
  struct Visitor {
    Machine& m;
    const Caller& caller;
    const Operation& operation;
    Outbox& outbox;
    ClientId client = caller.client;
    ReplyWriter& writer() const { return outbox.reply_to(client); }
    static Applied done() { return Applied::replied; }

    Applied operator()(const op::Push& o) const { return m.apply_push(o, writer()), done(); }
    Applied operator()(const op::MultiPush& o) const { return m.apply_multi_push(o, writer()), done(); }
    Applied operator()(const op::Claim& o) const { return m.apply_claim(client, o, outbox); }
    Applied operator()(const op::Ack& o) const { return m.apply_ack(client, o, writer(), outbox), done(); }
    Applied operator()(const op::MultiAck& o) const { return m.apply_multi_ack(o, writer()), done(); }
    Applied operator()(const op::Fail& o) const { return m.apply_fail(o, writer()), done(); }
    Applied operator()(const op::Extend& o) const { return m.apply_extend(o, writer()), done(); }
    Applied operator()(const op::Release& o) const { return m.apply_release(o, writer()), done(); }
    Applied operator()(const op::Cancel& o) const { return m.apply_cancel(o, writer()), done(); }
    Applied operator()(const op::CancelFilter& o) const { return m.apply_cancel_filter(client, o, outbox); }
    Applied operator()(const op::Move& o) const { return m.apply_move(o, writer()), done(); }
    Applied operator()(const op::Get& o) const { return m.apply_get(o.id, false, writer()), done(); }
    Applied operator()(const op::GetResult& o) const { return m.apply_get_result(client, o, outbox); }
    Applied operator()(const op::Transaction& o) const { return m.apply_transaction(o, writer()), done(); }
    Applied operator()(const op::List& o) const { return m.apply_list(o, writer()), done(); }
    Applied operator()(const op::Roles&) const { return m.apply_roles(caller, writer()), done(); }
    Applied operator()(const op::RoleInfo& o) const { return m.apply_role_info(o, writer()), done(); }
    Applied operator()(const op::RoleDrop& o) const { return m.apply_role_drop(o, writer()), done(); }
    Applied operator()(const op::Pause& o) const { return m.apply_pause(o, writer(), outbox), done(); }
    Applied operator()(const op::Resume& o) const { return m.apply_resume(o, writer(), outbox), done(); }
    Applied operator()(const op::DeadList& o) const { return m.apply_dead_list(o, writer()), done(); }
    Applied operator()(const op::DeadGet& o) const { return m.apply_dead_get(o, writer()), done(); }
    Applied operator()(const op::DeadCount& o) const { return m.apply_dead_count(client, o, outbox); }
    Applied operator()(const op::DeadGroups& o) const { return m.apply_dead_groups(client, o, outbox); }
    Applied operator()(const op::DeadReplay& o) const { return m.apply_dead_replay(client, o, outbox); }
    Applied operator()(const op::DeadEdit& o) const { return m.apply_dead_edit(o, writer()), done(); }
    Applied operator()(const op::DeadDrop& o) const { return m.apply_dead_drop(client, o, outbox); }
    Applied operator()(const op::Explain& o) const { return m.apply_explain(o, writer()), done(); }
    Applied operator()(const op::Events& o) const { return m.apply_events(client, o, outbox); }
    Applied operator()(const op::Info&) const {
      writer().error(make_error(Code::err, "INFO is answered by the server"));
      return done();
    }
    Applied operator()(const op::Unclaim& o) const { return m.apply_unclaim(o), done(); }
    Applied operator()(const op::KillSet& o) const { return m.apply_kill_set(caller, o, outbox), done(); }
    Applied operator()(const op::KillClear& o) const { return m.apply_kill_clear(caller, o, outbox), done(); }
    Applied operator()(const op::KillStatus&) const {
      return write_freeze(m.committed_freeze_, true, writer()), done();
    }
    Applied operator()(const op::KillFiles& o) const { return m.apply_kill_files(o, outbox), done(); }
    Applied operator()(const op::QuotaSet&) const { return guards(); }
    Applied operator()(const op::QuotaGet&) const { return guards(); }
    Applied operator()(const op::QuotaDrop&) const { return guards(); }
    Applied operator()(const op::GuardList&) const { return guards(); }
    Applied operator()(const op::SetGuardMode&) const { return guards(); }
    Applied operator()(const op::Beat&) const { return guards(); }
    Applied operator()(const op::Daemons&) const { return guards(); }
    Applied operator()(const op::DaemonInfo&) const { return guards(); }
    Applied operator()(const op::DaemonForget&) const { return guards(); }
    Applied operator()(const op::Reap& o) const { return m.apply_reap(caller, o, writer()), done(); }
    Applied operator()(const op::DeploySet& o) const { return Deployments(m).apply(caller, o, outbox); }
    Applied operator()(const op::DeployRollback& o) const { return Deployments(m).apply(caller, o, outbox); }
    Applied operator()(const op::DeployList& o) const { return Deployments(m).list(o, writer()); }
    Applied operator()(const op::DeployGet& o) const { return Deployments(m).get(o, writer()); }
    Applied operator()(const op::EventAdd& o) const { return m.apply_event_add(caller, o, writer()), done(); }
    Applied operator()(const op::CronSet&) const { return ops(); }
    Applied operator()(const op::CronList&) const { return ops(); }
    Applied operator()(const op::CronDrop&) const { return ops(); }
    Applied operator()(const op::ZoneRulesGiven&) const { return ops(); }
    Applied operator()(const op::IncidentOpen&) const { return ops(); }
    Applied operator()(const op::IncidentList&) const { return ops(); }
    Applied operator()(const op::IncidentGet&) const { return ops(); }
    Applied operator()(const op::IncidentAck&) const { return ops(); }
    Applied operator()(const op::IncidentNote&) const { return ops(); }
    Applied operator()(const op::IncidentClose&) const { return ops(); }
    Applied operator()(const op::IncidentStudy&) const { return ops(); }
    Applied operator()(const op::Sweep&) const { return ops(); }
    Applied ops() const {
      if (m.ops_) return m.ops_->command(operation, caller, writer()), done();
      return writer().error(make_error(Code::err, "this bus has no ops layer")), done();
    }
    Applied guards() const { return m.gate_.command(operation, caller, *m.desk_, writer()), done(); }
  };
  return std::visit(Visitor{*this, caller, operation, outbox}, operation);
}

}  // namespace pawl::core
