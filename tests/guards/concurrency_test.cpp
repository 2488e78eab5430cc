#include "guards/concurrency.h"

#include <catch2/catch.hpp>

#include "tests/guards/fake_desk.h"

namespace pawl::guards {
namespace {

TEST_CASE("concurrency: at the cap there is nothing to claim, below it there is") {
  struct Row {
    uint64_t cap;
    uint64_t live;
    bool allowed;
  };
  for (const Row& row : {Row{0, 0, true}, Row{0, 1'000'000, true}, Row{1, 0, true}, Row{1, 1, false},
                         Row{4, 3, true}, Row{4, 4, false}, Row{4, 5, false},
                         Row{UINT64_MAX, UINT64_MAX - 1, true}, Row{UINT64_MAX, UINT64_MAX, false}}) {
    INFO(row.live << " of " << row.cap);
    FakeDesk desk;
    FakeDesk::Role& role = desk.make("research");
    role.config.concurrency = row.cap;
    role.counts.at(core::MessageState::claimed) = row.live;
    // What is not claimed does not count.
    role.counts.at(core::MessageState::ready) = 9;
    role.counts.at(core::MessageState::scheduled) = 9;
    const core::RoleFacts facts = FakeDesk::facts(role);
    const core::Verdict verdict = Concurrency().admit_claim({facts, "d1", desk.time}, desk).verdict();
    CHECK(verdict.allowed == row.allowed);
    if (row.allowed) continue;
    CHECK(verdict.empty);
    CHECK(verdict.code == Code::busy);
    CHECK(verdict.subject == "role:research");
    CHECK_FALSE(verdict.retry_at_ms.has_value());
    if (row.cap > 10) continue;
    CHECK(verdict.value == static_cast<int64_t>(row.live));
    CHECK(verdict.limit == static_cast<int64_t>(row.cap));
  }
}

}  // namespace
}  // namespace pawl::guards
