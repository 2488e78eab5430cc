#include "bus/client/json.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

namespace pawl::client {
namespace {

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr int depth_max = 64;  // of a document; deeper ones are a mistake or an attack

void dump_text(std::string_view text, std::string* out) {
  *out += '"';
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (c == '\n') {
      *out += "\\n";
    } else if (c == '\t') {
      *out += "\\t";
    } else if (c == '\r') {
      *out += "\\r";
    } else if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", byte);
      *out += escape.data();
    } else if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      // C1 control characters drive some terminals as well as escape does.
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned char>(text[i + 1]));
      *out += escape.data();
      ++i;
    } else {
      *out += c;
    }
  }
  *out += '"';
}

void dump_into(const Json& value, std::string* out) {
  if (const bool* flag = value.as_bool()) {
    *out += *flag ? "true" : "false";
  } else if (const int64_t* whole = value.as_int()) {
    *out += std::to_string(*whole);
  } else if (const double* real = value.as_double()) {
    *out += std::isfinite(*real) ? nlohmann::json(*real).dump() : "null";
  } else if (const std::string* text = value.as_string()) {
    if (is_utf8(*text)) {
      dump_text(*text, out);
    } else {
      *out += "{\"base64\":\"" + encode_base64(*text) + "\"}";
    }
  } else if (const Json::Array* items = value.as_array()) {
    *out += '[';
    for (const Json& item : *items) {
      if (&item != items->data()) *out += ',';
      dump_into(item, out);
    }
    *out += ']';
  } else if (const Json::Object* fields = value.as_object()) {
    *out += '{';
    for (const auto& field : *fields) {
      if (&field != fields->data()) *out += ',';
      // A name that is no UTF-8 has no JSON form as a key: show its base64.
      dump_text(is_utf8(field.first) ? field.first : "base64:" + encode_base64(field.first), out);
      *out += ':';
      dump_into(field.second, out);
    }
    *out += '}';
  } else {
    *out += "null";
  }
}

Result<Json> convert(const nlohmann::ordered_json& from, int depth) {
  if (depth > depth_max) return make_error(Code::badarg, "JSON nested too deeply");
  if (from.is_boolean()) return Json(from.get<bool>());
  if (from.is_number_unsigned()) {
    const auto value = from.get<uint64_t>();
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return Json(static_cast<double>(value));
    }
    return Json(static_cast<int64_t>(value));
  }
  if (from.is_number_integer()) return Json(from.get<int64_t>());
  if (from.is_number_float()) return Json(from.get<double>());
  if (from.is_string()) return Json(from.get<std::string>());
  if (from.is_array()) {
    Json::Array items;
    for (const auto& item : from) {
      auto converted = convert(item, depth + 1);
      if (!converted) return converted;
      items.push_back(std::move(*converted));
    }
    return Json(std::move(items));
  }
  if (from.is_object()) {
    Json::Object fields;
    for (const auto& [name, item] : from.items()) {
      auto converted = convert(item, depth + 1);
      if (!converted) return converted;
      fields.emplace_back(name, std::move(*converted));
    }
    return Json(std::move(fields));
  }
  return Json();
}

int base64_value(char c) {
  const size_t at = base64_digits.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

const Json* Json::field(std::string_view name) const {
  if (const Object* fields = as_object()) {
    for (const auto& [key, value] : *fields) {
      if (key == name) return &value;
    }
  }
  return nullptr;
}

void Json::set(std::string_view name, Json value) {
  if (is_null()) held_ = Object();
  Object* fields = as_object();
  PAWL_CHECK(fields != nullptr);
  for (auto& [key, held] : *fields) {
    if (key != name) continue;
    held = std::move(value);
    return;
  }
  fields->emplace_back(std::string(name), std::move(value));
}

std::string dump(const Json& value) {
  std::string out;
  dump_into(value, &out);
  return out;
}

Result<std::string> bytes_of(const Json& value) {
  if (const std::string* text = value.as_string()) return *text;
  const Json* encoded = value.field("base64");
  if (encoded && encoded->as_string()) return decode_base64(*encoded->as_string());
  return make_error(Code::badarg, "expected a text or {\"base64\": …}");
}

Result<Json> parse_json(std::string_view text) {
  try {
    bool too_deep = false;
    using Document = nlohmann::ordered_json;
    const auto watch = [&](int at, Document::parse_event_t, Document&) {
      too_deep = too_deep || at > depth_max;
      return at <= depth_max;
    };
    const auto parsed = Document::parse(text.begin(), text.end(), watch);
    if (too_deep) return make_error(Code::badarg, "JSON nested too deeply");
    return convert(parsed, 0);
  } catch (const std::exception& failure) {
    return make_error(Code::badarg, std::string("not JSON: ") + failure.what());
  }
}

bool is_utf8(std::string_view bytes) {
  size_t i = 0;
  while (i < bytes.size()) {
    const auto at = [&](size_t k) { return static_cast<unsigned char>(bytes[k]); };
    const unsigned char lead = at(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || i + length > bytes.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((at(i + k) & 0xc0) != 0x80) return false;
    }
    const unsigned char second = at(i + 1);
    const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    const bool surrogate = lead == 0xed && second > 0x9f;
    const bool beyond = lead == 0xf4 && second > 0x8f;
    if (overlong || surrogate || beyond) return false;
    i += length;
  }
  return true;
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = (group << 8) | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      out += k <= count ? base64_digits[(group >> (18 - 6 * k)) & 63] : '=';
    }
  }
  return out;
}

Result<std::string> decode_base64(std::string_view text) {
  const Error bad = make_error(Code::badarg, "not base64");
  if (text.size() % 4 != 0) return bad;
  std::string out;
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    size_t digits = 4;
    if (last && text[i + 3] == '=') digits = text[i + 2] == '=' ? 2 : 3;
    uint32_t group = 0;
    for (size_t k = 0; k < 4; ++k) {
      const int value = k < digits ? base64_value(text[i + k]) : 0;
      if (value < 0) return bad;
      group = (group << 6) | static_cast<uint32_t>(value);
    }
    for (size_t k = 0; k + 1 < digits; ++k) out += static_cast<char>((group >> (16 - 8 * k)) & 0xff);
  }
  return out;
}

}  // namespace pawl::client
