#include "bus/ops/policy_memory.h"

#include <algorithm>

#include "bus/ops/coding.h"

namespace pawl::ops {
namespace {

uint8_t number_of(Action action) { return static_cast<uint8_t>(action); }

void count(UsedAction& used, int64_t frees_at_ms) {
  used.frees_at_ms = used.count++ == 0 ? frees_at_ms : std::min(used.frees_at_ms, frees_at_ms);
}

}  // namespace

template <typename Archive>
void PolicyMemory::Learned::serialize(Archive& ar) {
  code_map(ar, actions);
  ar(last_ms);
  if constexpr (Archive::reading) {
    if (!actions.empty() && actions.rbegin()->first >= action_count) ar.damage();
  }
}

void PolicyMemory::complete(const PolicyTable& table, Situation& situation) const {
  situation.measures.clear();
  situation.used.clear();
  situation.used_by_all.clear();
  const auto found = measured_.find(situation.fingerprint);
  if (found != measured_.end()) {
    for (const auto& [action, measure] : found->second.actions) {
      situation.measures.push_back({static_cast<Action>(action), measure});
    }
  }
  for (size_t i = 0; i < action_count; ++i) {
    const auto action = static_cast<Action>(i);
    const Cap& cap = table.caps[i];
    if (cap.per_ms == 0) continue;
    const std::string subject = subject_of(action, situation);
    UsedAction of_subject{action};
    UsedAction of_all{action};
    for (auto acts = acts_.lower_bound({number_of(action), ""});
         acts != acts_.end() && acts->first.first == number_of(action); ++acts) {
      for (const int64_t at : acts->second) {
        if (at <= situation.now_ms - cap.per_ms) continue;
        count(of_all, at + cap.per_ms);
        if (acts->first.second == subject) count(of_subject, at + cap.per_ms);
      }
    }
    if (of_subject.count > 0) situation.used.push_back(of_subject);
    if (cap.fleet != 0 && of_all.count > 0) situation.used_by_all.push_back(of_all);
  }
}

void PolicyMemory::acted(const PolicyTable& table, Action action, const std::string& subject,
                         int64_t now_ms) {
  // What no cap looks at any more goes, of every subject: subjects come and go.
  for (auto it = acts_.begin(); it != acts_.end();) {
    const Cap& cap = table.caps[it->first.first];
    std::erase_if(it->second, [&](int64_t at) { return at <= now_ms - cap.per_ms; });
    it = it->second.empty() ? acts_.erase(it) : std::next(it);
  }
  if (table.caps[number_of(action)].per_ms > 0) acts_[{number_of(action), subject}].push_back(now_ms);
}

void PolicyMemory::learned(uint64_t fingerprint, Action action, bool helped, int64_t spent_ms,
                           int64_t now_ms) {
  if (!facts_of(action).recovers) return;
  auto found = measured_.find(fingerprint);
  if (found == measured_.end()) {
    if (measured_.size() >= fingerprints_max) {
      measured_.erase(std::min_element(measured_.begin(), measured_.end(), [](const auto& a, const auto& b) {
        return a.second.last_ms < b.second.last_ms;
      }));
    }
    found = measured_.emplace(fingerprint, Learned{}).first;
  }
  found->second.actions[number_of(action)].note(helped, spent_ms);
  found->second.last_ms = std::max(found->second.last_ms, now_ms);
}

Measure PolicyMemory::measure(uint64_t fingerprint, Action action) const {
  const auto found = measured_.find(fingerprint);
  if (found == measured_.end()) return {};
  const auto one = found->second.actions.find(number_of(action));
  return one == found->second.actions.end() ? Measure{} : one->second;
}

std::optional<Action> PolicyMemory::best(uint64_t fingerprint) const {
  const auto found = measured_.find(fingerprint);
  if (found == measured_.end()) return std::nullopt;
  std::optional<Action> best;
  Measure best_measure;
  for (const auto& [number, measure] : found->second.actions) {
    if (measure.successes == 0) continue;
    const auto value = [](const Measure& one, const Measure& other) {
      // Rate of success through the time of a try.
      return int64_t{lower_ppm(one)} * expected_ms(other, other.spent_ms / other.tries);
    };
    if (best && value(measure, best_measure) <= value(best_measure, measure)) continue;
    best = static_cast<Action>(number);
    best_measure = measure;
  }
  return best;
}

template <typename Archive>
void PolicyMemory::code(Archive& ar, uint8_t) {
  code_map(ar, measured_);
  code_map(ar, acts_);
  if constexpr (Archive::reading) {
    if (!acts_.empty() && acts_.rbegin()->first.first >= action_count) ar.damage();
  }
}

std::string encode(const PolicyMemory& memory) { return encode_value(memory); }
std::optional<PolicyMemory> decode_policy_memory(std::string_view bytes) {
  return decode_value<PolicyMemory>(bytes);
}

}  // namespace pawl::ops
