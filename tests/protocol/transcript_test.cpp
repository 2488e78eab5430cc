#include "tests/protocol/transcript.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "bus/protocol/command_table.h"

namespace pawl::protocol {
namespace {

std::string protocol_page() {
  std::ifstream file(PAWL_SOURCE_ROOT "/docs/protocol.md");
  REQUIRE(file.good());
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string compare(const std::string& expected, const std::string& wire, Bindings& bindings) {
  const auto blocks = read_transcripts("```transcript\n> X\n" + expected + "\n```\n");
  size_t at = 0;
  const auto reply = read_reply(wire, at);
  REQUIRE(reply);
  REQUIRE(at == wire.size());
  return mismatch(blocks.at(0).at(0), *reply, bindings);
}
std::string compare(const std::string& expected, const std::string& wire) {
  Bindings bindings;
  return compare(expected, wire, bindings);
}

}  // namespace

TEST_CASE("transcripts match replies of both versions, and nothing else") {
  const std::string flat = "*4\r\n$2\r\nid\r\n$3\r\nabc\r\n$7\r\nheaders\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n";
  const std::string map = "%2\r\n$2\r\nid\r\n$3\r\nabc\r\n$7\r\nheaders\r\n%1\r\n$1\r\nk\r\n$1\r\nv\r\n";
  for (const std::string& wire : {flat, map}) {
    CHECK(compare("id: abc\nheaders:\n  k: v", wire) == "");
    CHECK(compare("headers:\n  k: v\n...", wire) == "");
    CHECK(compare("id: abc", wire) != "");
    CHECK(compare("id: abd\n...", wire) != "");
    CHECK(compare("none: 1\n...", wire) != "");
    CHECK(compare("id: abc\nheaders: (empty)", wire) != "");
  }
  const std::string list = "*2\r\n$1\r\n0\r\n*1\r\n" + flat;
  CHECK(compare("- 0\n- - id: abc\n    headers:\n      k: v", list) == "");
  CHECK(compare("- 0\n- - id: abc\n    ...", list) == "");
  CHECK(compare("- 0\n...", list) == "");
  CHECK(compare("- 0", list) != "");
  CHECK(compare("- 0\n- (empty)", list) != "");
  CHECK(compare("- 0\n- - id: abc\n    ...\n- 1", list) != "");
  CHECK(compare("OK", "+OK\r\n") == "");
  CHECK(compare("OK", "-OK\r\n") != "");
  CHECK(compare("(nil)", "$-1\r\n") == "");
  CHECK(compare("(nil)", "_\r\n") == "");
  CHECK(compare("(nil)", "$0\r\n\r\n") != "");
  CHECK(compare("\"\"", "$0\r\n\r\n") == "");
  CHECK(compare("(empty)", "*0\r\n") == "");
  CHECK(compare("-7", ":-7\r\n") == "");
  CHECK(compare("(error) LOST <any> at=1", "-LOST gone away at=1\r\n") == "");
  CHECK(compare("(error) LOST <any> at=1", "-LOST gone away at=2\r\n") != "");
}

TEST_CASE("placeholders bind and hold") {
  Bindings bindings;
  CHECK(compare("<id>", "$3\r\nabc\r\n", bindings) == "");
  CHECK(compare("<id>", "$3\r\nabc\r\n", bindings) == "");
  CHECK(compare("<id>", "$3\r\nabd\r\n", bindings) != "");
  CHECK(compare("<ms>", ":5\r\n", bindings) == "");
  CHECK(compare("<ms>", ":6\r\n", bindings) == "");
  CHECK(compare("<ms>", "$1\r\nx\r\n", bindings) != "");
  TranscriptStep step{1, "ACK <id> \"a b\"", {}};
  CHECK(command_words(step, bindings) == std::vector<std::string>{"ACK", "abc", "a b"});
  step.command = "ACK <token>";
  CHECK(!command_words(step, bindings));
}

TEST_CASE("the page has every command and every error code") {
  const std::string page = protocol_page();
  for (const Command& command : all_commands()) {
    INFO(command.usage);
    const bool named_only =
        command.name() == command.usage && page.find("**`" + command.name() + "`**") != std::string::npos;
    CHECK((named_only || page.find(command.usage) != std::string::npos));
  }
  for (int code = 0; code <= static_cast<int>(Code::execabort); ++code) {
    const std::string row = "| `" + std::string(code_name(static_cast<Code>(code))) + "` |";
    INFO(row);
    CHECK(page.find(row) != std::string::npos);
  }
}

TEST_CASE("every command of the page decodes, or gets the error that stands there") {
  const auto blocks = read_transcripts(protocol_page());
  CHECK(blocks.size() >= 12);
  for (const Transcript& block : blocks) {
    Bindings bound;  // every <word> as a well-formed id
    for (const TranscriptStep& step : block) {
      INFO("line " << step.line << ": " << step.command);
      REQUIRE(!step.expected.empty());
      const auto words = command_words(step, bound);
      REQUIRE(words);
      const std::vector<std::string_view> views(words->begin(), words->end());
      const Decoded decoded = decode(views);
      if (const auto* fault = std::get_if<Error>(&decoded)) {
        WireReply reply{WireReply::Kind::error, error_line(*fault), {}};
        CHECK(mismatch(step, reply, bound) == "");
      }
      for (const std::string& line : step.expected) {
        for (size_t at = line.find('<'); at != std::string::npos; at = line.find('<', at + 1)) {
          bound.emplace(line.substr(at + 1, line.find('>', at) - at - 1), "0");
        }
      }
    }
  }
}

}  // namespace pawl::protocol
