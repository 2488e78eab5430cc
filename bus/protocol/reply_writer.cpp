#include "bus/protocol/reply_writer.h"

#include <array>
#include <charconv>

namespace pawl::protocol {
namespace {

constexpr std::string_view line_end = "\r\n";

}  // namespace

void RespWriter::header(char kind, size_t count) {
  if (count < 10) {
    const std::array<char, 4> line{kind, static_cast<char>('0' + count), '\r', '\n'};
    out_->append(line.data(), line.size());
    return;
  }
  std::array<char, 24> line;
  line[0] = kind;
  char* end = std::to_chars(line.data() + 1, line.data() + line.size() - 2, count).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out_->append(line.data(), static_cast<size_t>(end - line.data()));
}

void RespWriter::nil() { *out_ += version_ == RespVersion::two ? "$-1\r\n" : "_\r\n"; }

void RespWriter::integer(int64_t value) {
  std::array<char, 24> line;
  line[0] = ':';
  char* end = std::to_chars(line.data() + 1, line.data() + line.size() - 2, value).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out_->append(line.data(), static_cast<size_t>(end - line.data()));
}

void RespWriter::bulk(std::string_view bytes) {
  header('$', bytes.size());
  out_->append(bytes);
  out_->append(line_end);
}

void RespWriter::simple(std::string_view text) {
  *out_ += '+';
  for (const char c : text) *out_ += (c == '\r' || c == '\n') ? ' ' : c;
  *out_ += line_end;
}

void RespWriter::error(const Error& error) {
  *out_ += '-';
  *out_ += error_line(error);  // one line, by its contract
  *out_ += line_end;
}

void RespWriter::array(size_t count) { header('*', count); }

void RespWriter::map(size_t pairs) {
  if (version_ == RespVersion::two) {
    header('*', pairs * 2);
  } else {
    header('%', pairs);
  }
}

void RespWriter::push(size_t count) { header(version_ == RespVersion::two ? '*' : '>', count); }

void RespWriter::message(std::string_view channel, std::string_view text) {
  push(3);
  bulk("message");
  bulk(channel);
  bulk(text);
}

void RespWriter::pattern_message(std::string_view pattern, std::string_view channel, std::string_view text) {
  push(4);
  bulk("pmessage");
  bulk(pattern);
  bulk(channel);
  bulk(text);
}

}  // namespace pawl::protocol
