// A parsed TOML file as plain data with line numbers, in the order of the file.
// toml++ stays behind this header: it is slow to compile.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"

namespace pawl::cli {

enum class TomlKind : uint8_t { table, array, text, integer, number, boolean, date };

struct TomlNode {
  TomlKind kind = TomlKind::table;
  int line = 0;                 // of the key, or of the value where there is none; from 1
  std::string key;              // empty in an array
  std::string text;             // kind text
  int64_t integer = 0;          // kind integer
  double number = 0;            // kinds number and integer
  bool boolean = false;         // kind boolean
  std::vector<TomlNode> items;  // of a table, by line; of an array, in order
};

// "a text", "an integer", …: for error messages.
std::string_view toml_kind_name(TomlKind kind);

// A node's value as one text: equal for equal values, wherever they stand.
std::string toml_value_text(const TomlNode& node);

// Malformed TOML is ERR with `path`, line and what is wrong. `path` is for messages only.
Result<TomlNode> parse_toml(std::string_view text, const std::string& path);

}  // namespace pawl::cli
