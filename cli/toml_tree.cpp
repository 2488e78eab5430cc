#include "cli/toml_tree.h"

#include <toml++/toml.h>
#include <algorithm>

namespace pawl::cli {
namespace {

int line_at(const toml::source_region& source) { return static_cast<int>(source.begin.line); }

TomlNode converted(const toml::node& node);

void convert_table(const toml::table& table, TomlNode& into) {
  for (const auto& [key, value] : table) {
    TomlNode item = converted(value);
    item.key = std::string(key.str());
    // A table's own region starts at its header, which for [a.b] is also the line of a's key.
    if (line_at(key.source()) > 0) item.line = line_at(key.source());
    into.items.push_back(std::move(item));
  }
  std::stable_sort(into.items.begin(), into.items.end(),
                   [](const TomlNode& a, const TomlNode& b) { return a.line < b.line; });
}

TomlNode converted(const toml::node& node) {
  TomlNode result;
  result.line = line_at(node.source());
  if (const auto* table = node.as_table()) {
    result.kind = TomlKind::table;
    convert_table(*table, result);
  } else if (const auto* array = node.as_array()) {
    result.kind = TomlKind::array;
    for (const auto& item : *array) result.items.push_back(converted(item));
  } else if (const auto* text = node.as_string()) {
    result.kind = TomlKind::text;
    result.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    result.kind = TomlKind::integer;
    result.integer = integer->get();
    result.number = static_cast<double>(result.integer);
  } else if (const auto* number = node.as_floating_point()) {
    result.kind = TomlKind::number;
    result.number = number->get();
  } else if (const auto* boolean = node.as_boolean()) {
    result.kind = TomlKind::boolean;
    result.boolean = boolean->get();
  } else {
    result.kind = TomlKind::date;
  }
  return result;
}

}  // namespace

std::string_view toml_kind_name(TomlKind kind) {
  switch (kind) {
    case TomlKind::table:
      return "a table";
    case TomlKind::array:
      return "an array";
    case TomlKind::text:
      return "a text";
    case TomlKind::integer:
      return "an integer";
    case TomlKind::number:
      return "a fraction";
    case TomlKind::boolean:
      return "true or false";
    case TomlKind::date:
      return "a date or time";
  }
  return "a value";
}

std::string toml_value_text(const TomlNode& node) {
  switch (node.kind) {
    case TomlKind::table:
    case TomlKind::array: {
      std::string text = node.kind == TomlKind::table ? "{" : "[";
      for (const TomlNode& item : node.items) text += item.key + "=" + toml_value_text(item) + ",";
      return text + (node.kind == TomlKind::table ? "}" : "]");
    }
    case TomlKind::integer:
      return std::to_string(node.integer);
    case TomlKind::number:
      return std::to_string(node.number);
    case TomlKind::boolean:
      return node.boolean ? "true" : "false";
    case TomlKind::text:
    case TomlKind::date:
      break;
  }
  return std::to_string(node.text.size()) + ":" + node.text;
}

Result<TomlNode> parse_toml(std::string_view text, const std::string& path) {
  try {
    return converted(toml::parse(text, path));
  } catch (const toml::parse_error& error) {
    return make_error(Code::err, path + ":" + std::to_string(error.source().begin.line) + ": " +
                                     std::string(error.description()));
  } catch (const std::exception& error) {
    return make_error(Code::err, path + ": " + error.what());
  }
}

}  // namespace pawl::cli
