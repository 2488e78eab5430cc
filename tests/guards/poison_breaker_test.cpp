#include "guards/poison_breaker.h"

#include <catch2/catch.hpp>
#include <vector>

#include "tests/guards/fake_desk.h"

namespace pawl::guards {
namespace {

using core::ErrorClass;

TEST_CASE("poison: the third crash or lease expiry in a row, whatever attempts are left") {
  struct Row {
    const char* what;
    core::Outcome outcome;
    ErrorClass error_class;
    uint32_t before;
    uint32_t limit;
    bool final;
    bool poison;
  };
  using core::Outcome;
  const std::vector<Row> rows = {
      {"first crash", Outcome::failed, ErrorClass::crash, 0, 3, false, false},
      {"second crash", Outcome::failed, ErrorClass::crash, 1, 3, false, false},
      {"third crash", Outcome::failed, ErrorClass::crash, 2, 3, false, true},
      {"fourth crash", Outcome::failed, ErrorClass::crash, 3, 3, false, true},
      {"second lapse", Outcome::lapsed, ErrorClass::lease_expired, 1, 3, false, false},
      {"third lapse", Outcome::lapsed, ErrorClass::lease_expired, 2, 3, false, true},
      {"FAIL lease_expired", Outcome::failed, ErrorClass::lease_expired, 2, 3, false, true},
      {"another class after two crashes", Outcome::failed, ErrorClass::timeout, 2, 3, false, false},
      {"out of memory is no crash", Outcome::failed, ErrorClass::out_of_memory, 2, 3, false, false},
      {"final anyway", Outcome::failed, ErrorClass::crash, 2, 3, true, false},
      {"limit of one", Outcome::failed, ErrorClass::crash, 0, 1, false, true},
      {"no limit", Outcome::failed, ErrorClass::crash, 1000, 0, false, false},
      {"the largest", Outcome::failed, ErrorClass::crash, UINT32_MAX, UINT32_MAX, false, true},
  };
  const PoisonBreaker guard;
  for (const Row& row : rows) {
    INFO(row.what);
    FakeDesk desk;
    desk.bus.guards.poison_crashes = row.limit;
    const core::RoleFacts role = FakeDesk::facts(desk.make("r"));
    const core::Reservation reserved;
    core::Ending ending{.role = role, .message = {}, .reserved = reserved};
    ending.outcome = row.outcome;
    ending.error_class = row.error_class;
    ending.crashes_in_row = row.before;
    ending.final = row.final;
    const core::Ruling ruling = guard.judge(ending, desk);
    CHECK(ruling.spend);
    CHECK(ruling.poison == row.poison);
    CHECK(ruling.reason.empty() == !row.poison);
    if (row.before == 2 && row.poison) {
      CHECK(ruling.reason == "poison: 3 deliveries in a row ended as crash or lease_expired");
    }
  }
}

}  // namespace
}  // namespace pawl::guards
