// What the rows themselves must obey, batch by batch, whatever was asked and answered: it looks at the
// rows that a batch changes and at those that stood before.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "bus/core/batch.h"
#include "bus/core/config.h"
#include "bus/core/freeze.h"
#include "bus/core/records.h"
#include "bus/core/state_view.h"
#include "tests/sim/audit_breaker.h"

namespace pawl::sim {

class Audit {
 public:
  explicit Audit(const core::BusConfig& config) : config_(config), breaker_(config) {}

  // Before the batch is written over `before`.
  void look_at(const core::StateView& before, const core::Batch& batch);
  // A bus was opened: what guards keep in memory only begins anew.
  void restarted() { refusals_.clear(); }
  // The first thing that was wrong, if anything.
  const std::optional<std::string>& problem() const { return problem_; }

 private:
  using Value = std::optional<std::string_view>;

  void wrong(const std::string& what);
  void check_frozen_row(core::Table table, std::string_view key, Value value);
  void check_frozen_head(std::string_view value);
  void check_life(std::string_view key, std::string_view value);
  void check_event(std::string_view value);
  bool is_message(std::string_view key) const;

  const core::BusConfig& config_;
  const core::StateView* before_ = nullptr;  // while it looks
  BreakerAudit breaker_;
  core::FreezeRecord freeze_;  // that stood before, and still does
  // Bus time of the newest entry about them: kind, guard, scope.
  std::map<std::tuple<std::string, std::string, std::string>, int64_t> refusals_;
  std::optional<std::string> problem_;
};

}  // namespace pawl::sim
