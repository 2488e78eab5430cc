// JSON values: what `--json` prints, what files and handlers hand in, what the runner keeps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "bus/base/result.h"

namespace pawl::client {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;  // keeps its order

  Json() = default;
  Json(bool value) : held_(value) {}                         // NOLINT: implicit on purpose
  Json(int64_t value) : held_(value) {}                      // NOLINT: implicit on purpose
  Json(double value) : held_(value) {}                       // NOLINT: implicit on purpose
  Json(std::string bytes) : held_(std::move(bytes)) {}       // NOLINT: implicit on purpose
  Json(const char* text) : held_(std::string(text)) {}       // NOLINT: implicit on purpose
  Json(std::string_view text) : held_(std::string(text)) {}  // NOLINT: implicit on purpose
  Json(Array items) : held_(std::move(items)) {}             // NOLINT: implicit on purpose
  Json(Object fields) : held_(std::move(fields)) {}          // NOLINT: implicit on purpose

  bool is_null() const { return std::holds_alternative<std::monostate>(held_); }
  const bool* as_bool() const { return std::get_if<bool>(&held_); }
  const int64_t* as_int() const { return std::get_if<int64_t>(&held_); }
  const double* as_double() const { return std::get_if<double>(&held_); }
  const std::string* as_string() const { return std::get_if<std::string>(&held_); }
  const Array* as_array() const { return std::get_if<Array>(&held_); }
  const Object* as_object() const { return std::get_if<Object>(&held_); }
  Array* as_array() { return std::get_if<Array>(&held_); }
  Object* as_object() { return std::get_if<Object>(&held_); }

  // Of an object: the value of `name`, or null.
  const Json* field(std::string_view name) const;
  // Of an object: sets or adds a field. A null value becomes an object.
  void set(std::string_view name, Json value);

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> held_;
};

// On one line. A string that is no UTF-8 becomes {"base64": "…"}; so do not only
// payloads but also results, header values and texts. Control characters are escaped.
std::string dump(const Json& value);
// The bytes of a string, or of a {"base64": …} object; BADARG for anything else.
Result<std::string> bytes_of(const Json& value);
// One whole document; BADARG with the place of the first mistake.
Result<Json> parse_json(std::string_view text);

bool is_utf8(std::string_view bytes);
std::string encode_base64(std::string_view bytes);
Result<std::string> decode_base64(std::string_view text);

}  // namespace pawl::client
