#include "tests/sim/op_maker.h"

#include <array>

namespace pawl::sim {
namespace {

namespace op = core::op;

struct Weight {
  Kind kind;
  int weight;
};

// The first two are never left out: nothing happens without them.
constexpr std::array<Weight, kind_count> weights = {{
    {Kind::push, 30},       {Kind::claim, 20},      {Kind::mpush, 3},
    {Kind::claim_wait, 8},  {Kind::ack, 8},         {Kind::ack_next, 6},
    {Kind::mack, 3},        {Kind::fail, 9},        {Kind::extend, 4},
    {Kind::release, 6},     {Kind::cancel, 6},      {Kind::cancel_filter, 1},
    {Kind::move, 7},        {Kind::get, 4},         {Kind::result, 2},
    {Kind::result_wait, 2}, {Kind::transaction, 4}, {Kind::list, 2},
    {Kind::roles, 2},       {Kind::role_info, 1},   {Kind::role_drop, 1},
    {Kind::pause, 2},       {Kind::resume, 3},      {Kind::dead_list, 1},
    {Kind::dead_get, 1},    {Kind::dead_count, 2},  {Kind::dead_groups, 1},
    {Kind::dead_replay, 4}, {Kind::dead_edit, 1},   {Kind::dead_drop, 1},
    {Kind::explain, 1},     {Kind::events, 1},      {Kind::walk_off, 4},
    {Kind::kill_set, 2},    {Kind::kill_hard, 1},   {Kind::kill_clear, 3},
    {Kind::kill_files, 1},  {Kind::kill_status, 1}, {Kind::guard_mode, 1},
    {Kind::guard_list, 1},  {Kind::quota_set, 1},   {Kind::quota_drop, 1},
    {Kind::quota_get, 3},   {Kind::deploy_set, 1},  {Kind::deploy_rollback, 1},
    {Kind::deploy_read, 1},
}};

bool belongs(Kind kind, const World& world) {
  if (kind == Kind::kill_set || kind == Kind::kill_hard || kind == Kind::kill_files) return world.freezes;
  if (kind == Kind::quota_set || kind == Kind::quota_drop) return world.quota;
  return kind != Kind::guard_mode || world.modes;
}

}  // namespace

OpMaker::OpMaker(Rng& rng, const World& world) : rng_(rng), world_(world) {
  for (size_t i = 0; i < weights.size(); ++i) {
    if (i >= 2 && rng_.chance(30)) continue;
    if (!belongs(weights[i].kind, world_)) continue;
    const int weight = rng_.chance(15) ? weights[i].weight * 4 : weights[i].weight;
    bag_.insert(bag_.end(), static_cast<size_t>(weight), weights[i].kind);
  }
  const int64_t roles = rng_.between(1, 4);
  for (int64_t i = 0; i < roles; ++i) roles_.push_back("role" + std::to_string(i));
  uses_delay_ = rng_.chance(60);
  uses_at_ = rng_.chance(50);
  uses_expire_ = rng_.chance(50);
  uses_unique_ = rng_.chance(60);
  uses_unique_for_ = rng_.chance(50);
  uses_group_ = rng_.chance(60);
  uses_limits_ = rng_.chance(50);
  priority_low_ = world_.backlog && rng_.chance(50) ? static_cast<int>(rng_.below(5)) : 5;
  priorities_ = rng_.chance(30) ? 1 : 3;
}

Kind OpMaker::draw(const Model& model) {
  // A fleet that stands still for long tells nothing new.
  const bool frozen = model.freeze().kind != core::FreezeKind::none;
  if (frozen && rng_.chance(12)) return Kind::kill_clear;
  return rng_.pick(bag_);
}

std::string_view OpMaker::keep(std::string text) { return texts_.emplace_back(std::move(text)); }

std::string_view OpMaker::role() { return rng_.pick(roles_); }

std::vector<std::string_view> OpMaker::some_roles() {
  std::vector<std::string_view> result(roles_.begin(), roles_.end());
  for (size_t i = result.size(); i > 1; --i) std::swap(result[i - 1], result[rng_.below(i)]);
  result.resize(1 + rng_.below(result.size()));
  return result;
}

std::string_view OpMaker::any_id(const Model& model) {
  if (model.messages().empty() || rng_.chance(3)) return "0000000000000000";
  // Late ones are more often still moving.
  const size_t size = model.messages().size();
  size_t at = rng_.below(size);
  if (rng_.chance(60)) at = size - 1 - rng_.below(std::min<size_t>(size, 20));
  return keep(std::next(model.messages().begin(), static_cast<std::ptrdiff_t>(at))->first);
}

std::string_view OpMaker::dead_id(const Model& model) {
  std::vector<std::string> dead;
  for (const auto& [id, message] : model.messages()) {
    if (message.state == MessageState::dead && !message.gone) dead.push_back(id);
  }
  if (dead.empty() || rng_.chance(10)) return any_id(model);
  return keep(rng_.pick(dead));
}

KnownClaim OpMaker::a_claim(const Model& model, Known& known, bool ends_it) {
  if (!known.held.empty() && !rng_.chance(10)) {
    const size_t at = rng_.below(known.held.size());
    const KnownClaim claim = known.held[at];
    if (ends_it) {
      known.held.erase(known.held.begin() + static_cast<std::ptrdiff_t>(at));
      known.past.push_back(claim);
    }
    return claim;
  }
  if (!known.past.empty() && !rng_.chance(10)) return rng_.pick(known.past);
  return {std::string(any_id(model)), "zz" + std::to_string(rng_.below(10))};
}

op::Usage OpMaker::usage() {
  op::Usage usage;
  // Estimates are of some hundreds.
  const int often = world_.quota ? 50 : 20;
  if (rng_.chance(often)) usage.tokens = rng_.between(0, world_.quota ? 500 : 5000);
  if (rng_.chance(often)) usage.cost = rng_.between(0, world_.quota ? 500 : 5000);
  return usage;
}

op::Push OpMaker::push() {
  op::Push push;
  push.role = role();
  std::string payload = "p" + std::to_string(++serial_);
  if (rng_.chance(3)) payload.resize(4000 + rng_.below(400), 'x');
  push.payload = keep(payload);
  push.priority = priority_low_ + static_cast<int>(rng_.below(static_cast<size_t>(priorities_)));
  if (uses_delay_ && rng_.chance(25)) {
    push.delay_ms = rng_.between(0, 5000);
  } else if (uses_at_ && rng_.chance(20)) {
    push.at_ms = model_wall_ + rng_.between(-1000, 20'000);
  }
  if (uses_unique_ && rng_.chance(30)) {
    push.unique = keep("key" + std::to_string(rng_.below(3)));
    if (uses_unique_for_ && rng_.chance(50)) push.unique_for_ms = rng_.between(1, 20'000);
  }
  if (uses_group_ && rng_.chance(40)) push.group = keep("group" + std::to_string(rng_.below(3)));
  if (uses_limits_ && rng_.chance(20)) push.max_attempts = static_cast<uint32_t>(rng_.between(1, 4));
  if (uses_limits_ && rng_.chance(20)) push.lease_ms = rng_.between(10, 20'000);
  if (uses_expire_ && rng_.chance(25)) push.expire_ms = rng_.between(1, 30'000);
  if (rng_.chance(5)) push.headers.emplace_back("trace", keep("t" + std::to_string(serial_)));
  return push;
}

op::Claim OpMaker::claim(bool wait) {
  op::Claim claim;
  const size_t who = rng_.below(3);
  claim.daemon = keep("daemon" + std::to_string(who) + (rng_.chance(50) ? "@boot" : ""));
  claim.roles = some_roles();
  claim.count = rng_.chance(60) ? 1 : 1 + rng_.below(5);
  if (wait) claim.wait_ms = rng_.between(1, 15'000);
  if (rng_.chance(20)) claim.lease_ms = rng_.between(10, 30'000);
  return claim;
}

op::Ack OpMaker::ack(const Model& model, Known& known) {
  const KnownClaim claim = a_claim(model, known, true);
  op::Ack ack;
  ack.id = keep(claim.id);
  ack.token = keep(claim.token);
  if (rng_.chance(40)) ack.result = keep("result of " + claim.id);
  ack.usage = usage();
  return ack;
}

op::Fail OpMaker::fail(const Model& model, Known& known) {
  const KnownClaim claim = a_claim(model, known, true);
  op::Fail fail;
  fail.id = keep(claim.id);
  fail.token = keep(claim.token);
  fail.error_class = static_cast<ErrorClass>(rng_.below(core::class_count));
  if (world_.outage && rng_.chance(50)) {
    fail.error_class = rng_.chance(50) ? ErrorClass::dependency_down : ErrorClass::timeout;
  }
  if (world_.limping && rng_.chance(70)) fail.error_class = ErrorClass::dependency_down;
  const bool blames = fail.error_class == ErrorClass::dependency_down && (world_.limping || rng_.chance(50));
  const std::string blamed = !blames ? "" : rng_.chance(30) ? "smtp: " : "slack: ";
  fail.text = keep(blamed + "error " + std::to_string(rng_.below(3)) + " at step " + std::to_string(serial_));
  if (rng_.chance(20)) fail.retry_in_ms = rng_.between(1, 5000);
  fail.dead = rng_.chance(15);
  fail.usage = usage();
  return fail;
}

op::Transaction OpMaker::transaction(const Model& model, Known& known) {
  op::Transaction transaction;
  const size_t items = 1 + rng_.below(4);
  for (size_t i = 0; i < items; ++i) {
    const size_t kind = rng_.below(3);
    if (kind == 0) transaction.items.emplace_back(push());
    if (kind == 1) transaction.items.emplace_back(ack(model, known));
    if (kind == 2) transaction.items.emplace_back(fail(model, known));
  }
  return transaction;
}

op::DeadFilter OpMaker::filter() {
  op::DeadFilter filter;
  if (rng_.chance(50)) filter.role = role();
  if (rng_.chance(20)) filter.error_class = static_cast<ErrorClass>(rng_.below(core::class_count));
  if (rng_.chance(20)) filter.match = keep("error " + std::to_string(rng_.below(3)));
  return filter;
}

core::Operation OpMaker::make_dead(Kind kind, const Model& model) {
  if (kind == Kind::dead_list) return op::DeadList{filter(), "0", 1000};
  if (kind == Kind::dead_get) return op::DeadGet{dead_id(model)};
  if (kind == Kind::dead_count) return op::DeadCount{filter()};
  if (kind == Kind::dead_groups) return op::DeadGroups{filter()};
  if (kind == Kind::dead_edit) {
    const std::string_view id = dead_id(model);
    return op::DeadEdit{id, keep("edited" + std::to_string(++serial_))};
  }
  if (kind == Kind::dead_drop) {
    op::DeadDrop drop;
    if (rng_.chance(70))
      drop.ids.push_back(dead_id(model));
    else
      drop.filter = filter();
    return drop;
  }
  op::DeadReplay replay;
  if (rng_.chance(60))
    replay.ids.push_back(dead_id(model));
  else
    replay.filter = filter();
  if (replay.ids.empty() && rng_.chance(30)) replay.limit = 1 + rng_.below(3);
  if (rng_.chance(25)) replay.to_role = role();
  replay.reset = rng_.chance(30);
  replay.dry_run = rng_.chance(10);
  return replay;
}

core::Operation OpMaker::make_change(Kind kind, const Model& model, Known& known) {
  if (kind == Kind::extend) {
    const KnownClaim claim = a_claim(model, known, false);
    op::Extend extend;
    extend.id = keep(claim.id);
    extend.token = keep(claim.token);
    if (rng_.chance(50)) extend.lease_ms = rng_.between(10, 30'000);
    if (rng_.chance(30)) extend.progress = {rng_.between(0, 100), "on the way"};
    extend.usage = usage();
    return extend;
  }
  if (kind == Kind::release) {
    const KnownClaim claim = a_claim(model, known, true);
    op::Release release;
    release.id = keep(claim.id);
    release.token = keep(claim.token);
    // The delay by itself depends on which failures were spent, which is not foretold with outages.
    if (world_.outage || rng_.chance(50)) release.delay_ms = rng_.between(0, 3000);
    return release;
  }
  if (kind == Kind::cancel) return op::Cancel{any_id(model), "no longer wanted"};
  if (kind == Kind::cancel_filter) {
    op::CancelFilter filter;
    filter.role = role();
    if (rng_.chance(60)) filter.state = static_cast<MessageState>(rng_.below(3));
    if (rng_.chance(30)) filter.limit = 10'000;
    return filter;
  }
  if (kind == Kind::move) {
    op::Move move;
    move.id = any_id(model);
    if (rng_.chance(60)) move.priority = static_cast<int>(5 + rng_.below(static_cast<size_t>(priorities_)));
    if (!move.priority || rng_.chance(50)) move.to_role = role();
    return move;
  }
  if (kind == Kind::role_drop) return op::RoleDrop{role()};
  if (kind == Kind::pause) return op::Pause{role(), "paused by the simulation"};
  return op::Resume{role()};
}

core::Operation OpMaker::make_kill(Kind kind, const Model& model) {
  const std::string_view reason = keep("reason " + std::to_string(++serial_));
  const auto scope = static_cast<core::FreezeScope>(rng_.below(3));
  if (kind == Kind::kill_hard) return op::KillSet{true, core::FreezeScope::all, std::nullopt, reason};
  if (kind == Kind::kill_set) {
    op::KillSet set{false, scope, std::nullopt, reason};
    if (rng_.chance(40)) set.for_ms = rng_.between(1, 20'000);
    return set;
  }
  if (kind == Kind::kill_clear) {
    const bool hard = model.freeze().kind == core::FreezeKind::hard ? rng_.chance(70) : rng_.chance(20);
    return op::KillClear{hard, reason};
  }
  op::KillFiles files;
  files.soft = rng_.chance(50);
  files.hard = rng_.chance(20);
  files.scope = scope;
  files.reason = reason;
  if (rng_.chance(30)) files.until_ms = model.wall_ms() + rng_.between(-1000, 20'000);
  return files;
}

// Few contents, so that the same comes again.
core::Operation OpMaker::make_deploy(Kind kind) {
  const std::string_view who = role();
  if (kind == Kind::deploy_set) {
    op::DeploySet set{who, {}, std::nullopt, "by the simulation"};
    if (rng_.chance(60)) set.command = {"./agent", keep(std::to_string(rng_.below(3)))};
    if (set.command.empty() || rng_.chance(50)) set.prompt = keep("prompt " + std::to_string(rng_.below(3)));
    return set;
  }
  const auto version = static_cast<uint64_t>(rng_.below(9));
  if (kind == Kind::deploy_rollback) {
    return op::DeployRollback{who, rng_.chance(50) ? std::optional(version) : std::nullopt, ""};
  }
  if (rng_.chance(30)) return op::DeployList{who};
  return op::DeployGet{who, rng_.chance(50) && version != 0 ? std::optional(version) : std::nullopt};
}

op::SetGuardMode OpMaker::guard_mode() {
  std::vector<std::string_view> names = {"pause", "pause",  "concurrency", "rate", "shed",
                                         "quota", "poison", "freeze",      "size", "sweep"};
  if (!world_.outage) names.push_back("breaker");
  return {rng_.pick(names), static_cast<core::GuardMode>(rng_.below(3))};
}

core::Operation OpMaker::make_quota(Kind kind) {
  const std::string_view who = rng_.chance(30) ? "*" : role();
  if (kind == Kind::quota_get) {
    if (rng_.chance(50)) return op::QuotaGet{};
    return op::QuotaGet{who};
  }
  const auto what = static_cast<core::QuotaKind>(rng_.below(3));
  const int64_t per_ms = rng_.pick(std::vector<int64_t>{1'000, 7'000, 30'000});
  if (kind == Kind::quota_drop) return op::QuotaDrop{who, what, per_ms};
  const int64_t unit = what == core::QuotaKind::calls ? 1 : 100;
  op::QuotaSet set{who, what, unit * rng_.between(1, 20), per_ms, std::nullopt};
  if (unit > 1 && !(world_.learned && rng_.chance(50))) set.estimate = unit * rng_.between(1, 3);
  return set;
}

op::MultiPush OpMaker::multi_push() {
  op::MultiPush pushes;
  pushes.role = role();
  const size_t count = 1 + rng_.below(4);
  for (size_t i = 0; i < count; ++i) pushes.payloads.push_back(keep("m" + std::to_string(++serial_)));
  return pushes;
}

op::MultiAck OpMaker::multi_ack(const Model& model, Known& known) {
  op::MultiAck acks;
  const size_t count = 1 + rng_.below(3);
  for (size_t i = 0; i < count; ++i) {
    const KnownClaim claim = a_claim(model, known, true);
    const std::string_view id = keep(claim.id);
    acks.items.emplace_back(id, keep(claim.token));
  }
  return acks;
}

core::Operation OpMaker::make(Kind kind, const Model& model, Known& known) {
  // tidy: long-function because it has one case for each kind of operation
  texts_.clear();
  model_wall_ = model.wall_ms();
  switch (kind) {
    case Kind::push:
      return push();
    case Kind::mpush:
      return multi_push();
    case Kind::claim:
    case Kind::claim_wait:
      return claim(kind == Kind::claim_wait);
    case Kind::ack:
      return ack(model, known);
    case Kind::ack_next: {
      op::Ack result = ack(model, known);
      result.next = op::Next{some_roles(), 1 + rng_.below(3), std::nullopt};
      return result;
    }
    case Kind::mack:
      return multi_ack(model, known);
    case Kind::fail:
      return fail(model, known);
    case Kind::transaction:
      return transaction(model, known);
    case Kind::get:
      return op::Get{any_id(model)};
    case Kind::result:
      return op::GetResult{any_id(model), std::nullopt};
    case Kind::result_wait:
      return op::GetResult{any_id(model), rng_.between(1, 15'000)};
    case Kind::list:
      return op::List{role(), static_cast<MessageState>(rng_.below(core::state_count)), "0",
                      1 + rng_.below(5)};
    case Kind::roles:
      return op::Roles{};
    case Kind::role_info:
      return op::RoleInfo{role()};
    case Kind::explain:
      return op::Explain{any_id(model)};
    case Kind::events:
      return op::Events{0, 10, std::nullopt, ""};
    case Kind::walk_off:
      return op::Info{};
    case Kind::dead_list:
    case Kind::dead_get:
    case Kind::dead_count:
    case Kind::dead_groups:
    case Kind::dead_replay:
    case Kind::dead_edit:
    case Kind::dead_drop:
      return make_dead(kind, model);
    case Kind::extend:
    case Kind::release:
    case Kind::cancel:
    case Kind::cancel_filter:
    case Kind::move:
    case Kind::role_drop:
    case Kind::pause:
    case Kind::resume:
      return make_change(kind, model, known);
    case Kind::kill_set:
    case Kind::kill_hard:
    case Kind::kill_clear:
    case Kind::kill_files:
      return make_kill(kind, model);
    case Kind::kill_status:
      return op::KillStatus{};
    case Kind::guard_mode:
      return guard_mode();
    case Kind::guard_list:
      return op::GuardList{};
    case Kind::quota_set:
    case Kind::quota_drop:
    case Kind::quota_get:
      return make_quota(kind);
    case Kind::deploy_set:
    case Kind::deploy_rollback:
    case Kind::deploy_read:
      return make_deploy(kind);
  }
  return op::Info{};
}

}  // namespace pawl::sim
