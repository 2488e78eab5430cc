#include "guards/load_shed.h"

#include <stdexcept>
#include <string>
#include <utility>

#include "bus/core/archive.h"
#include "bus/core/faults.h"

namespace pawl::guards {
namespace {

using core::DiskMark;
namespace op = core::op;

constexpr int64_t retry_ms = 1000;
constexpr int64_t shed_retry_ms = 30'000;
constexpr std::string_view shed_row = "shed/priority";
constexpr uint64_t shed_row_version = 1;

bool has_cap(const core::RoleConfig& role) { return role.backlog_max != 0 || role.backlog_bytes_max != 0; }

// ---- The disk -----------------------------------------------------------------

// The first mark at which an operation is refused; ample: it never is.
struct StoppedFrom {
  DiskMark operator()(const op::Push&) const { return DiskMark::low; }
  DiskMark operator()(const op::MultiPush&) const { return DiskMark::low; }
  DiskMark operator()(const op::DeadReplay& replay) const {
    return replay.dry_run ? DiskMark::ample : DiskMark::low;
  }
  DiskMark operator()(const op::Claim&) const { return DiskMark::low; }
  DiskMark operator()(const op::Move&) const { return DiskMark::critical; }
  DiskMark operator()(const op::DeadEdit&) const { return DiskMark::critical; }
  DiskMark operator()(const op::RoleDrop&) const { return DiskMark::critical; }
  DiskMark operator()(const op::CronSet&) const { return DiskMark::critical; }
  DiskMark operator()(const op::CronDrop&) const { return DiskMark::critical; }
  // What ends work, reads, and what an operator needs: the same that a freeze lets through.
  template <typename Other>
  DiskMark operator()(const Other&) const {
    return DiskMark::ample;
  }
};

core::Verdict short_of_space(const core::Desk& desk) {
  const bool critical = desk.disk() == DiskMark::critical;
  std::string reason = "the disk under the data directory is nearly full: ";
  reason += critical ? "only what ends work, reads and the operator's commands are taken; "
                     : "no new work and no claims, what is in flight may end; ";
  reason += "free space on it, or drop dead letters (DEAD DROP)";
  core::Verdict verdict = refuse(Code::busy, core::Scope::fleet, std::move(reason));
  verdict.retry_at_ms = desk.clocks().wall_ms + retry_ms;
  return verdict;
}

// ---- Backlogs -------------------------------------------------------------------

// What an operation would add to a role.
struct Load {
  std::string_view role;
  uint64_t messages = 0;
  uint64_t bytes = 0;
  int priority = limits::priority_default;
};

// As HomeRecord::bytes() will count it.
constexpr uint64_t message_bytes = 64;

Load load_of(const op::Push& push) {
  Load load{push.role, 1, message_bytes + push.payload.size(), push.priority};
  if (push.unique) load.bytes += push.unique->size();
  if (push.group) load.bytes += push.group->size();
  for (const auto& [name, value] : push.headers) load.bytes += name.size() + value.size();
  return load;
}

Load load_of(const op::MultiPush& push) {
  Load load{push.role, push.payloads.size(), message_bytes * push.payloads.size()};
  for (const std::string_view payload : push.payloads) load.bytes += payload.size();
  return load;
}

// Where a priority's share of a cap ends: the default priority and those above have all of it.
uint64_t share_of(uint64_t cap, int priority, uint32_t shed_from_percent) {
  const bool all = PAWL_FAULT(shed_ignores_priority) || shed_from_percent >= 100;
  if (priority >= limits::priority_default || all) return cap;
  const uint64_t percent = shed_from_percent + (100 - shed_from_percent) * static_cast<uint64_t>(priority) /
                                                   static_cast<uint64_t>(limits::priority_default);
  // Rounded up, and with no product of the whole cap, which may be any number.
  return cap / 100 * percent + (cap % 100 * percent + 99) / 100;
}

struct Backlog {
  std::string_view unit;  // as the reason calls it
  std::string_view key;   // of pawl.toml
  uint64_t cap = 0;       // 0: none
  uint64_t now = 0;
  uint64_t more = 0;
};

core::Verdict over_backlog(const Backlog& backlog, const Load& load, uint64_t share, const core::Desk& desk) {
  const std::string role(load.role);
  std::string reason = "role " + role + " has a backlog of " + std::to_string(backlog.now) + ' ' +
                       std::string(backlog.unit) + ", ";
  const bool fits_never = backlog.more > backlog.cap;
  if (fits_never) {
    reason += "this would add " + std::to_string(backlog.more) + " and the cap is " +
              std::to_string(backlog.cap) + ": it never fits; push less at once, or raise ";
  } else if (share < backlog.cap && backlog.now < backlog.cap) {
    reason += "and takes priority " + std::to_string(load.priority) + " up to " + std::to_string(share) +
              " of the cap of " + std::to_string(backlog.cap) +
              "; try again later, with a higher priority, or raise ";
  } else {
    reason += "the cap is " + std::to_string(backlog.cap) + "; try again later, add workers, or raise ";
  }
  reason += "[role." + role + "] " + std::string(backlog.key);
  core::Verdict verdict = refuse(Code::busy, core::Scope::role, std::move(reason));
  verdict.subject = "role:" + role;
  if (!fits_never) verdict.retry_at_ms = desk.clocks().wall_ms + retry_ms;
  verdict.value = static_cast<int64_t>(backlog.now);
  verdict.limit = static_cast<int64_t>(share);
  return verdict;
}

Answer admit_load(const Load& load, const core::Desk& desk) {
  const core::RoleConfig& config = desk.config().role(load.role);
  if (!has_cap(config)) return allow();
  const auto facts = desk.role(load.role);
  const core::RoleCounts empty;
  const core::RoleCounts& counts = facts ? *facts->counts : empty;
  const Backlog backlogs[] = {
      {"messages", "backlog", config.backlog_max,
       counts.at(core::MessageState::scheduled) + counts.at(core::MessageState::ready), load.messages},
      {"bytes", "backlog_bytes", config.backlog_bytes_max, counts.bytes, load.bytes},
  };
  for (const Backlog& backlog : backlogs) {
    if (backlog.cap == 0 || (PAWL_FAULT(shed_ignores_bytes) && backlog.unit == "bytes")) continue;
    const uint64_t share = share_of(backlog.cap, load.priority, desk.config().guards.shed_from_percent);
    // A share is never above its cap.
    const bool fits = backlog.now < share &&
                      backlog.more <= backlog.cap - backlog.now + (PAWL_FAULT(backlog_one_more) ? 1 : 0);
    if (!fits) return over_backlog(backlog, load, share, desk);
  }
  return allow();
}

}  // namespace

void LoadShed::open(core::Desk& desk) {
  shedding_.reset();
  if (std::string row; desk.get(shed_row, row)) {
    core::RecordReader in(row);
    const uint64_t version = in.number();
    Shedding shedding{std::string(in.bytes()), ""};
    shedding.reason = std::string(in.bytes());
    if (version != shed_row_version || !in.whole()) {
      throw std::runtime_error("the row of what is shed is damaged or from a newer pawl");
    }
    shedding_ = std::move(shedding);
  }
  look(desk);
}

core::Verdict LoadShed::shed(int priority, const core::Desk& desk) const {
  core::Verdict verdict =
      refuse(Code::busy, core::Scope::fleet,
             "pushes below priority " + std::to_string(limits::priority_default) + " are refused for " +
                 shedding_->by + " (" + shedding_->reason + "); try again later, or with a higher priority");
  verdict.subject = "*";
  verdict.retry_at_ms = desk.clocks().wall_ms + shed_retry_ms;
  verdict.value = priority;
  verdict.limit = limits::priority_default;
  return verdict;
}

std::optional<Status> LoadShed::restrict(const core::Restriction& restriction, core::Desk& desk) {
  if (restriction.kind != core::Restriction::Kind::shed_by_priority) return std::nullopt;
  if (restriction.subject != "*") return make_error(Code::notfound, "priorities are shed for all roles, '*'");
  if (shedding_) return make_error(Code::state, "low priorities are refused already, for " + shedding_->by);
  shedding_ = Shedding{std::string(restriction.by), std::string(restriction.reason)};
  std::string row;
  core::RecordWriter out(row);
  out.number(shed_row_version);
  out.bytes(shedding_->by);
  out.bytes(shedding_->reason);
  desk.put(shed_row, row);
  desk.chronicle("role.restricted", {{"role", "*"},
                                     {"what", "priority"},
                                     {"limit", std::to_string(limits::priority_default)},
                                     {"by", shedding_->by},
                                     {"reason", shedding_->reason}});
  return Status();
}

void LoadShed::lift(const core::Restriction& restriction, core::Desk& desk) {
  if (restriction.kind != core::Restriction::Kind::shed_by_priority) return;
  if (!shedding_ || shedding_->by != restriction.by) return;
  shedding_.reset();
  desk.erase(shed_row);
  desk.chronicle("role.unrestricted",
                 {{"role", "*"}, {"what", "priority"}, {"by", std::string(restriction.by)}});
}

void LoadShed::look(const core::Desk& desk) { capped_ = any_role(desk.config(), has_cap); }

Answer LoadShed::admit(const core::Operation& operation, const core::Caller& /*caller*/,
                       const core::Desk& desk) const {
  const DiskMark mark = desk.disk();
  if (mark != DiskMark::ample) {
    const DiskMark from = std::visit(StoppedFrom{}, operation);
    if (from != DiskMark::ample && mark >= from) return short_of_space(desk);
  }
  if (shedding_) {
    const auto* one = std::get_if<op::Push>(&operation);
    if (one != nullptr && one->priority < limits::priority_default) return shed(one->priority, desk);
  }
  if (!capped_) return allow();
  if (const auto* push = std::get_if<op::Push>(&operation)) return admit_load(load_of(*push), desk);
  if (const auto* pushes = std::get_if<op::MultiPush>(&operation)) return admit_load(load_of(*pushes), desk);
  return allow();
}

Answer LoadShed::admit_claim(const core::Candidate& /*candidate*/, const core::Desk& desk) const {
  return desk.disk() == DiskMark::ample || PAWL_FAULT(disk_lets_waiters_claim) ? allow()
                                                                               : short_of_space(desk);
}

}  // namespace pawl::guards
