// What the chronicle teaches, entry by entry: the graph, the failures that no rule knows, and an account of
// each fingerprint. Pure: the same entries and rules in the same order give the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bus/ops/classifier.h"
#include "bus/ops/distiller.h"
#include "bus/ops/failures.h"
#include "bus/ops/incident_graph.h"
#include "bus/ops/unknown_groups.h"

namespace pawl::ops {

class MemoryFold {
 public:
  static constexpr uint8_t version_now = 1;

  // False: the entry teaches nothing, and nothing changed.
  bool apply(const core::EventRecord& event, const Classifier& classifier);
  // Rules are others now: what they know is no longer unknown. True: something changed.
  bool relearn(const Classifier& classifier) { return unknown_.forget_known(classifier); }
  void set_role_needs(const IncidentGraph::Needs& needs) { graph_.set_role_needs(needs); }

  const IncidentGraph& graph() const { return graph_; }
  const UnknownGroups& unknown() const { return unknown_; }
  const Insights& seen() const { return seen_; }
  // In items: what writing it costs.
  size_t size() const { return graph_.size() + unknown_.size() + seen_.by_fingerprint().size(); }

  std::string encode() const;
  // False: damage, or a newer version; then it is as it was.
  bool decode(std::string_view bytes);

 private:
  IncidentGraph graph_;
  UnknownGroups unknown_;
  Insights seen_;
  NewestLapse lapse_;
};

}  // namespace pawl::ops
