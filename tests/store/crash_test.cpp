// Loss of power at every sync: what was answered is there, whole, and nothing else than at most the
// one batch whose answer never came.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <map>
#include <random>
#include <vector>

#include "bus/store/rocks_store.h"
#include "tests/store/batch_maker.h"
#include "tests/support/faulty_env.h"
#include "tests/support/temp_directory.h"

namespace pawl::test {
namespace {

using core::Table;
using Model = std::map<std::pair<Table, std::string>, std::string>;

constexpr int batches_per_run = 24;

// Small buffers, so that flushes, new logs and compactions fall into the run.
store::RocksOptions options_on(const std::string& directory, FaultyDisk& disk) {
  store::RocksOptions options;
  options.directory = directory;
  options.write_buffer_bytes = size_t{64} << 10;
  options.block_cache_bytes = size_t{1} << 20;
  options.env = disk.env();
  return options;
}

// The n-th batch of a run is always the same; `model` becomes what the store holds after it.
core::Batch next_batch(std::mt19937& random, BatchMaker& batches, Model& model) {
  constexpr std::array tables = {Table::home, Table::life, Table::back, Table::count, Table::chronicle};
  std::map<std::pair<Table, std::string>, std::optional<std::string>> rows;
  for (uint32_t i = 0; i < 12; ++i) {
    const Table table = tables[random() % tables.size()];
    std::string key = "k" + std::to_string(random() % 60);
    if (random() % 4 == 0) {
      rows[{table, std::move(key)}] = std::nullopt;
    } else {
      rows[{table, std::move(key)}] = std::string(random() % 2500, static_cast<char>(random()));
    }
  }
  for (const auto& [place, value] : rows) {
    if (value) {
      batches.put(place.first, place.second, *value);
      model[place] = *value;
    } else {
      batches.erase(place.first, place.second);
      model.erase(place);
    }
  }
  return batches.make();
}

Model contents(const store::Store& store) {
  Model model;
  for (size_t i = 0; i < core::table_count; ++i) {
    const auto table = static_cast<Table>(i);
    store.scan(table, "", "", [&](std::string_view key, std::string_view value) {
      if (table != Table::meta) model[{table, std::string(key)}] = std::string(value);
      return true;
    });
  }
  return model;
}

// Writes until the power goes; the number of answered batches.
uint64_t run_until_dark(const store::RocksOptions& options) {
  auto opened = store::open_rocks_store(options);
  if (!opened.ok()) return 0;
  std::mt19937 random(7);
  BatchMaker batches;
  Model model;
  uint64_t answered = 0;
  for (int i = 0; i < batches_per_run; ++i) {
    if (!(*opened)->write(next_batch(random, batches, model)).ok()) break;
    ++answered;
  }
  return answered;
}

void check_after_crash(const std::string& directory, uint64_t answered) {
  FaultyDisk healthy;  // spares the real fsyncs
  auto opened = store::open_rocks_store(options_on(directory, healthy));
  if (!opened.ok()) FAIL(opened.error().text);
  const store::Store& store = **opened;
  const core::ChainLink chain = store.chain();
  REQUIRE(chain.sequence >= answered);
  REQUIRE(chain.sequence <= answered + 1);
  std::mt19937 random(7);
  BatchMaker batches;
  Model model;
  core::Batch last;
  for (uint64_t i = 0; i < chain.sequence; ++i) last = next_batch(random, batches, model);
  REQUIRE(chain == last.link);
  REQUIRE((contents(store) == model));
  // And it goes on from there.
  REQUIRE((*opened)->write(next_batch(random, batches, model)).ok());
  REQUIRE((contents(store) == model));
}

uint64_t syncs_of_a_whole_run() {
  const TempDirectory directory;
  FaultyDisk disk;
  REQUIRE(run_until_dark(options_on(directory / "data", disk)) == batches_per_run);
  return disk.syncs();
}

TEST_CASE("power lost at any sync keeps every answered batch and no half one") {
  const uint64_t all = syncs_of_a_whole_run();
  REQUIRE(all > batches_per_run + 10);
  const auto tail = GENERATE(Tail::drop, Tail::tear, Tail::zero, Tail::keep);
  // A soak tries every sync with every end; otherwise each end has its own selection.
  const bool soak = std::getenv("PAWL_SOAK") != nullptr;
  const uint64_t step = soak ? 1 : tail == Tail::drop ? 2 : 5;
  for (uint64_t n = soak ? 1 : 1 + static_cast<uint64_t>(tail); n <= all; n += step) {
    CAPTURE(n, static_cast<int>(tail));
    const TempDirectory directory;
    FaultyDisk disk;
    disk.cut_power_at_sync(n);
    const uint64_t answered = run_until_dark(options_on(directory / "data", disk));
    disk.lose_power(tail, static_cast<uint32_t>(n));
    check_after_crash(directory / "data", answered);
  }
}

TEST_CASE("a failed append or sync fails the write, and opening again finds a whole state") {
  const bool append = GENERATE(true, false);
  for (uint64_t n = 1; n <= 20; n += 3) {
    CAPTURE(n, append);
    const TempDirectory directory;
    FaultyDisk disk;
    uint64_t answered = 0;
    bool failed = false;
    {
      auto opened = store::open_rocks_store(options_on(directory / "data", disk));
      REQUIRE(opened.ok());
      std::mt19937 random(7);
      BatchMaker batches;
      Model model;
      if (append) disk.fail_append(n);
      if (!append) disk.fail_sync(n);
      for (int i = 0; i < batches_per_run; ++i) {
        const bool ok = (*opened)->write(next_batch(random, batches, model)).ok();
        CHECK_FALSE((failed && ok));  // nothing is answered after a failure
        failed = failed || !ok;
        answered += ok ? 1 : 0;
      }
    }
    CHECK(failed);
    check_after_crash(directory / "data", answered);
  }
}

TEST_CASE("a full disk fails the write; with space again the store opens and goes on") {
  const TempDirectory directory;
  FaultyDisk disk;
  std::mt19937 random(7);
  BatchMaker batches;
  Model model;
  {
    auto opened = store::open_rocks_store(options_on(directory / "data", disk));
    REQUIRE(opened.ok());
    REQUIRE((*opened)->write(next_batch(random, batches, model)).ok());
    disk.set_full(true);
    const Status status = (*opened)->write(next_batch(random, batches, model));
    REQUIRE_FALSE(status.ok());
    CHECK_THAT(status.error().text, Catch::Contains("no space"));
    disk.set_full(false);
    REQUIRE_FALSE((*opened)->write(next_batch(random, batches, model)).ok());
  }
  check_after_crash(directory / "data", 1);
}

TEST_CASE("reads go on while a sync hangs") {
  const TempDirectory directory;
  FaultyDisk disk;
  auto opened = store::open_rocks_store(options_on(directory / "data", disk));
  REQUIRE(opened.ok());
  store::Store& store = **opened;
  BatchMaker batches;
  REQUIRE(store.write(batches.put(Table::home, "a", "1").make()).ok());
  std::string seen;
  bool chain_waited = true;
  disk.set_on_sync([&](const std::string&) {
    // On the writer's thread, inside of the sync: what another thread would see meanwhile.
    std::string value;
    seen = store.get(Table::home, "a", value) ? value : "(none)";
    chain_waited = store.chain().sequence != 1;
  });
  REQUIRE(store.write(batches.put(Table::home, "a", "2").make()).ok());
  disk.set_on_sync(nullptr);
  CHECK(seen == "1");
  CHECK_FALSE(chain_waited);
}

}  // namespace
}  // namespace pawl::test
