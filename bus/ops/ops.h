// The ops layer as the core sees it: its parts, in order.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bus/ops/part.h"

namespace pawl::ops {

// Thread: one, the bus's.
class Ops final : public core::Office {
 public:
  explicit Ops(std::vector<std::unique_ptr<Part>> parts) : parts_(std::move(parts)) {}

  Status open(core::OfficeDesk& desk) override;
  void configured(core::OfficeDesk& desk) override;
  void tick(core::OfficeDesk& desk) override;
  core::Wakeup next_wakeup() const override;
  void noted(const core::EventRecord& event, core::OfficeDesk& desk) override;
  void forgets(const core::EventRecord& event, uint64_t number, uint64_t bytes,
               core::OfficeDesk& desk) override;
  void forgets(const core::PastFailure& failure, core::OfficeDesk& desk) override;
  void sealing(core::OfficeDesk& desk) override;
  void command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& desk,
               core::ReplyWriter& writer) override;
  std::vector<std::string> zones(const core::OfficeDesk& desk) const override;
  std::vector<core::IncidentBrief> incidents_of(std::string_view daemon,
                                                const std::vector<std::string>& roles,
                                                const core::OfficeDesk& desk) const override;

 private:
  template <typename News>
  void tell(core::OfficeDesk& desk, const News& news);

  std::vector<std::unique_ptr<Part>> parts_;
  std::map<std::string_view, int64_t> failed_ms_;  // by part: bus time at which that was said last
};

}  // namespace pawl::ops
