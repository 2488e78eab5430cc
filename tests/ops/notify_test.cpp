// The notify gate over a whole bus: what incidents raise, what leaves, what is held and by which rule.
#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "bus/ops/ops_config.h"
#include "bus/ops/registry.h"
#include "guards/registry.h"
#include "tests/ops/rig.h"
#include "tests/scenario/scenario.h"

namespace pawl::ops {
namespace {

core::BusConfig told(std::vector<NotifyChannel> channels) {
  auto rules = std::make_shared<OpsConfig>();
  rules->notify = std::move(channels);
  core::BusConfig config;
  config.office = std::move(rules);
  return config;
}

NotifyChannel channel(std::string name, std::vector<Tier> tiers = {}) {
  NotifyChannel one;
  one.name = std::move(name);
  one.tiers = std::move(tiers);
  return one;
}

std::string watched(const std::string& table, const core::BusConfig& config) {
  return core::play(table, config, guards::make_guard_chain, make_ops);
}

}  // namespace

TEST_CASE("notices: one for each state of an incident, the rest is held and says why") {
  CHECK(watched(R"(
    incident concern 'mail is slow'
    incident concern 'mail is slow'
    incident ultra 'mail is slow'
    incident ultra 'mail is slow'
    incidentack i1
    incidentclose i1 'a bad release'
    events 0 kind=notify             | notify.sent notify.held notify.sent notify.held notify.sent notify.sent
    notices                          | slack
  )",
                told({channel("slack")})) == "");
}

TEST_CASE("notices: names that differ in a number alone are two incidents") {
  CHECK(watched(R"(
    beat web-1 interval=1000
    beat web-2 interval=1000
    +10s
    incidents                        | i1 i2
    events 0 kind=notify             | notify.sent notify.sent
  )",
                told({channel("slack")})) == "");
}

TEST_CASE("notices: a channel is told of its tiers; without a channel nothing is said") {
  CHECK(watched(R"(
    incident concern 'mail is slow'
    events 0 kind=notify             | none
    incident ultra 'mail is slow'
    events 0 kind=notify             | notify.sent
    notices                          | pager
  )",
                told({channel("pager", {Tier::ultra})})) == "");
  CHECK(watched(R"(
    incident ultra 'mail is slow'
    events 0 kind=notify             | none
    notices                          | none
  )",
                {}) == "");
}

TEST_CASE("notices: what was told is told once, a restart in between or not; a freeze holds no notice back") {
  CHECK(watched(R"(
    incident ultra 'prod is down'
    restart
    incident ultra 'prod is down'
    kill hard 'looking at it'
    +29m
    events 0 kind=notify             | notify.sent notify.held
    restart
    +2m
    events 0 kind=notify             | notify.sent notify.held notify.sent
    notices                          | slack
  )",
                told({channel("slack")})) == "");
}

TEST_CASE("notices: a channel that is new is told of the ultras that are open, once") {
  for (const bool at_start : {false, true}) {
    Rig rig(told({channel("slack")}));
    op::IncidentOpen opened;
    opened.tier = Tier::ultra;
    opened.title = "prod is down";
    rig.ask(opened);
    opened.tier = Tier::concern;
    opened.title = "mail is slow";
    rig.ask(opened);
    const auto sent_to = [&](std::string_view channel) {
      std::string titles;
      for (const test::Value& entry : rig.events("notify.sent")) {
        if (entry.field("to")->text == channel) titles += entry.field("title")->text + ";";
      }
      return titles;
    };
    const std::string before = sent_to("slack");
    rig.configure(told({channel("slack"), channel("pager"), channel("mail", {Tier::concern})}), at_start);
    CHECK(sent_to("pager") == "ultra opened: prod is down;");
    CHECK(sent_to("mail").empty());
    CHECK(sent_to("slack") == before);
    rig.restart();
    rig.pass(60'000);
    CHECK(sent_to("pager") == "ultra opened: prod is down;");
  }
}

// 500 times red in a week, each time for less than it takes to close the incident.
TEST_CASE("a week: a daemon that flaps is one incident and three notices") {
  core::BusConfig config = told({channel("slack")});
  config.incidents.settle_ms = 3'600'000;
  for (const bool restarts : {false, true}) {
    Rig rig(config, restarts);
    op::Beat beat;
    beat.daemon = "svc";
    beat.interval_ms = 300'000;
    const auto flap = [&] {
      rig.ask(beat);
      rig.pass(18 * 60'000);
    };
    flap();
    op::IncidentAck ack;
    ack.id = "i1";
    ack.owner = "ann";
    CHECK(rig.ask(ack).text == "OK");
    for (int i = 0; i < 500; ++i) flap();
    const test::Value incident = rig.ask(op::IncidentGet{"i1"});
    CHECK(incident.field("state")->text == "open");
    CHECK(incident.field("tier")->text == "concern");
    CHECK(incident.field("count")->number == 501);
    rig.ask(beat);
    beat.state = "stopping";
    rig.ask(beat);
    rig.pass(3 * 3'600'000);
    CHECK(rig.events("incident.opened").size() == 1);
    CHECK(rig.events("incident.closed").size() == 1);
    CHECK(rig.events("notify.sent").size() == 3);
  }
}

}  // namespace pawl::ops
