// What a wire protocol has to say for the loop of load_loop.h: requests, where replies end, what they mean.
//
// A slot is one piece of work in flight. It goes through the steps of its measure one request after the other
// (push: one step; take: claim, end; cycle: push, claim, end), then begins again. A connection has as many
// slots as requests in flight; their replies come in the order of the requests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/bench/load_socket.h"

namespace pawl::bench {

struct Plan {
  int port = 0;
  std::string system;   // pawl, redis, beanstalkd, postgres
  std::string measure;  // push, take, cycle, …
  size_t connections = 1;
  size_t depth = 1;
  uint64_t ops = 0;
  size_t bytes = 256;
  size_t batch = 256;  // messages a request where requests hold many
  uint64_t warm = 0;   // messages at the beginning that are not counted

  size_t slots() const { return connections * depth; }
};

using Claim = std::pair<std::string, std::string>;  // id, token

struct Slot {
  size_t step = 0;
  std::vector<Claim> claims;  // what it has taken and not yet ended
  int64_t began_us = 0;
};

enum class Answer {
  step,   // on to the next request
  done,   // that was the last step
  empty,  // there was nothing to take just now: the same request again
  wrong,  // an error, or not what was asked for
};

class Driver {
 public:
  Driver() = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  virtual ~Driver() = default;

  // What has to be there before the clock starts; may take a part of the work away. The operations to
  // measure.
  virtual uint64_t prepare() = 0;
  // What a connection says before its first request.
  virtual void greet(Socket& /*socket*/) {}
  // The request of the slot's step.
  virtual void append_request(Slot& slot, std::string& out) = 0;
  // Length of the first whole reply, which take_answer() then looks at; 0 while it is not whole.
  virtual size_t reply_size(std::string_view unread) = 0;
  virtual Answer take_answer(Slot& slot, std::string_view reply) = 0;
  // After the clock stopped; `held` is what the slots still hold.
  virtual void settle(std::vector<Claim> /*held*/) {}
  // Messages of one operation.
  virtual uint64_t weight() const { return 1; }
};

std::unique_ptr<Driver> make_pawl_driver(const Plan& plan);
// Not a driver's: claims and acknowledges plan.ops messages a thousand at a time over one connection.
void drain_pawl(const Plan& plan);
std::unique_ptr<Driver> make_redis_driver(const Plan& plan);
std::unique_ptr<Driver> make_beanstalkd_driver(const Plan& plan);
std::unique_ptr<Driver> make_postgres_driver(const Plan& plan);

}  // namespace pawl::bench
