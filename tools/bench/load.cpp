// Load over raw sockets: N connections with D requests in flight each, one epoll loop, one read and one write
// a connection and turn. Lighter than redis-benchmark, and the same for every server.
//
//   bench_load PORT WHAT CONNECTIONS DEPTH OPS [BYTES [BATCH [WARM]]]
//   WHAT: SYSTEM:MEASURE
//     pawl, redis, beanstalkd, postgres
//       push    OPS messages, one a request
//       take    OPS messages that are there: claim one, end it
//       cycle   push, take, end, one after the other in each slot; OPS times
//       ping    (pawl, redis) nothing
//     pawl alone; without "pawl:" too
//       claim   claims OPS messages, one a request, and leaves them claimed
//       ack     claims OPS messages first (not measured), then acknowledges them one a request
//       next    ACK … NEXT: each request ends one claim and takes the next; the last claims stay
//       batch   MPUSH, CLAIM COUNT, MACK of BATCH messages each (default 256); OPS counts messages
//       drain   claims and acknowledges OPS messages a thousand at a time over one connection
//   lpush is redis:push. WARM operations (messages) at the beginning are done but not counted.
//
// One line of JSON on stdout. Messages are those of the role, list, tube or table "bench".
#include <cstdlib>
#include <memory>
#include <string>

#include "tools/bench/load_driver.h"
#include "tools/bench/load_loop.h"

namespace {

using namespace pawl::bench;

std::unique_ptr<Driver> make_driver(const Plan& plan) {
  if (plan.system == "pawl") return make_pawl_driver(plan);
  if (plan.system == "redis") return make_redis_driver(plan);
  if (plan.system == "beanstalkd") return make_beanstalkd_driver(plan);
  if (plan.system == "postgres") return make_postgres_driver(plan);
  die("what is " + plan.system + "? See the head of load.cpp");
}

void split_what(const std::string& what, Plan& plan) {
  const size_t colon = what.find(':');
  plan.system = colon == std::string::npos ? "pawl" : what.substr(0, colon);
  plan.measure = colon == std::string::npos ? what : what.substr(colon + 1);
  if (what == "lpush") {
    plan.system = "redis";
    plan.measure = "push";
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) die("usage: bench_load PORT WHAT CONNECTIONS DEPTH OPS [BYTES [BATCH [WARM]]]");
  const auto number = [&](int i) { return static_cast<size_t>(std::strtoull(argv[i], nullptr, 10)); };
  Plan plan;
  plan.port = static_cast<int>(number(1));
  split_what(argv[2], plan);
  plan.connections = number(3);
  plan.depth = number(4);
  plan.ops = number(5);
  if (argc > 6) plan.bytes = number(6);
  if (argc > 7) plan.batch = number(7);
  if (argc > 8) plan.warm = number(8);
  if (plan.slots() == 0 || plan.ops == 0 || plan.batch == 0) die("everything counts from 1");
  if (plan.system == "pawl" && plan.measure == "drain") {
    drain_pawl(plan);
    return 0;
  }
  const std::unique_ptr<Driver> driver = make_driver(plan);
  Loop(plan, *driver).run();
}
