#include "bus/ops/memory_fold.h"

#include <array>
#include <utility>

#include "bus/core/archive.h"

namespace pawl::ops {
namespace {

constexpr std::array<std::string_view, 8> families = {"message.", "incident.", "daemon.",   "launcher.",
                                                      "breaker.", "quota.",    "velocity.", "policy."};

bool may_teach(std::string_view kind) {
  for (const std::string_view family : families) {
    if (kind.starts_with(family)) return true;
  }
  return kind == "guard.failed" || kind == "sweep.storm";
}

}  // namespace

bool MemoryFold::apply(const core::EventRecord& event, const Classifier& classifier) {
  if (!may_teach(event.kind) || lapse_.told(event)) return false;
  graph_.apply(event);
  seen_.see(event);
  const auto failure = failure_in(event);
  // Patterns cost something: where the answer is known, nobody asks.
  if (failure && (failure->error_class == core::ErrorClass::unknown || classifier.may_unlearn())) {
    unknown_.note(*failure, classifier.classify(*failure), event.at_ms);
  }
  return true;
}

std::string MemoryFold::encode() const {
  std::string out(1, static_cast<char>(version_now));
  core::RecordWriter writer(out);
  writer.bytes(ops::encode(graph_));
  writer.bytes(ops::encode(unknown_));
  writer.bytes(ops::encode(seen_));
  writer.bytes(lapse_.which);
  return out;
}

bool MemoryFold::decode(std::string_view bytes) {
  if (bytes.empty() || static_cast<uint8_t>(bytes.front()) != version_now) return false;
  core::RecordReader reader(bytes.substr(1));
  auto graph = decode_incident_graph(reader.bytes());
  auto unknown = decode_unknown_groups(reader.bytes());
  auto seen = decode_insights(reader.bytes());
  std::string lapse(reader.bytes());
  if (!reader.whole() || !graph || !unknown || !seen) return false;
  graph_ = std::move(*graph);
  unknown_ = std::move(*unknown);
  seen_ = std::move(*seen);
  lapse_.which = std::move(lapse);
  return true;
}

}  // namespace pawl::ops
