#include "bus/core/overlay.h"

#include <cstring>
#include <iterator>
#include <utility>

#include "bus/base/result.h"
#include "bus/core/batch.h"

namespace pawl::core {
namespace {

constexpr size_t row_overhead_bytes = 16;
constexpr size_t first_bytes = size_t{64} << 10;

template <typename Rows, size_t... i>
std::array<Rows, sizeof...(i)> rows_in(std::pmr::memory_resource& memory, std::index_sequence<i...>) {
  return {((void)i, Rows(&memory))...};
}

}  // namespace

Overlay::Layer::Layer() : first_(new std::byte[first_bytes]), memory_(first_.get(), first_bytes) {
  tables_.emplace(rows_in<Rows>(memory_, std::make_index_sequence<table_count>()));
}

void Overlay::Layer::clear() {
  // The rows must not outlive their memory.
  tables_.reset();
  memory_.release();
  tables_.emplace(rows_in<Rows>(memory_, std::make_index_sequence<table_count>()));
  bytes = 0;
}

std::string_view Overlay::Layer::keep(std::string_view text) {
  if (text.empty()) return {};
  auto* kept = static_cast<char*>(memory_.allocate(text.size(), 1));
  std::memcpy(kept, text.data(), text.size());
  return {kept, text.size()};
}

void Overlay::Layer::set(Table table, std::string_view key, Value value) {
  bytes += key.size() + (value ? value->size() : 0) + row_overhead_bytes;
  if (value) value = keep(*value);
  Rows& rows = (*tables_)[static_cast<size_t>(table)];
  // Messages come in key order, so the end is the likely place.
  auto place = rows.end();
  if (!rows.empty() && std::prev(place)->first >= key) {
    place = rows.lower_bound(key);
    if (place->first == key) {
      place->second = value;
      return;
    }
  }
  rows.emplace_hint(place, keep(key), value);
}

bool Overlay::get(Table table, std::string_view key, std::string& value) const {
  for (const Layer* layer : {open_, sealed_}) {
    const Rows& rows = layer->rows(table);
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
  const Rows& open = open_->rows(table);
  const Rows& sealed = sealed_->rows(table);
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

std::string Overlay::seal(size_t& row_count) {
  PAWL_CHECK(!in_flight_);
  std::string encoded;
  encoded.reserve(open_->bytes);
  row_count = 0;
  for (size_t table = 0; table < table_count; ++table) {
    for (const auto& [key, value] : open_->rows(static_cast<Table>(table))) {
      append_row(encoded, static_cast<Table>(table), key, value);
      ++row_count;
    }
  }
  std::swap(sealed_, open_);  // what was sealed before has been dropped
  in_flight_ = true;
  return encoded;
}

void Overlay::drop_sealed() {
  PAWL_CHECK(in_flight_);
  sealed_->clear();
  in_flight_ = false;
}

}  // namespace pawl::core
