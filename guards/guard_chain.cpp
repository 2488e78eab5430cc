#include "guards/guard_chain.h"

#include <algorithm>
#include <string>
#include <utility>

namespace pawl::guards {
namespace {

core::Verdict failed_guard(const Guard& guard) {
  if (guard.failure_direction() == FailureDirection::open) return core::Verdict::allow();
  core::Verdict verdict;
  verdict.allowed = false;
  verdict.code = Code::busy;
  verdict.reason =
      "guard " + std::string(guard.name()) + " failed and refuses while it does; see the bus's log";
  verdict.scope = core::Scope::fleet;
  return verdict;
}

// Asks one guard, whatever the question; a refusal carries its name.
template <typename Question>
core::Verdict ask(const Guard& guard, GuardCounters& counters, const Question& question) {
  ++counters.evaluated;
  core::Verdict verdict;
  try {
    verdict = question(guard);
  } catch (...) {
    ++counters.failed;
    verdict = failed_guard(guard);
  }
  if (verdict.allowed) return verdict;
  ++counters.refused;
  verdict.guard = guard.name();
  return verdict;
}

}  // namespace

GuardChain::GuardChain(std::vector<std::unique_ptr<Guard>> guards) {
  for (auto& guard : guards) {
    Link link;
    link.counters.name = guard->name();
    link.guard = std::move(guard);
    links_.push_back(std::move(link));
  }
}

core::Verdict GuardChain::admit_one(const core::Operation& operation) const {
  for (const Link& link : links_) {
    core::Verdict verdict =
        ask(*link.guard, link.counters, [&](const Guard& guard) { return guard.admit(operation); });
    if (!verdict.allowed) return verdict;
  }
  return core::Verdict::allow();
}

core::Verdict GuardChain::admit(const core::Operation& operation) const {
  const auto* transaction = std::get_if<core::op::Transaction>(&operation);
  if (transaction == nullptr) return admit_one(operation);
  for (size_t i = 0; i < transaction->items.size(); ++i) {
    const core::Operation item =
        std::visit([](const auto& one) { return core::Operation(one); }, transaction->items[i]);
    core::Verdict verdict = admit_one(item);
    if (verdict.allowed) continue;
    verdict.reason += " at=" + std::to_string(i);
    return verdict;
  }
  return core::Verdict::allow();
}

void GuardChain::observe(const Outcome& outcome) {
  for (auto link = links_.rbegin(); link != links_.rend(); ++link) {
    try {
      link->guard->observe(outcome);
    } catch (...) {
      ++link->counters.failed;
    }
  }
}

void GuardChain::tick(int64_t wall_ms) {
  for (Link& link : links_) {
    try {
      link.guard->tick(wall_ms);
    } catch (...) {
      ++link.counters.failed;
    }
  }
}

core::Verdict GuardChain::admit_claim(const core::Candidate& candidate) const {
  for (const Link& link : links_) {
    core::Verdict verdict =
        ask(*link.guard, link.counters, [&](const Guard& guard) { return guard.admit_claim(candidate); });
    if (!verdict.allowed) return verdict;
  }
  return core::Verdict::allow();
}

void GuardChain::taken(const core::Candidate& candidate) {
  for (Link& link : links_) {
    try {
      link.guard->taken(candidate);
    } catch (...) {
      ++link.counters.failed;
    }
  }
}

std::vector<core::Verdict> GuardChain::explain(const core::Candidate& candidate) const {
  std::vector<core::Verdict> refusals;
  for (const Link& link : links_) {
    GuardCounters unused;
    core::Verdict verdict =
        ask(*link.guard, unused, [&](const Guard& guard) { return guard.admit_claim(candidate); });
    if (!verdict.allowed) refusals.push_back(std::move(verdict));
  }
  return refusals;
}

std::vector<GuardCounters> GuardChain::counters() const {
  std::vector<GuardCounters> all;
  for (const Link& link : links_) all.push_back(link.counters);
  return all;
}

Error refusal(const core::Verdict& verdict, int64_t wall_ms) {
  Error error = make_error(verdict.code, verdict.reason);
  if (verdict.retry_at_ms) error.retry_after_ms = std::max<int64_t>(0, *verdict.retry_at_ms - wall_ms);
  return error;
}

}  // namespace pawl::guards
