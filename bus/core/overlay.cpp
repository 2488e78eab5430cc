#include "bus/core/overlay.h"

#include <utility>

#include "bus/base/result.h"
#include "bus/core/batch.h"

namespace pawl::core {
namespace {

constexpr size_t row_overhead_bytes = 16;

}  // namespace

void Overlay::Layer::clear() {
  for (Rows& rows : tables) rows.clear();
  bytes = 0;
}

bool Overlay::get(Table table, std::string_view key, std::string& value) const {
  for (const Layer* layer : {&open_, &sealed_}) {
    const Rows& rows = layer->tables[static_cast<size_t>(table)];
    if (rows.empty()) continue;
    const auto found = rows.find(key);
    if (found == rows.end()) continue;
    if (!found->second) return false;
    value = *found->second;
    return true;
  }
  return committed_.get(table, key, value);
}

void Overlay::scan(Table table, std::string_view from, std::string_view to, const RowSink& sink) const {
  const Rows& open = open_.tables[static_cast<size_t>(table)];
  const Rows& sealed = sealed_.tables[static_cast<size_t>(table)];
  auto a = open.lower_bound(from);
  auto b = sealed.lower_bound(from);
  const auto live = [&](const Rows& rows, Rows::const_iterator at) {
    return at != rows.end() && (to.empty() || at->first < to);
  };
  bool stopped = false;
  // Emits overlay rows below `bound` (nothing: all); the open layer hides the sealed one.
  const auto emit_below = [&](std::optional<std::string_view> bound) {
    while (!stopped) {
      const bool has_a = live(open, a) && (!bound || a->first < *bound);
      const bool has_b = live(sealed, b) && (!bound || b->first < *bound);
      if (!has_a && !has_b) return;
      const bool take_a = has_a && (!has_b || a->first <= b->first);
      const auto row = take_a ? a : b;
      if (take_a && has_b && a->first == b->first) ++b;
      if (take_a) {
        ++a;
      } else {
        ++b;
      }
      if (row->second && !sink(row->first, *row->second)) stopped = true;
    }
  };
  committed_.scan(table, from, to, [&](std::string_view key, std::string_view value) {
    emit_below(key);
    if (stopped) return false;
    const bool in_a = live(open, a) && a->first == key;
    const bool in_b = live(sealed, b) && b->first == key;
    if (!in_a && !in_b) {
      stopped = !sink(key, value);
    } else {
      const auto row = in_a ? a : b;
      if (in_a) ++a;
      if (in_b) ++b;
      if (row->second) stopped = !sink(row->first, *row->second);
    }
    return !stopped;
  });
  emit_below(std::nullopt);
}

void Overlay::put(Table table, std::string key, std::string value) {
  open_.bytes += key.size() + value.size() + row_overhead_bytes;
  Rows& rows = open_.tables[static_cast<size_t>(table)];
  // New messages come in key order, so the end is the likely place.
  rows.insert_or_assign(rows.end(), std::move(key), std::optional<std::string>(std::move(value)));
}

void Overlay::erase(Table table, std::string key) {
  open_.bytes += key.size() + row_overhead_bytes;
  Rows& rows = open_.tables[static_cast<size_t>(table)];
  rows.insert_or_assign(std::move(key), std::nullopt);
}

std::string Overlay::seal(size_t& row_count) {
  PAWL_CHECK(!in_flight_);
  std::string encoded;
  encoded.reserve(open_.bytes);
  row_count = 0;
  for (size_t table = 0; table < table_count; ++table) {
    for (const auto& [key, value] : open_.tables[table]) {
      append_row(encoded, static_cast<Table>(table), key,
                 value ? std::optional<std::string_view>(*value) : std::nullopt);
      ++row_count;
    }
  }
  std::swap(sealed_, open_);
  open_.clear();
  in_flight_ = true;
  return encoded;
}

void Overlay::drop_sealed() {
  PAWL_CHECK(in_flight_);
  sealed_.clear();
  in_flight_ = false;
}

}  // namespace pawl::core
