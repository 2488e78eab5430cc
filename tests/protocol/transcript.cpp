#include "tests/protocol/transcript.h"

#include <algorithm>
#include <cctype>

#include "bus/base/parse.h"
#include "bus/protocol/frame_parser.h"

namespace pawl::protocol {
namespace {

using Lines = std::vector<std::string>;

std::vector<std::string> split_lines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The placeholder that begins at text[at], without its brackets; empty: none does.
std::string_view placeholder(std::string_view text, size_t at) {
  if (text[at] != '<') return {};
  const size_t end = text.find('>', at);
  if (end == std::string_view::npos || end == at + 1) return {};
  const std::string_view name = text.substr(at + 1, end - at - 1);
  const bool fine = std::all_of(name.begin(), name.end(), [](char c) { return std::isalnum(c) != 0; });
  return fine ? name : std::string_view();
}

bool is_number(std::string_view text) { return parse_int(text).has_value(); }

// A reply's text on one line.
std::string shown(std::string_view bytes) {
  if (bytes.empty()) return "\"\"";
  std::string line;
  for (const char c : bytes) {
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\r') {
      line += "\\r";
    } else {
      line += c;
    }
  }
  return line;
}

// The name of a "name: value" or "name:" line; empty: it is no such line.
std::string_view field_name(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  if (colon + 1 < line.size() && line[colon + 1] != ' ') return {};
  const std::string_view name = line.substr(0, colon);
  const bool fine =
      std::all_of(name.begin(), name.end(), [](char c) { return std::islower(c) != 0 || c == '_'; });
  return fine ? name : std::string_view();
}

std::string match_block(const Lines& lines, const WireReply& reply, Bindings& bindings);

// lines[at] without its first two characters, and the indented ones below it likewise.
Lines take_item(const Lines& lines, size_t& at) {
  Lines item{lines[at++].substr(2)};
  while (at < lines.size() && lines[at].starts_with("  ")) item.push_back(lines[at++].substr(2));
  return item;
}

std::string match_list(const Lines& lines, const WireReply& reply, Bindings& bindings) {
  if (reply.kind != WireReply::Kind::list) return "an array is expected";
  size_t index = 0;
  for (size_t at = 0; at < lines.size();) {
    if (lines[at] == "...") return at + 1 == lines.size() ? "" : "lines follow on '...'";
    if (!lines[at].starts_with("- ")) return "no line of an array: " + lines[at];
    const Lines item = take_item(lines, at);
    if (index == reply.items.size()) return "more elements are expected, from: " + item[0];
    const std::string why = match_block(item, reply.items[index++], bindings);
    if (!why.empty()) return "element " + std::to_string(index) + ": " + why;
  }
  return index == reply.items.size() ? "" : "the array has more elements than expected";
}

std::string match_map(const Lines& lines, const WireReply& reply, Bindings& bindings) {
  const bool is_map = reply.kind == WireReply::Kind::map || reply.kind == WireReply::Kind::list;
  if (!is_map || reply.items.size() % 2 != 0) return "a map is expected";
  size_t fields = 0;
  for (size_t at = 0; at < lines.size();) {
    if (lines[at] == "...") return at + 1 == lines.size() ? "" : "lines follow on '...'";
    const std::string name(field_name(lines[at]));
    if (name.empty()) return "no line of a map: " + lines[at];
    Lines value;
    if (lines[at].size() > name.size() + 1) value.push_back(lines[at].substr(name.size() + 2));
    ++at;
    while (at < lines.size() && lines[at].starts_with("  ")) value.push_back(lines[at++].substr(2));
    const WireReply* found = nullptr;
    for (size_t i = 0; i < reply.items.size(); i += 2) {
      if (reply.items[i].text == name) found = &reply.items[i + 1];
    }
    if (found == nullptr) return "there is no field " + name;
    const std::string why = match_block(value, *found, bindings);
    if (!why.empty()) return name + ": " + why;
    ++fields;
  }
  return fields * 2 == reply.items.size() ? "" : "the map has more fields than expected";
}

std::string match_scalar(const std::string& line, const WireReply& reply, Bindings& bindings) {
  using Kind = WireReply::Kind;
  if (line == "(nil)") return reply.kind == Kind::nil ? "" : "null is expected";
  if (line == "(empty)") {
    const bool empty = (reply.kind == Kind::list || reply.kind == Kind::map) && reply.items.empty();
    return empty ? "" : "an empty array or map is expected";
  }
  std::string text;
  if (reply.kind == Kind::error) text = "(error) " + reply.text;
  if (reply.kind == Kind::text) text = shown(reply.text);
  if (text.empty()) return "expected: " + line;
  // A value whose own text begins with "(error)" is none: docs do not use it.
  return matches(line, text, bindings) ? "" : "expected: " + line + ", got: " + text;
}

std::string match_block(const Lines& lines, const WireReply& reply, Bindings& bindings) {
  if (lines.empty()) return "no reply is written down";
  if (lines[0].starts_with("- ")) return match_list(lines, reply, bindings);
  if (!field_name(lines[0]).empty()) return match_map(lines, reply, bindings);
  if (lines.size() > 1) return "a text stands on one line, not before: " + lines[1];
  return match_scalar(lines[0], reply, bindings);
}

bool match_from(std::string_view pattern, std::string_view text, Bindings& bindings) {
  if (pattern.empty()) return text.empty();
  const std::string_view name = placeholder(pattern, 0);
  if (name.empty()) {
    return !text.empty() && text[0] == pattern[0] && match_from(pattern.substr(1), text.substr(1), bindings);
  }
  const std::string_view rest = pattern.substr(name.size() + 2);
  for (size_t size = text.size(); size > 0; --size) {
    const std::string_view part = text.substr(0, size);
    Bindings tried = bindings;
    if (name == "ms" || name == "n") {
      if (!is_number(part)) continue;
    } else if (name != "any") {
      if (part.find(' ') != std::string_view::npos) continue;
      if (tried.emplace(name, part).first->second != part) continue;
    }
    if (!match_from(rest, text.substr(size), tried)) continue;
    bindings = std::move(tried);
    return true;
  }
  return false;
}

}  // namespace

std::vector<Transcript> read_transcripts(std::string_view markdown) {
  std::vector<Transcript> blocks;
  bool inside = false;
  size_t number = 0;
  for (const std::string& line : split_lines(markdown)) {
    ++number;
    if (line == "```transcript") {
      inside = true;
      blocks.emplace_back();
    } else if (line == "```") {
      inside = false;
    } else if (inside && line.starts_with("> ")) {
      blocks.back().push_back({number, line.substr(2), {}});
    } else if (inside && !blocks.back().empty()) {
      blocks.back().back().expected.push_back(line);
    }
  }
  return blocks;
}

std::optional<std::vector<std::string>> command_words(const TranscriptStep& step, const Bindings& bindings) {
  std::string line;
  for (size_t at = 0; at < step.command.size();) {
    const std::string_view name = placeholder(step.command, at);
    if (name.empty()) {
      line += step.command[at++];
      continue;
    }
    const auto bound = bindings.find(std::string(name));
    if (bound == bindings.end()) return std::nullopt;
    line += bound->second;
    at += name.size() + 2;
  }
  line += "\r\n";
  FrameParser parser;
  std::vector<std::string_view> words;
  if (parser.parse(line, words).status != FrameStatus::complete) return std::nullopt;
  return std::vector<std::string>(words.begin(), words.end());
}

std::optional<WireReply> read_reply(std::string_view bytes, size_t& at) {
  const size_t end = bytes.find("\r\n", at);
  if (end == std::string_view::npos) return std::nullopt;
  const char kind = bytes[at];
  const std::string line(bytes.substr(at + 1, end - at - 1));
  size_t next = end + 2;
  WireReply reply;
  if (kind == '+' || kind == ':' || kind == '-') {
    reply.kind = kind == '-' ? WireReply::Kind::error : WireReply::Kind::text;
    reply.text = line;
  } else if (kind == '$' && line != "-1") {
    const auto size = static_cast<size_t>(parse_int(line).value_or(0));
    if (bytes.size() < next + size + 2) return std::nullopt;
    reply.kind = WireReply::Kind::text;
    reply.text = bytes.substr(next, size);
    next += size + 2;
  } else if ((kind == '*' && line != "-1") || kind == '%' || kind == '>') {
    reply.kind = kind == '%' ? WireReply::Kind::map : WireReply::Kind::list;
    const auto count = parse_int(line).value_or(0) * (kind == '%' ? 2 : 1);
    for (int64_t i = 0; i < count; ++i) {
      auto item = read_reply(bytes, next);
      if (!item) return std::nullopt;
      reply.items.push_back(std::move(*item));
    }
  }
  at = next;
  return reply;
}

std::string mismatch(const TranscriptStep& step, const WireReply& reply, Bindings& bindings) {
  const std::string why = match_block(step.expected, reply, bindings);
  return why.empty() ? "" : "line " + std::to_string(step.line) + ": > " + step.command + ": " + why;
}

bool matches(std::string_view pattern, std::string_view text, Bindings& bindings) {
  return match_from(pattern, text, bindings);
}

}  // namespace pawl::protocol
