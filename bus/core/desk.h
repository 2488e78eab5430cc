// What the machine offers guards, and the ops layer beyond that; see gate.h. Private to the core.
#pragma once

#include "bus/core/machine.h"

namespace pawl::core {

// `Seam` is Desk, or what extends it; `rows` is the table whose rows it offers.
template <typename Seam, Table rows>
class Machine::DeskFor : public Seam {
 public:
  explicit DeskFor(Machine& machine) : m_(machine) {}

  Clocks clocks() const override { return m_.clocks(); }
  const BusConfig& config() const override { return m_.config_; }
  const FreezeRecord& freeze() const override { return m_.freeze_; }
  DiskMark disk() const override { return m_.disk_; }
  std::optional<RoleFacts> role(std::string_view name) const override;
  void each_role(const std::function<void(const RoleFacts&)>& visit) const override;
  std::optional<RoleFacts> role_of(std::string_view id) const override;
  std::vector<IncidentBrief> incidents_of(std::string_view daemon,
                                          const std::vector<std::string>& roles) const override;

  bool get(std::string_view key, std::string& value) const override { return m_.view_.get(rows, key, value); }
  void scan(std::string_view prefix, const RowSink& sink) const override;
  bool get_committed(std::string_view key, std::string& value) const override {
    return m_.view_.committed().get(rows, key, value);
  }
  void scan_committed(std::string_view prefix, const RowSink& sink) const override;
  void put(std::string_view key, std::string_view value) override { m_.view_.put(rows, key, value); }
  void erase(std::string_view key) override { m_.view_.erase(rows, key); }

  void chronicle(std::string_view kind, Headers fields) override { m_.chronicle(kind, std::move(fields)); }
  void wake(std::string_view role) override;
  bool unspend(const BirthKey& message, uint32_t delivery) override { return m_.unspend(message, delivery); }
  void freeze_softly(FreezeScope scope, std::string_view by, std::string_view reason,
                     int64_t until_ms) override;
  void thaw(std::string_view by, std::string_view reason) override;

 protected:
  Machine& m_;
};

class Machine::GuardDesk final : public DeskFor<Desk, Table::guard> {
 public:
  using DeskFor::DeskFor;
};

}  // namespace pawl::core
