// The reference model held to the contract by hand-written answers: right ones
// pass, and for each rule a wrong one is told.
#include <catch2/catch.hpp>

#include "tests/sim/model.h"

using namespace pawl;
using namespace pawl::sim;
namespace op = pawl::core::op;
using Kind = test::Value::Kind;

namespace {

core::BusConfig config() {
  core::BusConfig result;
  result.defaults.lease_ms = 10'000;
  result.defaults.max_attempts = 2;
  result.guards.outage_messages = 0;
  return result;
}

// Feeds a model and hands back what it complains of; "" when content.
class Bench {
 public:
  Bench() : model(config()) { at(0); }

  void at(int64_t ms) { model.begin_turn({1'000'000 + ms, ms}); }
  void tick(std::vector<Reply> replies = {}) { model.tick(replies); }
  void give(const core::Operation& operation, const Value& reply, core::ClientId client = 1) {
    model.apply(client, operation, core::Applied::replied, {Reply{client, reply, {}}});
  }
  void park(const core::Operation& operation, core::ClientId client) {
    model.apply(client, operation, core::Applied::parked, {});
  }
  op::Push push(std::string_view id, op::Push how = {}) {
    how.role = "work";
    how.payload = "x";
    give(how, Value::bulk(id));
    return how;
  }
  // A claim map as the bus would write it.
  static Value claimed(std::string_view id, std::string_view token, int64_t now, int64_t delivery = 1,
                       int64_t attempt = 1, int priority = 5, std::string_view role = "work") {
    return Value::map({{"id", Value::bulk(id)},
                       {"role", Value::bulk(role)},
                       {"token", Value::bulk(token)},
                       {"delivery", Value::integer(delivery)},
                       {"attempt", Value::integer(attempt)},
                       {"deadline", Value::integer(1'000'000 + now + 10'000)},
                       {"priority", Value::integer(priority)},
                       {"payload", Value::bulk("x")},
                       {"headers", Value::map({})}});
  }
  static op::Claim claim(size_t count = 1) { return {"d@1", {"work"}, count, std::nullopt, std::nullopt}; }
  void take(std::string_view id, std::string_view token, int64_t now = 0, int64_t delivery = 1,
            int64_t attempt = 1) {
    give(claim(), Value::array({claimed(id, token, now, delivery, attempt)}));
  }
  static Value state(std::string_view name, std::optional<int64_t> at = std::nullopt) {
    std::vector<std::pair<std::string, Value>> fields = {{"state", Value::bulk(name)}};
    if (at) fields.emplace_back("at", Value::integer(1'000'000 + *at));
    return Value::map(fields);
  }
  std::string problem() const { return model.problem().value_or(""); }

  Model model;
};

op::Fail failure(std::string_view id, std::string_view token, ErrorClass kind = ErrorClass::unknown) {
  op::Fail fail;
  fail.id = id;
  fail.token = token;
  fail.error_class = kind;
  return fail;
}

}  // namespace

TEST_CASE("model: order is priority, then push") {
  Bench bench;
  bench.push("a");
  op::Push urgent;
  urgent.priority = 9;
  bench.push("b", urgent);
  SECTION("right") {
    bench.give(Bench::claim(2),
               Value::array({Bench::claimed("b", "t1", 0, 1, 1, 9), Bench::claimed("a", "t2", 0)}));
    CHECK(bench.problem() == "");
  }
  SECTION("wrong") {
    bench.take("a", "t1");
    CHECK_THAT(bench.problem(), Catch::Contains("claim of b"));
  }
}

TEST_CASE("model: ids and tokens are fresh") {
  Bench bench;
  bench.push("a");
  SECTION("id") {
    bench.push("a");
    CHECK_THAT(bench.problem(), Catch::Contains("second time"));
  }
  SECTION("token") {
    bench.push("b");
    bench.take("a", "t1");
    bench.take("b", "t1");
    CHECK_THAT(bench.problem(), Catch::Contains("was used before"));
  }
}

TEST_CASE("model: a token works once, and only on its message") {
  Bench bench;
  bench.push("a");
  bench.take("a", "t1");
  bench.give(op::Ack{"a", "t2", "", {}, {}}, Value::error(Code::lost));
  bench.give(op::Ack{"a", "t1", "", {}, {}}, Value::simple("OK"));
  bench.give(op::Release{"a", "t1", {}}, Value::error(Code::lost));
  CHECK(bench.problem() == "");
  bench.give(op::Ack{"a", "t1", "", {}, {}}, Value::simple("OK"));
  CHECK_THAT(bench.problem(), Catch::Contains("ACK: expected"));
}

TEST_CASE("model: failures back off, are spent, and end dead") {
  Bench bench;
  bench.push("a");
  bench.take("a", "t1");
  SECTION("right") {
    bench.give(failure("a", "t1"), Bench::state("scheduled", 1500));
    bench.at(1500);
    bench.tick();
    bench.take("a", "t2", 1500, 2, 2);
    bench.give(failure("a", "t2"), Bench::state("dead"));
    CHECK(bench.problem() == "");
  }
  SECTION("too early a retry") {
    bench.give(failure("a", "t1"), Bench::state("scheduled", 900));
    CHECK_THAT(bench.problem(), Catch::Contains("back-off of 900"));
  }
  SECTION("bad input is dead at once") {
    bench.give(failure("a", "t1", ErrorClass::bad_input), Bench::state("scheduled", 1500));
    CHECK_THAT(bench.problem(), Catch::Contains("state"));
  }
  SECTION("cancelled without a request is not spent") {
    bench.give(failure("a", "t1", ErrorClass::cancelled), Bench::state("scheduled", 1500));
    bench.at(1500);
    bench.tick();
    bench.take("a", "t2", 1500, 2, 1);
    CHECK(bench.problem() == "");
  }
}

TEST_CASE("model: a release is not spent and doubles for the same daemon") {
  Bench bench;
  bench.push("a");
  bench.take("a", "t1");
  bench.give(op::Release{"a", "t1", {}}, Value::simple("OK"));
  bench.at(1000);
  bench.tick();
  bench.take("a", "t2", 1000, 2, 1);
  bench.give(op::Release{"a", "t2", {}}, Value::simple("OK"));
  bench.at(2000);
  bench.tick();
  bench.give(Bench::claim(), Value::array());
  bench.at(3000);
  bench.tick();
  bench.take("a", "t3", 3000, 3, 1);
  CHECK(bench.problem() == "");
}

TEST_CASE("model: only the head of a group, and a delayed head holds it") {
  Bench bench;
  op::Push grouped;
  grouped.group = "g";
  op::Push delayed = grouped;
  delayed.delay_ms = 1000;
  bench.push("a", delayed);
  bench.push("b", grouped);
  bench.give(Bench::claim(), Value::array());
  bench.at(1000);
  bench.tick();
  bench.give(Bench::claim(2), Value::array({Bench::claimed("a", "t1", 1000)}));
  bench.give(op::Ack{"a", "t1", "", {}, {}}, Value::simple("OK"));
  bench.take("b", "t2", 1000);
  CHECK(bench.problem() == "");
}

TEST_CASE("model: a unique key answers its holder until the message ends") {
  Bench bench;
  op::Push unique;
  unique.unique = "k";
  bench.push("a", unique);
  bench.push("a", unique);
  bench.take("a", "t1");
  bench.push("a", unique);
  bench.give(op::Ack{"a", "t1", "", {}, {}}, Value::simple("OK"));
  bench.push("b", unique);
  CHECK(bench.problem() == "");
  bench.push("c", unique);
  CHECK_THAT(bench.problem(), Catch::Contains("held key"));
}

TEST_CASE("model: UNIQUEFOR holds for its time, whatever the state") {
  Bench bench;
  op::Push unique;
  unique.unique = "k";
  unique.unique_for_ms = 500;
  bench.push("a", unique);
  bench.give(op::Cancel{"a", ""}, Value::bulk("cancelled"));
  bench.push("a", unique);
  bench.at(500);
  bench.push("b", unique);
  CHECK(bench.problem() == "");
}

TEST_CASE("model: expiry ends what waits and never what is claimed") {
  Bench bench;
  op::Push expiring;
  expiring.expire_ms = 500;
  bench.push("a", expiring);
  bench.push("b", expiring);
  bench.take("a", "t1");
  bench.at(600);
  bench.tick();
  bench.give(op::GetResult{"b", {}}, Bench::state("expired"));
  bench.give(op::GetResult{"a", {}}, Bench::state("claimed"));
  bench.give(failure("a", "t1"), Bench::state("expired"));
  CHECK(bench.problem() == "");
}

TEST_CASE("model: cancel of a claim waits for its end") {
  Bench bench;
  bench.push("a");
  bench.take("a", "t1");
  bench.give(op::Cancel{"a", ""}, Value::bulk("claimed"));
  SECTION("ACK is done") {
    bench.give(op::Ack{"a", "t1", "", {}, {}}, Value::simple("OK"));
    bench.give(op::GetResult{"a", {}}, Bench::state("done"));
  }
  SECTION("RELEASE is cancelled") {
    bench.give(op::Release{"a", "t1", {}}, Value::simple("OK"));
    bench.give(op::GetResult{"a", {}}, Bench::state("cancelled"));
  }
  CHECK(bench.problem() == "");
}

TEST_CASE("model: a lapse spends, frees at once, and a hang of the process is no lapse") {
  Bench bench;
  bench.push("a");
  bench.take("a", "t1");
  SECTION("lapse") {
    bench.at(10'000);
    bench.give(op::Extend{"a", "t9", {}, {}, {}}, Value::error(Code::lost));
    bench.tick();
    bench.take("a", "t2", 10'000, 2, 2);
  }
  SECTION("what arrived before the sweep goes first") {
    bench.at(10'000);
    bench.give(op::Ack{"a", "t1", "", {}, {}}, Value::simple("OK"));
    bench.tick();
  }
  SECTION("a restart keeps lease time") {
    bench.at(9'000);
    bench.model.restarted();
    bench.at(90'000);
    bench.tick();
    bench.give(op::Ack{"a", "t1", "", {}, {}}, Value::simple("OK"));
  }
  CHECK(bench.problem() == "");
}

TEST_CASE("model: waiters are served in order of arrival, and nobody is forgotten") {
  Bench bench;
  op::Claim waiting = Bench::claim();
  waiting.wait_ms = 5000;
  bench.park(waiting, 7);
  bench.park(waiting, 8);
  op::Push push;
  push.role = "work";
  push.payload = "x";
  const Value served = Value::array({Bench::claimed("a", "t1", 0)});
  SECTION("right") {
    bench.model.apply(1, push, core::Applied::replied, {{1, Value::bulk("a"), {}}, {7, served, {}}});
    bench.tick();
    bench.at(5000);
    bench.tick({{8, Value::array(), {}}});
    CHECK(bench.problem() == "");
  }
  SECTION("overtaken") {
    bench.model.apply(1, push, core::Applied::replied, {{1, Value::bulk("a"), {}}, {8, served, {}}});
    CHECK_THAT(bench.problem(), Catch::Contains("came earlier"));
  }
  SECTION("forgotten") {
    bench.give(push, Value::bulk("a"));
    bench.tick();
    CHECK_THAT(bench.problem(), Catch::Contains("left waiting"));
  }
}

TEST_CASE("model: move and replay") {
  Bench bench;
  op::Push unique;
  unique.unique = "k";
  unique.max_attempts = 1;
  bench.push("a", unique);
  bench.take("a", "t1");
  bench.give(op::Move{"a", 7, {}}, Value::error(Code::state));
  bench.give(failure("a", "t1"), Bench::state("dead"));
  op::DeadReplay replay;
  replay.ids = {"a"};
  const auto counts = [](int64_t matched, int64_t conflicts) {
    return Value::map({{"replay", Value::bulk("r1")},
                       {"matched", Value::integer(matched)},
                       {"conflicts", Value::integer(conflicts)}});
  };
  SECTION("a key held by another is a conflict") {
    bench.push("b", unique);
    bench.give(replay, counts(1, 1));
    bench.take("b", "t2");
  }
  SECTION("replay zeroes attempts and counts deliveries on") {
    bench.give(replay, counts(1, 0));
    bench.take("a", "t2", 0, 2, 1);
  }
  CHECK(bench.problem() == "");
}

TEST_CASE("model: EXEC is all or nothing") {
  Bench bench;
  bench.push("a");
  bench.take("a", "t1");
  op::Transaction both;
  both.items = {op::Ack{"a", "t1", "", {}, {}}, op::Ack{"a", "t1", "", {}, {}}};
  bench.give(both, Value::error(Code::lost, "LOST at=1"));
  bench.give(op::GetResult{"a", {}}, Bench::state("claimed"));
  CHECK(bench.problem() == "");
}
