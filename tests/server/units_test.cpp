// The parts of the server that need no socket.
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>

#include "bus/server/address.h"
#include "bus/server/glob.h"
#include "bus/server/reply_queue.h"
#include "bus/server/worker.h"

namespace pawl::server {
namespace {

TEST_CASE("address: HOST:PORT or a text that says what was expected") {
  struct Row {
    const char* text;
    bool ok;
    const char* host;
    int port;
  };
  const Row rows[] = {{"127.0.0.1:7295", true, "127.0.0.1", 7295},
                      {"127.0.0.1:0", true, "127.0.0.1", 0},
                      {"[::1]:80", true, "::1", 80},
                      {"localhost:1", true, "localhost", 1},
                      {"0.0.0.0:65535", true, "0.0.0.0", 65535},
                      {"127.0.0.1:65536", false, "", 0},
                      {"127.0.0.1:-1", false, "", 0},
                      {"127.0.0.1:", false, "", 0},
                      {"127.0.0.1", false, "", 0},
                      {"::1:80", false, "", 0},
                      {"example.org:80", false, "", 0},
                      {":80", false, "", 0},
                      {"", false, "", 0}};
  for (const Row& row : rows) {
    INFO(row.text);
    const auto address = parse_address(row.text);
    REQUIRE(address.ok() == row.ok);
    if (!row.ok) {
      CHECK(address.error().text.find("HOST:PORT") != std::string::npos);
      continue;
    }
    CHECK(address->host == row.host);
    CHECK(address->port == row.port);
  }
  CHECK(to_text({"::1", 80}) == "[::1]:80");
  CHECK(is_loopback({"127.8.0.1", 1}));
  CHECK(is_loopback({"::1", 1}));
  CHECK_FALSE(is_loopback({"0.0.0.0", 1}));
  CHECK_FALSE(is_loopback({"::", 1}));
}

TEST_CASE("glob: as redis, and never exponential") {
  struct Row {
    const char* pattern;
    const char* text;
    bool match;
  };
  const Row rows[] = {{"", "", true},
                      {"", "a", false},
                      {"*", "", true},
                      {"*", "abc", true},
                      {"a*c", "abbc", true},
                      {"a*c", "abbd", false},
                      {"a?c", "abc", true},
                      {"a?c", "ac", false},
                      {"h[ae]llo", "hallo", true},
                      {"h[ae]llo", "hillo", false},
                      {"h[^e]llo", "hallo", true},
                      {"h[^e]llo", "hello", false},
                      {"h[a-c]", "hb", true},
                      {"h[c-a]", "hb", true},
                      {"h[a-c]", "hd", false},
                      {"a\\*", "a*", true},
                      {"a\\*", "ab", false},
                      {"*a*b*", "xxaxxbxx", true},
                      {"*a*b*", "xxbxxaxx", false},
                      {"[", "[", false},
                      {"[abc", "a", true},
                      {"news.*", "news.art", true},
                      {"a[\\]]b", "a]b", true}};
  for (const Row& row : rows) {
    INFO(row.pattern << " " << row.text);
    CHECK(glob_match(row.pattern, row.text) == row.match);
  }
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "a*";
  const auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(glob_match(pattern + "b", std::string(400, 'a')));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
}

// Writes one reply into the queue.
void reply(ReplyQueue& queue, const std::string& text, uint64_t sequence) {
  queue.buffer() += text;
  queue.end_reply(sequence);
}

TEST_CASE("replies: leave in order, when their batch is durable") {
  ReplyQueue queue;
  reply(queue, "a", 0);
  CHECK(queue.to_send() == "a");
  reply(queue, "b", 5);
  reply(queue, "c", 0);  // could leave, but not before b
  reply(queue, "d", 6);
  CHECK(queue.to_send() == "a");
  CHECK(queue.holds());
  queue.release(4);
  CHECK(queue.to_send() == "a");
  queue.release(5);
  CHECK(queue.to_send() == "abc");
  queue.sent(2);
  CHECK(queue.to_send() == "c");
  queue.release(6);
  CHECK(queue.to_send() == "cd");
  queue.sent(2);
  CHECK(queue.idle());
  reply(queue, "e", 0);
  CHECK(queue.to_send() == "e");
}

TEST_CASE("replies: what is held when the commit fails is dropped, what is durable stays") {
  ReplyQueue queue;
  reply(queue, "a", 5);
  reply(queue, "b", 6);
  reply(queue, "c", ReplyQueue::never);
  queue.release(5);
  CHECK(queue.drop_held());
  CHECK(queue.to_send() == "a");
  queue.release(UINT64_MAX - 1);
  CHECK(queue.to_send() == "a");
  CHECK_FALSE(queue.drop_held());
}

TEST_CASE("replies: a claim is undelivered until the last byte of its reply was taken") {
  ReplyQueue queue;
  const HandedOut first{{1, 8, 1}, 11};
  const HandedOut second{{1, 8, 2}, 12};
  const auto claim_reply = [&](const HandedOut& claim, const std::string& text, uint64_t sequence) {
    queue.carries(claim);
    reply(queue, text, sequence);
  };
  claim_reply(first, "first", 3);
  claim_reply(second, "second", 4);
  CHECK(queue.undelivered().size() == 2);
  queue.release(3);
  queue.sent(4);
  CHECK(queue.undelivered().size() == 2);
  queue.sent(1);
  REQUIRE(queue.undelivered().size() == 1);
  CHECK(queue.undelivered()[0].token == 12);
  CHECK(queue.drop_held());
  // The batch is lost; the claim may be in the store all the same.
  CHECK(queue.undelivered().size() == 1);
}

TEST_CASE("replies: positions hold through a long stream") {
  ReplyQueue queue;
  std::string expected;
  std::string got;
  for (uint64_t i = 1; i <= 3000; ++i) {
    const std::string text(i % 97, static_cast<char>('a' + i % 26));
    expected += text;
    reply(queue, text, i);
    if (i % 3 == 0) queue.release(i - 1);
    const size_t take = std::min<size_t>(queue.to_send().size(), i % 211);
    got += queue.to_send().substr(0, take);
    queue.sent(take);
  }
  queue.release(3000);
  got += queue.to_send();
  CHECK(got == expected);
}

TEST_CASE("worker: runs one job at a time and says when it is done") {
  std::atomic<int> told{0};
  Worker worker([&] { ++told; });
  int value = 0;
  for (int i = 1; i <= 3; ++i) {
    worker.run([&, i] { value = i; });
    CHECK(worker.busy());
    while (!worker.wait_done(1'000'000)) {
    }
    REQUIRE(worker.take_done());
    CHECK_FALSE(worker.take_done());
    CHECK_FALSE(worker.busy());
    CHECK(value == i);
  }
  // Who waits need not be told; who does not wait is.
  told = 0;
  worker.run([] {});
  while (told == 0) std::this_thread::yield();
  CHECK(worker.take_done());
}

}  // namespace
}  // namespace pawl::server
