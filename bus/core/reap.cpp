// REAP: the claims of a process that is gone end at once, as crashes.
#include <algorithm>
#include <utility>

#include "bus/core/machine.h"

namespace pawl::core {

void Machine::load_reaps() {
  const std::string prefix(keys::reap_prefix);
  view_.scan(Table::meta, prefix, keys::after_prefix(prefix), [&](std::string_view key, std::string_view) {
    reaps_.try_emplace(std::string(key.substr(prefix.size())));
    return true;
  });
  for (auto& [daemon, sequences] : reaps_) sequences = claims_of(daemon);
}

// The first that was pushed stands last.
std::vector<uint64_t> Machine::claims_of(std::string_view daemon) const {
  std::vector<uint64_t> sequences;
  for (const auto& [sequence, claim] : claims_) {
    if (claim.life.daemon == daemon) sequences.push_back(sequence);
  }
  std::sort(sequences.rbegin(), sequences.rend());
  return sequences;
}

// As many as a tick may, in the order of their pushes. True: none of them is left.
bool Machine::reap_some(std::string_view daemon, std::vector<uint64_t>& sequences) {
  for (size_t ended = 0; ended < limits::lapses_per_tick && !sequences.empty(); sequences.pop_back()) {
    const auto claim = claims_.find(sequences.back());
    // Ended meanwhile; another may have claimed the message since.
    if (claim == claims_.end() || claim->second.life.daemon != daemon) continue;
    end_unheard(claim->second, ErrorClass::crash, "its process " + std::string(daemon) + " is gone");
    ++ended;
  }
  return sequences.empty();
}

void Machine::apply_reap(const Caller& caller, const op::Reap& reap, ReplyWriter& writer) {
  const std::string daemon = std::string(reap.daemon) + "@" + std::string(reap.boot);
  std::vector<uint64_t> sequences = claims_of(daemon);
  const size_t count = sequences.size();
  chronicle("daemon.reap", {{"daemon", std::string(reap.daemon)},
                            {"boot", std::string(reap.boot)},
                            {"claims", std::to_string(count)},
                            {"by", std::string(caller.name)}});
  // A freeze of everything lets nothing end: it is remembered, and done after the clear.
  if (count > 0 && (freeze_.all() || !reap_some(daemon, sequences))) {
    view_.put(Table::meta, std::string(keys::reap_prefix) + daemon, "");
    reaps_[daemon] = std::move(sequences);
    more_work_ = true;
  }
  writer.integer(static_cast<int64_t>(count));
}

void Machine::tick_reaps() {
  if (reaps_.empty()) return;
  const auto reap = reaps_.begin();
  auto& [daemon, sequences] = *reap;
  // A process that is gone claims nothing; where one does all the same, it ends with the rest.
  if (reap_some(daemon, sequences)) sequences = claims_of(daemon);
  if (sequences.empty()) {
    view_.erase(Table::meta, std::string(keys::reap_prefix) + daemon);
    reaps_.erase(reap);
  }
  more_work_ = more_work_ || !reaps_.empty();
}

}  // namespace pawl::core
