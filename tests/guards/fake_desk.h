// A desk without a bus: time and roles as a test says, rows in a map, what guards do written down.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bus/core/gate.h"

namespace pawl::guards {

class FakeDesk final : public core::Desk {
 public:
  struct Role {
    core::RoleConfig config;
    core::RoleRecord record;
    core::RoleCounts counts;
    uint32_t number = 0;
  };
  struct Event {
    std::string kind;
    core::Headers fields;
    std::string field(std::string_view name) const {
      for (const auto& [key, value] : fields) {
        if (key == name) return value;
      }
      return "";
    }
  };

  core::Clocks time{1'000'000, 1'000, 1'000};
  core::BusConfig bus;
  core::FreezeRecord standing;
  core::DiskMark mark = core::DiskMark::ample;
  std::map<std::string, Role, std::less<>> roles;
  std::map<std::string, std::string> messages;  // id → role
  std::map<std::string, std::string, std::less<>> rows;
  std::vector<Event> events;
  std::vector<std::string> woken;
  std::vector<std::pair<BirthKey, uint32_t>> unspent;
  bool unspends = true;  // what unspend() answers
  bool commits = true;   // false: what is put stays in the open batch
  std::vector<std::string> frozen_by;
  std::vector<std::string> thawed_by;

  Role& make(const std::string& name) {
    const auto [at, fresh] = roles.try_emplace(name);
    if (fresh) {
      at->second.record.name = name;
      at->second.number = static_cast<uint32_t>(roles.size());
    }
    return at->second;
  }
  static core::RoleFacts facts(const Role& role) {
    return {role.record.name, role.number, &role.config, &role.record, &role.counts};
  }
  void pass(int64_t ms) {
    time.wall_ms += ms;
    time.bus_ms += ms;
    time.lease_ms += ms;
  }
  size_t count(std::string_view kind) const {
    size_t found = 0;
    for (const Event& event : events) found += event.kind == kind ? 1 : 0;
    return found;
  }

  core::Clocks clocks() const override { return time; }
  const core::BusConfig& config() const override { return bus; }
  const core::FreezeRecord& freeze() const override { return standing; }
  core::DiskMark disk() const override { return mark; }
  std::optional<core::RoleFacts> role(std::string_view name) const override {
    const auto found = roles.find(name);
    return found == roles.end() ? std::nullopt : std::optional(facts(found->second));
  }
  void each_role(const std::function<void(const core::RoleFacts&)>& visit) const override {
    for (const auto& [name, role] : roles) visit(facts(role));
  }
  std::optional<core::RoleFacts> role_of(std::string_view id) const override {
    const auto found = messages.find(std::string(id));
    return found == messages.end() ? std::nullopt : role(found->second);
  }
  bool get(std::string_view key, std::string& value) const override {
    const auto found = rows.find(key);
    if (found == rows.end()) return false;
    value = found->second;
    return true;
  }
  void scan(std::string_view prefix, const core::RowSink& sink) const override {
    for (auto at = rows.lower_bound(prefix); at != rows.end() && at->first.starts_with(prefix); ++at) {
      if (!sink(at->first, at->second)) return;
    }
  }
  bool get_committed(std::string_view key, std::string& value) const override {
    return commits && get(key, value);
  }
  void scan_committed(std::string_view prefix, const core::RowSink& sink) const override {
    if (commits) scan(prefix, sink);
  }
  void put(std::string_view key, std::string_view value) override {
    rows.insert_or_assign(std::string(key), std::string(value));
  }
  void erase(std::string_view key) override { rows.erase(std::string(key)); }
  void chronicle(std::string_view kind, core::Headers fields) override {
    events.push_back({std::string(kind), std::move(fields)});
  }
  void wake(std::string_view role) override { woken.emplace_back(role); }
  bool unspend(const BirthKey& message, uint32_t delivery) override {
    unspent.emplace_back(message, delivery);
    return unspends;
  }
  void freeze_softly(core::FreezeScope /*scope*/, std::string_view by, std::string_view /*reason*/,
                     int64_t /*until_ms*/) override {
    frozen_by.emplace_back(by);
  }
  void thaw(std::string_view by, std::string_view /*reason*/) override { thawed_by.emplace_back(by); }
};

}  // namespace pawl::guards
