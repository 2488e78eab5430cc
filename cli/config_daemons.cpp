#include "cli/config_daemons.h"

#include <algorithm>
#include <array>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "cli/config_sections.h"

namespace pawl::cli {
namespace {

using runner::DaemonSpec;
using runner::ReadyBy;

constexpr size_t daemons_max = 1000;
constexpr int64_t restarts_most = 1'000'000;
constexpr Range any_time{1, limits::duration_ms_max};
constexpr Range heartbeat_range{100, 3'600'000};
constexpr Range log_bytes_range{4096, int64_t{1} << 40};
constexpr int64_t heartbeat_ms_default = 5'000;
// The launcher's own.
constexpr std::array<std::string_view, 4> own_names = {"bus", "runner", "mirror", "launcher"};

struct Draft {
  DaemonSpec daemon;
  const TomlNode* ready = nullptr;
  const TomlNode* ready_command = nullptr;
  const TomlNode* backoff = nullptr;
  bool has_after = false;
};

struct At {
  ConfigReader& reader;
  const Place& place;
  const TomlNode& node;

  void duration(int64_t& into, Range range = any_time) const {
    if (const auto value = reader.duration(place, node, range)) into = *value;
  }
};

std::vector<std::string> words_of(const At& at) {
  at.reader.command(at.place, at.node);
  std::vector<std::string> words;
  for (const TomlNode& item : at.node.items) {
    if (item.kind == TomlKind::text) words.push_back(item.text);
  }
  return words;
}

void restarts(const At& at, Draft& draft) {
  constexpr std::array<std::string_view, 2> known = {"max", "per"};
  if (!at.reader.expect(at.place, at.node, TomlKind::table, "{ max = 10, per = \"10m\" }")) return;
  const Place inside{at.place.of(at.node)};
  runner::RestartRule& rule = draft.daemon.restart;
  for (const TomlNode& item : at.node.items) {
    if (item.key == "max") {
      const auto value = at.reader.integer(inside, item, {0, restarts_most});
      if (value) rule.restarts_max = static_cast<uint32_t>(*value);
    } else if (item.key == "per") {
      At{at.reader, inside, item}.duration(rule.restarts_per_ms);
    } else {
      at.reader.unknown_key(inside, item, known);
    }
  }
}

void log_rule(const At& at, Draft& draft) {
  constexpr std::array<std::string_view, 3> known = {"size", "files", "rate"};
  constexpr int64_t files_most = 1000;
  if (!at.reader.expect(at.place, at.node, TomlKind::table,
                        R"({ size = "10MiB", files = 5, rate = "1MiB" })")) {
    return;
  }
  const Place inside{at.place.of(at.node)};
  DaemonSpec& daemon = draft.daemon;
  for (const TomlNode& item : at.node.items) {
    if (item.key == "size") {
      const auto value = at.reader.bytes(inside, item, log_bytes_range);
      if (value) daemon.log_bytes_max = static_cast<uint64_t>(*value);
    } else if (item.key == "files") {
      const auto value = at.reader.integer(inside, item, {1, files_most});
      if (value) daemon.log_files = static_cast<uint32_t>(*value);
    } else if (item.key == "rate") {
      const auto value = at.reader.bytes(inside, item, log_bytes_range);
      if (value) daemon.log_bytes_per_second = static_cast<uint64_t>(*value);
    } else {
      at.reader.unknown_key(inside, item, known);
    }
  }
}

void environment(const At& at, Draft& draft) {
  if (!at.reader.expect(at.place, at.node, TomlKind::table, "{ LANG = \"C\" }")) return;
  const Place inside{at.place.of(at.node)};
  for (const TomlNode& item : at.node.items) {
    if (item.key.empty() || item.key.find_first_of(std::string_view("=\0", 2)) != std::string::npos) {
      at.reader.fail(inside, item, "is no name of an environment variable");
    } else if (item.key.starts_with("PAWL_")) {
      at.reader.fail(inside, item, "is set by the launcher; choose a name without PAWL_");
    } else if (item.kind == TomlKind::text && item.text.empty()) {
      draft.daemon.environment.emplace_back(item.key, "");
    } else if (const auto value = at.reader.secret(inside, item)) {
      draft.daemon.environment.emplace_back(item.key, *value);
    }
  }
}

struct Key {
  std::string_view name;
  void (*read)(const At&, Draft&);
};

constexpr std::array<Key, 14> keys = {{
    {"command", [](const At& at, Draft& d) { d.daemon.command = words_of(at); }},
    {"after",
     [](const At& at, Draft& d) {
       d.has_after = true;
       d.daemon.after = at.reader.names(at.place, at.node);
     }},
    {"needs", [](const At& at, Draft& d) { d.daemon.needs = at.reader.names(at.place, at.node); }},
    {"heartbeat",
     [](const At& at, Draft& d) {
       int64_t ms = heartbeat_ms_default;
       at.duration(ms, heartbeat_range);
       d.daemon.heartbeat_ms = ms;
     }},
    {"ready", [](const At& at, Draft& d) { d.ready = &at.node; }},
    {"ready_command",
     [](const At& at, Draft& d) {
       d.ready_command = &at.node;
       d.daemon.ready_command = words_of(at);
     }},
    {"ready_within", [](const At& at, Draft& d) { at.duration(d.daemon.ready_within_ms); }},
    {"stop_within", [](const At& at, Draft& d) { at.duration(d.daemon.stop_within_ms); }},
    {"restarts", restarts},
    {"backoff", [](const At& at, Draft& d) { d.backoff = &at.node; }},
    {"stable_after", [](const At& at, Draft& d) { at.duration(d.daemon.restart.stable_after_ms); }},
    {"env", environment},
    {"dir",
     [](const At& at, Draft& d) {
       d.daemon.directory = at.reader.text(at.place, at.node, "\"./services\"").value_or("");
     }},
    {"log", log_rule},
}};

void ready_by(ConfigReader& reader, const Place& place, Draft& draft) {
  DaemonSpec& daemon = draft.daemon;
  daemon.ready = daemon.heartbeat_ms ? ReadyBy::heartbeat : ReadyBy::started;
  if (draft.ready_command != nullptr) daemon.ready = ReadyBy::command;
  if (draft.ready != nullptr) {
    const auto word = reader.text(place, *draft.ready, "\"heartbeat\"");
    if (!word) return;
    if (*word == "heartbeat") {
      daemon.ready = ReadyBy::heartbeat;
      if (!daemon.heartbeat_ms) daemon.heartbeat_ms = heartbeat_ms_default;
    } else if (*word == "notify") {
      daemon.ready = ReadyBy::notify;
    } else if (*word == "command") {
      daemon.ready = ReadyBy::command;
    } else if (*word == "started") {
      daemon.ready = ReadyBy::started;
    } else {
      reader.fail(place, *draft.ready,
                  "is \"" + *word + R"("; it is one of "heartbeat" "notify" "command" "started")");
      return;
    }
  }
  if (daemon.ready == ReadyBy::command && draft.ready_command == nullptr) {
    reader.fail(place, *draft.ready,
                "is \"command\", but there is no ready_command; give it, or another ready");
  }
  if (daemon.ready != ReadyBy::command && draft.ready_command != nullptr) {
    reader.fail(place, *draft.ready_command, "stands beside another ready; write ready = \"command\"");
  }
}

// The order of keys in the file is free, so what depends on others comes last.
void finish(ConfigReader& reader, const Place& place, const TomlNode& table, Draft& draft) {
  DaemonSpec& daemon = draft.daemon;
  const bool told = std::any_of(table.items.begin(), table.items.end(),
                                [](const TomlNode& node) { return node.key == "command"; });
  if (!told) reader.fail(table.line, place.name + R"( has no command; write command = ["./services/slack"])");
  ready_by(reader, place, draft);
  if (draft.backoff != nullptr) {
    runner::RestartRule& rule = daemon.restart;
    reader.spans(place, *draft.backoff, rule.base_ms, rule.max_ms);
    if (rule.base_ms > rule.max_ms) {
      reader.fail(place, *draft.backoff, "starts above its max; raise max or lower base");
    }
  }
  // What does not say otherwise comes after the bus, as nearly everything speaks to it.
  if (!draft.has_after) daemon.after.emplace_back("bus");
  for (const std::string& name : daemon.needs) {
    if (std::find(daemon.after.begin(), daemon.after.end(), name) == daemon.after.end()) {
      daemon.after.push_back(name);
    }
  }
}

bool may_name_a_daemon(ConfigReader& reader, const TomlNode& table, const FileConfig& config) {
  if (!well_formed_name(table.key) || table.key[0] == '.') {
    reader.fail(table.line, "daemon '" + table.key +
                                "': a name is 1 to 128 of A-Z a-z 0-9 . _ : - and begins with no dot");
    return false;
  }
  if (std::find(own_names.begin(), own_names.end(), table.key) != own_names.end()) {
    reader.fail(table.line,
                "daemon '" + table.key + "': pawl up starts its own of this name; choose another one");
    return false;
  }
  if (config.daemons.size() < daemons_max) return true;
  reader.fail(table.line, "more than " + std::to_string(daemons_max) + " daemons");
  return false;
}

}  // namespace

void read_daemons(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  for (const TomlNode& node : table.items) {
    if (!reader.expect({"daemon"}, node, TomlKind::table, "[daemon.slack]")) continue;
    if (!may_name_a_daemon(reader, node, config)) continue;
    const Place place{"daemon." + node.key};
    Draft draft;
    draft.daemon.name = node.key;
    draft.daemon.source = config.path + ":" + std::to_string(node.line);
    for (const TomlNode& item : node.items) {
      const Key* key = find_key(reader, place, item, keys);
      if (key != nullptr) key->read({reader, place, item}, draft);
    }
    finish(reader, place, node, draft);
    config.daemons.push_back(std::move(draft.daemon));
  }
}

void note_work(const TomlNode& root, FileConfig& config) {
  for (const TomlNode& section : root.items) {
    if (section.key == "notify") config.has_notify = true;
    if (section.key != "role") continue;
    for (const TomlNode& role : section.items) {
      config.has_commands =
          config.has_commands || std::any_of(role.items.begin(), role.items.end(),
                                             [](const TomlNode& node) { return node.key == "command"; });
    }
  }
}

}  // namespace pawl::cli
