#include "bus/client/reply.h"

#include <array>

#include "bus/base/parse.h"

namespace pawl::client {
namespace {

constexpr std::array known_codes = {Code::err,      Code::frozen,   Code::quota,     Code::paused,
                                    Code::open,     Code::busy,     Code::lost,      Code::state,
                                    Code::notfound, Code::badarg,   Code::toobig,    Code::noauth,
                                    Code::denied,   Code::readonly, Code::notleader, Code::execabort};

}  // namespace

Reply Reply::make_integer(int64_t value) {
  Reply reply;
  reply.kind = Kind::integer;
  reply.number = value;
  return reply;
}

Reply Reply::make_text(std::string bytes) {
  Reply reply;
  reply.kind = Kind::text;
  reply.bytes = std::move(bytes);
  return reply;
}

Reply Reply::make_simple(std::string bytes) {
  Reply reply = make_text(std::move(bytes));
  reply.kind = Kind::simple;
  return reply;
}

Reply Reply::make_error(std::string line) {
  Reply reply = make_text(std::move(line));
  reply.kind = Kind::error;
  return reply;
}

Reply Reply::make_array(std::vector<Reply> items) {
  Reply reply;
  reply.kind = Kind::array;
  reply.items = std::move(items);
  return reply;
}

const Reply* Reply::field(std::string_view name) const {
  if (!is_array()) return nullptr;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].is_textual() && items[i].bytes == name) return &items[i + 1];
  }
  return nullptr;
}

std::string Reply::text_of(std::string_view name, std::string_view missing) const {
  const Reply* value = field(name);
  return value ? value->as_text(missing) : std::string(missing);
}

std::optional<int64_t> Reply::int_of(std::string_view name) const {
  const Reply* value = field(name);
  return value ? value->as_int() : std::nullopt;
}

std::string Reply::as_text(std::string_view missing) const {
  if (is_textual()) return bytes;
  if (kind == Kind::integer) return std::to_string(number);
  return std::string(missing);
}

std::optional<int64_t> Reply::as_int() const {
  if (kind == Kind::integer) return number;
  if (is_textual()) return parse_int(bytes);
  return std::nullopt;
}

Error Reply::parse_error_line(std::string_view line) {
  Error error;
  const size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  bool known = false;
  for (const Code code : known_codes) {
    if (code_name(code) != word) continue;
    error.code = code;
    known = true;
  }
  std::string_view text = line;
  if (known) text = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);

  constexpr std::string_view mark = "retry-after-ms=";
  const size_t at = text.rfind(mark);
  if (at != std::string_view::npos && (at == 0 || text[at - 1] == ' ')) {
    const size_t from = at + mark.size();
    const size_t end = text.find(' ', from);
    const auto value = parse_int(text.substr(from, end == std::string_view::npos ? end : end - from));
    if (value && *value >= 0) {
      error.retry_after_ms = *value;
      if (end == std::string_view::npos) text = text.substr(0, at == 0 ? 0 : at - 1);
    }
  }
  error.text = std::string(text);
  return error;
}

}  // namespace pawl::client
