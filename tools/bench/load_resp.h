// RESP for the drivers that speak it.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/load_driver.h"

namespace pawl::bench {

// A command, as an array of bulk strings; or piece by piece.
std::string resp_frame(std::initializer_list<std::string_view> words);
void append_resp_array(std::string& out, size_t words);
void append_resp_word(std::string& out, std::string_view word);

// Length of the first whole reply of `text`, 0 when it is not whole; its strings go to `words`.
size_t read_resp(std::string_view text, std::vector<std::string_view>& words);

// One request over a connection of its own, its reply's strings; an error ends the program.
std::vector<std::string> ask_resp(Socket& socket, const std::string& request);

class RespDriver : public Driver {
 public:
  explicit RespDriver(const Plan& plan) : plan_(plan), payload_(plan.bytes, 'x') {}
  size_t reply_size(std::string_view unread) override { return read_resp(unread, words_); }

 protected:
  const Plan& plan_;
  const std::string payload_;
  std::vector<std::string_view> words_;  // of the reply that take_answer() looks at
};

}  // namespace pawl::bench
