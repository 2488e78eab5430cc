#include "bus/protocol/frame_parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "bus/base/parse.h"

namespace pawl::protocol {
namespace {

// A length has at most 19 digits, else it does not fit into 63 bits.
constexpr size_t length_digits_max = 19;
// What a connection keeps between commands; the rest of a big command's room is given back.
constexpr size_t spans_kept = 256;
constexpr size_t unquoted_kept = 4096;

constexpr std::array<std::string_view, 9> http_methods = {"GET",    "POST",  "PUT",     "HEAD", "OPTIONS",
                                                          "DELETE", "PATCH", "CONNECT", "TRACE"};

bool is_blank(char c) { return c == ' ' || c == '\t'; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A browser made to send HTTP here could smuggle commands in the body: the first
// line that only HTTP would send ends the connection. "GET id" is a verb of ours.
bool is_http(const std::vector<std::string_view>& words) {
  if (words.empty()) return false;
  if (same_word(words[0], "Host:")) return true;
  const bool method = std::any_of(http_methods.begin(), http_methods.end(),
                                  [&](std::string_view name) { return same_word(name, words[0]); });
  if (!method || words.size() < 2) return false;
  if (words[1].starts_with('/')) return true;
  return std::any_of(words.begin() + 1, words.end(),
                     [](std::string_view word) { return word.starts_with("HTTP/"); });
}

std::string shown(char c) {
  if (c > ' ' && c < 0x7f) return {'\'', c, '\''};
  constexpr std::string_view hex = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return {'0', 'x', hex[byte >> 4], hex[byte & 15]};
}

// One double-quoted word, `at` behind its opening quote. False: no closing quote.
bool unquote_double(std::string_view line, size_t& at, std::string& out) {
  while (at < line.size()) {
    const char c = line[at++];
    if (c == '"') return true;
    if (c != '\\' || at == line.size()) {
      out += c;
      continue;
    }
    const char escaped = line[at++];
    switch (escaped) {
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'b':
        out += '\b';
        break;
      case 'a':
        out += '\a';
        break;
      case 'x': {
        const int high = at + 1 < line.size() ? hex_value(line[at]) : -1;
        const int low = high >= 0 ? hex_value(line[at + 1]) : -1;
        if (low < 0) {
          out += 'x';
          break;
        }
        out += static_cast<char>(high * 16 + low);
        at += 2;
        break;
      }
      default:
        out += escaped;
    }
  }
  return false;
}

bool unquote_single(std::string_view line, size_t& at, std::string& out) {
  while (at < line.size()) {
    const char c = line[at++];
    if (c == '\'') return true;
    if (c == '\\' && at < line.size() && line[at] == '\'') {
      out += line[at++];
      continue;
    }
    out += c;
  }
  return false;
}

}  // namespace

void FrameParser::reset() {
  at_ = 0;
  in_array_ = false;
  args_expected_ = 0;
  in_bulk_ = false;
  bulk_size_ = 0;
  spans_.clear();
  if (spans_.capacity() > spans_kept) spans_.shrink_to_fit();
}

Frame FrameParser::fail(Code code, std::string text) {
  reset();
  return Frame{FrameStatus::protocol_error, 0, make_error(code, std::move(text))};
}

Frame FrameParser::too_big(std::string text) {
  if (limits_.authenticated) return fail(Code::toobig, std::move(text));
  return fail(Code::noauth, "authenticate first: before AUTH, " + text);
}

Frame FrameParser::parse(std::string_view buffer, std::vector<std::string_view>& args) {
  args.clear();
  if (buffer.empty()) return {};
  return buffer[0] == '*' ? parse_array(buffer, args) : parse_inline(buffer, args);
}

FrameParser::Length FrameParser::read_length(std::string_view buffer, size_t at) {
  constexpr Length bad = {FrameStatus::protocol_error, 0, 0};
  size_t value = 0;
  size_t digits = 0;
  for (; at < buffer.size(); ++at) {
    const char c = buffer[at];
    if (c == '\r') {
      if (digits == 0) return bad;
      if (at + 1 == buffer.size()) return {FrameStatus::need_more, 0, 0};
      if (buffer[at + 1] != '\n') return bad;
      return {FrameStatus::complete, value, at + 2};
    }
    if (c < '0' || c > '9' || digits == length_digits_max) return bad;
    if (digits == 1 && value == 0) return bad;  // a leading zero
    value = value * 10 + static_cast<size_t>(c - '0');
    ++digits;
  }
  return {FrameStatus::need_more, 0, 0};
}

Frame FrameParser::parse_array(std::string_view buffer, std::vector<std::string_view>& args) {
  if (!in_array_) {
    const Length count = read_length(buffer, 1);
    if (count.status == FrameStatus::need_more) return {};
    if (count.status == FrameStatus::protocol_error) {
      return fail(Code::err, "Protocol error: invalid multibulk length; send a plain decimal count and CRLF");
    }
    if (count.value > limits_.args_max) {
      return too_big("a command has at most " + std::to_string(limits_.args_max) + " arguments, not " +
                     std::to_string(count.value));
    }
    in_array_ = true;
    args_expected_ = count.value;
    at_ = count.next;
  }
  while (spans_.size() < args_expected_) {
    if (!in_bulk_) {
      if (at_ == buffer.size()) return {};
      if (buffer[at_] != '$') {
        return fail(Code::err, "Protocol error: expected '$', got " + shown(buffer[at_]) +
                                   "; a command is an array of bulk strings");
      }
      const Length size = read_length(buffer, at_ + 1);
      if (size.status == FrameStatus::need_more) return {};
      if (size.status == FrameStatus::protocol_error) {
        return fail(Code::err, "Protocol error: invalid bulk length; send a plain decimal size and CRLF");
      }
      const size_t room = limits_.command_bytes_max;
      if (size.value > room || size.next + size.value + 2 > room) {
        return too_big("a command has at most " + std::to_string(room) + " bytes; send less at a time");
      }
      in_bulk_ = true;
      bulk_size_ = size.value;
      at_ = size.next;
    }
    if (buffer.size() - at_ < bulk_size_ + 2) return {};
    if (buffer[at_ + bulk_size_] != '\r' || buffer[at_ + bulk_size_ + 1] != '\n') {
      return fail(Code::err,
                  "Protocol error: no CRLF behind a bulk string; its length does not fit its bytes");
    }
    spans_.push_back({static_cast<uint32_t>(at_), static_cast<uint32_t>(bulk_size_)});
    at_ += bulk_size_ + 2;
    in_bulk_ = false;
  }
  for (const Span& span : spans_) args.push_back(buffer.substr(span.offset, span.size));
  Frame frame{FrameStatus::complete, at_, {}};
  reset();
  return frame;
}

Frame FrameParser::parse_inline(std::string_view buffer, std::vector<std::string_view>& args) {
  const char first = buffer[0];
  if (first == 0x16) {
    return fail(Code::err, "Protocol error: this port does not speak TLS");
  }
  if (static_cast<unsigned char>(first) < ' ' && first != '\r' && first != '\n' && first != '\t') {
    return fail(Code::err, "Protocol error: a command begins with '*' or a word, not with " + shown(first));
  }
  const size_t end = buffer.find('\n', at_);
  if (end == std::string_view::npos ? buffer.size() > limits_.inline_bytes_max
                                    : end > limits_.inline_bytes_max) {
    return too_big("an inline command has at most " + std::to_string(limits_.inline_bytes_max) +
                   " bytes; send an array of bulk strings");
  }
  if (end == std::string_view::npos) {
    at_ = buffer.size();
    return {};
  }
  std::string_view line = buffer.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!split_inline(line, args)) {
    args.clear();
    return fail(Code::err, "Protocol error: unbalanced quotes in request");
  }
  if (is_http(args)) {
    args.clear();
    return fail(Code::err, "Protocol error: this port speaks RESP, not HTTP; use the HTTP port of the bus");
  }
  if (args.size() > limits_.args_max) {
    args.clear();
    return too_big("a command has at most " + std::to_string(limits_.args_max) + " arguments");
  }
  reset();
  return Frame{FrameStatus::complete, end + 1, {}};
}

// Words as redis splits them: "…" with escapes, '…', and a closing quote ends the word.
bool FrameParser::split_inline(std::string_view line, std::vector<std::string_view>& args) {
  unquoted_.clear();
  if (unquoted_.capacity() > unquoted_kept) unquoted_.shrink_to_fit();
  size_t at = 0;
  while (true) {
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at == line.size()) return true;
    const size_t start = at;
    while (at < line.size() && !is_blank(line[at]) && line[at] != '"' && line[at] != '\'') ++at;
    if (at == line.size() || is_blank(line[at])) {
      args.push_back(line.substr(start, at - start));
      continue;
    }
    // Never longer than the line, so that the words' views stay put.
    if (unquoted_.capacity() < line.size()) unquoted_.reserve(line.size());
    const size_t word = unquoted_.size();
    unquoted_.append(line.substr(start, at - start));
    const char quote = line[at++];
    const bool closed =
        quote == '"' ? unquote_double(line, at, unquoted_) : unquote_single(line, at, unquoted_);
    if (!closed || (at < line.size() && !is_blank(line[at]))) return false;
    args.push_back(std::string_view(unquoted_).substr(word));
  }
}

}  // namespace pawl::protocol
