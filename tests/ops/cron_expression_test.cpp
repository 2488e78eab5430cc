#include "bus/ops/cron_expression.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "bus/ops/civil.h"

namespace pawl::ops {
namespace {

using core::ZoneRules;

// Offsets in hours; the last Sunday of March and October at 01:00 UTC, 2024 to 2029.
ZoneRules berlin() {
  ZoneRules zone{"Europe/Berlin", {{0, 3600}}};
  for (const int64_t at : {1711846800, 1743296400, 1774746000, 1806195600, 1837645200, 1869094800}) {
    zone.changes.push_back({at, 7200});
  }
  for (const int64_t at : {1729990800, 1761440400, 1792890000, 1824944400, 1856394000, 1887843600}) {
    zone.changes.push_back({at, 3600});
  }
  std::sort(zone.changes.begin(), zone.changes.end(),
            [](const auto& a, const auto& b) { return a.from_s < b.from_s; });
  return zone;
}

// Second Sunday of March 10:00 UTC, first Sunday of November 09:00 UTC; west of Greenwich.
ZoneRules los_angeles() {
  return {"America/Los_Angeles",
          {{0, -28800},
           {1710064800, -25200},
           {1730624400, -28800},
           {1741514400, -25200},
           {1762074000, -28800},
           {1772964000, -25200},
           {1793523600, -28800}}};
}

// Half an hour of daylight saving, on the southern side of the world.
ZoneRules lord_howe() {
  return {"Australia/Lord_Howe",
          {{0, 39600}, {1712415600, 37800}, {1728142200, 39600}, {1743865200, 37800}, {1759591800, 39600}}};
}

// A whole day that never was: 30 December 2011.
ZoneRules apia() { return {"Pacific/Apia", {{0, -36000}, {1325239200, 50400}}}; }

int64_t at(const std::string& text) {
  // "2024-03-31 02:30" or with seconds, as UTC.
  const auto number = [&](size_t from, size_t count) { return std::stoll(text.substr(from, count)); };
  const int64_t days =
      days_of({number(0, 4), static_cast<int>(number(5, 2)), static_cast<int>(number(8, 2))});
  const int64_t seconds = text.size() > 16 ? number(17, 2) : 0;
  return (days * day_s + number(11, 2) * 3600 + number(14, 2) * 60 + seconds) * 1000;
}

std::string text_of(int64_t ms) {
  const int64_t seconds = floor_div(ms, 1000);
  const int64_t days = floor_div(seconds, day_s);
  const Date date = date_of(days);
  const int64_t rest = seconds - days * day_s;
  char out[40];
  std::snprintf(out, sizeof out, "%04d-%02d-%02d %02d:%02d", static_cast<int>(date.year), date.month,
                date.day, static_cast<int>(rest / 3600), static_cast<int>(rest / 60 % 60));
  return out;
}

std::string next(const std::string& expression, const std::string& after, const ZoneRules* zone = nullptr) {
  const auto parsed = CronExpression::parse(expression);
  if (!parsed.ok()) return parsed.error().text;
  return text_of(parsed->next(at(after), zone, 0));
}

// ---- The naive way: every minute is looked at, with fields as lists of numbers ----

struct Naive {
  std::set<int> fields[5];
  bool stars[5] = {};
  bool any_hour = false;

  bool day(const Date& date, int weekday) const {
    if (!fields[3].contains(date.month)) return false;
    const bool by_day = fields[2].contains(date.day);
    const bool by_weekday = fields[4].contains(weekday);
    return stars[2] || stars[4] ? by_day && by_weekday : by_day || by_weekday;
  }
  bool local(int64_t local_s) const {
    const int64_t days = floor_div(local_s, day_s);
    const int64_t rest = local_s - days * day_s;
    return day(date_of(days), weekday_of(days)) && fields[1].contains(static_cast<int>(rest / 3600)) &&
           fields[0].contains(static_cast<int>(rest / 60 % 60));
  }
};

int64_t offset_at(const ZoneRules& zone, int64_t s) {
  int64_t offset = zone.changes.front().offset_s;
  for (const auto& change : zone.changes) {
    if (change.from_s <= s) offset = change.offset_s;
  }
  return offset;
}

// Every slot in [from, to), minute by minute.
std::vector<int64_t> walk(const Naive& naive, const ZoneRules& zone, int64_t from_s, int64_t to_s) {
  std::vector<int64_t> slots;
  int64_t newest_local = INT64_MIN;  // of the clock on the wall, as far as it has come
  for (int64_t s = from_s; s < to_s; s += 60) {
    const int64_t local = s + offset_at(zone, s);
    bool fires = false;
    if (naive.any_hour) {
      fires = naive.local(local);
    } else if (newest_local == INT64_MIN) {
      fires = naive.local(local);
      newest_local = local;
    } else {
      // Whatever the clock has passed since the minute before, once.
      for (int64_t passed = newest_local + 60; passed <= local; passed += 60)
        fires = fires || naive.local(passed);
      newest_local = std::max(newest_local, local);
    }
    if (fires) slots.push_back(s * 1000);
  }
  return slots;
}

// SplitMix64.
struct Rng {
  uint64_t state;
  uint64_t next() {
    state += 0x9e3779b97f4a7c15U;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }
  int between(int low, int high) { return low + below(high - low + 1); }
};

// One random field: its text, and what it means.
std::string make_field(Rng& rng, int min, int max, int most, std::set<int>& values) {
  if (most > 0 && rng.below(100) < most) {
    for (int v = min; v <= max; ++v) values.insert(v);
    return "*";
  }
  std::string text;
  const int items = rng.between(1, 3);
  for (int i = 0; i < items; ++i) {
    if (i > 0) text += ',';
    const int from = rng.between(min, max);
    const int to = rng.between(from, max);
    const int step = rng.between(1, std::max(1, (max - min) / 2));
    switch (rng.below(4)) {
      case 0:
        text += std::to_string(from);
        values.insert(from);
        break;
      case 1:
        text += std::to_string(from) + "-" + std::to_string(to);
        for (int v = from; v <= to; ++v) values.insert(v);
        break;
      case 2:
        text += std::to_string(from) + "-" + std::to_string(to) + "/" + std::to_string(step);
        for (int v = from; v <= to; v += step) values.insert(v);
        break;
      default:
        text += std::to_string(from) + "/" + std::to_string(step);
        for (int v = from; v <= max; v += step) values.insert(v);
        break;
    }
  }
  return text;
}

}  // namespace

TEST_CASE("civil: days and dates are each other's inverse, and weekdays are right") {
  CHECK(days_of({1970, 1, 1}) == 0);
  CHECK(days_of({2000, 3, 1}) == 11017);
  CHECK(weekday_of(0) == 4);  // a Thursday
  CHECK(weekday_of(days_of({2024, 2, 29})) == 4);
  CHECK(weekday_of(days_of({1969, 12, 28})) == 0);
  int expected = weekday_of(-800'000);
  for (int64_t days = -800'000; days < 800'000; ++days) {
    const Date date = date_of(days);
    if (days_of(date) != days || weekday_of(days) != expected || date.day > days_in(date.year, date.month)) {
      FAIL("day " << days);
    }
    expected = (expected + 1) % 7;
  }
}

TEST_CASE("cron expressions: the next slot") {
  struct Row {
    const char* expression;
    const char* after;
    const char* next;
  };
  const Row rows[] = {
      {"* * * * *", "2024-01-01 00:00", "2024-01-01 00:01"},
      {"* * * * *", "2024-01-01 00:00:30", "2024-01-01 00:01"},
      {"*/15 * * * *", "2024-01-01 00:14:59", "2024-01-01 00:15"},
      {"*/15 * * * *", "2024-01-01 00:45", "2024-01-01 01:00"},
      {"5/20 * * * *", "2024-01-01 00:25", "2024-01-01 00:45"},
      {"0 3 * * *", "2024-01-01 03:00", "2024-01-02 03:00"},
      {"0 3 * * *", "2024-12-31 04:00", "2025-01-01 03:00"},
      {"30 8-10 * * mon-fri", "2024-03-01 10:30", "2024-03-04 08:30"},
      {"0 0 1,15 * *", "2024-01-02 00:00", "2024-01-15 00:00"},
      {"0 0 31 * *", "2024-01-31 00:00", "2024-03-31 00:00"},
      {"0 0 29 2 *", "2024-02-29 00:00", "2028-02-29 00:00"},
      {"0 0 29 2 *", "2096-02-29 00:00", "2104-02-29 00:00"},
      {"0 12 * jan,jul sun", "2024-01-28 12:00", "2024-07-07 12:00"},
      {"0 12 * JAN-MAR SAT-SUN", "2024-03-31 12:00", "2025-01-04 12:00"},
      {"0 0 * * 7", "2024-03-01 00:00", "2024-03-03 00:00"},
      {"0 0 * * 5-7", "2024-03-03 00:00", "2024-03-08 00:00"},
      // Both day fields limited: either one is enough.
      {"0 0 13 * fri", "2024-09-01 00:00", "2024-09-06 00:00"},
      {"0 0 13 * fri", "2024-10-11 00:00", "2024-10-13 00:00"},
      // One of them begins with a star: both.
      {"0 0 */2 * mon", "2024-01-01 00:00", "2024-01-15 00:00"},
      {"0 0 13 * */7", "2024-01-01 00:00", "2024-10-13 00:00"},
      {"0 0 29 2 */6", "2024-02-29 00:00", "2032-02-29 00:00"},
      {"  0   3  * * * ", "2024-01-01 00:00", "2024-01-01 03:00"},
      {"@hourly", "2024-01-01 00:00", "2024-01-01 01:00"},
      {"@Daily", "2024-01-01 00:00", "2024-01-02 00:00"},
      {"@midnight", "2024-01-01 00:00", "2024-01-02 00:00"},
      {"@weekly", "2024-01-01 00:00", "2024-01-07 00:00"},
      {"@monthly", "2024-01-01 00:00", "2024-02-01 00:00"},
      {"@yearly", "2024-01-01 00:00", "2025-01-01 00:00"},
      {"@annually", "2024-12-31 23:59", "2025-01-01 00:00"},
      {"@every 2h", "1970-01-01 00:00", "1970-01-01 02:00"},
      {"@every 90m", "1970-01-01 01:30", "1970-01-01 03:00"},
      {"@EVERY  2h ", "1970-01-01 03:59", "1970-01-01 04:00"},
  };
  for (const Row& row : rows) {
    INFO(row.expression << " after " << row.after);
    CHECK(next(row.expression, row.after) == row.next);
  }
}

TEST_CASE("cron expressions: @every counts from its anchor") {
  const auto every = CronExpression::parse("@every 10s");
  REQUIRE(every.ok());
  CHECK(every->every_ms() == 10'000);
  CHECK(every->next(3'000, nullptr, 3'000) == 13'000);
  CHECK(every->next(12'999, nullptr, 3'000) == 13'000);
  CHECK(every->next(13'000, nullptr, 3'000) == 23'000);
  CHECK(every->next(-17'001, nullptr, 3'000) == -17'000);
}

TEST_CASE("cron expressions: clocks that are put forward and back") {
  // tidy: long-function because it is a table.
  struct Row {
    const char* what;
    ZoneRules zone;
    const char* expression;
    const char* after;               // UTC
    std::vector<const char*> slots;  // UTC
  };
  const Row rows[] = {
      {"a fixed hour in winter and summer",
       berlin(),
       "0 9 * * *",
       "2024-03-30 00:00",
       {"2024-03-30 08:00", "2024-03-31 07:00", "2024-04-01 07:00"}},
      {"the gap fires once, right after it",
       berlin(),
       "30 2 * * *",
       "2024-03-30 00:00",
       {"2024-03-30 01:30", "2024-03-31 01:00", "2024-04-01 00:30"}},
      {"several slots of the gap are one",
       berlin(),
       "*/10 2 * * *",
       "2024-03-31 00:00",
       {"2024-03-31 01:00", "2024-04-01 00:00", "2024-04-01 00:10"}},
      {"and one with the slot that stands there",
       berlin(),
       "0 2,3 * * *",
       "2024-03-31 00:00",
       {"2024-03-31 01:00", "2024-04-01 00:00"}},
      {"of the doubled hour the first counts",
       berlin(),
       "30 2 * * *",
       "2024-10-26 00:00",
       {"2024-10-26 00:30", "2024-10-27 00:30", "2024-10-28 01:30"}},
      {"with minutes too",
       berlin(),
       "*/30 1-3 * * *",
       "2024-10-26 23:00",
       {"2024-10-26 23:30", "2024-10-27 00:00", "2024-10-27 00:30", "2024-10-27 02:00", "2024-10-27 02:30",
        "2024-10-28 00:00"}},
      {"every hour is every hour that passes: forward",
       berlin(),
       "30 * * * *",
       "2024-03-31 00:00",
       {"2024-03-31 00:30", "2024-03-31 01:30"}},
      {"and back",
       berlin(),
       "30 * * * *",
       "2024-10-26 23:00",
       {"2024-10-26 23:30", "2024-10-27 00:30", "2024-10-27 01:30", "2024-10-27 02:30"}},
      {"west: forward",
       los_angeles(),
       "15 2 * * *",
       "2024-03-09 12:00",
       {"2024-03-10 10:00", "2024-03-11 09:15"}},
      {"west: back",
       los_angeles(),
       "15 1 * * *",
       "2024-11-02 12:00",
       {"2024-11-03 08:15", "2024-11-04 09:15"}},
      {"a day of the zone, not of UTC",
       los_angeles(),
       "0 20 * * mon",
       "2024-11-04 12:00",
       {"2024-11-05 04:00", "2024-11-12 04:00"}},
      {"half an hour: back",
       lord_howe(),
       "45 1 * * *",
       "2024-04-05 20:00",
       {"2024-04-06 14:45", "2024-04-07 15:15"}},
      {"half an hour: forward",
       lord_howe(),
       "15 2 * * *",
       "2024-10-05 00:00",
       {"2024-10-05 15:30", "2024-10-06 15:15"}},
      {"a day that never was",
       apia(),
       "0 9 * * *",
       "2011-12-29 00:00",
       {"2011-12-29 19:00", "2011-12-30 10:00", "2011-12-30 19:00"}},
  };
  for (const Row& row : rows) {
    const auto parsed = CronExpression::parse(row.expression);
    REQUIRE(parsed.ok());
    int64_t ms = at(row.after);
    for (const char* slot : row.slots) {
      INFO(row.what << ": " << row.expression);
      ms = parsed->next(ms, &row.zone, 0);
      CHECK(text_of(ms) == slot);
    }
  }
}

TEST_CASE("cron expressions: the same slots as a walk over every minute of five years") {
  const std::array<std::pair<int, int>, 5> ranges = {{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}}};
  const ZoneRules utc{"UTC", {{0, 0}}};
  const ZoneRules zones[] = {utc, berlin(), los_angeles(), lord_howe()};
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    Rng rng{seed};
    Naive naive;
    std::string text;
    for (size_t i = 0; i < 5; ++i) {
      const std::string field =
          make_field(rng, ranges[i].first, ranges[i].second, i < 2 ? 25 : 50, naive.fields[i]);
      naive.stars[i] = field == "*";
      if (i == 1) naive.any_hour = field == "*";
      text += (i == 0 ? "" : " ") + field;
    }
    const auto parsed = CronExpression::parse(text);
    if (!parsed.ok()) continue;  // 30 February
    const ZoneRules& zone = zones[seed % std::size(zones)];
    const int64_t from_s = at("2024-01-01 00:00") / 1000;
    const int64_t to_s = at("2029-01-01 00:00") / 1000;
    size_t index = 0;
    int64_t ms = from_s * 1000 - 1;
    INFO("seed " << seed << ": " << text << " in " << zone.name);
    const std::vector<int64_t> slots = walk(naive, zone, from_s, to_s);
    for (const int64_t slot : slots) {
      ms = parsed->next(ms, &zone, 0);
      ++index;
      if (ms != slot) FAIL("slot " << index << " is " << text_of(ms) << ", the walk has " << text_of(slot));
    }
    CHECK(parsed->next(ms, &zone, 0) >= to_s * 1000);
  }
}

TEST_CASE("cron expressions: what is wrong is said with its place and what may stand there") {
  struct Row {
    const char* expression;
    std::vector<const char*> said;
  };
  const Row rows[] = {
      {"", {"0 fields", "\"0 3 * * mon-fri\""}},
      {"* * * *", {"'* * * *'", "4 fields"}},
      {"* * * * * *", {"6 fields"}},
      {"60 * * * *", {"character 1", "minute '60'", "60 is out of range", "0-59"}},
      {"* 24 * * *", {"character 3", "hour '24'", "0-23"}},
      {"* * 0 * *", {"day of the month '0'", "0 is out of range", "1-31"}},
      {"* * * 13 *", {"month '13'", "1-12 or jan-dec"}},
      {"* * * * 8", {"weekday '8'", "0-7 or sun-sat"}},
      {"* * * * blu", {"character 9", "'blu' is not known"}},
      {"mon * * * *", {"minute 'mon'", "'mon' is not known"}},
      {"1,,2 * * * *", {"character 3", "a value is missing"}},
      {"5- * * * *", {"character 3", "a value is missing"}},
      {"5-1 * * * *", {"5-1 runs backwards"}},
      {"* * * * fri-mon", {"runs backwards"}},
      {"*/0 * * * *", {"a step of 0"}},
      {"*/90 * * * *", {"a step of 90 is longer than the field", "@every"}},
      {"*/ * * * *", {"character 3", "a step is missing"}},
      {"*5 * * * *", {"character 2", "'5' is not expected"}},
      {"99999999999 * * * *", {"too large"}},
      {"-1 * * * *", {"character 1", "a value is missing"}},
      {"0 0 31 2 *", {"'0 0 31 2 *'", "never fires"}},
      {"0 0 31 4,6,9,11 *", {"never fires"}},
      {"0 0 30 2 */2", {"never fires"}},
      {"@reboot", {"'@reboot'", "@hourly", "@every DURATION"}},
      {"@daily now", {"@hourly"}},
      {"@every", {"@every stands a duration"}},
      {"@every soon", {"'@every soon'", "a duration like 90s"}},
      {"@every 10", {"a duration like"}},
      {"@every 0s", {"1s to 366d"}},
      {"@every 500ms", {"1s to 366d"}},
      {"@every 400d", {"1s to 366d"}},
      {"@every2h", {"@hourly"}},
  };
  for (const Row& row : rows) {
    INFO(row.expression);
    const auto parsed = CronExpression::parse(row.expression);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == Code::badarg);
    for (const char* words : row.said) CHECK_THAT(parsed.error().text, Catch::Contains(words));
  }
  const std::string huge(100'000, '1');
  REQUIRE_FALSE(CronExpression::parse(huge).ok());
  CHECK(CronExpression::parse(huge).error().text.size() < 200);
  // With a weekday beside it, 31 February is a way to say every Monday of February.
  CHECK(CronExpression::parse("0 0 31 2 mon").ok());
}

}  // namespace pawl::ops
