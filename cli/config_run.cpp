// [run], and what a role says of its handler's endings.
#include <array>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "cli/config_sections.h"

namespace pawl::cli {
namespace {

constexpr Range heartbeat_range{100, 3'600'000};

std::optional<std::string> error_class(ConfigReader& reader, const Place& place, const TomlNode& node) {
  auto word = reader.text(place, node, "\"rate_limited\"");
  if (!word || runner::is_error_class(*word)) return word;
  reader.fail(place, node, "is \"" + *word + "\"; a class is one of " + runner::error_class_list());
  return std::nullopt;
}

void read_pattern(ConfigReader& reader, const Place& place, const TomlNode& item,
                  runner::EndingRules& rules) {
  constexpr std::array<std::string_view, 3> known = {"text", "class", "retry_in"};
  std::optional<Pattern> expression;
  std::string kind;
  std::optional<int64_t> retry_in_ms;
  if (!reader.expect(place, item, TomlKind::table, "{ text = \"429\", class = \"rate_limited\" }")) return;
  for (const TomlNode& node : item.items) {
    if (node.key == "text") {
      expression = reader.pattern(place, node, "\"429 Too Many Requests\"");
    } else if (node.key == "class") {
      kind = error_class(reader, place, node).value_or("");
    } else if (node.key == "retry_in") {
      retry_in_ms = reader.duration(place, node, {0, limits::duration_ms_max});
    } else {
      reader.unknown_key(place, node, known);
    }
  }
  const auto has = [&](std::string_view key) {
    for (const TomlNode& node : item.items) {
      if (node.key == key) return true;
    }
    return false;
  };
  if (!has("text") || !has("class")) {
    reader.fail(item.line, place.name + " needs both: { text = \"429\", class = \"rate_limited\" }");
  }
  if (expression) rules.patterns.push_back({std::move(*expression), std::move(kind), retry_in_ms});
}

}  // namespace

void read_exits(ConfigReader& reader, const Place& place, const TomlNode& node, runner::EndingRules& rules) {
  if (!reader.expect(place, node, TomlKind::table, "{ 3 = \"rate_limited\" }")) return;
  const Place inside{place.of(node)};
  for (const TomlNode& item : node.items) {
    const auto code = parse_int(item.key);
    if (!code || *code < 1 || *code > 255) {
      reader.fail(inside, item, "is no exit code from 1 to 255; 0 is always success");
      continue;
    }
    if (const auto word = error_class(reader, inside, item)) rules.exits[static_cast<int>(*code)] = *word;
  }
}

void read_patterns(ConfigReader& reader, const Place& place, const TomlNode& node,
                   runner::EndingRules& rules) {
  if (!reader.expect(place, node, TomlKind::array, "[ { text = \"429\", class = \"rate_limited\" } ]"))
    return;
  for (size_t i = 0; i < node.items.size(); ++i) {
    read_pattern(reader, {place.of(node) + "[" + std::to_string(i) + "]"}, node.items[i], rules);
  }
}

void read_run(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  constexpr std::array<std::string_view, 3> known = {"name", "spool", "heartbeat"};
  const Place place{"run"};
  for (const TomlNode& node : table.items) {
    if (node.key == "name") {
      config.run.name = reader.text(place, node, "\"runner-a\"").value_or("");
      if (!well_formed_name(config.run.name)) {
        reader.fail(place, node, "is no name: 1 to 128 of A-Z a-z 0-9 . _ : -");
      }
    } else if (node.key == "spool") {
      config.run.spool = reader.text(place, node, "\"./pawl-data/spool\"").value_or("");
    } else if (node.key == "heartbeat") {
      if (const auto ms = reader.duration(place, node, heartbeat_range)) config.run.heartbeat_ms = *ms;
    } else {
      reader.unknown_key(place, node, known);
    }
  }
}

}  // namespace pawl::cli
