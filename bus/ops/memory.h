// What the fleet has been through: the graph of who fails with what, the failures that no rule knows, and an
// insight for each fingerprint that outlives the rows it was made of.
//
//   learned    MemoryFold, from every entry of the chronicle. Its bytes are put only now and then, with the
//              number of the newest entry in them; open() folds in what came after. Retention cannot pass
//              it: what would be erased before it was put is put in the same batch
//   distilled  Insights, from what retention erases: one row a fingerprint, put once a batch. What an open
//              incident refers to stays as it is (KeptRows) until it is closed
//   answers    INCIDENT INSIGHTS, GRAPH, UNKNOWN: of both, so of everything that is known
//
// Entries that are about no failure, daemon or incident cost a comparison of their kind.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bus/ops/incidents.h"
#include "bus/ops/kept_rows.h"
#include "bus/ops/memory_fold.h"
#include "bus/ops/part.h"

namespace pawl::ops {

class Memory final : public Part {
 public:
  static constexpr uint64_t entries_between = 2000;  // the fold is put after so many, or more if it is large,
  static constexpr int64_t ms_between = 10 * 60'000;     // or after so much bus time
  static constexpr uint64_t entries_at_first = 200'000;  // the newest, of a chronicle that was never folded

  // `incidents` outlives it.
  explicit Memory(const Incidents& incidents) : incidents_(incidents) {}

  std::string_view name() const override { return "memory"; }
  void open(core::OfficeDesk& desk) override;
  void configured(core::OfficeDesk& desk) override;
  void noted(const core::EventRecord& event, core::OfficeDesk& desk) override;
  void forgets(const core::EventRecord& event, uint64_t number, uint64_t bytes,
               core::OfficeDesk& desk) override;
  void forgets(const core::PastFailure& failure, core::OfficeDesk& desk) override;
  void sealing(core::OfficeDesk& desk) override;
  bool command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& desk,
               core::ReplyWriter& writer) override;

  const MemoryFold& learned() const { return fold_; }
  const Insights& distilled() const { return distilled_; }
  const KeptRows& kept() const { return kept_; }

 private:
  void read_rows(core::OfficeDesk& desk);
  void take_rules(const core::OfficeDesk& desk);
  void distil(PastRow row, core::OfficeDesk& desk);
  const Keep& keep();
  void put_fold(core::OfficeDesk& desk);
  void put_insights(core::OfficeDesk& desk);

  // memory_study.cpp
  void write_insights(size_t count, const core::Caller& caller, core::ReplyWriter& writer) const;
  void write_graph(std::string_view fingerprint, const core::Caller& caller, core::ReplyWriter& writer) const;
  void write_unknown(size_t count, const core::Caller& caller, core::ReplyWriter& writer) const;

  const Incidents& incidents_;
  std::optional<Classifier> classifier_;
  MemoryFold fold_;
  bool fold_changed_ = false;
  bool must_put_ = false;
  uint64_t put_number_ = 0;  // of the newest entry in the bytes that were put
  int64_t put_bus_ms_ = 0;

  Insights distilled_{true};
  bool sums_changed_ = false;
  KeptRows kept_{"memory/k/"};
  std::optional<Keep> keep_;  // nothing: incidents were opened or closed since
  bool closed_some_ = false;
};

}  // namespace pawl::ops
