#include "bus/core/overlay.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "bus/core/batch.h"
#include "tests/support/memory_store.h"

namespace pawl::core {
namespace {

using Rows = std::map<std::string, std::string>;
using Found = std::vector<std::pair<std::string, std::string>>;

Found scanned(const Overlay& overlay, const std::string& from, const std::string& to, size_t stop_after) {
  Found found;
  overlay.scan(Table::home, from, to, [&](std::string_view key, std::string_view value) {
    found.emplace_back(key, value);
    return found.size() < stop_after;
  });
  return found;
}

Found expected(const Rows& rows, const std::string& from, const std::string& to, size_t stop_after) {
  Found found;
  for (auto at = rows.lower_bound(from); at != rows.end() && (to.empty() || at->first < to); ++at) {
    found.emplace_back(*at);
    if (found.size() == stop_after) break;
  }
  return found;
}

void commit(Overlay& overlay, test::MemoryStore& store, const std::string& rows) {
  Batch batch;
  batch.rows = rows;
  const ChainLink last = store.chain();
  batch.link = {last.sequence + 1, last.term, last.hash,
                hash_batch(last.hash, last.sequence + 1, last.term, rows)};
  REQUIRE(store.write(batch).ok());
  overlay.drop_sealed();
}

TEST_CASE("open rows hide sealed ones, sealed ones hide committed ones") {
  test::MemoryStore store;
  Overlay overlay(store);
  size_t rows = 0;
  for (const char* key : {"a", "b", "c", "d"}) overlay.put(Table::home, key, "1");
  commit(overlay, store, overlay.seal(rows));
  CHECK(rows == 4);
  overlay.put(Table::home, "b", "2");
  overlay.erase(Table::home, "c");
  overlay.put(Table::home, "bb", "2");
  const std::string sealed = overlay.seal(rows);
  CHECK(rows == 3);
  CHECK(overlay.in_flight());
  overlay.put(Table::home, "b", "3");
  overlay.erase(Table::home, "bb");
  overlay.put(Table::home, "c", "3");
  overlay.erase(Table::home, "zz");
  CHECK(scanned(overlay, "", "", 99) == Found{{"a", "1"}, {"b", "3"}, {"c", "3"}, {"d", "1"}});
  CHECK(scanned(overlay, "b", "d", 99) == Found{{"b", "3"}, {"c", "3"}});
  CHECK(scanned(overlay, "b", "d", 1) == Found{{"b", "3"}});
  std::string value;
  CHECK(overlay.get(Table::home, "c", value));
  CHECK(value == "3");
  CHECK_FALSE(overlay.get(Table::home, "bb", value));
  CHECK_FALSE(overlay.get(Table::life, "a", value));
  commit(overlay, store, sealed);
  CHECK(scanned(overlay, "", "", 99) == Found{{"a", "1"}, {"b", "3"}, {"c", "3"}, {"d", "1"}});
  CHECK_FALSE(overlay.open_empty());
}

TEST_CASE("an overlay reads as one map, whatever layer a row is in") {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    std::mt19937 rng(seed);
    const auto below = [&](size_t n) { return static_cast<size_t>(rng()) % n; };
    const auto key = [&] { return std::string(1 + below(2), static_cast<char>('a' + below(6))); };
    test::MemoryStore store;
    Overlay overlay(store);
    Rows rows;
    std::string sealed;
    for (int step = 0; step < 200; ++step) {
      const size_t what = below(10);
      if (what < 5) {
        const std::string k = key();
        rows[k] = std::to_string(step);
        overlay.put(Table::home, k, std::to_string(step));
      } else if (what < 8) {
        const std::string k = key();
        rows.erase(k);
        overlay.erase(Table::home, k);
      } else if (overlay.in_flight()) {
        commit(overlay, store, sealed);
      } else {
        size_t count = 0;
        sealed = overlay.seal(count);
        REQUIRE(overlay.open_empty());
      }
      const std::string from = below(3) == 0 ? "" : key();
      const std::string to = below(3) == 0 ? "" : key();
      const size_t stop = 1 + below(8);
      // An empty range is no business of a view's: callers pass from <= to.
      if (!to.empty() && to < from) continue;
      REQUIRE(scanned(overlay, from, to, stop) == expected(rows, from, to, stop));
      std::string value;
      const std::string k = key();
      const bool there = overlay.get(Table::home, k, value);
      REQUIRE(there == (rows.count(k) != 0));
      if (there) REQUIRE(value == rows[k]);
    }
  }
}

}  // namespace
}  // namespace pawl::core
