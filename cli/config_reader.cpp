#include "cli/config_reader.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "bus/base/ids.h"
#include "bus/base/limits.h"

namespace pawl::cli {
namespace {

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

}  // namespace

void ConfigReader::fail(int line, const std::string& text) {
  errors_.emplace_back(line, path_ + ":" + std::to_string(line) + ": " + text);
}

void ConfigReader::notice(int line, const std::string& what) {
  notices_.push_back(path_ + ":" + std::to_string(line) + ": " + what + " is not acted on yet");
}

void ConfigReader::unknown_key(const Place& place, const TomlNode& node, const std::string& nearest,
                               const std::string& all) {
  fail(node.line, "unknown key '" + node.key + "' in [" + place.name + "]; " +
                      (nearest.empty() ? "known are" + all : "did you mean '" + nearest + "'?"));
}

std::string ConfigReader::errors() const {
  auto sorted = errors_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string all;
  for (const auto& [line, text] : sorted) all += (all.empty() ? "" : "\n") + text;
  return all;
}

bool ConfigReader::expect(const Place& place, const TomlNode& node, TomlKind kind, std::string_view example) {
  if (node.kind == kind) return true;
  fail(place, node,
       "is " + std::string(toml_kind_name(node.kind)) + "; write something like " + std::string(example));
  return false;
}

std::optional<std::string> ConfigReader::text(const Place& place, const TomlNode& node,
                                              std::string_view example) {
  if (!expect(place, node, TomlKind::text, example)) return std::nullopt;
  if (node.text.empty() || node.text.find('\0') != std::string::npos) {
    fail(place, node, "is empty or holds a NUL; write something like " + std::string(example));
    return std::nullopt;
  }
  return node.text;
}

std::optional<Pattern> ConfigReader::pattern(const Place& place, const TomlNode& node,
                                             std::string_view example) {
  if (!expect(place, node, TomlKind::text, example)) return std::nullopt;
  auto compiled = Pattern::compile(node.text);
  if (compiled) return std::move(*compiled);
  fail(node.line, place.of(node) + ": " + compiled.error().text);
  return std::nullopt;
}

std::optional<int64_t> ConfigReader::duration(const Place& place, const TomlNode& node, Range range) {
  if (!expect(place, node, TomlKind::text, "\"15m\"")) return std::nullopt;
  const auto value = parse_duration_ms(node.text);
  if (!value) {
    fail(place, node, "is " + quoted(node.text) + R"(; a duration is written "500ms" "30s" "15m" "2h" "7d")");
  } else if (*value < range.least) {
    fail(place, node, "is " + quoted(node.text) + "; the least is " + quoted(format_duration(range.least)));
  } else if (*value > range.most) {
    fail(place, node, "is " + quoted(node.text) + "; the most is " + quoted(format_duration(range.most)));
  } else {
    return value;
  }
  return std::nullopt;
}

std::optional<int64_t> ConfigReader::bytes(const Place& place, const TomlNode& node, Range range) {
  std::optional<int64_t> value;
  if (node.kind == TomlKind::integer) {
    value = node.integer;
  } else if (expect(place, node, TomlKind::text, "\"64KiB\"")) {
    value = parse_bytes(node.text);
    if (!value) fail(place, node, "is " + quoted(node.text) + R"(; a size is written "64KiB" "1MiB" "2GiB")");
  }
  if (!value) return std::nullopt;
  if (*value >= range.least && *value <= range.most) return value;
  fail(place, node,
       "is " + std::to_string(*value) + " bytes; it must lie between " + std::to_string(range.least) +
           " and " + std::to_string(range.most));
  return std::nullopt;
}

std::optional<int64_t> ConfigReader::integer(const Place& place, const TomlNode& node, Range range) {
  if (!expect(place, node, TomlKind::integer, std::to_string(std::max<int64_t>(range.least, 5)))) {
    return std::nullopt;
  }
  if (node.integer >= range.least && node.integer <= range.most) return node.integer;
  fail(place, node,
       "is " + std::to_string(node.integer) + "; it must lie between " + std::to_string(range.least) +
           " and " + std::to_string(range.most));
  return std::nullopt;
}

std::optional<std::string> ConfigReader::endpoint(const Place& place, const TomlNode& node) {
  auto value = text(place, node, "\"127.0.0.1:7295\" or \"none\"");
  if (!value || *value == "none") return value;
  const size_t colon = value->rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : parse_int(value->substr(colon + 1));
  if (colon == 0 || !port || *port < 0 || *port > 65535) {
    fail(place, node, "is " + quoted(*value) + "; write HOST:PORT such as \"127.0.0.1:7295\", or \"none\"");
    return std::nullopt;
  }
  return value;
}

std::optional<std::string> ConfigReader::secret(const Place& place, const TomlNode& node) {
  constexpr std::string_view example = "\"secret\" or { env = \"PAWL_PASSWORD\" }";
  if (node.kind == TomlKind::text) return text(place, node, example);
  if (!expect(place, node, TomlKind::table, example)) return std::nullopt;
  if (node.items.size() != 1 || node.items[0].key != "env") {
    fail(place, node, "is a table of something else; write " + std::string(example));
    return std::nullopt;
  }
  const auto name = text({place.of(node)}, node.items[0], "env = \"PAWL_PASSWORD\"");
  if (!name) return std::nullopt;
  const char* value = std::getenv(name->c_str());
  if (value != nullptr && *value != '\0') return std::string(value);
  fail(place, node, "names the environment variable " + *name + ", which is not set");
  return std::nullopt;
}

std::vector<std::string> ConfigReader::command(const Place& place, const TomlNode& node) {
  std::vector<std::string> words;
  constexpr std::string_view example = "[\"./agents/research.sh\"]";
  if (!expect(place, node, TomlKind::array, example)) return words;
  if (node.items.empty()) fail(place, node, "is empty; write something like " + std::string(example));
  for (size_t i = 0; i < node.items.size(); ++i) {
    const TomlNode& item = node.items[i];
    const std::string where = place.of(node) + "[" + std::to_string(i) + "]";
    if (!expect({where}, item, TomlKind::text, "\"--fast\"")) continue;
    if ((i == 0 && item.text.empty()) || item.text.find('\0') != std::string::npos) {
      fail(item.line, where + " is empty or holds a NUL; the first is the program to run");
    }
    words.push_back(item.text);
  }
  return words;
}

std::vector<std::string> ConfigReader::names(const Place& place, const TomlNode& node) {
  std::vector<std::string> all;
  if (!expect(place, node, TomlKind::array, "[\"slack\"]")) return all;
  for (const TomlNode& item : node.items) {
    if (!expect({place.of(node)}, item, TomlKind::text, "\"slack\"")) continue;
    if (!well_formed_name(item.text)) {
      fail(place, node, "holds " + quoted(item.text) + "; a name is 1 to 128 of A-Z a-z 0-9 . _ : -");
    } else if (std::find(all.begin(), all.end(), item.text) != all.end()) {
      fail(place, node, "holds " + quoted(item.text) + " twice");
    } else {
      all.push_back(item.text);
    }
  }
  return all;
}

void ConfigReader::spans(const Place& place, const TomlNode& node, int64_t& base_ms, int64_t& max_ms) {
  constexpr std::array<std::string_view, 2> known = {"base", "max"};
  if (!expect(place, node, TomlKind::table, "{ base = \"1s\", max = \"10m\" }")) return;
  const Place inside{place.of(node)};
  for (const TomlNode& item : node.items) {
    if (item.key != "base" && item.key != "max") {
      unknown_key(inside, item, known);
    } else if (const auto value = duration(inside, item, {1, limits::duration_ms_max})) {
      (item.key == "base" ? base_ms : max_ms) = *value;
    }
  }
}

}  // namespace pawl::cli
