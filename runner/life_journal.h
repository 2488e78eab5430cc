// What the launcher has to tell the chronicle of the bus: every change of a daemon's state, in order and
// once, with its own time. What the bus has not heard of is also in DIR/up/chronicle, for the launcher after
// this one.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/base/result.h"
#include "bus/client/client.h"
#include "runner/up_folder.h"

namespace pawl::runner {

class LifeJournal {
 public:
  // So many wait at most; then the oldest are dropped, and an entry says how many.
  static constexpr size_t entries_max = 1000;
  using Fields = std::vector<std::pair<std::string, std::string>>;

  // `folder` outlives it. `source` names who counts what is added from here on; another one for each
  // launcher.
  LifeJournal(const UpFolder& folder, std::string source);

  // Takes up what an earlier launcher left, before anything is added.
  void recall();
  // An entry of kind "launcher.KIND" that happened at `wall_ms`; empty fields are left out. ERR: it is in
  // memory alone.
  Status add(std::string_view kind, int64_t wall_ms, const Fields& fields);
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }

  // EVENT ADD for the oldest. Until told() or not_told() it is on its way.
  client::Command next();
  Status told();
  void not_told() { on_its_way_ = false; }

 private:
  struct Entry {
    std::string source;
    uint64_t number = 0;
    std::string kind;
    Fields fields;
    int64_t dropped = 0;  // above 0: it stands for so many that were dropped
  };
  void make_room();
  Status save() const;

  const UpFolder& folder_;
  const std::string source_;
  uint64_t next_number_ = 1;
  std::deque<Entry> entries_;
  bool on_its_way_ = false;
};

}  // namespace pawl::runner
