// Who depends on whom, what fails with what, what follows on what, and what helped: counted edges, learned
// from the chronicle. A pure function of the entries that it was shown, in their order.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "bus/core/records.h"
#include "bus/ops/measure.h"
#include "bus/ops/words.h"

namespace pawl::ops {

enum class NodeKind : uint8_t { role, daemon, dependency, fingerprint, action, incident };
constexpr std::array<std::string_view, 6> node_kind_names = {"role",        "daemon", "dependency",
                                                             "fingerprint", "action", "incident"};
enum class EdgeKind : uint8_t { depends_on, failed_with, followed_by, recovered_by, part_of };
constexpr std::array<std::string_view, 5> edge_kind_names = {"depends on", "failed with", "followed by",
                                                             "recovered by", "part of"};

struct Node {
  NodeKind kind = NodeKind::role;
  std::string name;
  auto operator<=>(const Node&) const = default;
  template <typename Archive>
  void serialize(Archive& ar);
};

struct EdgeKey {
  Node from;
  EdgeKind kind = EdgeKind::depends_on;
  Node to;
  auto operator<=>(const EdgeKey&) const = default;
  template <typename Archive>
  void serialize(Archive& ar);
};

struct Edge {
  uint64_t count = 0;
  int64_t first_ms = 0;  // wall
  int64_t last_ms = 0;
  Measure measure;  // of "recovered by"
  template <typename Archive>
  void serialize(Archive& ar);
};

// What is known of one fingerprint.
struct GraphAnswer {
  struct Neighbour {
    std::string name;
    uint64_t count = 0;
    uint32_t percent = 0;  // of this fingerprint's beginnings
  };
  struct Help {
    Action action = Action::retry_later;
    Measure measure;
    uint32_t lower_ppm = 0;
    int64_t mean_ms = 0;  // of a try
  };
  uint64_t beginnings = 0;  // after at least a window without it
  uint64_t failures = 0;
  std::string example;
  std::vector<Neighbour> preceded_by;  // fingerprints, the most frequent first
  std::vector<Neighbour> followed_by;
  std::vector<Neighbour> roles;  // and daemons that it failed with; percent of the failures
  std::vector<Neighbour> daemons;
  std::vector<Neighbour> depends_on;  // of these
  std::vector<Help> helps;            // the best first
};

class IncidentGraph {
 public:
  static constexpr uint8_t version_now = 1;
  static constexpr int64_t window_ms = 10 * 60'000;
  // Then the sixteenth that was not renewed for longest goes.
  static constexpr size_t edges_max = 20'000;
  static constexpr size_t known_max = 10'000;  // fingerprints, likewise
  static constexpr size_t recent_max = 32;     // fingerprints within the window
  static constexpr size_t drawn_max = 2'000;   // edges of dot()

  // An entry of the chronicle. Those that say nothing about it change nothing:
  //   message.retry, .dead, .crash, .lapse   role and daemon failed with a fingerprint
  //   daemon.register, .boot                 what a daemon needs
  //   incident.opened                        fingerprint, incident: part of it; it begins as a failure does
  //   policy.outcome                         fingerprint, action, helped (0/1), ms
  void apply(const core::EventRecord& event);
  // What the configuration says: roles, and dependencies that each needs. Beside what was learned, counted
  // nowhere and part of no bytes.
  using Needs = std::map<std::string, std::vector<std::string>>;
  void set_role_needs(const Needs& needs);

  GraphAnswer about(uint64_t fingerprint) const;
  // For Graphviz; always the same text for the same graph. Of many edges those that were counted most.
  std::string dot() const;
  // The learned ones.
  const std::map<EdgeKey, Edge>& edges() const { return edges_; }
  // Those of the configuration as well.
  std::map<EdgeKey, Edge> all_edges() const;
  // What a fingerprint says, for a person; empty: nobody knows.
  std::string example_of(uint64_t fingerprint) const;
  // Of its parts: how much its bytes hold.
  size_t size() const { return edges_.size() + known_.size(); }

  template <typename Archive>
  void code(Archive& ar, uint8_t version);

 private:
  struct Known {  // a fingerprint
    uint64_t beginnings = 0;
    uint64_t failures = 0;
    int64_t last_ms = 0;
    std::string example;
    template <typename Archive>
    void serialize(Archive& ar) {
      ar(beginnings, failures, last_ms, example);
    }
  };
  Edge& count(Node from, EdgeKind kind, Node to, int64_t wall_ms);
  Known& known_as(uint64_t fingerprint, int64_t wall_ms);
  void failed(uint64_t fingerprint, const core::EventRecord& event);
  void opened(const core::EventRecord& event);
  void begins(uint64_t fingerprint, int64_t wall_ms);
  void outcome(const core::EventRecord& event);

  std::map<EdgeKey, Edge> edges_;
  std::set<EdgeKey> configured_;
  std::map<uint64_t, Known> known_;
  std::map<uint64_t, int64_t> recent_;  // fingerprint → last seen, within the window
};

std::string encode(const IncidentGraph& graph);
// Nothing for damage or a newer version.
std::optional<IncidentGraph> decode_incident_graph(std::string_view bytes);

}  // namespace pawl::ops
