#include "bus/ops/unknown_groups.h"

#include <algorithm>

#include "bus/core/fingerprint.h"
#include "bus/ops/coding.h"
#include "bus/ops/failures.h"

namespace pawl::ops {
namespace {

// The normalised text as a pattern: what stands for the differing parts matches any of them.
std::string pattern_of(std::string_view normalised) {
  std::string out;
  for (size_t at = 0; at < normalised.size(); ++at) {
    const char c = normalised[at];
    if (c == '#') {
      out += "[0-9a-f-]+";
    } else if (c == '?' && at > 0 && at + 1 < normalised.size() && normalised[at - 1] == normalised[at + 1] &&
               (normalised[at - 1] == '\'' || normalised[at - 1] == '"')) {
      out += ".*";
    } else if (c == ' ') {
      out += "\\s+";
    } else {
      out += quoted_pattern(normalised.substr(at, 1));
    }
  }
  return out;
}

}  // namespace

std::string suggested_rule(const UnknownGroup& group) {
  const std::string normalised = core::normalised_text(group.example);
  std::string out = "[[classify]]\nname  = \"" + core::fingerprint_text(group.fingerprint) + "\"\n";
  if (!normalised.empty()) {
    // In '''…''' of TOML, where a backslash is itself.
    out += "when  = { text = '''" + pattern_of(normalised) + "''' }\n";
  } else if (group.exit_code != 0) {
    out += "when  = { exit = " + std::to_string(group.exit_code) + " }\n";
  } else if (group.signal != 0) {
    out += "when  = { signal = " + std::to_string(group.signal) + " }\n";
  } else if (!group.guard.empty()) {
    out += "when  = { guard = \"" + group.guard + "\" }\n";
  } else if (!group.role.empty()) {
    out += "when  = { role = \"" + group.role + "\" }\n";
  } else {
    out += "when  = { daemon = \"" + group.daemon + "\" }\n";
  }
  return out + "class = \"\"   # transient, timeout, bad_input, …\n";
}

void UnknownGroups::note(const Failure& failure, const Classified& classified, int64_t wall_ms) {
  if (classified.known()) return;
  auto found = groups_.find(classified.fingerprint);
  if (found == groups_.end()) {
    if (groups_.size() >= groups_max) {
      groups_.erase(std::min_element(groups_.begin(), groups_.end(), [](const auto& a, const auto& b) {
        return a.second.last_ms < b.second.last_ms;
      }));
    }
    found = groups_.emplace(classified.fingerprint, UnknownGroup{}).first;
    found->second.fingerprint = classified.fingerprint;
    found->second.first_ms = wall_ms;
  }
  UnknownGroup& group = found->second;
  ++group.count;
  group.last_ms = std::max(group.last_ms, wall_ms);
  group.example = first_line(failure.text);
  group.role = failure.role;
  group.daemon = failure.daemon;
  group.guard = failure.guard;
  group.source = failure.source;
  group.exit_code = failure.exit_code.value_or(0);
  group.signal = failure.signal.value_or(0);
}

bool UnknownGroups::forget_known(const Classifier& classifier) {
  return std::erase_if(
             groups_, [&](const auto& one) { return classifier.classify(one.second.failure()).known(); }) > 0;
}

Failure UnknownGroup::failure() const {
  Failure failure;
  failure.source = source;
  failure.text = example;
  failure.role = role;
  failure.daemon = daemon;
  failure.guard = guard;
  if (exit_code != 0) failure.exit_code = exit_code;
  if (signal != 0) failure.signal = signal;
  return failure;
}

template <typename Archive>
void UnknownGroup::serialize(Archive& ar) {
  ar(fingerprint, count, first_ms, last_ms, example, role, daemon, guard);
  code_word(ar, source, source_names.size());
  ar(exit_code, signal);
}

std::vector<UnknownGroup> UnknownGroups::list() const {
  std::vector<UnknownGroup> out;
  for (const auto& [fingerprint, group] : groups_) out.push_back(group);
  std::stable_sort(out.begin(), out.end(), [](const UnknownGroup& a, const UnknownGroup& b) {
    return a.count != b.count ? a.count > b.count : a.last_ms > b.last_ms;
  });
  return out;
}

template <typename Archive>
void UnknownGroups::code(Archive& ar, uint8_t) {
  code_map(ar, groups_);
}

std::string encode(const UnknownGroups& groups) { return encode_value(groups); }
std::optional<UnknownGroups> decode_unknown_groups(std::string_view bytes) {
  return decode_value<UnknownGroups>(bytes);
}

}  // namespace pawl::ops
