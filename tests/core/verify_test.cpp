// Damage planted in the rows, each kind reported.
#include "bus/core/verify.h"

#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "bus/core/batch.h"
#include "bus/core/bus.h"
#include "bus/core/keys.h"
#include "bus/core/records.h"
#include "tests/scenario/pause_gate.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/reply_tree.h"

namespace pawl::core {
namespace {

// A store with a message in every place there is.
class Fixture {
 public:
  Fixture() {
    auto opened = Bus::open(store, BusConfig{}, gate_);
    REQUIRE(opened.ok());
    bus_ = std::move(*opened);
    bus_->begin_turn(clock_.now());
    fresh = push({});
    op::Push delayed;
    delayed.delay_ms = 50'000;
    due_bus = push(delayed);
    op::Push at;
    at.at_ms = clock_.now().wall_ms + 50'000;
    due_wall = push(at);
    op::Push grouped;
    grouped.group = "g";
    grouped.priority = 9;
    head = push(grouped);
    waiter = push(grouped);
    op::Push keyed;
    keyed.unique = "k";
    keyed.expire_ms = 60'000;
    keyed.priority = 0;
    unique = push(keyed);
    keyed.unique = "timed";
    keyed.unique_for_ms = 70'000;
    keyed.expire_ms.reset();
    timed = push(keyed);
    const std::string big(5000, 'b');
    op::Push large;
    large.payload = big;
    large.priority = 0;
    blob = push(large);
    claim();  // the head
    op::Push urgent;
    urgent.priority = 9;
    for (BirthKey* key : {&back, &dead, &done}) {
      *key = push(urgent);
      const auto [id, token] = claim();
      settle(key, id, token);
    }
    op::DeploySet version;
    version.role = "r";
    version.command = {"./a"};
    version.prompt = "think";
    bus_->apply(1, version, outbox_);
    bus_->tick(outbox_);
    const Batch batch = bus_->seal();
    REQUIRE(store.write(batch).ok());
    bus_->committed();
  }

  // Rows put (a value) or erased behind the bus's back.
  void plant(Table table, const std::string& key, std::optional<std::string> value) {
    Batch batch;
    append_row(batch.rows, table, key, value ? std::optional<std::string_view>(*value) : std::nullopt);
    const ChainLink last = store.chain();
    batch.link = {last.sequence + 1, last.term, last.hash,
                  hash_batch(last.hash, last.sequence + 1, last.term, batch.rows)};
    REQUIRE(store.write(batch).ok());
  }
  std::string row(Table table, const std::string& key) const {
    std::string value;
    REQUIRE(store.get(table, key, value));
    return value;
  }
  std::string only_key(Table table) const {
    std::string found;
    store.scan(table, "", "", [&](std::string_view key, std::string_view) {
      found = std::string(key);
      return false;
    });
    REQUIRE_FALSE(found.empty());
    return found;
  }
  template <typename Record>
  void change(Table table, const std::string& key, const std::function<void(Record&)>& how) {
    auto record = decode<Record>(row(table, key));
    REQUIRE(record);
    how(*record);
    plant(table, key, encode(*record));
  }

  test::MemoryStore store;
  BirthKey fresh, due_bus, due_wall, head, waiter, unique, timed, blob, back, dead, done;

 private:
  BirthKey push(op::Push push) {
    push.role = "r";
    bus_->apply(1, push, outbox_);
    return *decode_id(outbox_.take().back().value.text);
  }
  std::pair<std::string, std::string> claim() {
    bus_->apply(1, op::Claim{"d", {"r"}, 1, {}, {}}, outbox_);
    return outbox_.take().back().claims.at(0);
  }
  void settle(const BirthKey* key, const std::string& id, const std::string& token) {
    op::Fail fail;
    fail.id = id;
    fail.token = token;
    fail.error_class = ErrorClass::bad_input;
    op::Ack ack;
    ack.id = id;
    ack.token = token;
    if (key == &back) bus_->apply(1, op::Release{id, token, 0}, outbox_);
    // Released, it would be claimed again before the others.
    if (key == &back) bus_->apply(1, op::Move{id, 0, {}}, outbox_);
    if (key == &dead) bus_->apply(1, fail, outbox_);
    if (key == &done) bus_->apply(1, ack, outbox_);
    outbox_.take();
  }

  PauseGate gate_;
  test::FakeClock clock_;
  test::RecordingOutbox outbox_;
  std::unique_ptr<Bus> bus_;
};

TEST_CASE("a sound store verifies, so does an empty one") {
  Fixture fixture;
  const VerifyReport report = verify(fixture.store);
  CHECK(report.problems == std::vector<std::string>{});
  CHECK(report.ok);
  CHECK(report.messages == 11);
  CHECK(verify(test::MemoryStore()).ok);
}

TEST_CASE("a store that cannot be read does not verify") {
  Fixture fixture;
  fixture.store.fail_reads();
  CHECK_FALSE(verify(fixture.store).ok);
}

struct Damage {
  const char* what;
  std::function<void(Fixture&)> plant;
};

void check_each(const std::vector<Damage>& all) {
  for (const Damage& damage : all) {
    INFO(damage.what);
    Fixture fixture;
    damage.plant(fixture);
    const VerifyReport report = verify(fixture.store);
    CHECK_FALSE(report.ok);
    CHECK_FALSE(report.problems.empty());
  }
}

TEST_CASE("a row that is missing is reported") {
  check_each({
      {"head", [](Fixture& f) { f.plant(Table::meta, "head", {}); }},
      {"role", [](Fixture& f) { f.plant(Table::role, keys::role(1), {}); }},
      {"count", [](Fixture& f) { f.plant(Table::count, keys::role(1), {}); }},
      {"home of a fresh message", [](Fixture& f) { f.plant(Table::home, keys::birth(f.fresh), {}); }},
      {"home of a dead one", [](Fixture& f) { f.plant(Table::home, keys::birth(f.dead), {}); }},
      {"life of a returned one", [](Fixture& f) { f.plant(Table::life, keys::birth(f.back), {}); }},
      {"life of a claimed one", [](Fixture& f) { f.plant(Table::life, keys::birth(f.head), {}); }},
      {"life of a delayed one", [](Fixture& f) { f.plant(Table::life, keys::birth(f.due_bus), {}); }},
      {"blob", [](Fixture& f) { f.plant(Table::blob, keys::birth(f.blob), {}); }},
      {"back", [](Fixture& f) { f.plant(Table::back, f.only_key(Table::back), {}); }},
      {"due_bus", [](Fixture& f) { f.plant(Table::due_bus, f.only_key(Table::due_bus), {}); }},
      {"due_wall", [](Fixture& f) { f.plant(Table::due_wall, f.only_key(Table::due_wall), {}); }},
      {"group", [](Fixture& f) { f.plant(Table::group, f.only_key(Table::group), {}); }},
      {"head of a group", [](Fixture& f) { f.plant(Table::head, f.only_key(Table::head), {}); }},
      {"unique", [](Fixture& f) { f.plant(Table::unique, keys::named(1, "k"), {}); }},
      {"unique for a time", [](Fixture& f) { f.plant(Table::unique, keys::named(1, "timed"), {}); }},
      {"claimed", [](Fixture& f) { f.plant(Table::claimed, f.only_key(Table::claimed), {}); }},
      {"ended", [](Fixture& f) { f.plant(Table::ended, f.only_key(Table::ended), {}); }},
      {"dead", [](Fixture& f) { f.plant(Table::dead, f.only_key(Table::dead), {}); }},
      {"chronicle", [](Fixture& f) { f.plant(Table::chronicle, f.only_key(Table::chronicle), {}); }},
      {"ends of the chronicle", [](Fixture& f) { f.plant(Table::meta, "chronicle", {}); }},
      {"versions of a role", [](Fixture& f) { f.plant(Table::deploy, keys::role(1), {}); }},
      {"a version", [](Fixture& f) { f.plant(Table::deploy, keys::deploy(1, 1), {}); }},
      {"prompt of a version", [](Fixture& f) { f.plant(Table::deploy, keys::deploy_prompt(1, 1), {}); }},
  });
}

TEST_CASE("a row that nothing refers to is reported") {
  const BirthKey ghost{1, 8, 4};
  const std::string birth = keys::birth(ghost);
  check_each({
      {"count", [](Fixture& f) { f.plant(Table::count, keys::role(9), encode(RoleCounts{})); }},
      {"mark", [](Fixture& f) { f.plant(Table::mark, keys::lane(9, 0), std::string(8, '\0')); }},
      {"versions of no role", [](Fixture& f) { f.plant(Table::deploy, keys::role(9), encode(DeployLog{})); }},
      {"a version that is not kept",
       [](Fixture& f) { f.plant(Table::deploy, keys::deploy(1, 2), encode(DeployRecord{})); }},
      {"a version that runs and is not kept",
       [](Fixture& f) {
         f.change<RoleRecord>(Table::role, keys::role(1), [](RoleRecord& r) { r.deployed = 7; });
       }},
      {"mark of a parked lane",
       [](Fixture& f) { f.plant(Table::mark, keys::lane(1, 1), std::string(8, '\0')); }},
      {"home of no role",
       [](Fixture& f) {
         f.plant(Table::home, keys::birth({9, 8, 4}), encode(HomeRecord{}));
       }},
      {"home nobody counted", [&](Fixture& f) { f.plant(Table::home, birth, encode(HomeRecord{})); }},
      {"home from the future",
       [](Fixture& f) {
         f.plant(Table::home, keys::birth({1, 8, 999}), encode(HomeRecord{}));
       }},
      {"life", [&](Fixture& f) { f.plant(Table::life, birth, encode(LifeRecord{})); }},
      {"blob", [&](Fixture& f) { f.plant(Table::blob, birth, "payload"); }},
      {"blob of a small message", [](Fixture& f) { f.plant(Table::blob, keys::birth(f.fresh), "payload"); }},
      {"back", [&](Fixture& f) { f.plant(Table::back, keys::back(1, 5, 4), birth); }},
      {"back of a fresh one",
       [](Fixture& f) { f.plant(Table::back, keys::back(1, 5, f.fresh.sequence), keys::birth(f.fresh)); }},
      {"back of a returned one, at another priority",
       [](Fixture& f) { f.plant(Table::back, keys::back(1, 7, f.back.sequence), keys::birth(f.back)); }},
      {"due_bus", [&](Fixture& f) { f.plant(Table::due_bus, keys::due_bus(5, 4), birth); }},
      {"due_bus twice",
       [](Fixture& f) {
         f.plant(Table::due_bus, keys::due_bus(5, f.due_bus.sequence), keys::birth(f.due_bus));
       }},
      {"due_wall",
       [&](Fixture& f) {
         f.plant(Table::due_wall, keys::due_wall(1'800'000'000'000, keys::WallKind::due, 4), birth);
       }},
      {"expiry",
       [&](Fixture& f) {
         f.plant(Table::due_wall, keys::due_wall(1'800'000'000'000, keys::WallKind::expire, 4), birth);
       }},
      {"group", [&](Fixture& f) { f.plant(Table::group, keys::group(1, "g", 4), birth); }},
      {"group of another name",
       [](Fixture& f) {
         f.plant(Table::group, keys::group(1, "h", f.waiter.sequence), keys::birth(f.waiter));
       }},
      {"head of a group", [&](Fixture& f) { f.plant(Table::head, keys::named(1, "h"), birth); }},
      {"head that is in no group",
       [](Fixture& f) { f.plant(Table::head, keys::named(1, "h"), keys::birth(f.fresh)); }},
  });
}

TEST_CASE("a list entry, a key or an invocation that nothing refers to is reported") {
  const BirthKey ghost{1, 8, 4};
  const std::string birth = keys::birth(ghost);
  check_each({
      {"unique",
       [&](Fixture& f) { f.plant(Table::unique, keys::named(1, "x"), birth + std::string(8, '\0')); }},
      {"unique of one without that key",
       [](Fixture& f) {
         f.plant(Table::unique, keys::named(1, "x"), keys::birth(f.fresh) + std::string(8, '\0'));
       }},
      {"claimed",
       [&](Fixture& f) {
         f.plant(Table::claimed, keys::number(99), encode(ClaimedRecord{{{ghost, 1}}}));
       }},
      {"ended",
       [&](Fixture& f) {
         f.plant(Table::ended, keys::ended(900'000, 99), encode(EndedRecord{{{ghost, 1, 3, false, 0, 0}}}));
       }},
      {"dead",
       [&](Fixture& f) {
         DeadRecord record;
         record.key = ghost;
         f.plant(Table::dead, keys::number(99), encode(record));
       }},
      {"invocation",
       [&](Fixture& f) {
         InvocationRecord record;
         record.delivery = 1;
         f.plant(Table::invocation, keys::invocation(ghost, 1), encode(record));
       }},
      {"invocation that never was",
       [](Fixture& f) {
         InvocationRecord record;
         record.delivery = 7;
         f.plant(Table::invocation, keys::invocation(f.dead, 7), encode(record));
       }},
      {"chronicle", [](Fixture& f) { f.plant(Table::chronicle, keys::number(99), encode(EventRecord{})); }},
  });
}

TEST_CASE("a chronicle that somebody worked on is reported") {
  check_each({
      {"an entry of the chronicle",
       [](Fixture& f) {
         f.change<EventRecord>(Table::chronicle, keys::number(1),
                               [](EventRecord& e) { e.kind.back() = '!'; });
       }},
      {"the time of an entry",
       [](Fixture& f) {
         f.change<EventRecord>(Table::chronicle, keys::number(1), [](EventRecord& e) { e.at_ms ^= 1; });
       }},
      {"the newest hash",
       [](Fixture& f) {
         f.change<ChronicleEnds>(Table::meta, "chronicle", [](ChronicleEnds& e) { e.newest[0] ^= 1; });
       }},
      {"where the hashes begin",
       [](Fixture& f) {
         f.change<ChronicleEnds>(Table::meta, "chronicle", [](ChronicleEnds& e) { e.chained_from = 9; });
       }},
  });
}

TEST_CASE("wrong figures and wrong places are reported") {
  const auto counts = [](Fixture& f, MessageState state) {
    f.change<RoleCounts>(Table::count, keys::role(1), [&](RoleCounts& c) { ++c.at(state); });
  };
  const auto head = [](Fixture& f, const std::function<void(HeadRecord&)>& how) {
    f.change<HeadRecord>(Table::meta, "head", how);
  };
  const auto life = [](Fixture& f, const BirthKey& key, const std::function<void(LifeRecord&)>& how) {
    f.change<LifeRecord>(Table::life, keys::birth(key), how);
  };
  std::vector<Damage> damages;
  for (size_t i = 0; i < state_count; ++i) {
    damages.push_back({state_names[i].data(), [=](Fixture& f) { counts(f, static_cast<MessageState>(i)); }});
  }
  const std::vector<Damage> more = {
      {"mark over a fresh message",
       [](Fixture& f) {
         std::string mark;
         keys::append_be(mark, f.fresh.sequence, 8);
         f.plant(Table::mark, keys::lane(1, 8), mark);
       }},
      {"mark ahead of everything",
       [](Fixture& f) { f.plant(Table::mark, keys::lane(1, 4), std::string(8, '\x7f')); }},
      {"done bytes", [&](Fixture& f) { head(f, [](HeadRecord& h) { ++h.done_bytes; }); }},
      {"dead bytes", [&](Fixture& f) { head(f, [](HeadRecord& h) { ++h.dead_bytes; }); }},
      {"chronicle bytes", [&](Fixture& f) { head(f, [](HeadRecord& h) { ++h.chronicle_bytes; }); }},
      {"next event", [&](Fixture& f) { head(f, [](HeadRecord& h) { ++h.next_event; }); }},
      {"first event", [&](Fixture& f) { head(f, [](HeadRecord& h) { ++h.first_event; }); }},
      {"next sequence", [&](Fixture& f) { head(f, [](HeadRecord& h) { h.next_sequence = 2; }); }},
      {"next token", [&](Fixture& f) { head(f, [](HeadRecord& h) { h.next_token = 1; }); }},
      {"due_bus mark", [&](Fixture& f) { head(f, [](HeadRecord& h) { h.due_bus_low = int64_t{1} << 50; }); }},
      {"due_wall mark",
       [&](Fixture& f) { head(f, [](HeadRecord& h) { h.due_wall_low = int64_t{1} << 50; }); }},
      {"ended mark", [&](Fixture& f) { head(f, [](HeadRecord& h) { h.ended_low = int64_t{1} << 50; }); }},
      {"claimed mark", [&](Fixture& f) { head(f, [](HeadRecord& h) { h.claimed_low = 99; }); }},
      {"dead mark", [&](Fixture& f) { head(f, [](HeadRecord& h) { h.dead_low = 99; }); }},
      {"a token that does not match its list",
       [&](Fixture& f) { life(f, f.head, [](LifeRecord& l) { ++l.token; }); }},
      {"a priority that does not match its lane",
       [&](Fixture& f) { life(f, f.back, [](LifeRecord& l) { l.priority = 8; }); }},
      {"a time that does not match its row",
       [&](Fixture& f) { life(f, f.due_bus, [](LifeRecord& l) { ++l.due_ms; }); }},
      {"a clock that does not match its row",
       [&](Fixture& f) { life(f, f.due_wall, [](LifeRecord& l) { l.due_on_wall = false; }); }},
      {"an expiry that does not match its row",
       [&](Fixture& f) {
         f.change<HomeRecord>(Table::home, keys::birth(f.unique), [](HomeRecord& h) { ++h.expire_at_ms; });
       }},
      {"a waiter in another role", [&](Fixture& f) { life(f, f.waiter, [](LifeRecord& l) { l.role = 2; }); }},
      {"a claimed one back in its lane",
       [&](Fixture& f) { life(f, f.head, [](LifeRecord& l) { l.place = Place::back; }); }},
      {"a dead one that is done",
       [&](Fixture& f) { life(f, f.dead, [](LifeRecord& l) { l.place = Place::done; }); }},
      {"a done one that is dead",
       [&](Fixture& f) { life(f, f.done, [](LifeRecord& l) { l.place = Place::dead; }); }},
      {"two in one group free",
       [&](Fixture& f) { life(f, f.waiter, [](LifeRecord& l) { l.place = Place::back; }); }},
      {"a waiter below where its group is looked through",
       [](Fixture& f) { f.plant(Table::head, keys::named(1, "g"), keys::head_value(f.head, UINT64_MAX)); }},
      {"a group headed by its waiter",
       [](Fixture& f) { f.plant(Table::head, keys::named(1, "g"), keys::birth(f.waiter)); }},
      {"a key held by another",
       [](Fixture& f) {
         f.plant(Table::unique, keys::named(1, "k"), keys::birth(f.fresh) + std::string(8, '\0'));
       }},
  };
  damages.insert(damages.end(), more.begin(), more.end());
  check_each(damages);
}

TEST_CASE("a row that does not decode is reported") {
  check_each({
      {"a damaged home row", [](Fixture& f) { f.plant(Table::home, keys::birth(f.fresh), "\x01"); }},
      {"a damaged life row", [](Fixture& f) { f.plant(Table::life, keys::birth(f.back), "junk"); }},
      {"a damaged count row", [](Fixture& f) { f.plant(Table::count, keys::role(1), ""); }},
      {"a damaged unique row", [](Fixture& f) { f.plant(Table::unique, keys::named(1, "k"), "short"); }},
      {"a short row in the return lane",
       [](Fixture& f) { f.plant(Table::back, keys::back(1, 5, 4), "short"); }},
      {"a short row in a schedule", [](Fixture& f) { f.plant(Table::due_bus, "x", "short"); }},
      {"a short row in a group", [](Fixture& f) { f.plant(Table::group, "x", "short"); }},
      {"a short head row of a group", [](Fixture& f) { f.plant(Table::head, "x", "short"); }},
      {"a short invocation key",
       [](Fixture& f) { f.plant(Table::invocation, "x", encode(InvocationRecord{})); }},
      {"a short home key", [](Fixture& f) { f.plant(Table::home, "x", encode(HomeRecord{})); }},
  });
}

}  // namespace
}  // namespace pawl::core
