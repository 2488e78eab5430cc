// Knows, without asking the database, whether it delays writes.
#pragma once

#include <rocksdb/listener.h>

#include <atomic>

namespace pawl::store {

class StallWatch : public rocksdb::EventListener {
 public:
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override {
    const bool was = info.condition.prev != rocksdb::WriteStallCondition::kNormal;
    const bool is = info.condition.cur != rocksdb::WriteStallCondition::kNormal;
    if (was != is) delayed_families_.fetch_add(is ? 1 : -1, std::memory_order_relaxed);
  }
  bool delayed() const { return delayed_families_.load(std::memory_order_relaxed) > 0; }

 private:
  std::atomic<int> delayed_families_{0};
};

}  // namespace pawl::store
