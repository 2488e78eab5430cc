// REAP: the claims of a process that is gone end at once, as crashes.
#include <algorithm>
#include <utility>

#include "bus/core/machine.h"

namespace pawl::core {

void Machine::load_reaps() {
  const std::string prefix(keys::reap_prefix);
  view_.scan(Table::meta, prefix, keys::after_prefix(prefix), [&](std::string_view key, std::string_view) {
    reaps_.emplace(key.substr(prefix.size()));
    return true;
  });
}

// In the order of their pushes.
std::vector<uint64_t> Machine::claims_of(std::string_view daemon) const {
  std::vector<uint64_t> sequences;
  for (const auto& [sequence, claim] : claims_) {
    if (claim.life.daemon == daemon) sequences.push_back(sequence);
  }
  std::sort(sequences.begin(), sequences.end());
  return sequences;
}

// True: every claim of the daemon has ended.
bool Machine::reap_some(std::string_view daemon, const std::vector<uint64_t>& sequences) {
  const size_t now = std::min(sequences.size(), limits::lapses_per_tick);
  for (size_t i = 0; i < now; ++i) {
    end_crashed(claims_.at(sequences[i]), "its process " + std::string(daemon) + " is gone");
  }
  return now == sequences.size();
}

void Machine::apply_reap(const Caller& caller, const op::Reap& reap, ReplyWriter& writer) {
  const std::string daemon = std::string(reap.daemon) + "@" + std::string(reap.boot);
  const std::vector<uint64_t> sequences = claims_of(daemon);
  chronicle("daemon.reap", {{"daemon", std::string(reap.daemon)},
                            {"boot", std::string(reap.boot)},
                            {"claims", std::to_string(sequences.size())},
                            {"by", std::string(caller.name)}});
  // A freeze of everything lets nothing end: it is remembered, and done after the clear.
  if (!sequences.empty() && (freeze_.all() || !reap_some(daemon, sequences)) &&
      reaps_.insert(daemon).second) {
    view_.put(Table::meta, std::string(keys::reap_prefix) + daemon, "");
    more_work_ = true;
  }
  writer.integer(static_cast<int64_t>(sequences.size()));
}

void Machine::tick_reaps() {
  if (reaps_.empty()) return;
  const std::string daemon = *reaps_.begin();
  if (reap_some(daemon, claims_of(daemon))) {
    reaps_.erase(daemon);
    view_.erase(Table::meta, std::string(keys::reap_prefix) + daemon);
  }
  more_work_ = more_work_ || !reaps_.empty();
}

}  // namespace pawl::core
