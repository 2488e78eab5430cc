#include "bus/ops/memory.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bus/core/keys.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/ops_config.h"

namespace pawl::ops {
namespace {

constexpr std::string_view fold_row = "memory/fold";
constexpr std::string_view at_row = "memory/at";  // entry (8), bus time (8)
constexpr std::string_view sums_row = "memory/sums";
constexpr std::string_view insight_rows = "memory/i/";

std::string insight_row(uint64_t fingerprint) {
  return std::string(insight_rows) + core::keys::number(fingerprint);
}

}  // namespace

// ---- Opening ----------------------------------------------------------------------

void Memory::open(core::OfficeDesk& desk) {
  fold_ = MemoryFold();
  fold_changed_ = must_put_ = sums_changed_ = closed_some_ = false;
  put_number_ = 0;
  put_bus_ms_ = desk.clocks().bus_ms;
  distilled_ = Insights(true);
  keep_.reset();
  read_rows(desk);
  take_rules(desk);
  // What came after the bytes were put. A lot of it only where they never were.
  constexpr size_t rows_at_once = 1000;
  uint64_t next = put_number_ + 1;
  if (put_number_ == 0 && desk.last_event() > entries_at_first) next = desk.last_event() - entries_at_first;
  const auto learn = [&](uint64_t, const core::EventRecord& event) {
    fold_changed_ = fold_.apply(event, *classifier_) || fold_changed_;
  };
  while (desk.each_event(next, rows_at_once, learn)) {
  }
}

void Memory::read_rows(core::OfficeDesk& desk) {
  std::string bytes;
  if (desk.get(at_row, bytes)) {
    if (bytes.size() != 16) throw std::runtime_error("where the memory stands");
    put_number_ = core::keys::read_be(bytes, 0, 8);
    put_bus_ms_ = static_cast<int64_t>(core::keys::read_be(bytes, 8, 8));
  }
  if (desk.get(fold_row, bytes) && !fold_.decode(bytes)) throw std::runtime_error("what was learned");
  if (desk.get(sums_row, bytes) && !distilled_.restore_sums(bytes)) throw std::runtime_error("the sums");
  desk.scan(insight_rows, [&](std::string_view key, std::string_view value) {
    auto insight = decode_insight(value);
    if (!insight || key.size() != insight_rows.size() + 8) throw std::runtime_error("an insight");
    distilled_.restore(core::keys::read_be(key, insight_rows.size(), 8), std::move(*insight));
    return true;
  });
  kept_.open(desk);
}

void Memory::take_rules(const core::OfficeDesk& desk) {
  classifier_ = config_of(desk).classifier();
  fold_changed_ = fold_.relearn(*classifier_) || fold_changed_;
  IncidentGraph::Needs needs;
  for (const auto& [role, config] : desk.config().roles) {
    if (!config.needs.empty()) needs.emplace(role, config.needs);
  }
  fold_.set_role_needs(needs);
}

void Memory::configured(core::OfficeDesk& desk) { take_rules(desk); }

// ---- News ---------------------------------------------------------------------------

void Memory::noted(const core::EventRecord& event, core::OfficeDesk& /*desk*/) {
  if (!fold_.apply(event, *classifier_)) return;
  fold_changed_ = true;
  if (event.kind == "incident.opened" || event.kind == "incident.closed") {
    keep_.reset();
    closed_some_ = closed_some_ || event.kind == "incident.closed";
  }
}

const Keep& Memory::keep() {
  if (keep_) return *keep_;
  keep_.emplace();
  for (const auto& [number, incident] : incidents_.all_open()) {
    keep_->incidents.insert(incident.id());
    keep_->texts.insert(incident.fingerprint);
    if (const auto print = incident_fingerprint(incident.fingerprint)) keep_->fingerprints.insert(*print);
  }
  return *keep_;
}

// ---- The past -----------------------------------------------------------------------

void Memory::forgets(const core::EventRecord& event, uint64_t number, uint64_t /*bytes*/,
                     core::OfficeDesk& desk) {
  must_put_ = must_put_ || number > put_number_;
  PastRow row;
  row.event = event;
  distil(std::move(row), desk);
}

void Memory::forgets(const core::PastFailure& failure, core::OfficeDesk& desk) {
  PastRow row;
  row.invocation = *failure.invocation;
  row.role = failure.role;
  row.message = failure.message;
  distil(std::move(row), desk);
}

void Memory::distil(PastRow row, core::OfficeDesk& desk) {
  const auto take = [&](const PastRow& gone) {
    distilled_.add(gone);
    sums_changed_ = true;
  };
  if (keep().refers(row)) {
    kept_.add(row, desk, [&](const PastRow& oldest) {
      take(oldest);
      distilled_.note_overflow();
    });
  } else {
    take(row);
  }
}

// ---- Rows ---------------------------------------------------------------------------

void Memory::sealing(core::OfficeDesk& desk) {
  if (std::exchange(closed_some_, false) && kept_.size() > 0) {
    kept_.release(keep(), desk, [&](const PastRow& row) {
      distilled_.add(row);
      sums_changed_ = true;
    });
  }
  if (sums_changed_) put_insights(desk);
  const uint64_t newest = desk.last_event();
  if (newest == put_number_ && !fold_changed_) return;
  // A large one seldom, so that an entry costs the same however much is known.
  const uint64_t entries = std::max<uint64_t>(entries_between, fold_.size());
  const bool due = newest - put_number_ >= entries || desk.clocks().bus_ms - put_bus_ms_ >= ms_between;
  if (due || must_put_) put_fold(desk);
}

void Memory::put_fold(core::OfficeDesk& desk) {
  if (std::exchange(fold_changed_, false)) desk.put(fold_row, fold_.encode());
  must_put_ = false;
  put_number_ = desk.last_event();
  put_bus_ms_ = desk.clocks().bus_ms;
  desk.put(at_row, core::keys::number(put_number_) + core::keys::number(static_cast<uint64_t>(put_bus_ms_)));
}

void Memory::put_insights(core::OfficeDesk& desk) {
  sums_changed_ = false;
  desk.put(sums_row, distilled_.encode_sums());
  for (const uint64_t fingerprint : distilled_.take_changed()) {
    if (const Insight* insight = distilled_.find(fingerprint)) {
      desk.put(insight_row(fingerprint), encode(*insight));
    } else {
      desk.erase(insight_row(fingerprint));
    }
  }
}

}  // namespace pawl::ops
