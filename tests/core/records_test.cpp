#include "bus/core/records.h"
#include "bus/core/freeze.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "bus/core/archive.h"

namespace pawl::core {
namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4];
    out += "0123456789abcdef"[static_cast<uint8_t>(c) & 15];
  }
  return out;
}
std::string unhex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    out += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
  }
  return out;
}

HeadRecord make_head() {
  HeadRecord head;
  head.lease_ms = 1;
  head.bus_ms = 1'000'000'000'000;
  head.wall_ms = 1'700'000'000'000;
  head.next_sequence = 300;
  head.next_token = 5;
  head.next_event = 6;
  head.first_event = 2;
  head.next_dead = 7;
  head.next_role = 8;
  head.jitter = UINT64_MAX;
  head.due_bus_low = 9;
  head.due_wall_low = -1;
  head.ended_low = 10;
  head.claimed_low = 11;
  head.dead_low = 3;
  head.done_bytes = 12;
  head.dead_bytes = 13;
  head.chronicle_bytes = 14;
  head.alarms = 3;
  return head;
}

RoleRecord make_role() { return {"research", true, true, "too hot", 1'700'000'000'001, 3, 0xfeed}; }
DeployRecord make_deploy() { return {3, 0xfeed, {"./a", "--fast"}, true, 4, 2, 5, "ops", "why"}; }
DeployLog make_deploy_log() { return {4, {1, 3}, {{1, 0, true, 6, "ops", "why"}, {3, 1, false, 7, "", ""}}}; }

RoleCounts make_counts() {
  RoleCounts counts;
  for (size_t i = 0; i < state_count; ++i) counts.depth[i] = 100 * i;
  counts.pushed = 1;
  counts.claimed = 2;
  counts.done = 3;
  counts.failed = 4;
  counts.lapsed = 5;
  counts.released = 6;
  counts.died = 7;
  counts.tokens = 8;
  counts.cost = UINT64_MAX;
  counts.bytes = 9;
  return counts;
}

HomeRecord make_home() {
  HomeRecord home;
  home.pushed_at_ms = 1'700'000'000'000;
  home.payload = std::string("pay\0load", 8);
  home.headers = {{"a", "b"}, {"", ""}};
  home.lease_ms = 60'000;
  home.max_attempts = 3;
  home.expire_at_ms = 1'700'000'100'000;
  home.unique = "key";
  home.unique_until_ms = 1'700'000'200'000;
  home.group = "group";
  return home;
}

LifeRecord make_life() {
  LifeRecord life;
  life.place = Place::dead;
  life.role = 77;
  life.priority = 9;
  life.deliveries = 4;
  life.spent = 3;
  for (size_t i = 0; i < class_count; ++i) life.causes[i] = static_cast<uint32_t>(i);
  life.crashes_in_row = 2;
  life.expire_at_ms = 11;
  life.due_ms = 12;
  life.due_on_wall = true;
  life.token = 13;
  life.daemon = "worker@boot";
  life.claimed_at_ms = 14;
  life.lease_ms = 15;
  life.deadline_ms = 16;
  life.cancel = true;
  life.cancel_reason = "stop";
  life.progress = 50;
  life.note = "half";
  life.tokens = 17;
  life.cost = 18;
  life.reserved = {22, 23, "role:r\n", ""};
  life.spent_delivery = 4;
  life.version = "v1";
  life.limp = "slack";
  life.has_error = true;
  life.error_class = ErrorClass::crash;
  life.error_text = "boom";
  life.fingerprint = 19;
  life.released_by = "worker";
  life.releases = 2;
  life.ended_at_ms = 20;
  life.result = "result";
  life.dead_number = 21;
  life.invocation_written = true;
  return life;
}

InvocationRecord make_invocation() {
  return {3, 4, "worker",        5,    6,     Outcome::lapsed, ErrorClass::lease_expired, "text",
          7, 8, {9, 10, "", ""}, "v2", "smtp"};
}
FreezeRecord make_freeze() { return {1, FreezeKind::soft, FreezeScope::claims, "drill", "ops", 2, 3, true}; }
DeadRecord make_dead() { return {BirthKey{1, 2, 3}, 4, ErrorClass::auth, 5, 6, 7, 8}; }
EventRecord make_event() { return {1, 2, "message.dead", {{"id", "x"}, {"role", "r"}}, "0123"}; }
EndedRecord make_ended() {
  return {{{BirthKey{1, 2, 3}, 4, 3, true, 5, 6}, {BirthKey{7, 8, 9}, 1, 6, false, 0, 0}}};
}
ClaimedRecord make_claimed() { return {{{BirthKey{1, 2, 3}, 4}, {BirthKey{5, 6, 7}, UINT64_MAX}}}; }

// One of each version. A record that changes keeps its old specimen, with nothing as `now`, and gets a new
// one.
struct Specimen {
  const char* what;
  std::string written;
  std::string now;
  bool (*decodes)(std::string_view);
};
template <typename Record>
bool decodes(std::string_view bytes) {
  return decode<Record>(bytes).has_value();
}
std::vector<Specimen> specimens() {
  return {
      {"head", "010280c0a8ca9a3a80a0abfef962ac020506020708ffffffffffffffffff011201140b030c0d0e03",
       encode(make_head()), decodes<HeadRecord>},
      {"role", "01087265736561726368010107746f6f20686f7482a0abfef962", "", decodes<RoleRecord>},
      {"role 2", "02087265736561726368010107746f6f20686f7482a0abfef96203edfd03", encode(make_role()),
       decodes<RoleRecord>},
      {"deploy", "0103edfd0302032e2f61062d2d666173740104020a036f707303776879", encode(make_deploy()),
       decodes<DeployRecord>},
      {"deploy log", "0104020103020100010c036f7073037768790301000e0000", encode(make_deploy_log()),
       decodes<DeployLog>},
      {"counts", "010064c801ac029003f403d8040102030405060708ffffffffffffffffff01", "", decodes<RoleCounts>},
      {"counts 2", "020064c801ac029003f403d8040102030405060708ffffffffffffffffff0109", encode(make_counts()),
       decodes<RoleCounts>},
      {"home",
       "013f80a0abfef96208706179006c6f616402016101620000c0a90703c0bab7fef962036b657980d5c3fef9620567726f7570",
       encode(make_home()), decodes<HomeRecord>},
      {"life",
       "0106ff1f4d09040302000102030405060708090a0b18160d0b776f726b657240626f6f741c1e2011120473746f70640468616"
       "c660604626f6f6d1306776f726b6572022806726573756c7415",
       "", decodes<LifeRecord>},
      {"life 2",
       "0206ff7f4d09040302000102030405060708090a0b18160d0b776f726b657240626f6f741c1e201112161707726f6c653a720"
       "a04"
       "0473746f70640468616c660604626f6f6d1306776f726b6572022806726573756c7415",
       "", decodes<LifeRecord>},
      {"life 3",
       "0306ffff014d09040302000102030405060708090a0b18160d0b776f726b657240626f6f741c1e201112161707726f6c653a7"
       "20"
       "a040276310473746f70640468616c660604626f6f6d1306776f726b6572022806726573756c7415",
       "", decodes<LifeRecord>},
      {"life 4",
       "0406ffff034d09040302000102030405060708090a0b18160d0b776f726b657240626f6f741c1e201112161707726f6c653a7"
       "20"
       "a0402763105736c61636b0473746f70640468616c660604626f6f6d1306776f726b6572022806726573756c7415",
       encode(make_life()), decodes<LifeRecord>},
      {"invocation", "01030406776f726b65720a0c020a04746578740708", "", decodes<InvocationRecord>},
      {"invocation 2", "02030406776f726b65720a0c020a04746578740708090a00", "", decodes<InvocationRecord>},
      {"invocation 3", "03030406776f726b65720a0c020a04746578740708090a00027632", "",
       decodes<InvocationRecord>},
      {"invocation 4", "04030406776f726b65720a0c020a04746578740708090a0002763204736d7470",
       encode(make_invocation()), decodes<InvocationRecord>},
      {"freeze", "01010101056472696c6c036f7073040601", encode(make_freeze()), decodes<FreezeRecord>},
      {"dead", "010102030403050c0e08", encode(make_dead()), decodes<DeadRecord>},
      {"event, version 1", "0102040c6d6573736167652e6465616402026964017804726f6c650172", "",
       decodes<EventRecord>},
      {"event", "0202040c6d6573736167652e6465616402026964017804726f6c6501720430313233", encode(make_event()),
       decodes<EventRecord>},
      {"ends of the chronicle", "010161016207", encode(ChronicleEnds{"a", "b", 7}), decodes<ChronicleEnds>},
      {"ended", "010201020304030105060708090106000000", encode(make_ended()), decodes<EndedRecord>},
      {"claimed", "010201020304050607ffffffffffffffffff01", encode(make_claimed()), decodes<ClaimedRecord>},
  };
}

TEST_CASE("every record reads back as it was written") {
  for (const Specimen& specimen : specimens()) {
    INFO(specimen.what);
    if (!specimen.now.empty()) CHECK(hex(specimen.now) == specimen.written);
    CHECK(specimen.decodes(unhex(specimen.written)));
  }
  const auto same = [](const auto& record) {
    const std::string bytes = encode(record);
    const auto back = decode<std::decay_t<decltype(record)>>(bytes);
    REQUIRE(back);
    CHECK(hex(encode(*back)) == hex(bytes));
  };
  same(make_head());
  same(make_role());
  same(make_counts());
  same(make_home());
  same(make_life());
  same(make_invocation());
  same(make_dead());
  same(make_event());
  same(make_ended());
  same(make_claimed());
  same(make_deploy());
  same(make_deploy_log());
  same(HeadRecord{});
  same(HomeRecord{});
  same(LifeRecord{});
  same(EndedRecord{});
}

TEST_CASE("fields come back one by one") {
  const auto head = decode<HeadRecord>(encode(make_head()));
  REQUIRE(head);
  CHECK(head->jitter == UINT64_MAX);
  CHECK(head->due_wall_low == -1);
  CHECK(head->bus_ms == 1'000'000'000'000);
  const auto home = decode<HomeRecord>(encode(make_home()));
  REQUIRE(home);
  CHECK(home->payload == make_home().payload);
  CHECK(home->headers == make_home().headers);
  CHECK(home->unique_until_ms == make_home().unique_until_ms);
  CHECK(home->group == "group");
  const auto life = decode<LifeRecord>(encode(make_life()));
  REQUIRE(life);
  CHECK(life->causes == make_life().causes);
  CHECK(life->daemon == "worker@boot");
  CHECK(life->due_on_wall);
  CHECK(life->cancel_reason == "stop");
  CHECK(life->released_by == "worker");
  CHECK(life->dead_number == 21);
  CHECK(life->invocation_written);
  CHECK(life->limp == "slack");
  CHECK(decode<InvocationRecord>(encode(make_invocation()))->limp == "smtp");
}

TEST_CASE("optional parts of a life survive alone") {
  LifeRecord life;
  life.cancel_reason = "cancelled while it was ready";
  CHECK(decode<LifeRecord>(encode(life))->cancel_reason == life.cancel_reason);
  life = {};
  life.tokens = 5;
  life.token = 1;
  CHECK(decode<LifeRecord>(encode(life))->tokens == 5);
  life = {};
  life.note = "note without percent";
  CHECK(decode<LifeRecord>(encode(life))->note == life.note);
  CHECK(decode<LifeRecord>(encode(life))->progress == -1);
  HomeRecord home;
  home.blob_bytes = 5000;
  CHECK(decode<HomeRecord>(encode(home))->blob_bytes == 5000);
  CHECK(decode<HomeRecord>(encode(home))->payload.empty());
}

TEST_CASE("damage is refused or read as something else, never more") {
  for (const Specimen& specimen : specimens()) {
    INFO(specimen.what);
    const std::string good = unhex(specimen.written);
    REQUIRE(specimen.decodes(good));
    for (size_t end = 0; end < good.size(); ++end) CHECK_FALSE(specimen.decodes(good.substr(0, end)));
    CHECK_FALSE(specimen.decodes(good + std::string(1, '\0')));
    for (size_t at = 0; at < good.size(); ++at) {
      for (int flip = 1; flip < 256; ++flip) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ flip);
        static_cast<void>(specimen.decodes(bad));
      }
      // A length that lies by as much as a number can.
      const std::string lie = good.substr(0, at) + std::string(9, '\xff') + '\x01' + good.substr(at + 1);
      static_cast<void>(specimen.decodes(lie));
    }
    std::string newer = good;
    newer[0] = 5;  // no record has come that far
    CHECK_FALSE(specimen.decodes(newer));
    newer[0] = 0;
    CHECK_FALSE(specimen.decodes(newer));
  }
}

TEST_CASE("a lying count allocates no more than the input could hold") {
  std::string bytes;
  RecordWriter(bytes).number(uint64_t{1} << 40);
  bytes += std::string(100, 'x');
  RecordReader reader(bytes);
  std::vector<std::pair<std::string, std::string>> headers;
  reader(headers);
  CHECK(reader.damaged());
  CHECK(headers.capacity() <= 200);
  RecordReader text(bytes);
  CHECK(text.bytes().empty());
  CHECK(text.damaged());
}

TEST_CASE("numbers that do not fit are damage") {
  std::string bytes;
  RecordWriter(bytes).number(300);
  RecordReader reader(bytes);
  uint8_t small = 0;
  reader(small);
  CHECK(reader.damaged());
  // Eleven bytes of a number that never ends.
  RecordReader endless(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11));
  endless.number();
  CHECK(endless.damaged());
}

}  // namespace
}  // namespace pawl::core
