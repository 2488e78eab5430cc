// What pawl.toml says to the classifier, the policy, the monitor and the notify gate.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "bus/core/gate.h"
#include "bus/ops/classifier.h"
#include "bus/ops/monitor_config.h"
#include "bus/ops/notify_gate.h"
#include "bus/ops/policy.h"

namespace pawl::ops {

struct OpsConfig : core::OfficeRules {
  std::vector<ClassifyRule> classify;                 // before the shipped ones; checked
  std::vector<PolicyRule> policy;                     // likewise
  std::array<std::optional<Cap>, action_count> caps;  // instead of the shipped ones
  std::vector<NotifyChannel> notify;                  // [[notify]] that name tiers; checked
  MonitorConfig monitor;
  // off: it does nothing; observe: it decides, and does nothing; enforce: it acts.
  core::GuardMode policy_mode = core::GuardMode::enforce;

  Classifier classifier() const { return Classifier(classify); }
  PolicyTable policy_table() const {
    PolicyTable table(policy);
    for (size_t i = 0; i < action_count; ++i) table.caps[i] = caps[i].value_or(table.caps[i]);
    return table;
  }
};

// Of a running bus.
inline const OpsConfig& config_of(const core::Desk& desk) {
  static const OpsConfig shipped;
  const auto* config = static_cast<const OpsConfig*>(desk.config().office.get());
  return config == nullptr ? shipped : *config;
}

}  // namespace pawl::ops
