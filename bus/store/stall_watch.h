// Knows, without asking the database, whether it delays writes and whether a new log may have begun.
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
  // Called where a new log begins, on the thread that writes.
  void OnMemTableSealed(const rocksdb::MemTableInfo& /*info*/) override {
    log_may_have_changed_.store(true, std::memory_order_relaxed);
  }
  // Once after each such call.
  bool take_log_change() { return log_may_have_changed_.exchange(false, std::memory_order_relaxed); }

  bool delayed() const { return delayed_families_.load(std::memory_order_relaxed) > 0; }

 private:
  std::atomic<int> delayed_families_{0};
  std::atomic<bool> log_may_have_changed_{true};
};

}  // namespace pawl::store
