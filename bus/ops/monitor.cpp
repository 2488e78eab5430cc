#include "bus/ops/monitor.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bus/base/limits.h"
#include "bus/core/fields.h"
#include "bus/core/keys.h"
#include "bus/ops/caller.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/ops_config.h"

namespace pawl::ops {
namespace {

constexpr std::string_view head_row = "monitor/h";
constexpr std::string_view learned_row = "monitor/l";
constexpr std::string_view error_rows = "monitor/e/";
constexpr std::string_view miss_rows = "monitor/k/";
constexpr std::string_view mark_rows = "monitor/m/";
constexpr std::string_view baseline_rows = "monitor/b/";
constexpr std::string_view report_rows = "monitor/r/";

std::string row_of(std::string_view prefix, std::string_view name) { return std::string(prefix) += name; }
std::string row_of(std::string_view prefix, uint64_t number) {
  return std::string(prefix) + core::keys::number(number);
}

template <typename Row>
Row whole(std::string_view bytes, const char* what) {
  auto row = decode_monitor<Row>(bytes);
  if (!row) throw std::runtime_error(what);
  return std::move(*row);
}

// Counters of a process begin at zero with it.
uint64_t grown(uint64_t now, uint64_t before) { return now >= before ? now - before : now; }

}  // namespace

// ---- Rows -----------------------------------------------------------------------

void Monitor::open(core::OfficeDesk& desk) {
  head_ = {};
  before_ = newest_ = learned_ = {};
  has_learned_ = false;
  errors_.clear();
  misses_.clear();
  dirty_errors_.clear();
  dirty_misses_.clear();
  marks_.clear();
  lapse_ = {};
  next_check_ms_ = 0;
  has_quotas_ = false;
  wakeup_ = {};
  opened_ms_ = desk.clocks().wall_ms;
  std::string value;
  if (desk.get(head_row, value)) head_ = whole<MonitorHead>(value, "its head");
  if (desk.get(learned_row, value)) {
    learned_ = whole<MonitorMark>(value, "what it learned from");
    has_learned_ = true;
  }
  desk.scan(error_rows, [&](std::string_view key, std::string_view bytes) {
    errors_.emplace(key.substr(error_rows.size()), whole<RoleErrors>(bytes, "failures of a role"));
    return true;
  });
  desk.scan(miss_rows, [&](std::string_view key, std::string_view bytes) {
    misses_.emplace(key.substr(miss_rows.size()), whole<CronMisses>(bytes, "missed slots"));
    return true;
  });
  desk.scan(mark_rows, [&](std::string_view key, std::string_view bytes) {
    if (key.size() != mark_rows.size() + 8) throw std::runtime_error("a mark's key");
    before_ = std::exchange(newest_, whole<MonitorMark>(bytes, "a mark"));
    marks_.emplace_back(core::keys::read_be(key, mark_rows.size(), 8), newest_.at_ms);
    return true;
  });
  plan(desk);
}

void Monitor::save(core::OfficeDesk& desk) const { desk.put(head_row, encode_monitor(head_)); }

void Monitor::sealing(core::OfficeDesk& desk) {
  for (const std::string& role : dirty_errors_) {
    const auto found = errors_.find(role);
    if (found != errors_.end()) desk.put(row_of(error_rows, role), encode_monitor(found->second));
  }
  for (const std::string& cron : dirty_misses_) {
    const auto found = misses_.find(cron);
    if (found != misses_.end()) desk.put(row_of(miss_rows, cron), encode_monitor(found->second));
  }
  dirty_errors_.clear();
  dirty_misses_.clear();
}

// ---- Counting --------------------------------------------------------------------

void Monitor::noted(const core::EventRecord& event, core::OfficeDesk& desk) {
  const std::string_view kind = event.kind;
  if (kind.starts_with("message.")) return note_failure(event);
  if (kind == "cron.missed") return note_missed(event);
  if (kind == "kill.set" || kind == "kill.clear") {
    if (!active(desk)) return;
    if (kind == "kill.clear") {
      head_.thawed_bus_ms = desk.clocks().bus_ms;
      save(desk);
    }
    plan(desk);
  } else if (kind == "incident.closed" && field_of(event, "fingerprint") == "monitor:overdue") {
    // Whoever closed it without a sweep hears of it again, an interval later.
    if (head_.standing.erase("monitor:overdue") == 0) return;
    head_.thawed_bus_ms = desk.clocks().bus_ms;
    save(desk);
    plan(desk);
  } else if (kind == "role.drop") {
    const std::string role(field_of(event, "role"));
    if (errors_.erase(role) != 0) desk.erase(row_of(error_rows, role));
    desk.erase(row_of(baseline_rows, role));
  } else if (kind == "cron.drop") {
    const std::string cron(field_of(event, "cron"));
    if (misses_.erase(cron) != 0) desk.erase(row_of(miss_rows, cron));
  }
}

void Monitor::note_failure(const core::EventRecord& event) {
  const bool told = lapse_.told(event);
  const auto failed = delivery_in(event);
  if (told || !failed || failed->error_class == core::ErrorClass::cancelled) return;
  auto known = errors_.find(failed->role);
  if (known == errors_.end()) known = errors_.emplace(failed->role, RoleErrors{}).first;
  RoleErrors::Class& one = known->second.classes[static_cast<uint8_t>(failed->error_class)];
  ++one.count;
  one.id = field_of(event, "id");
  one.text = failed->text;
  dirty_errors_.insert(known->first);
}

void Monitor::note_missed(const core::EventRecord& event) {
  const std::string_view cron = field_of(event, "cron");
  auto known = misses_.find(cron);
  if (known == misses_.end()) known = misses_.emplace(std::string(cron), CronMisses{}).first;
  known->second.slots += static_cast<uint64_t>(std::max<int64_t>(0, number_of(event, "slots").value_or(0)));
  known->second.last_ms = number_of(event, "last").value_or(0);
  known->second.why = first_line(field_of(event, "why"));
  dirty_misses_.insert(known->first);
}

MonitorMark Monitor::mark_now(core::OfficeDesk& desk) const {
  MonitorMark mark;
  mark.at_ms = desk.clocks().wall_ms;
  desk.each_role([&](const core::RoleFacts& role) {
    MonitorMark::Role& one = mark.roles[std::string(role.name)];
    const core::RoleCounts& counts = *role.counts;
    one.number = role.number;
    one.ended = counts.done + counts.failed + counts.lapsed;
    one.claimed = counts.claimed;
    one.died = counts.died;
    one.tokens = counts.tokens;
    one.cost = counts.cost;
    const auto errors = errors_.find(role.name);
    if (errors == errors_.end()) return;
    for (const auto& [error_class, error] : errors->second.classes) one.errors[error_class] = error.count;
  });
  for (const auto& [cron, misses] : misses_) mark.missed[cron] = misses.slots;
  struct Sink final : core::FactsSink {
    Sink() : FactsSink(0) {}
    MonitorMark* mark = nullptr;
    void guard(const core::GuardFacts& guard) override {
      if (guard.would_refuse != 0) mark->would_refuse[std::string(guard.name)] = guard.would_refuse;
    }
  } sink;
  sink.mark = &mark;
  desk.report(sink);
  return mark;
}

// ---- A sweep ---------------------------------------------------------------------

bool Monitor::command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& desk,
                      core::ReplyWriter& writer) {
  const auto* wanted = std::get_if<core::op::Sweep>(&operation);
  if (wanted == nullptr) return false;
  sweep(*wanted, caller, desk, writer);
  return true;
}

MonitorMark Monitor::base_of(const core::op::Sweep& wanted, const core::OfficeDesk& desk) const {
  if (!wanted.since_ms || marks_.empty() || newest_.at_ms <= *wanted.since_ms) return newest_;
  const auto later = std::find_if(marks_.begin(), marks_.end(),
                                  [&](const auto& mark) { return mark.second > *wanted.since_ms; });
  // Before the first of all there is nothing; before the first that is kept, that one is the nearest.
  if (later == marks_.begin() && later->first == 1) return {};
  const uint64_t number = later == marks_.begin() ? later->first : std::prev(later)->first;
  std::string value;
  if (!desk.get(row_of(mark_rows, number), value)) throw std::runtime_error("a mark is missing");
  return whole<MonitorMark>(value, "a mark");
}

void Monitor::learn(const MonitorMark& now, core::OfficeDesk& desk) {
  if (has_learned_ && now.at_ms - learned_.at_ms < MonitorHabits::learn_ms) return;
  for (const auto& [name, role] : now.roles) {
    const auto before = learned_.roles.find(name);
    const bool same = before != learned_.roles.end() && before->second.number == role.number;
    const MonitorMark::Role none;
    const MonitorMark::Role& base = same ? before->second : none;
    Baseline::Window window;
    window.ended = grown(role.ended, base.ended);
    if (window.ended < MonitorHabits::window_ended) continue;
    for (const auto& [error_class, count] : role.errors) {
      const auto old = base.errors.find(error_class);
      const uint64_t failed = grown(count, old == base.errors.end() ? 0 : old->second);
      if (failed != 0) window.errors[error_class] = failed;
    }
    std::string value;
    Baseline baseline;
    if (desk.get(row_of(baseline_rows, name), value)) baseline = whole<Baseline>(value, "a baseline");
    baseline.learn(std::move(window));
    desk.put(row_of(baseline_rows, name), encode_monitor(baseline));
  }
  learned_ = now;
  has_learned_ = true;
  desk.put(learned_row, encode_monitor(learned_));
}

void Monitor::raise(std::vector<Finding>& findings, const MonitorMark& base, bool judges,
                    core::OfficeDesk& desk) {
  std::set<std::string, std::less<>> found;
  for (Finding& finding : findings) {
    leave_to_chronicle(finding, base.at_ms, desk);
    if (finding.fingerprint.empty()) continue;
    found.insert(finding.fingerprint);
    if (finding.raises) {
      finding.incident = see(finding, desk);
    } else if (const Incident* open = incidents_.find(finding.fingerprint)) {
      finding.incident = open->id();
    }
  }
  std::vector<std::string> over;
  for (const auto& [number, incident] : incidents_.all_open()) {
    const std::string_view fingerprint = incident.fingerprint;
    if (!fingerprint.starts_with("monitor:") || incident.by_person || found.contains(fingerprint)) continue;
    // What came in a window shorter than that proves nothing gone; what is there now or not does.
    const bool counted = fingerprint.starts_with("monitor:errors:") ||
                         fingerprint.starts_with("monitor:dead:") || fingerprint.starts_with("monitor:cron:");
    if (judges || !counted) over.emplace_back(fingerprint);
  }
  for (const std::string& fingerprint : over) {
    incidents_.gone(fingerprint, desk);
    head_.standing.erase(fingerprint);
  }
}

void Monitor::keep(const SweepReport& report, const MonitorMark& mark, core::OfficeDesk& desk) {
  desk.put(row_of(report_rows, report.number), encode_monitor(report));
  if (report.number > MonitorHabits::reports_max) {
    desk.erase(row_of(report_rows, report.number - MonitorHabits::reports_max));
  }
  desk.put(row_of(mark_rows, report.number), encode_monitor(mark));
  marks_.emplace_back(report.number, mark.at_ms);
  while (marks_.size() > MonitorHabits::marks_max) {
    desk.erase(row_of(mark_rows, marks_.front().first));
    marks_.pop_front();
  }
  before_ = std::exchange(newest_, mark);
  head_.next_sweep = report.number + 1;
  head_.last_ms = mark.at_ms;
  head_.last_bus_ms = desk.clocks().bus_ms;
  save(desk);
}

namespace {

void write(const Finding& finding, core::ReplyWriter& writer) {
  core::Fields fields;
  fields.text("kind", finding.kind);
  fields.text("tier", std::string(tier_name(finding.tier)));
  fields.text("subject", finding.subject);
  fields.text("title", finding.title);
  fields.text("look", finding.look);
  if (!finding.incident.empty()) fields.text("incident", finding.incident);
  writer.map(fields.size() + 1);
  fields.write(writer);
  writer.bulk("evidence");
  writer.map(finding.evidence.size());
  for (const Evidence& one : finding.evidence) {
    writer.bulk(one.name);
    if (one.numeric) {
      writer.integer(one.number);
    } else {
      writer.bulk(one.text);
    }
  }
}

void write(const SweepReport& report, core::ReplyWriter& writer) {
  core::Fields fields;
  fields.text("result", std::string(name_of(report.result, sweep_result_names)));
  fields.number("number", static_cast<int64_t>(report.number));
  fields.number("at", report.at_ms);
  if (report.since_ms != 0) fields.number("since", report.since_ms);
  if (report.more != 0) fields.number("more", static_cast<int64_t>(report.more));
  writer.map(fields.size() + 1);
  fields.write(writer);
  writer.bulk("findings");
  writer.array(report.findings.size());
  for (const Finding& finding : report.findings) write(finding, writer);
}

}  // namespace

void Monitor::sweep(const core::op::Sweep& wanted, const core::Caller& caller, core::OfficeDesk& desk,
                    core::ReplyWriter& writer) {
  const MonitorMark now = mark_now(desk);
  const MonitorMark base = base_of(wanted, desk);
  // Whatever comes of it: there has been a sweep.
  forget_standing("monitor:overdue", desk);
  SweepReport report;
  report.number = head_.next_sweep;
  report.at_ms = now.at_ms;
  report.since_ms = base.at_ms;
  report.by = name_of(caller);
  report.findings = findings_of(gather(base, now, desk), config_of(desk).monitor.limits);
  const bool judges = base.at_ms == 0 || now.at_ms - base.at_ms >= MonitorHabits::judge_ms;
  raise(report.findings, base, judges, desk);
  add_open_incidents(look_at_incidents(desk), report.findings);
  report.result = result_of(report.findings);
  const auto ultras = std::count_if(report.findings.begin(), report.findings.end(),
                                    [](const Finding& one) { return one.tier == Tier::ultra; });
  core::Headers about = {{"sweep", std::to_string(report.number)},
                         {"result", std::string(name_of(report.result, sweep_result_names))},
                         {"findings", std::to_string(report.findings.size())},
                         {"ultra", std::to_string(ultras)},
                         {"by", report.by}};
  if (report.since_ms != 0) about.emplace_back("since", std::to_string(report.since_ms));
  if (!report.findings.empty()) about.emplace_back("worst", report.findings.front().title);
  desk.chronicle("monitor.sweep", std::move(about));
  if (report.findings.size() > MonitorHabits::findings_max) {
    report.more = report.findings.size() - MonitorHabits::findings_max;
    report.findings.resize(MonitorHabits::findings_max);
  }
  learn(now, desk);
  keep(report, now, desk);
  plan(desk);
  std::erase_if(report.findings, [&](const Finding& one) { return !sees(caller, one.roles); });
  if (!sees_all(caller)) report.result = result_of(report.findings);
  write(report, writer);
}

}  // namespace pawl::ops
