// What is said with a beat, and what is made of the answers.
#include "runner/heartbeat.h"

#include <catch2/catch.hpp>

using pawl::client::Command;
using pawl::client::Reply;
using pawl::runner::fresh_boot_id;
using pawl::runner::Heartbeat;

namespace {

Reply answer(std::vector<std::pair<const char*, int64_t>> fields) {
  std::vector<Reply> items;
  for (const auto& [name, value] : fields) {
    items.push_back(Reply::make_text(name));
    items.push_back(Reply::make_integer(value));
  }
  return Reply::make_array(std::move(items));
}

}  // namespace

TEST_CASE("heartbeat: at once, then each interval, one at a time") {
  Heartbeat heartbeat("runner-a", "b1", 5000);
  CHECK(heartbeat.due(1000));
  heartbeat.describe({"a", "b"}, {"slack"});
  CHECK(heartbeat.beat(1000, 3) == Command{"BEAT", "runner-a", "boot", "b1", "interval", "5000", "errors",
                                           "3", "state", "running", "roles", "a b", "needs", "slack"});
  CHECK_FALSE(heartbeat.due(100'000));  // the answer is not there
  const Reply reply = answer({{"interval", 5000}});
  heartbeat.on_reply(&reply, 1010);
  CHECK_FALSE(heartbeat.due(5999));
  CHECK(heartbeat.due(6000));
  CHECK(heartbeat.due_at_ms() == 6000);
  CHECK(heartbeat.farewell(4)[9] == "stopping");
}

TEST_CASE("heartbeat: the answer sets interval, verbose and reduce") {
  Heartbeat heartbeat("r", "b", 5000);
  heartbeat.beat(0, 0);
  const Reply first = answer({{"interval", 8000}, {"verbose", 1}, {"reduce", 1}, {"later", 7}});
  heartbeat.on_reply(&first, 10);
  CHECK(heartbeat.verbose());
  CHECK(heartbeat.reduce());
  CHECK(heartbeat.due_at_ms() == 8000);
  CHECK(heartbeat.beat(8000, 0)[5] == "8000");
  const Reply second = answer({{"interval", 1}, {"verbose", 0}, {"reduce", 0}});
  heartbeat.on_reply(&second, 8010);
  CHECK_FALSE(heartbeat.verbose());
  CHECK_FALSE(heartbeat.reduce());
  CHECK(heartbeat.due_at_ms() == 8100);  // not without end
}

TEST_CASE("heartbeat: without an answer again at once, without the command never") {
  Heartbeat heartbeat("r", "b", 5000);
  heartbeat.beat(0, 0);
  heartbeat.on_reply(nullptr, 700);
  CHECK(heartbeat.due(700));
  heartbeat.beat(700, 0);
  const Reply refused = Reply::make_error("DENIED you may not");
  heartbeat.on_reply(&refused, 710);
  CHECK_FALSE(heartbeat.unknown());
  CHECK(heartbeat.due(5700));
  heartbeat.beat(5700, 0);
  const Reply unknown = Reply::make_error("ERR unknown command 'BEAT'");
  heartbeat.on_reply(&unknown, 5710);
  CHECK(heartbeat.unknown());
  CHECK_FALSE(heartbeat.due(1'000'000));
  CHECK(heartbeat.due_at_ms() == INT64_MAX);
}

TEST_CASE("heartbeat: a boot id is another one each time") {
  const std::string one = fresh_boot_id();
  CHECK(one.size() == 12);
  CHECK(one != fresh_boot_id());
}
