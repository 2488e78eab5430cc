// Who starts after whom.
#include "runner/start_order.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace pawl::runner;

namespace {

DaemonSpec daemon(std::string name, std::vector<std::string> after = {}) {
  DaemonSpec spec;
  spec.name = std::move(name);
  spec.after = std::move(after);
  spec.source = "pawl.toml:7";
  return spec;
}

std::string order_of(const std::vector<DaemonSpec>& daemons) {
  const auto order = start_order(daemons);
  if (!order) return order.error().text;
  std::string text;
  for (const size_t index : *order) text += (text.empty() ? "" : " ") + daemons[index].name;
  return text;
}

}  // namespace

TEST_CASE("start order: the order given where nothing else is asked for") {
  CHECK(order_of({}).empty());
  CHECK(order_of({daemon("c"), daemon("a"), daemon("b")}) == "c a b");
}

TEST_CASE("start order: each one behind what it comes after") {
  CHECK(order_of({daemon("c", {"b"}), daemon("b", {"a"}), daemon("a")}) == "a b c");
  CHECK(order_of({daemon("top", {"left", "right"}), daemon("left", {"base"}), daemon("right", {"base"}),
                  daemon("base")}) == "base left right top");
}

TEST_CASE("start order: a name that nobody has") {
  const std::string text = order_of({daemon("bus"), daemon("slack", {"bux"})});
  CHECK(text == R"(pawl.toml:7: daemon.slack.after names "bux", which nobody starts; did you mean "bus"?)");
  CHECK(order_of({daemon("bus"), daemon("slack", {"telephone"})}).find("there are bus") != std::string::npos);
}

TEST_CASE("start order: circles are shown whole") {
  CHECK(order_of({daemon("a", {"a"})}).find("closes a circle: a after a;") != std::string::npos);
  CHECK(order_of({daemon("x", {"a"}), daemon("a", {"b"}), daemon("b", {"c"}), daemon("c", {"a"})}) ==
        "pawl.toml:7: daemon.c.after closes a circle: a after b after c after a; take one of them out");
}

TEST_CASE("start order: a thousand in a row") {
  std::vector<DaemonSpec> daemons;
  for (int i = 999; i > 0; --i)
    daemons.push_back(daemon("d" + std::to_string(i), {"d" + std::to_string(i - 1)}));
  daemons.push_back(daemon("d0"));
  const auto order = start_order(daemons);
  REQUIRE(order.ok());
  CHECK(daemons[order->front()].name == "d0");
  CHECK(daemons[order->back()].name == "d999");
}
