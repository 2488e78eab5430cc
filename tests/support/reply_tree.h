// Replies as values: what the core wrote for each client, kept as trees that
// tests compare and print.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/core/reply.h"

namespace pawl::test {

struct Value {
  enum class Kind : uint8_t { nil, integer, bulk, simple, error, array, map };

  Kind kind = Kind::nil;
  int64_t number = 0;        // integer
  Code code = Code::err;     // error
  std::string text;          // bulk, simple, error
  std::vector<Value> items;  // array; map: name, value, name, value, …

  static Value nil() { return {}; }
  static Value integer(int64_t value);
  static Value bulk(std::string_view bytes);
  static Value simple(std::string_view text);
  static Value error(Code code, std::string_view text = {});
  static Value array(std::vector<Value> items = {});
  static Value map(const std::vector<std::pair<std::string, Value>>& pairs);

  bool is_error(Code wanted) const { return kind == Kind::error && code == wanted; }
  // The value under a name of a map; nullptr when there is none, or no map.
  const Value* field(std::string_view name) const;

  // Texts of errors are for people: two errors are equal when their codes are.
  bool operator==(const Value& other) const;
};

std::string to_text(const Value& value);

struct Reply {
  core::ClientId client = 0;
  Value value;
  std::vector<std::pair<std::string, std::string>> claims;  // id, token that the reply hands out
};

// Builds one Value; complete() once it is whole.
class TreeWriter : public core::ReplyWriter {
 public:
  void nil() override { add(Value::nil(), 0); }
  void integer(int64_t value) override { add(Value::integer(value), 0); }
  void bulk(std::string_view bytes) override { add(Value::bulk(bytes), 0); }
  void simple(std::string_view text) override { add(Value::simple(text), 0); }
  void error(const Error& error) override { add(Value::error(error.code, error_line(error)), 0); }
  void array(size_t count) override;
  void map(size_t pairs) override;

  bool complete() const { return begun_ && open_.empty(); }
  // More was written than one value.
  bool overrun() const { return overrun_; }
  Value take();

 private:
  void add(Value value, size_t children);
  void close_full_ones();

  Value root_;
  std::vector<std::pair<Value, size_t>> open_;  // containers begun, and how many values each still waits for
  bool begun_ = false;
  bool overrun_ = false;
};

// Records replies in the order in which they were begun.
class RecordingOutbox : public core::Outbox {
 public:
  core::ReplyWriter& reply_to(core::ClientId client) override;
  void carries_claim(core::ClientId client, const BirthKey& message, uint64_t token) override;
  void publish(std::string_view topic, std::string_view text) override;

  // What came since the last call. An unfinished or overlong reply becomes an
  // error value with a text that says so: no test expects one.
  std::vector<Reply> take();
  std::vector<std::pair<std::string, std::string>> take_published();

 private:
  void finish_current();

  TreeWriter writer_;
  bool writing_ = false;
  std::vector<Reply> replies_;
  std::vector<std::pair<std::string, std::string>> published_;
};

}  // namespace pawl::test
