// INCIDENT INSIGHTS, GRAPH and UNKNOWN over a whole bus, with restarts and a retention that is as short as
// the test needs it. Every table is played with a restart after each line as well: what the memory answers
// then must be the same.
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "bus/ops/memory.h"
#include "bus/ops/ops_config.h"
#include "bus/ops/registry.h"
#include "guards/registry.h"
#include "tests/scenario/scenario.h"

namespace pawl::ops {
namespace {

std::string remembered(const std::string& table, const core::BusConfig& config = {}) {
  return core::play(table, config, guards::make_guard_chain, make_ops);
}

}  // namespace

TEST_CASE("memory: insights of failures that still stand, the most costly first") {
  CHECK(remembered(R"(
    insights                         | none
    push web a                       | m1
    claim w@b1 web                   | m1
    fail m1 transient 'db 17 is gone' tokens=10 cost=500
    +1h
    claim w@b2 web                   | m1
    fail m1 bad_input 'row 3 is odd' tokens=5 cost=20
    insights                         | *2
    push web b                       | m2
    claim w@b1 web                   | m2
    fail m2 transient 'db 18 is gone' tokens=1 cost=1
    insights                         | *2
  )") == "");
}

TEST_CASE("memory: what no rule knows, and what one does") {
  core::BusConfig config;
  auto rules = std::make_shared<OpsConfig>();
  ClassifyRule rule;
  rule.name = "ours";
  rule.text = *Pattern::compile("moon");
  rule.becomes = core::ErrorClass::transient;
  rules->classify = {rule};
  config.office = rules;
  CHECK(remembered(R"(
    push web a                       | m1
    claim w@b1 web                   | m1
    fail m1 unknown 'phase of the moon'
    unknown                          | none
    +1h
    claim w@b1 web                   | m1
    fail m1 unknown 'something odd'
    +1h
    claim w@b1 web                   | m1
    fail m1 unknown 'connection refused'
    unknown                          | 1
  )",
                   config) == "");
}

TEST_CASE("memory: the graph of one fingerprint") {
  CHECK(remembered(R"(
    graph nothing                    | !NOTFOUND
    beat svc interval=1000 needs=db
    +10s
    push web a                       | m1
    claim w@b1 web                   | m1
    fail m1 transient 'svc does not answer'
    incidents                        | i1
    graph daemon:svc                 | beginnings=1 failures=0 example=daemon:svc preceded_by=0 followed_by=1
    +1h
    incidentclose i1                 | OK
    graph daemon:svc                 | beginnings=1 followed_by=1
  )") == "");
}

}  // namespace pawl::ops
