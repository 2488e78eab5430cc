#include "guards/guard_chain.h"

#include <algorithm>

#include "bus/base/parse.h"
#include "bus/core/faults.h"

namespace pawl::guards {
namespace {

constexpr size_t later_max = 1000;

core::Verdict failed_guard(const Guard& guard) {
  if (guard.failure_direction() == FailureDirection::open) return core::Verdict::allow();
  core::Verdict verdict =
      refuse(Code::busy, core::Scope::fleet,
             "guard " + std::string(guard.name()) +
                 " failed and refuses while it does; pawl guards shows it, GUARD MODE switches it off");
  verdict.guard = guard.name();
  return verdict;
}

std::string mode_key(std::string_view guard) { return "chain/mode/" + std::string(guard); }

}  // namespace

GuardChain::GuardChain(std::vector<std::unique_ptr<Guard>> guards) {
  for (auto& guard : guards) {
    Link link;
    link.counters.name = guard->name();
    link.mode = guard->default_mode();
    link.guard = std::move(guard);
    links_.push_back(std::move(link));
  }
  for (const Link& link : links_) {
    if ((link.guard->asks() & asks_operations) != 0) of_operations_.push_back(&link);
    if ((link.guard->asks() & asks_claims) != 0) of_claims_.push_back(&link);
    if ((link.guard->asks() & asks_failures) != 0) of_failures_.push_back(&link);
    if ((link.guard->asks() & asks_daemons) != 0) of_daemons_.push_back(&link);
  }
  for (Link& link : links_) {
    const uint8_t hears = link.guard->hears();
    if ((hears & hears_claims) != 0) told_claims_.push_back(&link);
    if ((hears & hears_ticks) != 0) told_ticks_.push_back(&link);
    if ((hears & hears_seals) != 0) told_seals_.push_back(&link);
  }
  for (Link* link : all_reversed()) {
    const uint8_t hears = link->guard->hears();
    if ((hears & hears_usage) != 0) told_usage_.push_back(link);
    if ((hears & hears_ends) != 0) told_ends_.push_back(link);
  }
}

std::vector<GuardChain::Link*> GuardChain::all_reversed() {
  std::vector<Link*> all;
  for (auto link = links_.rbegin(); link != links_.rend(); ++link) all.push_back(&*link);
  return all;
}

// ---- What is asked ------------------------------------------------------------

void GuardChain::note_later(std::string kind, core::Verdict verdict) const {
  if (later_.size() < later_max) later_.emplace_back(std::move(kind), std::move(verdict));
}

void GuardChain::failed(const Link& link) const {
  ++link.counters.failed;
  core::Verdict verdict = refuse(Code::err, core::Scope::fleet,
                                 link.guard->failure_direction() == FailureDirection::open
                                     ? "the guard failed; it lets through while it does"
                                     : "the guard failed; it refuses while it does");
  verdict.guard = link.guard->name();
  note_later("guard.failed", std::move(verdict));
}

// Most questions are allowed by everybody: what that costs is all that a message pays for its guards.
template <typename Question>
Answer GuardChain::ask(const std::vector<const Link*>& links, const Question& question) const {
  const auto end = links.end();
  for (auto at = links.begin();; ++at) {
    try {
      for (; at != end; ++at) {
        const Link& link = **at;
        if (link.mode == core::GuardMode::off) continue;
        ++link.counters.evaluated;
        const Answer answer = question(*link.guard);
        if (answer.allowed()) [[likely]]
          continue;
        Answer refusal = counted(link, answer.verdict());
        if (!refusal.allowed()) return refusal;
      }
      return {};
    } catch (...) {
      failed(**at);
      core::Verdict verdict = failed_guard(*(*at)->guard);
      if (verdict.allowed) continue;
      Answer refusal = counted(**at, std::move(verdict));
      if (!refusal.allowed()) return refusal;
    }
  }
}

Answer GuardChain::counted(const Link& link, core::Verdict verdict) const {
  verdict.guard = link.guard->name();
  if (link.mode == core::GuardMode::enforce || PAWL_FAULT(observe_refuses)) {
    ++link.counters.refused;
    return verdict;
  }
  ++link.counters.would_refuse;
  note_later("guard.would_refuse", std::move(verdict));
  return {};
}

Answer GuardChain::ask_all(const core::Operation& operation, const core::Caller& caller,
                           const core::Desk& desk) const {
  return ask(of_operations_, [&](const Guard& guard) { return guard.admit(operation, caller, desk); });
}

Answer GuardChain::admit(const core::Operation& operation, const core::Caller& caller,
                         const core::Desk& desk) const {
  const auto* transaction = std::get_if<core::op::Transaction>(&operation);
  if (transaction == nullptr) [[likely]]
    return ask_all(operation, caller, desk);
  for (size_t i = 0; i < transaction->items.size() && !PAWL_FAULT(exec_not_asked); ++i) {
    const core::Operation item =
        std::visit([](const auto& one) { return core::Operation(one); }, transaction->items[i]);
    const Answer answer = ask_all(item, caller, desk);
    if (answer.allowed()) continue;
    core::Verdict verdict = answer.verdict();
    verdict.reason += " at=" + std::to_string(i);
    return verdict;
  }
  return {};
}

Answer GuardChain::admit_daemon(std::string_view daemon, const core::Desk& desk) const {
  return ask(of_daemons_,
             [&](const Guard& guard) { return guard.idle() ? allow() : guard.admit_daemon(daemon, desk); });
}

Answer GuardChain::admit_claim(const core::Candidate& candidate, const core::Desk& desk) const {
  return ask(of_claims_,
             [&](const Guard& guard) { return guard.idle() ? allow() : guard.admit_claim(candidate, desk); });
}

std::vector<core::Verdict> GuardChain::explain(const core::Candidate& candidate,
                                               const core::Desk& desk) const {
  std::vector<core::Verdict> refusals;
  for (const Link* link : of_claims_) {
    if (link->mode != core::GuardMode::enforce) continue;
    core::Verdict verdict;
    try {
      verdict = link->guard->admit_claim(candidate, desk).verdict();
    } catch (...) {
      verdict = failed_guard(*link->guard);
    }
    if (verdict.allowed) continue;
    verdict.guard = link->guard->name();
    refusals.push_back(std::move(verdict));
  }
  return refusals;
}

core::Ruling GuardChain::judge(const core::Ending& ending, const core::Desk& desk) const {
  core::Ruling ruling;
  for (const Link* link : of_failures_) {
    if (link->mode == core::GuardMode::off) continue;
    ++link->counters.evaluated;
    core::Ruling one;
    try {
      one = link->guard->judge(ending, desk);
    } catch (...) {
      failed(*link);
      continue;
    }
    if (one.spend && !one.poison) continue;
    if (link->mode == core::GuardMode::observe) {
      ++link->counters.would_refuse;
      core::Verdict verdict = refuse(Code::err, core::Scope::role, one.reason);
      verdict.guard = link->guard->name();
      verdict.subject = "role:" + std::string(ending.role.name);
      note_later("guard.would_refuse", std::move(verdict));
      continue;
    }
    ++link->counters.refused;
    // What is not spent cannot be poison.
    if (!one.spend) return core::Ruling{false, false, std::move(one.reason), one.rest_ms};
    if (!ruling.poison) ruling = std::move(one);
  }
  return ruling;
}

// ---- What is told --------------------------------------------------------------

template <typename News>
void GuardChain::tell(const std::vector<Link*>& links, const News& news) const {
  for (Link* link : links) {
    try {
      news(*link->guard);
    } catch (...) {
      failed(*link);
    }
  }
}

Status GuardChain::open(core::Desk& desk) {
  log_.clear();
  later_.clear();
  read_modes(desk);
  for (Link& link : links_) {
    try {
      link.guard->open(desk);
    } catch (...) {
      return make_error(Code::err, "the rows of guard " + std::string(link.guard->name()) +
                                       " are damaged or from a newer pawl; restore a backup");
    }
  }
  return {};
}

void GuardChain::restored(const core::RoleFacts& role, const core::Reservation& reserved, uint64_t tokens,
                          uint64_t cost) {
  tell(all_reversed(), [&](Guard& guard) { guard.restored(role, reserved, tokens, cost); });
}

void GuardChain::configured(core::Desk& desk) {
  read_modes(desk);
  tell(all_reversed(), [&](Guard& guard) { guard.configured(desk); });
}

core::Reservation GuardChain::taken(const core::Candidate& candidate, core::Desk& desk) {
  core::Reservation reserved;
  for (Link* link : told_claims_) {
    const bool limps = !reserved.limp.empty();
    try {
      if (!link->guard->idle()) link->guard->taken(candidate, reserved, desk);
    } catch (...) {
      failed(*link);
    }
    // To have a claim go on without something is to refuse less: for a guard that may refuse.
    if (!limps && link->mode != core::GuardMode::enforce) reserved.limp.clear();
  }
  return reserved;
}

void GuardChain::refused(const core::Verdict& verdict, core::Desk& desk) {
  log_.note("guard.refuse", verdict, desk);
}

void GuardChain::used(const core::Usage& usage, core::Desk& desk) {
  tell(told_usage_, [&](Guard& guard) { guard.used(usage, desk); });
}

void GuardChain::ended(const core::Ending& ending, const core::Ruling& ruling, core::Desk& desk) {
  const bool done = ending.outcome == core::Outcome::done;
  tell(told_ends_, [&](Guard& guard) {
    if (!done || !guard.idle()) guard.ended(ending, ruling, desk);
  });
}

void GuardChain::tick(core::Desk& desk) {
  tell(told_ticks_, [&](Guard& guard) { guard.tick(desk); });
  for (const auto& [kind, verdict] : std::exchange(later_, {})) log_.note(kind, verdict, desk);
  log_.tick(desk);
}

void GuardChain::sealing(core::Desk& desk) {
  tell(told_seals_, [&](Guard& guard) { guard.sealing(desk); });
}

std::optional<int64_t> GuardChain::next_wakeup_ms() const {
  std::optional<int64_t> next = log_.next_wakeup_ms();
  for (const Link* link : told_ticks_) {
    const auto own = link->guard->next_wakeup_ms();
    if (own && (!next || *own < *next)) next = own;
  }
  return next;
}

void GuardChain::describe(const core::RoleFacts& role, const core::Desk& desk, core::Fields& fields) const {
  for (const Link& link : links_) link.guard->describe(role, desk, fields);
}

void GuardChain::report(core::FactsSink& sink, const core::Desk& desk) const {
  for (const Link& link : links_) {
    const GuardCounters& counters = link.counters;
    sink.guard({counters.name, link.mode, counters.evaluated, counters.refused, counters.would_refuse,
                counters.failed});
    link.guard->report(sink, desk);
  }
}

Status GuardChain::restrict(const core::Restriction& restriction, core::Desk& desk) {
  const std::string what(core::restriction_names[static_cast<size_t>(restriction.kind)]);
  for (const Link& link : links_) {
    if (!link.guard->restricts(restriction.kind)) continue;
    if (link.mode != core::GuardMode::enforce) {
      return make_error(Code::state, what + ": guard " + std::string(link.guard->name()) +
                                         " does not enforce; pawl guards mode sets it");
    }
    try {
      if (const auto done = link.guard->restrict(restriction, desk)) return *done;
    } catch (const std::exception&) {
      failed(link);
      return make_error(Code::err, what + ": guard " + std::string(link.guard->name()) + " failed");
    }
  }
  return Gate::restrict(restriction, desk);
}

void GuardChain::lift(const core::Restriction& restriction, core::Desk& desk) {
  tell(all_reversed(), [&](Guard& guard) { guard.lift(restriction, desk); });
}

std::vector<GuardCounters> GuardChain::counters() const {
  std::vector<GuardCounters> all;
  for (const Link& link : links_) all.push_back(link.counters);
  return all;
}

// ---- GUARD -----------------------------------------------------------------------

core::GuardMode GuardChain::configured_mode(const Guard& guard, const core::Desk& desk) {
  const auto& configured = desk.config().guards.modes;
  const auto found = configured.find(guard.name());
  return guard.has_mode() && found != configured.end() ? found->second : guard.default_mode();
}

void GuardChain::read_modes(core::Desk& desk) {
  std::string value;
  for (Link& link : links_) {
    link.mode = configured_mode(*link.guard, desk);
    link.mode_is_set = false;
    if (!link.guard->has_mode() || PAWL_FAULT(mode_lost_at_restart)) continue;
    if (desk.get(mode_key(link.guard->name()), value) && value.size() == 1 && value[0] <= 2) {
      link.mode = static_cast<core::GuardMode>(value[0]);
      link.mode_is_set = true;
    }
  }
}

void GuardChain::command(const core::Operation& operation, const core::Caller& caller, core::Desk& desk,
                         core::ReplyWriter& writer) {
  if (std::holds_alternative<core::op::GuardList>(operation)) return list(desk, writer);
  if (const auto* set = std::get_if<core::op::SetGuardMode>(&operation)) {
    return set_mode(*set, caller, desk, writer);
  }
  for (Link& link : links_) {
    if (link.guard->command(operation, caller, desk, writer)) return;
  }
  writer.error(make_error(Code::err, "no guard of this bus knows the command"));
}

void GuardChain::list(const core::Desk& desk, core::ReplyWriter& writer) const {
  writer.array(links_.size());
  for (const Link& link : links_) {
    // As it is durable; counters are of memory.
    core::GuardMode mode = link.mode;
    if (link.mode_is_set) {
      std::string value;
      const bool durable = desk.get_committed(mode_key(link.guard->name()), value) && value.size() == 1;
      mode = durable ? static_cast<core::GuardMode>(value[0]) : configured_mode(*link.guard, desk);
    }
    core::Fields fields;
    fields.text("guard", std::string(link.guard->name()));
    fields.text("mode", std::string(core::guard_mode_names[static_cast<size_t>(mode)]));
    fields.number("fixed", link.guard->has_mode() ? 0 : 1);
    fields.text("fails", link.guard->failure_direction() == FailureDirection::open ? "open" : "closed");
    fields.number("evaluated", static_cast<int64_t>(link.counters.evaluated));
    fields.number("refused", static_cast<int64_t>(link.counters.refused));
    fields.number("would_refuse", static_cast<int64_t>(link.counters.would_refuse));
    fields.number("failed", static_cast<int64_t>(link.counters.failed));
    writer.map(fields.size());
    fields.write(writer);
  }
}

void GuardChain::set_mode(const core::op::SetGuardMode& set, const core::Caller& caller, core::Desk& desk,
                          core::ReplyWriter& writer) {
  const auto link = std::find_if(links_.begin(), links_.end(),
                                 [&](const Link& one) { return same_word(one.guard->name(), set.name); });
  if (link == links_.end()) {
    std::string names;
    for (const Link& one : links_) (names += ' ') += one.guard->name();
    return writer.error(
        make_error(Code::notfound, "no guard '" + std::string(set.name) + "'; there are" + names));
  }
  const std::string name(link->guard->name());
  if (!link->guard->has_mode()) {
    return writer.error(make_error(Code::badarg, "guard " + name + " always enforces; it has no mode"));
  }
  const core::GuardMode before = link->mode;
  link->mode = set.mode;
  link->mode_is_set = true;
  desk.put(mode_key(name), std::string(1, static_cast<char>(set.mode)));
  desk.chronicle("guard.mode", {{"guard", name},
                                {"from", std::string(core::guard_mode_names[static_cast<size_t>(before)])},
                                {"to", std::string(core::guard_mode_names[static_cast<size_t>(set.mode)])},
                                {"by", std::string(caller.name)}});
  desk.wake("");
  writer.simple("OK");
}

}  // namespace pawl::guards
