#include "tools/bench/load_resp.h"

#include <charconv>

namespace pawl::bench {

void append_resp_array(std::string& out, size_t words) {
  out += '*';
  out += std::to_string(words);
  out += "\r\n";
}

void append_resp_word(std::string& out, std::string_view word) {
  out += '$';
  out += std::to_string(word.size());
  out += "\r\n";
  out += word;
  out += "\r\n";
}

std::string resp_frame(std::initializer_list<std::string_view> words) {
  std::string out;
  append_resp_array(out, words.size());
  for (const std::string_view word : words) append_resp_word(out, word);
  return out;
}

size_t read_resp(std::string_view text, std::vector<std::string_view>& words) {
  words.clear();
  size_t at = 0;
  for (size_t left = 1; left > 0; --left) {
    const size_t end = text.find("\r\n", at);
    if (end == std::string_view::npos) return 0;
    const char kind = text[at];
    long value = 0;
    if (kind == '$' || kind == '*') std::from_chars(&text[at + 1], &text[end], value);
    if (kind == '+') words.push_back(text.substr(at + 1, end - at - 1));
    at = end + 2;
    if (kind == '$' && value >= 0) {
      const auto size = static_cast<size_t>(value);
      if (text.size() < at + size + 2) return 0;
      words.push_back(text.substr(at, size));
      at += size + 2;
    } else if (kind == '*' && value > 0) {
      left += static_cast<size_t>(value);
    }
  }
  return at;
}

std::vector<std::string> ask_resp(Socket& socket, const std::string& request) {
  socket.write_all(request);
  std::vector<std::string_view> words;
  size_t size = 0;
  while ((size = read_resp(socket.unread(), words)) == 0) socket.read_some();
  if (socket.unread().starts_with('-')) die(std::string(socket.unread().substr(0, size)));
  std::vector<std::string> out(words.begin(), words.end());
  socket.consume(size);
  return out;
}

}  // namespace pawl::bench
