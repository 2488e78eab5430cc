#include "tests/support/memory_store.h"

#include <catch2/catch.hpp>

#include "tests/store/batch_maker.h"

namespace pawl::test {
namespace {

TEST_CASE("a write of the memory store fails on demand, with its rows kept or lost") {
  const auto fate = GENERATE(FailedWrite::lost, FailedWrite::kept);
  MemoryStore store;
  BatchMaker batches;
  store.fail_write(2, fate);
  const auto first = batches.put(core::Table::home, "a", "1").make();
  const auto second = batches.put(core::Table::home, "b", "2").make();
  const auto third = batches.put(core::Table::home, "c", "3").make();
  CHECK(store.write(first).ok());
  CHECK_FALSE(store.write(second).ok());
  CHECK_FALSE(store.write(third).ok());
  CHECK(store.writes() == 1);

  const auto reopened = store.clone();
  std::string value;
  CHECK(reopened->get(core::Table::home, "a", value));
  CHECK(reopened->get(core::Table::home, "b", value) == (fate == FailedWrite::kept));
  CHECK_FALSE(reopened->get(core::Table::home, "c", value));
  CHECK(reopened->chain() == (fate == FailedWrite::kept ? second.link : first.link));
  // A copy shares nothing.
  CHECK(reopened->write(BatchMaker(reopened->chain()).put(core::Table::home, "d", "4").make()).ok());
  CHECK_FALSE(store.get(core::Table::home, "d", value));
}

TEST_CASE("failing reads of the memory store are remembered") {
  MemoryStore store;
  BatchMaker batches;
  REQUIRE(store.write(batches.put(core::Table::home, "a", "1").make()).ok());
  CHECK_FALSE(store.failed());
  store.fail_reads();
  std::string value;
  CHECK_FALSE(store.get(core::Table::home, "a", value));
  CHECK(store.failed());
}

}  // namespace
}  // namespace pawl::test
