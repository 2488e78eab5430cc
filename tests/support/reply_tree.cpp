#include "tests/support/reply_tree.h"

namespace pawl::test {

Value Value::integer(int64_t value) {
  Value result;
  result.kind = Kind::integer;
  result.number = value;
  return result;
}

Value Value::bulk(std::string_view bytes) {
  Value result;
  result.kind = Kind::bulk;
  result.text = bytes;
  return result;
}

Value Value::simple(std::string_view text) {
  Value result;
  result.kind = Kind::simple;
  result.text = text;
  return result;
}

Value Value::error(Code code, std::string_view text) {
  Value result;
  result.kind = Kind::error;
  result.code = code;
  result.text = text;
  return result;
}

Value Value::array(std::vector<Value> items) {
  Value result;
  result.kind = Kind::array;
  result.items = std::move(items);
  return result;
}

Value Value::map(const std::vector<std::pair<std::string, Value>>& pairs) {
  Value result;
  result.kind = Kind::map;
  for (const auto& [name, value] : pairs) {
    result.items.push_back(bulk(name));
    result.items.push_back(value);
  }
  return result;
}

const Value* Value::field(std::string_view name) const {
  if (kind != Kind::map) return nullptr;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].text == name) return &items[i + 1];
  }
  return nullptr;
}

bool Value::operator==(const Value& other) const {
  if (kind != other.kind) return false;
  switch (kind) {
    case Kind::nil:
      return true;
    case Kind::integer:
      return number == other.number;
    case Kind::bulk:
    case Kind::simple:
      return text == other.text;
    case Kind::error:
      return code == other.code;
    case Kind::array:
    case Kind::map:
      return items == other.items;
  }
  return false;
}

std::string to_text(const Value& value) {
  std::string out;
  switch (value.kind) {
    case Value::Kind::nil:
      return "nil";
    case Value::Kind::integer:
      return std::to_string(value.number);
    case Value::Kind::bulk:
      return "\"" + value.text + "\"";
    case Value::Kind::simple:
      return value.text;
    case Value::Kind::error:
      return "-" + (value.text.empty() ? std::string(code_name(value.code)) : value.text);
    case Value::Kind::array:
      for (const Value& item : value.items) out += (out.empty() ? "" : ", ") + to_text(item);
      return "[" + out + "]";
    case Value::Kind::map:
      for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
        out += (out.empty() ? "" : ", ") + value.items[i].text + ": " + to_text(value.items[i + 1]);
      }
      return "{" + out + "}";
  }
  return out;
}

void TreeWriter::array(size_t count) { add(Value::array(), count); }

void TreeWriter::map(size_t pairs) { add(Value::map({}), pairs * 2); }

void TreeWriter::add(Value value, size_t children) {
  if (complete()) {
    overrun_ = true;
    return;
  }
  begun_ = true;
  open_.emplace_back(std::move(value), children);
  close_full_ones();
}

void TreeWriter::close_full_ones() {
  while (!open_.empty() && open_.back().second == 0) {
    Value done = std::move(open_.back().first);
    open_.pop_back();
    if (open_.empty()) {
      root_ = std::move(done);
    } else {
      open_.back().first.items.push_back(std::move(done));
      --open_.back().second;
    }
  }
}

Value TreeWriter::take() {
  Value result = std::move(root_);
  if (overrun_) result = Value::error(Code::err, "more than one value was written as one reply");
  if (!begun_ || !open_.empty()) result = Value::error(Code::err, "the reply was not finished");
  root_ = Value::nil();
  open_.clear();
  begun_ = false;
  overrun_ = false;
  return result;
}

core::ReplyWriter& RecordingOutbox::reply_to(core::ClientId client) {
  finish_current();
  Reply reply;
  reply.client = client;
  replies_.push_back(std::move(reply));
  writing_ = true;
  return writer_;
}

void RecordingOutbox::carries_claim(core::ClientId client, const BirthKey& message, uint64_t token) {
  PAWL_CHECK(!replies_.empty() && replies_.back().client == client);
  replies_.back().claims.emplace_back(encode_id(message), encode_token(token));
}

void RecordingOutbox::publish(std::string_view topic, std::string_view text) {
  published_.emplace_back(topic, text);
}

std::vector<Reply> RecordingOutbox::take() {
  finish_current();
  return std::exchange(replies_, {});
}

std::vector<std::pair<std::string, std::string>> RecordingOutbox::take_published() {
  return std::exchange(published_, {});
}

void RecordingOutbox::finish_current() {
  if (!writing_) return;
  replies_.back().value = writer_.take();
  writing_ = false;
}

}  // namespace pawl::test
