#include "bus/journal/local_journal.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <csignal>
#include <functional>

#include "tests/store/batch_maker.h"
#include "tests/support/memory_store.h"

namespace pawl::test {
namespace {

using core::Table;
using journal::LocalJournal;

// Whether `what` stops the process: tried in a child.
bool aborts(const std::function<void()>& what) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, STDERR_FILENO);
    std::signal(SIGABRT, SIG_DFL);  // Catch's handler would report it as a failed test
    what();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

TEST_CASE("committed batches are durable and readable") {
  MemoryStore store;
  LocalJournal journal(store);
  BatchMaker batches;
  for (uint64_t i = 1; i <= 3; ++i) {
    REQUIRE(journal.commit(batches.put(Table::home, "k", std::to_string(i)).make()).ok());
    std::string value;
    REQUIRE(store.get(Table::home, "k", value));
    CHECK(value == std::to_string(i));
    CHECK(store.chain().sequence == i);
  }
}

TEST_CASE("a journal continues the chain of its store") {
  MemoryStore store;
  BatchMaker batches;
  REQUIRE(LocalJournal(store).commit(batches.put(Table::home, "a", "1").make()).ok());
  REQUIRE(LocalJournal(store).commit(batches.put(Table::home, "b", "2").make()).ok());
  CHECK(store.chain().sequence == 2);
}

TEST_CASE("a batch that does not continue the chain stops the process") {
  MemoryStore store;
  LocalJournal journal(store);
  BatchMaker batches;
  const core::Batch first = batches.put(Table::home, "a", "1").make();
  const core::Batch second = batches.put(Table::home, "b", "2").make();
  REQUIRE(journal.commit(first).ok());
  core::Batch wrong = second;
  SECTION("the same again") { wrong = first; }
  SECTION("one too far") { wrong = batches.put(Table::home, "c", "3").make(); }
  SECTION("another past") {
    wrong.link.previous[0] = static_cast<uint8_t>(wrong.link.previous[0] + 1);
    wrong.link.hash = core::hash_batch(wrong.link.previous, wrong.link.sequence, wrong.link.term, wrong.rows);
  }
  SECTION("rows that are not those of the hash") {
    wrong.rows.back() = static_cast<char>(wrong.rows.back() + 1);
  }
  SECTION("an older term") {
    wrong.link.term = 0;
    wrong.link.hash = core::hash_batch(wrong.link.previous, wrong.link.sequence, wrong.link.term, wrong.rows);
  }
  CHECK(aborts([&] { (void)journal.commit(wrong).ok(); }));
  CHECK_FALSE(aborts([&] { (void)journal.commit(second).ok(); }));
}

TEST_CASE("after a failure every commit fails until the store is opened again") {
  const auto fate = GENERATE(FailedWrite::lost, FailedWrite::kept);
  MemoryStore store;
  LocalJournal journal(store);
  BatchMaker batches;
  REQUIRE(journal.commit(batches.put(Table::home, "a", "1").make()).ok());
  store.fail_write(1, fate);
  const Status failed = journal.commit(batches.put(Table::home, "b", "2").make());
  REQUIRE_FALSE(failed.ok());
  const Status after = journal.commit(batches.put(Table::home, "c", "3").make());
  REQUIRE_FALSE(after.ok());
  CHECK(after.error().text == failed.error().text);
  CHECK(store.writes() == 1);

  const auto reopened = store.clone();
  LocalJournal next(*reopened);
  CHECK(reopened->chain().sequence == (fate == FailedWrite::kept ? 2 : 1));
  CHECK(next.commit(BatchMaker(reopened->chain()).put(Table::home, "d", "4").make()).ok());
}

}  // namespace
}  // namespace pawl::test
