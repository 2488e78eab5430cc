#include <catch2/catch.hpp>

#include "tests/guards/quota_rig.h"

namespace pawl::guards {
namespace {

using Kind = core::QuotaKind;
using Claim = QuotaRig::Claim;

TEST_CASE("quota: QUOTA SET is over the file, QUOTA DROP gives the file back") {
  QuotaRig rig({tokens(100, 10)});
  REQUIRE(rig.work("research", 95));
  CHECK_FALSE(rig.ask("research").allowed);
  CHECK(rig.drop("research", Kind::tokens, hour_ms).is_error(Code::state));
  CHECK(rig.drop("research", Kind::tokens, hour_ms).text.find("RELOAD") != std::string::npos);
  CHECK(rig.drop("research", Kind::cost, hour_ms).is_error(Code::notfound));
  CHECK(rig.drop("research", Kind::tokens, day_ms).is_error(Code::notfound));
  CHECK(rig.drop("nobody", Kind::tokens, hour_ms).is_error(Code::notfound));
  CHECK(rig.drop("*", Kind::tokens, hour_ms).is_error(Code::notfound));

  CHECK(rig.set("research", Kind::tokens, 200, hour_ms, 20).text == "OK");
  CHECK(rig.desk.events.back().kind == "quota.set");
  CHECK(rig.desk.events.back().field("by") == "alice");
  CHECK(rig.desk.events.back().field("cap") == "200");
  CHECK(rig.ask("research").allowed);
  CHECK(rig.shown("research", "used") == 95);
  CHECK(rig.get("research").items.at(0).field("source")->text == "set");
  CHECK(rig.shown("research", "estimate") == 20);
  // Over a reload and a restart.
  rig.configure("research", {tokens(50, 10)});
  CHECK(rig.shown("research", "cap") == 200);
  rig.open();
  CHECK(rig.shown("research", "cap") == 200);
  CHECK(rig.shown("research", "used") == 95);

  CHECK(rig.drop("research", Kind::tokens, hour_ms).text == "OK");
  CHECK(rig.desk.events.back().kind == "quota.drop");
  CHECK(rig.shown("research", "cap") == 50);
  CHECK(rig.shown("research", "used") == 95);
  CHECK(rig.get("research").items.at(0).field("source")->text == "file");
  CHECK_FALSE(rig.ask("research").allowed);
}

TEST_CASE("quota: SET for the fleet wakes everyone") {
  QuotaRig rig;
  CHECK(rig.set("*", Kind::calls, 1, hour_ms).text == "OK");
  CHECK(rig.desk.woken == std::vector<std::string>{""});
  CHECK(rig.take("a"));
  CHECK_FALSE(rig.take("b"));
  CHECK(rig.drop("*", Kind::calls, hour_ms).text == "OK");
  CHECK(rig.desk.woken == std::vector<std::string>{"", ""});
  CHECK(rig.take("b"));
}

TEST_CASE("quota: what QUOTA SET refuses") {
  struct Row {
    const char* what;
    std::string_view role;
    Kind kind;
    int64_t cap;
    std::optional<int64_t> estimate;
    std::optional<Code> error;
  };
  const std::vector<Row> rows = {
      {"fits", "research", Kind::tokens, 100, 100, std::nullopt},
      {"above its cap", "research", Kind::tokens, 100, 101, Code::badarg},
      {"above the day's cap of the file", "research", Kind::tokens, 5000, 1001, Code::badarg},
      {"as high as the day's cap of the file", "research", Kind::tokens, 5000, 1000, std::nullopt},
      {"below the day's estimate of the file", "research", Kind::tokens, 9, std::nullopt, Code::badarg},
      {"as low as the day's estimate of the file", "research", Kind::tokens, 10, std::nullopt, std::nullopt},
      {"another kind", "research", Kind::cost, 9, 9, std::nullopt},
      {"calls with an estimate", "research", Kind::calls, 9, 1, Code::badarg},
      {"a cap of nothing", "research", Kind::calls, 0, std::nullopt, Code::badarg},
      {"a role of the file", "planned", Kind::calls, 9, std::nullopt, std::nullopt},
      {"a role that there is", "there", Kind::calls, 9, std::nullopt, std::nullopt},
      {"a role that there is not", "reserch", Kind::calls, 9, std::nullopt, Code::notfound},
      {"the fleet", "*", Kind::calls, 9, std::nullopt, std::nullopt},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    QuotaRig rig;
    rig.desk.bus.strict_roles = true;
    rig.desk.bus.roles["planned"];
    rig.desk.bus.roles["research"].quotas = {tokens(1000, 10, day_ms)};
    rig.desk.make("there");
    rig.open();
    const test::Value reply = rig.set(row.role, row.kind, row.cap, hour_ms, row.estimate);
    CHECK(reply.is_error(row.error.value_or(Code::err)) == row.error.has_value());
    if (row.error) {
      CHECK(rig.desk.events.empty());
      continue;
    }
    CHECK(reply.text == "OK");
    rig.desk.bus.strict_roles = false;
    CHECK(rig.set("reserch", row.kind, row.cap, hour_ms).text == "OK");
  }
}

TEST_CASE("quota: a cap that was removed refuses no new one, though what was used under it is remembered") {
  QuotaRig rig({tokens(1000, 10, day_ms)});
  REQUIRE(rig.work("research", 5));
  rig.configure("research", {});
  CHECK(rig.set("research", Kind::tokens, 9, hour_ms).text == "OK");
  CHECK(rig.shown("research", "used") == 5);
}

TEST_CASE("quota: QUOTA GET and ROLE") {
  QuotaRig rig({tokens(200'000, 8000), {Kind::cost, 20'000'000, day_ms, std::nullopt}},
               {{Kind::cost, 100'000'000, day_ms, std::nullopt}});
  Claim claim = *rig.take("research");
  rig.report(claim, 3000, 1'000'000);
  const test::Value all = rig.get();
  REQUIRE(all.items.size() == 3);
  using test::Value;
  const int64_t hour_frees = (rig.desk.time.wall_ms / 60'000 + 61) * 60'000;
  const int64_t day_frees = (rig.desk.time.wall_ms / 1'440'000 + 61) * 1'440'000;
  CHECK(all.items[0] == Value::map({{"role", Value::bulk("*")},
                                    {"what", Value::bulk("cost")},
                                    {"per", Value::integer(day_ms)},
                                    {"cap", Value::integer(100'000'000)},
                                    {"used", Value::integer(1'000'000)},
                                    {"reserved", Value::integer(0)},
                                    {"percent", Value::integer(1)},
                                    {"frees_at", Value::integer(day_frees)},
                                    {"trips", Value::integer(0)},
                                    {"source", Value::bulk("file")}}));
  CHECK(all.items[1] == Value::map({{"role", Value::bulk("research")},
                                    {"what", Value::bulk("tokens")},
                                    {"per", Value::integer(hour_ms)},
                                    {"cap", Value::integer(200'000)},
                                    {"used", Value::integer(3000)},
                                    {"reserved", Value::integer(5000)},
                                    {"percent", Value::integer(4)},
                                    {"frees_at", Value::integer(hour_frees)},
                                    {"trips", Value::integer(0)},
                                    {"estimate", Value::integer(8000)},
                                    {"source", Value::bulk("file")}}));
  CHECK(all.items[2].field("what")->text == "cost");
  CHECK(all.items[2].field("percent")->number == 5);
  CHECK(rig.get("research").items.size() == 2);
  CHECK(rig.get("*").items.size() == 1);
  CHECK(rig.get("nobody").items.empty());

  const auto described = [&](const std::string& role) {
    core::Fields fields;
    rig.guard->describe(FakeDesk::facts(rig.desk.make(role)), rig.desk, fields);
    test::TreeWriter writer;
    writer.map(fields.size());
    fields.write(writer);
    return writer.take();
  };
  CHECK(described("research") == Value::map({{"quota", Value::integer(5)}}));
  CHECK(described("other") == Value::map({}));
}

TEST_CASE("quota: a cap that is removed and comes back knows what was used") {
  QuotaRig rig({tokens(100, 10)});
  REQUIRE(rig.work("research", 60));
  rig.configure("research", {});
  CHECK(rig.get("research").items.empty());
  rig.desk.pass(60'000);
  // Counted while there is no cap, too.
  CHECK(rig.work("research", 30));
  rig.guard->sealing(rig.desk);
  SECTION("in time") {
    rig.open();
    rig.configure("research", {tokens(100, 10)});
    CHECK(rig.shown("research", "used") == 90);
  }
  SECTION("after a window's length nothing is kept") {
    rig.desk.pass(hour_ms);
    rig.configure("research", {});
    CHECK(rig.work("research", 30));
    rig.configure("research", {tokens(100, 10)});
    CHECK(rig.shown("research", "used") == 0);
  }
}

TEST_CASE("quota: a window of a new length begins with what the others know") {
  QuotaRig rig({tokens(1000, 10)});
  REQUIRE(rig.work("research", 60));
  rig.desk.pass(30 * 60'000);
  REQUIRE(rig.work("research", 30));
  SECTION("longer: what the shorter one knows") {
    rig.set("research", Kind::tokens, 100, day_ms);
    CHECK(rig.get("research").items.at(1).field("used")->number == 90);
    CHECK(rig.ask("research").allowed);
    rig.desk.pass(hour_ms);
    CHECK(rig.get("research").items.at(0).field("used")->number == 30);
    CHECK(rig.get("research").items.at(1).field("used")->number == 90);
  }
  SECTION("shorter: what fell into it, by bucket") {
    rig.set("research", Kind::tokens, 100, 10 * 60'000);
    CHECK(rig.get("research").items.at(0).field("used")->number == 30);
  }
  SECTION("another kind: nothing") {
    rig.set("research", Kind::calls, 100, hour_ms);
    CHECK(rig.shown("research", "used", Kind::calls) == 0);
  }
}

TEST_CASE("quota: a cap that is set later knows of the claims that run already") {
  QuotaRig rig({tokens(1000, 40)});
  Claim claim = *rig.take("research");
  rig.set("research", Kind::tokens, 100, day_ms, 40);
  rig.set("*", Kind::tokens, 100, day_ms);
  CHECK(rig.get("research").items.at(1).field("reserved")->number == 40);
  CHECK(rig.shown("*", "reserved") == 40);
  CHECK(rig.take("research"));
  CHECK_FALSE(rig.take("research"));
  rig.end(claim);
  CHECK(rig.take("research"));
}

TEST_CASE("quota: reserved is added up from the live claims after a restart") {
  QuotaRig rig({tokens(100, 40)}, {tokens(1000)});
  Claim first = *rig.take("research");
  Claim second = *rig.take("research");
  rig.report(first, 30, 0);
  rig.guard->sealing(rig.desk);
  rig.open({&first, &second});
  CHECK_FALSE(rig.take("research"));
  rig.end(second);
  CHECK(rig.take("research"));
  CHECK(rig.shown("research", "used") == 30);
  CHECK(rig.shown("research", "reserved") == 50);
  CHECK(rig.shown("*", "reserved") == 50);
}

TEST_CASE("quota: a claim that outlives its caps leaves nothing behind") {
  QuotaRig rig({tokens(100, 40)});
  Claim claim = *rig.take("research");
  rig.configure("research", {});
  rig.guard->sealing(rig.desk);
  rig.open({&claim});
  rig.end(claim);
  rig.configure("research", {tokens(100, 100)});
  CHECK(rig.take("research"));
}

TEST_CASE("quota: one row of an account a batch, and none for what did not change") {
  QuotaRig rig({tokens(1000, 10)}, {tokens(10'000)});
  rig.guard->sealing(rig.desk);
  CHECK(rig.desk.rows.empty());
  for (int i = 0; i < 10; ++i) CHECK(rig.work("research", 5));
  CHECK(rig.desk.rows.empty());
  rig.guard->sealing(rig.desk);
  CHECK(rig.desk.rows.size() == 2);
  CHECK(rig.desk.rows.at("quota/research").size() < 100);
  rig.desk.rows.clear();
  rig.guard->sealing(rig.desk);
  CHECK(rig.desk.rows.empty());
}

TEST_CASE("quota: rows of a role that is gone go with the next start") {
  QuotaRig rig({}, {tokens(10'000)});
  CHECK(rig.work("research", 5));
  CHECK(rig.set("other", Kind::calls, 5, hour_ms).text == "OK");
  rig.guard->sealing(rig.desk);
  CHECK(rig.desk.rows.count("quota/research") == 1);
  rig.desk.roles.clear();
  rig.open();
  CHECK(rig.desk.rows.count("quota/research") == 0);
  CHECK(rig.desk.rows.count("quota/other") == 1);
}

TEST_CASE("quota: a damaged row is refused") {
  QuotaRig rig({tokens(1000, 10)});
  CHECK(rig.work("research", 5));
  CHECK(rig.set("research", Kind::cost, 5, hour_ms, 1).text == "OK");
  rig.guard->sealing(rig.desk);
  std::string& row = rig.desk.rows.at("quota/research");
  const std::string sound = row;
  for (size_t length = 0; length < sound.size(); ++length) {
    INFO(length);
    row = sound.substr(0, length);
    CHECK_THROWS(rig.open());
  }
  row = sound + "x";
  CHECK_THROWS(rig.open());
  row = sound;
  row[0] = 2;
  CHECK_THROWS(rig.open());
  // Any other damage: refused, or read as something else; never more than that.
  for (size_t i = 0; i < sound.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      row = sound;
      row[i] = static_cast<char>(value);
      try {
        rig.open();
        rig.get();
        rig.ask("research");
      } catch (const std::runtime_error&) {
      }
    }
  }
}

}  // namespace
}  // namespace pawl::guards
