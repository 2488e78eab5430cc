#include "cli/config.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>
#include <vector>

#include "bus/base/limits.h"
#include "cli/config_daemons.h"
#include "cli/config_sections.h"
#include "cli/config_users.h"

namespace pawl::cli {
namespace {

constexpr size_t socket_path_bytes_max = 107;  // what a Unix socket address holds
constexpr size_t file_bytes_max = size_t{1} << 20;
constexpr int64_t stored_bytes_least = int64_t{1} << 20;
constexpr int64_t stored_bytes_most = int64_t{1} << 50;

struct BusKey {
  std::string_view name;
  void (*read)(ConfigReader&, const Place&, const TomlNode&, FileConfig&);
};

void read_bytes(ConfigReader& reader, const Place& place, const TomlNode& node, Range range, uint64_t& into) {
  if (const auto value = reader.bytes(place, node, range)) into = static_cast<uint64_t>(*value);
}

constexpr std::array<BusKey, 13> bus_keys = {{
    {"data", [](ConfigReader& r, const Place& place, const TomlNode& node,
                FileConfig& config) { config.data = r.text(place, node, "\"./pawl-data\""); }},
    {"listen", [](ConfigReader& r, const Place& place, const TomlNode& node,
                  FileConfig& config) { config.listen = r.endpoint(place, node); }},
    {"http", [](ConfigReader& r, const Place& place, const TomlNode& node,
                FileConfig& config) { config.http = r.endpoint(place, node); }},
    {"socket",
     [](ConfigReader& r, const Place& place, const TomlNode& node, FileConfig& config) {
       config.socket = r.text(place, node, "\"./pawl-data/pawl.sock\"");
       if (config.socket && config.socket->size() > socket_path_bytes_max) {
         r.fail(place, node, "is longer than the 107 bytes that a socket path may have");
       }
     }},
    {"password", [](ConfigReader& r, const Place& place, const TomlNode& node,
                    FileConfig& config) { config.password = r.secret(place, node); }},
    {"strict_roles",
     [](ConfigReader& r, const Place& place, const TomlNode& node, FileConfig& config) {
       if (r.expect(place, node, TomlKind::boolean, "true")) config.bus.strict_roles = node.boolean;
     }},
    {"payload_max",
     [](ConfigReader& r, const Place& place, const TomlNode& node, FileConfig& config) {
       const Range range{1, static_cast<int64_t>(limits::payload_bytes_ceiling)};
       if (const auto n = r.bytes(place, node, range)) config.bus.payload_max = static_cast<size_t>(*n);
     }},
    {"done_bytes",
     [](ConfigReader& r, const Place& place, const TomlNode& node, FileConfig& config) {
       read_bytes(r, place, node, {0, stored_bytes_most}, config.bus.done_bytes_max);
     }},
    {"dead_bytes",
     [](ConfigReader& r, const Place& place, const TomlNode& node, FileConfig& config) {
       read_bytes(r, place, node, {stored_bytes_least, stored_bytes_most}, config.bus.dead_bytes_max);
     }},
    {"chronicle_bytes",
     [](ConfigReader& r, const Place& place, const TomlNode& node, FileConfig& config) {
       read_bytes(r, place, node, {stored_bytes_least, stored_bytes_most}, config.bus.chronicle_bytes_max);
     }},
    {"disk_low",
     [](ConfigReader& r, const Place& place, const TomlNode& node, FileConfig& config) {
       read_bytes(r, place, node, {stored_bytes_least, stored_bytes_most}, config.disk_low);
     }},
    {"disk_critical",
     [](ConfigReader& r, const Place& place, const TomlNode& node, FileConfig& config) {
       read_bytes(r, place, node, {stored_bytes_least, stored_bytes_most}, config.disk_critical);
     }},
    {"keep_dead",
     [](ConfigReader& r, const Place& place, const TomlNode& node, FileConfig& config) {
       const auto ms = r.duration(place, node, {1000, limits::duration_ms_max});
       if (ms) config.bus.keep_dead_ms = *ms;
     }},
}};

void read_bus(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  const Place place{"bus"};
  for (const TomlNode& node : table.items) {
    const BusKey* key = find_key(reader, place, node, bus_keys);
    if (key != nullptr) key->read(reader, place, node, config);
  }
  if (config.listen && config.listen == config.http && *config.listen != "none") {
    reader.fail(table.line, "bus.listen and bus.http are the same, " + *config.listen);
  }
  if (config.disk_low != 0 && config.disk_critical >= config.disk_low) {
    reader.fail(table.line,
                "bus.disk_critical is not below bus.disk_low: the disk is low before it is critical");
  }
}

struct Section {
  std::string_view name;
  std::string_view example;
  void (*read)(ConfigReader&, const TomlNode&, FileConfig&);
  TomlKind kind = TomlKind::table;
};

void read_all_users(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  read_users(reader, table, config.bus.users);
}

constexpr std::array<Section, 14> sections = {{
    {"bus", "[bus]", read_bus},
    {"role", "[role.research]", read_roles},
    {"system", "[system]", read_system},
    {"guards", "[guards]", read_guards},
    {"user", "[user.NAME]", read_all_users},
    {"run", "[run]", read_run},
    {"daemon", "[daemon.slack]", read_daemons},
    {"notify", "[[notify]]", read_notify, TomlKind::array},
    {"cron", "[cron.nightly]", read_crons},
    {"incidents", "[incidents]", read_incidents},
    {"monitor", "[monitor]", read_monitor},
    {"classify", "[[classify]]", read_classify, TomlKind::array},
    {"policy", "[[policy]]", read_policy, TomlKind::array},
    {"ops", "[ops]", read_ops},
}};

void read_section(ConfigReader& reader, const TomlNode& node, FileConfig& config) {
  std::vector<std::string_view> known;
  for (const Section& section : sections) {
    known.push_back(section.name);
    if (section.name != node.key) continue;
    if (section.kind == TomlKind::array) config.wholes[std::string(section.example)] = toml_value_text(node);
    if (reader.expect({}, node, section.kind, section.example)) section.read(reader, node, config);
    return;
  }
  const std::string nearest = nearest_word(node.key, known);
  const bool table = node.kind == TomlKind::table || node.kind == TomlKind::array;
  std::string text =
      table ? "unknown section [" + node.key + "]" : "key '" + node.key + "' outside of any section";
  if (!table) {
    text += "; put it under [bus] or [role.NAME]";
  } else if (!nearest.empty()) {
    text += "; did you mean [" + nearest + "]?";
  } else {
    text += "; this file has [bus], [role.NAME], [system] and [guards]";
  }
  reader.fail(node.line, text);
}

}  // namespace

Result<FileConfig> parse_config(std::string_view text, const std::string& path) {
  const auto root = parse_toml(text, path);
  if (!root) return root.error();
  ConfigReader reader(path);
  FileConfig config;
  config.path = path;
  int monitor_line = 0;
  for (const TomlNode& node : root->items) {
    read_section(reader, node, config);
    if (node.key == "monitor") monitor_line = node.line;
  }
  add_monitor_schedule(reader, monitor_line, config);
  note_work(*root, config);
  if (reader.failed()) return make_error(Code::err, reader.errors());
  config.notices = reader.notices();
  config.bus.office = std::make_shared<ops::OpsConfig>(config.rules);
  return config;
}

Result<FileConfig> load_config(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    text.resize(file_bytes_max + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(file.gcount()));
  }
  if (!file.eof() || file.bad()) {  // end of file is the only way to have read it all
    if (text.size() > file_bytes_max) {
      return make_error(Code::err, path + ": is larger than 1 MiB, which is no configuration");
    }
    const std::string why = errno != 0 ? std::strerror(errno) : "it is no file";
    return make_error(Code::notfound, "cannot read " + path + ": " + why);
  }
  return parse_config(text, path);
}

}  // namespace pawl::cli
