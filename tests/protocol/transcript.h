// The transcripts of docs/protocol.md: reads them, and compares what they expect
// with replies. The last section of that page describes the form.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pawl::protocol {

struct TranscriptStep {
  size_t line = 0;                    // of the command, from 1
  std::string command;                // as typed, with placeholders
  std::vector<std::string> expected;  // lines of the reply
};
// One fenced block; runs on a connection of its own.
using Transcript = std::vector<TranscriptStep>;

std::vector<Transcript> read_transcripts(std::string_view markdown);

// What <word>s stand for, within one block.
using Bindings = std::map<std::string, std::string>;

// The command's words with placeholders filled in; nothing when one is not bound yet or quotes are
// unbalanced.
std::optional<std::vector<std::string>> command_words(const TranscriptStep& step, const Bindings& bindings);

// A reply off the wire, of either RESP version.
struct WireReply {
  enum class Kind : uint8_t { nil, text, error, list, map };
  Kind kind = Kind::nil;
  std::string text;  // text, error; a number as text
  std::vector<WireReply> items;
};
// Takes one reply from bytes[at…] and moves `at` behind it; nothing when it has not come as a whole.
std::optional<WireReply> read_reply(std::string_view bytes, size_t& at);

// Why the reply is not what the step expects, or an empty text. Binds new placeholders.
std::string mismatch(const TranscriptStep& step, const WireReply& reply, Bindings& bindings);
// The same for a text against one line with placeholders.
bool matches(std::string_view pattern, std::string_view text, Bindings& bindings);

}  // namespace pawl::protocol
