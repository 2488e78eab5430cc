#include "bus/ops/ops.h"

#include <algorithm>
#include <exception>

namespace pawl::ops {
namespace {

constexpr int64_t failed_again_ms = 60'000;

}  // namespace

template <typename News>
void Ops::tell(core::OfficeDesk& desk, const News& news) {
  for (const auto& part : parts_) {
    try {
      news(*part);
    } catch (const std::exception& error) {
      // One that fails with every turn is said once a minute.
      const int64_t now_ms = desk.clocks().bus_ms;
      const auto [said, first] = failed_ms_.try_emplace(part->name(), now_ms);
      if (!first && now_ms - said->second < failed_again_ms) continue;
      said->second = now_ms;
      desk.chronicle("ops.failed", {{"part", std::string(part->name())}, {"why", error.what()}});
    }
  }
}

Status Ops::open(core::OfficeDesk& desk) {
  for (const auto& part : parts_) {
    try {
      part->open(desk);
    } catch (const std::exception& error) {
      return make_error(Code::err, "the rows of " + std::string(part->name()) +
                                       " are damaged or from a newer pawl (" + error.what() +
                                       "); restore a backup");
    }
  }
  return {};
}

void Ops::configured(core::OfficeDesk& desk) {
  tell(desk, [&](Part& part) { part.configured(desk); });
}

void Ops::tick(core::OfficeDesk& desk) {
  tell(desk, [&](Part& part) { part.tick(desk); });
}

core::Wakeup Ops::next_wakeup() const {
  core::Wakeup wakeup;
  for (const auto& part : parts_) wakeup.sooner(part->next_wakeup());
  return wakeup;
}

void Ops::noted(const core::EventRecord& event, core::OfficeDesk& desk) {
  if (event.kind == "ops.failed") {
    // One that fails with this as well must not make another entry of its kind.
    for (const auto& part : parts_) {
      try {
        part->noted(event, desk);
      } catch (const std::exception&) {  // then the chronicle alone says it
      }
    }
    return;
  }
  tell(desk, [&](Part& part) { part.noted(event, desk); });
}

void Ops::forgets(const core::EventRecord& event, uint64_t number, uint64_t bytes, core::OfficeDesk& desk) {
  tell(desk, [&](Part& part) { part.forgets(event, number, bytes, desk); });
}

void Ops::forgets(const core::PastFailure& failure, core::OfficeDesk& desk) {
  tell(desk, [&](Part& part) { part.forgets(failure, desk); });
}

void Ops::sealing(core::OfficeDesk& desk) {
  tell(desk, [&](Part& part) { part.sealing(desk); });
}

void Ops::command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& desk,
                  core::ReplyWriter& writer) {
  bool known = false;
  for (const auto& part : parts_) known = part->command(operation, caller, desk, writer) || known;
  if (!known) writer.error(make_error(Code::err, "no part of the ops layer knows the command"));
}

std::vector<std::string> Ops::zones(const core::OfficeDesk& desk) const {
  std::vector<std::string> zones;
  for (const auto& part : parts_) part->add_zones(desk, zones);
  std::sort(zones.begin(), zones.end());
  zones.erase(std::unique(zones.begin(), zones.end()), zones.end());
  return zones;
}

std::vector<core::IncidentBrief> Ops::incidents_of(std::string_view daemon,
                                                   const std::vector<std::string>& roles,
                                                   const core::OfficeDesk& desk) const {
  std::vector<core::IncidentBrief> incidents;
  for (const auto& part : parts_) part->add_incidents(daemon, roles, desk, incidents);
  return incidents;
}

}  // namespace pawl::ops
