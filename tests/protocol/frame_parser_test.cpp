#include "bus/protocol/frame_parser.h"

#include <catch2/catch.hpp>
#include <memory>
#include <random>

namespace pawl::protocol {
namespace {

using Words = std::vector<std::string>;

std::string frame(const Words& words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return out;
}

// What a connection sees: commands, then maybe the error that ends it.
struct Outcome {
  std::vector<Words> commands;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

// Feeds `bytes` in pieces cut at `cuts` (ascending). Every call gets a buffer of its
// own at a new address and of exact size, so that a view kept too long is an error under asan.
Outcome feed(const std::string& bytes, const std::vector<size_t>& cuts,
             const FrameLimits& limits = FrameLimits::full()) {
  FrameParser parser(limits);
  Outcome outcome;
  std::vector<std::string_view> args;
  std::string pending;
  size_t from = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const size_t to = i == cuts.size() ? bytes.size() : cuts[i];
    pending.append(bytes, from, to - from);
    from = to;
    while (true) {
      const std::unique_ptr<char[]> copy(new char[pending.size() + 1]);
      pending.copy(copy.get(), pending.size());
      const Frame got = parser.parse(std::string_view(copy.get(), pending.size()), args);
      if (got.status == FrameStatus::protocol_error) {
        outcome.error = error_line(got.error);
        return outcome;
      }
      if (got.status == FrameStatus::need_more) {
        REQUIRE(got.consumed == 0);
        break;
      }
      REQUIRE(got.consumed > 0);
      REQUIRE(got.consumed <= pending.size());
      if (!args.empty()) outcome.commands.emplace_back(args.begin(), args.end());
      pending.erase(0, got.consumed);
    }
  }
  return outcome;
}

std::vector<size_t> every_byte(const std::string& bytes) {
  std::vector<size_t> cuts;
  for (size_t i = 1; i < bytes.size(); ++i) cuts.push_back(i);
  return cuts;
}

const std::string stream = frame({"PUSH", "research", std::string("pay\0load\r\n", 10), "PRIORITY", "9"}) +
                           "PING\r\n" + frame({"ACK", "", "x"}) +
                           "\r\n*0\r\nPING \"a b\\x00\\n\" 'it\\'s'\n" + frame({"GET", "0123456789abcdef"}) +
                           "GET id\r\n";

const Outcome stream_outcome = {{{"PUSH", "research", std::string("pay\0load\r\n", 10), "PRIORITY", "9"},
                                 {"PING"},
                                 {"ACK", "", "x"},
                                 {"PING", std::string("a b\0\n", 5), "it's"},
                                 {"GET", "0123456789abcdef"},
                                 {"GET", "id"}},
                                ""};

}  // namespace

TEST_CASE("commands parse the same wherever the stream is cut") {
  CHECK(feed(stream, {}) == stream_outcome);
  CHECK(feed(stream, every_byte(stream)) == stream_outcome);
  for (size_t cut = 1; cut < stream.size(); ++cut) {
    INFO("cut at " << cut);
    CHECK(feed(stream, {cut}) == stream_outcome);
  }
}

TEST_CASE("what is no command is a protocol error, however it is cut") {
  struct Row {
    std::string bytes;
    std::string begins;
  };
  const Row rows[] = {
      {"*-1\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*+1\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*01\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*00\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*\r\n", "ERR Protocol error: invalid multibulk length"},
      {"* 1\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*1x\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*1\n$4\r\nPING\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*1\r$4\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*99999999999999999999\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*9223372036854775807\r\n", "TOOBIG a command has at most 20016 arguments"},
      {"*20017\r\n", "TOOBIG a command has at most 20016 arguments"},
      {"*1\r\n:1\r\n", "ERR Protocol error: expected '$', got ':'"},
      {"*1\r\n\r\n", "ERR Protocol error: expected '$', got 0x0d"},
      {"*1\r\n$-1\r\n", "ERR Protocol error: invalid bulk length"},
      {"*1\r\n$+4\r\nPING\r\n", "ERR Protocol error: invalid bulk length"},
      {"*1\r\n$04\r\nPING\r\n", "ERR Protocol error: invalid bulk length"},
      {"*1\r\n$\r\nPING\r\n", "ERR Protocol error: invalid bulk length"},
      {"*1\r\n$18446744073709551616\r\n", "ERR Protocol error: invalid bulk length"},
      {"*1\r\n$9999999999999999999\r\n", "TOOBIG a command has at most 8388608 bytes"},
      {"*1\r\n$8388608\r\n", "TOOBIG a command has at most 8388608 bytes"},
      {"*1\r\n$3\r\nPING\r\n", "ERR Protocol error: no CRLF behind a bulk string"},
      {"*1\r\n$5\r\nPING\r\n\r\n", "ERR Protocol error: no CRLF behind a bulk string"},
      {"*1\r\n$4\r\nPING\rX", "ERR Protocol error: no CRLF behind a bulk string"},
      {"*1\r\n$4\r\nPING\n\n", "ERR Protocol error: no CRLF behind a bulk string"},
      {"PING \"abc\r\n", "ERR Protocol error: unbalanced quotes"},
      {"PING 'abc\r\n", "ERR Protocol error: unbalanced quotes"},
      {"PING \"a\"b\r\n", "ERR Protocol error: unbalanced quotes"},
      {"PING \"a\\\r\n", "ERR Protocol error: unbalanced quotes"},
      {"\x16\x03\x01", "ERR Protocol error: this port does not speak TLS"},
      {std::string("\0PING\r\n", 7),
       "ERR Protocol error: a command begins with '*' or a word, not with 0x00"},
      {"GET / HTTP/1.1\r\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
      {"get /x\r\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
      {"POST /push HTTP/1.0\r\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
      {"OPTIONS * HTTP/1.1\r\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
      {"CONNECT localhost:1 HTTP/1.1\r\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
      {"PUT /\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
      {"HEAD /\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
      {"DELETE /\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
      {"PATCH /\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
      {"TRACE /\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
      {"Host: localhost\r\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
      {"host:\r\n", "ERR Protocol error: this port speaks RESP, not HTTP"},
  };
  for (const Row& row : rows) {
    INFO(row.bytes);
    // A valid command before it is still answered.
    const Outcome whole = feed(frame({"PING"}) + row.bytes, {});
    CHECK(whole.commands == std::vector<Words>{{"PING"}});
    CHECK(whole.error.substr(0, row.begins.size()) == row.begins);
    CHECK(feed(row.bytes, every_byte(row.bytes)).error == whole.error);
  }
}

TEST_CASE("views of quoted inline words stay put while further words are unquoted") {
  const std::string word(40, 'w');
  std::string line = "ECHO";
  Words words{"ECHO"};
  for (int i = 0; i < 30; ++i) {
    line += " \"" + word + "\"";
    words.push_back(word);
  }
  CHECK(feed(line + "\r\n", {}).commands == std::vector<Words>{words});
}

TEST_CASE("verbs of ours that HTTP has too stay ours") {
  CHECK(feed("GET abc\r\nget HTTP\r\nDELETE x\r\nPOST x\r\n", {}).commands.size() == 4);
  // In an array the words are data: a payload may begin with a slash.
  CHECK(feed(frame({"GET", "/"}), {}).error.empty());
}

TEST_CASE("limits hold before the bytes arrive") {
  const FrameLimits tight = FrameLimits::unauthenticated();
  CHECK(feed("*11\r\n", {}, tight).error.starts_with("NOAUTH authenticate first"));
  CHECK(feed("*1\r\n$16384\r\n", {}, tight).error.starts_with("NOAUTH authenticate first"));
  CHECK(feed(std::string(16385, 'a'), {}, tight).error.starts_with("NOAUTH authenticate first"));
  CHECK(feed("a b c d e f g h i j k\r\n", {}, tight).error.starts_with("NOAUTH authenticate first"));
  CHECK(feed(frame({"AUTH", "secret"}), {}, tight).commands.size() == 1);
  CHECK(feed(std::string(65537, 'a'), {}).error.starts_with("TOOBIG an inline command"));
  CHECK(feed(std::string(65537, 'a') + "\n", {}).error.starts_with("TOOBIG an inline command"));
  CHECK(feed(std::string(65536, 'a') + "\n", {}).commands.size() == 1);
}

TEST_CASE("a command may fill the byte limit and not one byte more") {
  FrameLimits limits = FrameLimits::full();
  limits.command_bytes_max = 100;
  std::string whole = frame({"ECHO", std::string(79, 'x')});
  REQUIRE(whole.size() == 100);
  CHECK(feed(whole, {}, limits).commands.size() == 1);
  CHECK(feed(frame({"ECHO", std::string(80, 'x')}), {}, limits).error.starts_with("TOOBIG"));
  // Many small words count as well.
  CHECK(feed(frame(Words(20, "x")), {}, limits).error.starts_with("TOOBIG"));
}

TEST_CASE("new limits reach a command that has begun, and reset forgets it") {
  FrameParser parser(FrameLimits::unauthenticated());
  std::vector<std::string_view> args;
  CHECK(parser.parse("*2\r\n$4\r\nEC", args).status == FrameStatus::need_more);
  parser.set_limits(FrameLimits::full());
  const std::string big = frame({"ECHO", std::string(20'000, 'x')});
  CHECK(parser.parse(big, args).status == FrameStatus::complete);
  CHECK(parser.parse("*2\r\n$4\r\nECHO\r\n", args).status == FrameStatus::need_more);
  parser.reset();
  const Frame got = parser.parse("PING\r\n", args);
  CHECK(got.status == FrameStatus::complete);
  CHECK(got.consumed == 6);
}

TEST_CASE("ten thousand words that arrive byte by byte are scanned once") {
  Words words{"MPUSH", "r"};
  for (int i = 0; i < 10'000; ++i) words.push_back("p" + std::to_string(i));
  const std::string bytes = frame(words);
  FrameParser parser;
  std::vector<std::string_view> args;
  for (size_t i = 1; i < bytes.size(); ++i) {
    const Frame got = parser.parse(std::string_view(bytes).substr(0, i), args);
    if (got.status != FrameStatus::need_more) FAIL("ended at " << i);
  }
  CHECK(parser.parse(bytes, args).consumed == bytes.size());
  CHECK(Words(args.begin(), args.end()) == words);
}

TEST_CASE("mutated streams end the same whole and in pieces, and never run over") {
  std::mt19937 random(20240607);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  constexpr std::string_view spice = "*$\r\n0123456789-+:\"'\\ x\x16";
  for (int round = 0; round < 4000; ++round) {
    std::string bytes = stream;
    for (size_t edits = 1 + below(4); edits > 0; --edits) {
      const size_t at = below(bytes.size());
      switch (below(4)) {
        case 0:
          bytes[at] = spice[below(spice.size())];
          break;
        case 1:
          bytes[at] = static_cast<char>(below(256));
          break;
        case 2:
          bytes.insert(at, 1, spice[below(spice.size())]);
          break;
        default:
          bytes.erase(at, 1 + below(3));
          break;
      }
      if (bytes.empty()) bytes = "x";
    }
    std::vector<size_t> cuts;
    for (size_t at = below(9); at < bytes.size(); at += 1 + below(9)) {
      if (at > 0) cuts.push_back(at);
    }
    INFO("round " << round);
    const Outcome whole = feed(bytes, {});
    REQUIRE(feed(bytes, cuts) == whole);
  }
}

}  // namespace pawl::protocol
