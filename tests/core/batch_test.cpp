#include "bus/core/batch.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace pawl::core {
namespace {

struct Row {
  Table table;
  std::string key;
  std::optional<std::string> value;
  bool operator==(const Row&) const = default;
};

std::optional<std::vector<Row>> read(const Batch& batch) {
  std::vector<Row> rows;
  const bool whole =
      batch.for_each([&](Table table, std::string_view key, std::optional<std::string_view> value) {
        rows.push_back({table, std::string(key), value ? std::optional<std::string>(*value) : std::nullopt});
      });
  return whole ? std::optional(rows) : std::nullopt;
}

Batch sample() {
  Batch batch;
  append_row(batch.rows, Table::meta, "head", "value");
  append_row(batch.rows, Table::home, std::string("\0key", 4), "");
  append_row(batch.rows, Table::life, "gone", std::nullopt);
  append_row(batch.rows, Table::chronicle, "", std::string(300, 'x'));
  batch.row_count = 4;
  batch.link.sequence = 7;
  batch.link.term = 2;
  batch.link.previous.fill(0xab);
  batch.link.hash = hash_batch(batch.link.previous, 7, 2, batch.rows);
  return batch;
}

TEST_CASE("a batch reads back row by row, the chain row last") {
  const Batch batch = sample();
  const auto rows = read(batch);
  REQUIRE(rows);
  REQUIRE(rows->size() == 5);
  CHECK((*rows)[0] == Row{Table::meta, "head", "value"});
  CHECK((*rows)[1] == Row{Table::home, std::string("\0key", 4), ""});
  CHECK((*rows)[2] == Row{Table::life, "gone", std::nullopt});
  CHECK((*rows)[3] == Row{Table::chronicle, "", std::string(300, 'x')});
  CHECK((*rows)[4].key == chain_key);
  CHECK(decode_chain(*(*rows)[4].value) == batch.link);
}

TEST_CASE("a batch cut anywhere but between rows is damaged, and lying lengths are seen") {
  const Batch whole = sample();
  std::vector<size_t> ends = {0};
  for (size_t end = 1; end < whole.rows.size(); ++end) {
    Batch cut = whole;
    cut.rows.resize(end);
    const auto rows = read(cut);
    if (rows) ends.push_back(end);
  }
  CHECK(ends.size() == 4);
  for (size_t at = 0; at < whole.rows.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      Batch damaged = whole;
      damaged.rows[at] = static_cast<char>(damaged.rows[at] ^ flip);
      static_cast<void>(read(damaged));
      CHECK(hash_batch(whole.link.previous, 7, 2, damaged.rows) != whole.link.hash);
    }
  }
}

TEST_CASE("the hash chains batches, and tells sequence and term") {
  const Hash none{};
  const Hash first = hash_batch(none, 1, 1, "rows");
  CHECK(hash_batch(none, 1, 1, "rows") == first);
  CHECK(hash_batch(first, 1, 1, "rows") != first);
  CHECK(hash_batch(none, 2, 1, "rows") != first);
  CHECK(hash_batch(none, 1, 2, "rows") != first);
  CHECK(hash_batch(none, 1, 1, "rowt") != first);
  CHECK(hash_batch(none, 1, 1, "") != first);
}

// Written down once: an accident in the encoding would strand every log there is.
TEST_CASE("the hash of known rows stays what it is") {
  const Batch batch = sample();
  std::string hex;
  for (const uint8_t byte : batch.link.hash) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  CHECK(hex == "fa8ec8d64840456443e972cc76393b18");
}

TEST_CASE("a chain row that is damaged, cut or newer does not decode") {
  const std::string row = encode_chain(sample().link);
  CHECK(decode_chain(row));
  for (size_t end = 0; end < row.size(); ++end) CHECK_FALSE(decode_chain(row.substr(0, end)));
  CHECK_FALSE(decode_chain(row + "x"));
  std::string newer = row;
  newer[0] = 2;
  CHECK_FALSE(decode_chain(newer));
}

}  // namespace
}  // namespace pawl::core
