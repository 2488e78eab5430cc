// Failures that no rule knows, grouped by fingerprint, so that a person can write a rule.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bus/ops/classifier.h"

namespace pawl::ops {

struct UnknownGroup {
  uint64_t fingerprint = 0;
  uint64_t count = 0;
  int64_t first_ms = 0;  // wall
  int64_t last_ms = 0;
  std::string example;  // the first line of the newest one, at most 200 bytes
  std::string role;     // of the newest one
  std::string daemon;
  std::string guard;
  Source source = Source::invocation;
  int exit_code = 0;  // 0: it has none that is known
  int signal = 0;

  // As it would be reported again.
  Failure failure() const;
  template <typename Archive>
  void serialize(Archive& ar);
};

// A rule for pawl.toml that would take this group, as text; its class is left for the person to choose.
std::string suggested_rule(const UnknownGroup& group);

class UnknownGroups {
 public:
  static constexpr uint8_t version_now = 1;
  static constexpr size_t groups_max = 1000;  // then the one that was quiet for longest goes

  // Takes note of a failure that is not known(); of others it takes none.
  void note(const Failure& failure, const Classified& classified, int64_t wall_ms);
  // Groups that a rule knows by now go. True: some did.
  bool forget_known(const Classifier& classifier);
  // The most frequent first; among equals the newest.
  std::vector<UnknownGroup> list() const;
  size_t size() const { return groups_.size(); }

  template <typename Archive>
  void code(Archive& ar, uint8_t version);

 private:
  std::map<uint64_t, UnknownGroup> groups_;
};

std::string encode(const UnknownGroups& groups);
// Nothing for damage or a newer version.
std::optional<UnknownGroups> decode_unknown_groups(std::string_view bytes);

}  // namespace pawl::ops
