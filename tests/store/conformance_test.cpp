// What every Store owes to the page bus/store/store.h.
#include <catch2/catch.hpp>

#include <functional>
#include <thread>
#include <vector>

#include "bus/store/rocks_store.h"
#include "tests/store/batch_maker.h"
#include "tests/support/memory_store.h"
#include "tests/support/temp_directory.h"

namespace pawl::test {
namespace {

using core::Table;
using Rows = std::vector<std::pair<std::string, std::string>>;

// A kind of store that can be opened again over what it held.
struct Subject {
  virtual ~Subject() = default;
  virtual void reopen() = 0;
  std::unique_ptr<store::Store> store;
};

struct InMemory : Subject {
  InMemory() { store = std::make_unique<MemoryStore>(); }
  void reopen() override { store = static_cast<MemoryStore&>(*store).clone(); }
};

struct OnRocks : Subject {
  OnRocks() { reopen(); }
  ~OnRocks() override { store.reset(); }
  void reopen() override {
    store.reset();
    auto opened = store::open_rocks_store({.directory = directory / "data"});
    if (!opened.ok()) FAIL(opened.error().text);
    store = std::move(*opened);
  }
  TempDirectory directory;
};

std::unique_ptr<Subject> make_subject(bool rocks) {
  if (rocks) return std::make_unique<OnRocks>();
  return std::make_unique<InMemory>();
}

std::string get(const core::StateView& view, Table table, std::string_view key) {
  std::string value = "untouched";
  return view.get(table, key, value) ? value : "(none)";
}

Rows scan(const core::StateView& view, Table table, std::string_view from, std::string_view to,
          size_t limit = 1000) {
  Rows rows;
  view.scan(table, from, to, [&](std::string_view key, std::string_view value) {
    rows.emplace_back(key, value);
    return rows.size() < limit;
  });
  return rows;
}

void write(store::Store& store, const core::Batch& batch) {
  const Status status = store.write(batch);
  if (!status.ok()) FAIL(status.error().text);
}

// Its own bytes of any value, in order.
std::vector<std::string> awkward_keys() {
  using namespace std::string_literals;
  return {""s,     "\0"s, "\0\0"s, "\0\xff"s, "\1"s,   "a"s,       "a\0"s,
          "a\0b"s, "ab"s, "\x7f"s, "\x80"s,   "\xff"s, "\xff\xff"s};
}

TEST_CASE("rows can be put, overwritten and erased") {
  const auto subject = make_subject(GENERATE(false, true));
  store::Store& store = *subject->store;
  BatchMaker batches;
  CHECK(get(store, Table::home, "a") == "(none)");
  write(store, batches.put(Table::home, "a", "1").put(Table::home, "b", "2").make());
  CHECK(get(store, Table::home, "a") == "1");
  CHECK(get(store, Table::home, "b") == "2");
  write(store, batches.put(Table::home, "a", "3").erase(Table::home, "b").erase(Table::home, "never").make());
  CHECK(get(store, Table::home, "a") == "3");
  CHECK(get(store, Table::home, "b") == "(none)");
  write(store, batches.put(Table::home, "b", "").make());
  CHECK(get(store, Table::home, "b").empty());
  CHECK_FALSE(store.failed());
}

TEST_CASE("a scan gives from <= key < to in key order") {
  const auto subject = make_subject(GENERATE(false, true));
  store::Store& store = *subject->store;
  const auto table = GENERATE(Table::home, Table::due_bus, Table::dead, Table::daemon, Table::chronicle);
  BatchMaker batches;
  for (const char* key : {"d", "b", "a", "c", "ba"}) batches.put(table, key, std::string("v") + key);
  write(store, batches.make());

  CHECK(scan(store, table, "", "") ==
        Rows{{"a", "va"}, {"b", "vb"}, {"ba", "vba"}, {"c", "vc"}, {"d", "vd"}});
  CHECK(scan(store, table, "b", "") == Rows{{"b", "vb"}, {"ba", "vba"}, {"c", "vc"}, {"d", "vd"}});
  CHECK(scan(store, table, "b", "c") == Rows{{"b", "vb"}, {"ba", "vba"}});
  CHECK(scan(store, table, "aa", "bb") == Rows{{"b", "vb"}, {"ba", "vba"}});
  CHECK(scan(store, table, "", "a").empty());
  CHECK(scan(store, table, "b", "b").empty());
  CHECK(scan(store, table, "c", "b").empty());
  CHECK(scan(store, table, "e", "").empty());
  CHECK(scan(store, table, "", "", 2) == Rows{{"a", "va"}, {"b", "vb"}});  // the sink stops it
}

TEST_CASE("tables do not bleed into each other") {
  const auto subject = make_subject(GENERATE(false, true));
  store::Store& store = *subject->store;
  BatchMaker batches;
  const auto value_of = [](size_t table, const std::string& key) {
    return std::to_string(table) + ":" + key;
  };
  for (size_t i = 0; i < core::table_count; ++i) {
    for (const auto& key : awkward_keys()) batches.put(static_cast<Table>(i), key, value_of(i, key));
  }
  write(store, batches.make());
  for (size_t i = 0; i < core::table_count; ++i) {
    const auto table = static_cast<Table>(i);
    INFO(core::table_name(table));
    Rows expected;
    for (const auto& key : awkward_keys()) {
      CHECK(get(store, table, key) == value_of(i, key));
      expected.emplace_back(key, value_of(i, key));
    }
    Rows found = scan(store, table, "", "");
    // The meta table also holds the store's own rows.
    std::erase_if(found, [](const auto& row) {
      return row.first == core::chain_key || row.first == store::format_key;
    });
    CHECK(found == expected);
  }
  batches.erase(Table::group, "a");
  write(store, batches.make());
  CHECK(get(store, Table::group, "a") == "(none)");
  CHECK(get(store, Table::head, "a") == value_of(12, "a"));
}

TEST_CASE("a sink may read while it scans") {
  const auto subject = make_subject(GENERATE(false, true));
  store::Store& store = *subject->store;
  BatchMaker batches;
  write(store,
        batches.put(Table::back, "1", "x").put(Table::back, "2", "y").put(Table::home, "x", "X").make());
  std::string seen;
  store.scan(Table::back, "", "", [&](std::string_view key, std::string_view value) {
    seen += std::string(key) + get(store, Table::home, value) +
            std::to_string(scan(store, Table::back, key, "").size());
    return true;
  });
  CHECK(seen == "1X22(none)1");
}

TEST_CASE("a snapshot does not see what comes after it") {
  const auto subject = make_subject(GENERATE(false, true));
  store::Store& store = *subject->store;
  BatchMaker batches;
  write(store, batches.put(Table::life, "a", "1").put(Table::life, "b", "1").make());
  const auto before = store.snapshot();
  write(store, batches.put(Table::life, "a", "2").erase(Table::life, "b").put(Table::life, "c", "2").make());
  CHECK(scan(*before, Table::life, "", "") == Rows{{"a", "1"}, {"b", "1"}});
  CHECK(get(*before, Table::life, "c") == "(none)");
  CHECK(scan(store, Table::life, "", "") == Rows{{"a", "2"}, {"c", "2"}});
  CHECK(scan(*store.snapshot(), Table::life, "", "") == Rows{{"a", "2"}, {"c", "2"}});
  CHECK_FALSE(before->failed());
}

TEST_CASE("a snapshot is read on another thread while batches are written") {
  const auto subject = make_subject(GENERATE(false, true));
  store::Store& store = *subject->store;
  BatchMaker batches;
  for (int i = 0; i < 50; ++i) batches.put(Table::home, "k" + std::to_string(i), "old");
  write(store, batches.make());
  const auto frozen = store.snapshot();
  size_t changed = 0;
  std::thread reader([&] {
    for (int round = 0; round < 20; ++round) {
      for (const auto& [key, value] : scan(*frozen, Table::home, "", "")) changed += value == "old" ? 0 : 1;
    }
  });
  for (int i = 0; i < 20; ++i) write(store, batches.put(Table::home, "k" + std::to_string(i), "new").make());
  reader.join();
  CHECK(changed == 0);
}

TEST_CASE("rows and chain survive opening again") {
  const auto subject = make_subject(GENERATE(false, true));
  CHECK(subject->store->chain() == core::ChainLink{});
  BatchMaker batches;
  core::Batch last;
  for (int i = 0; i < 10; ++i) {
    last = batches.put(Table::home, "k" + std::to_string(i % 4), std::to_string(i)).make();
    write(*subject->store, last);
    CHECK(subject->store->chain() == last.link);
    if (i % 3 == 0) {
      subject->reopen();
      CHECK(subject->store->chain() == last.link);
    }
  }
  subject->reopen();
  CHECK(subject->store->chain() == last.link);
  CHECK(scan(*subject->store, Table::home, "", "") ==
        Rows{{"k0", "8"}, {"k1", "9"}, {"k2", "6"}, {"k3", "7"}});
  const auto stored = core::decode_chain(get(*subject->store, Table::meta, core::chain_key));
  REQUIRE(stored);
  CHECK(*stored == last.link);
  // An empty batch still moves the chain.
  last = batches.make();
  write(*subject->store, last);
  subject->reopen();
  CHECK(subject->store->chain() == last.link);
}

TEST_CASE("large batches and large rows") {
  const auto subject = make_subject(GENERATE(false, true));
  BatchMaker batches;
  const std::string large(size_t{4} << 20, 'x');
  batches.put(Table::blob, "large", large);
  for (int i = 0; i < 5000; ++i) batches.put(Table::home, std::to_string(100000 + i), std::string(100, 'p'));
  write(*subject->store, batches.make());
  subject->reopen();
  CHECK(get(*subject->store, Table::blob, "large") == large);
  CHECK(scan(*subject->store, Table::home, "", "", 100000).size() == 5000);
}

}  // namespace
}  // namespace pawl::test
