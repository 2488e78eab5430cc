#include "cli/config.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "cli/config_reader.h"

namespace pawl::cli {
namespace {

constexpr size_t socket_path_bytes_max = 107;  // what a Unix socket address holds
constexpr size_t file_bytes_max = size_t{1} << 20;
constexpr int64_t stored_bytes_least = int64_t{1} << 20;
constexpr int64_t stored_bytes_most = int64_t{1} << 50;

// Sections of the file format that this version does not act on.
constexpr std::array<std::string_view, 7> later_sections = {"system", "guards", "daemon", "monitor",
                                                            "notify", "cron",   "policy"};
// The words that end a list of roles in a command can be no role's name.
constexpr std::array<std::string_view, 4> option_words = {"count", "wait", "lease", "next"};

struct RoleDraft {
  core::RoleConfig role;
  // Looked at once the rest of the role is known.
  const TomlNode* backoff = nullptr;
  const TomlNode* retry = nullptr;
};

class Loader {
 public:
  explicit Loader(const std::string& path) : reader_(path) { config_.path = path; }

  Result<FileConfig> load(const TomlNode& root);

 private:
  struct BusKey {
    std::string_view name;
    void (*read)(Loader&, const Place&, const TomlNode&);
  };
  struct RoleKey {
    std::string_view name;
    bool acted_on;
    void (*read)(ConfigReader&, const Place&, const TomlNode&, RoleDraft&);
  };
  static const std::array<BusKey, 11> bus_keys;
  static const std::array<RoleKey, 14> role_keys;

  template <typename Keys>
  const typename Keys::value_type* find_key(const Place& place, const TomlNode& node, const Keys& keys);
  void read_bus(const TomlNode& table);
  void read_roles(const TomlNode& table);
  void read_role(const TomlNode& table);
  void finish_role(const Place& place, RoleDraft& draft);
  void retry_class(const Place& place, const TomlNode& node, core::RoleConfig& role);
  void check_order(const Place& place, const TomlNode& node, int64_t base_ms, int64_t max_ms);
  void read_section(const TomlNode& node);

  ConfigReader reader_;
  FileConfig config_;
};

const std::array<Loader::BusKey, 11> Loader::bus_keys = {{
    {"data",
     [](Loader& l, const Place& place, const TomlNode& node) {
       l.config_.data = l.reader_.text(place, node, "\"./pawl-data\"");
     }},
    {"listen",
     [](Loader& l, const Place& place, const TomlNode& node) {
       l.config_.listen = l.reader_.endpoint(place, node);
     }},
    {"http",
     [](Loader& l, const Place& place, const TomlNode& node) {
       l.config_.http = l.reader_.endpoint(place, node);
     }},
    {"socket",
     [](Loader& l, const Place& place, const TomlNode& node) {
       l.config_.socket = l.reader_.text(place, node, "\"./pawl-data/pawl.sock\"");
       if (l.config_.socket && l.config_.socket->size() > socket_path_bytes_max) {
         l.reader_.fail(place, node, "is longer than the 107 bytes that a socket path may have");
       }
     }},
    {"password",
     [](Loader& l, const Place& place, const TomlNode& node) {
       l.config_.password = l.reader_.secret(place, node);
     }},
    {"strict_roles",
     [](Loader& l, const Place& place, const TomlNode& node) {
       if (l.reader_.expect(place, node, TomlKind::boolean, "true")) l.config_.bus.strict_roles = node.boolean;
     }},
    {"payload_max",
     [](Loader& l, const Place& place, const TomlNode& node) {
       const Range range{1, static_cast<int64_t>(limits::payload_bytes_ceiling)};
       if (const auto n = l.reader_.bytes(place, node, range)) l.config_.bus.payload_max = static_cast<size_t>(*n);
     }},
    {"done_bytes",
     [](Loader& l, const Place& place, const TomlNode& node) {
       const auto n = l.reader_.bytes(place, node, {0, stored_bytes_most});
       if (n) l.config_.bus.done_bytes_max = static_cast<uint64_t>(*n);
     }},
    {"dead_bytes",
     [](Loader& l, const Place& place, const TomlNode& node) {
       const auto n = l.reader_.bytes(place, node, {stored_bytes_least, stored_bytes_most});
       if (n) l.config_.bus.dead_bytes_max = static_cast<uint64_t>(*n);
     }},
    {"chronicle_bytes",
     [](Loader& l, const Place& place, const TomlNode& node) {
       const auto n = l.reader_.bytes(place, node, {stored_bytes_least, stored_bytes_most});
       if (n) l.config_.bus.chronicle_bytes_max = static_cast<uint64_t>(*n);
     }},
    {"keep_dead",
     [](Loader& l, const Place& place, const TomlNode& node) {
       const auto ms = l.reader_.duration(place, node, {1000, limits::duration_ms_max});
       if (ms) l.config_.bus.keep_dead_ms = *ms;
     }},
}};

const std::array<Loader::RoleKey, 14>
    Loader::
        role_keys =
            {
                {
                    {"command", false,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft&) { r.command(p, n); }},
                    {"prompt", false,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft&) {
                       static_cast<void>(r.text(p, n, "\"prompts/research.md\""));
                     }},
                    {"concurrency", false,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft&) {
                       static_cast<void>(r.integer(p, n, {1, 1'000'000}));
                     }},
                    {"lease", true,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft& draft) {
                       const auto ms = r.duration(p, n, {limits::lease_ms_min, limits::lease_ms_max});
                       if (ms) draft.role.lease_ms = *ms;
                     }},
                    {"timeout", false,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft&) {
                       static_cast<void>(r.duration(p, n, {1, limits::duration_ms_max}));
                     }},
                    {"max_attempts", true,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft& draft) {
                       const auto count = r.integer(p, n, {1, limits::attempts_max});
                       if (count) draft.role.max_attempts = static_cast<uint32_t>(*count);
                     }},
                    {"backoff", true,
                     [](ConfigReader&, const Place&, const TomlNode& n, RoleDraft& draft) {
                       draft.backoff = &n;
                     }},
                    {"needs", false,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft&) { r.names(p, n); }},
                    {"limp", false,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft&) { r.command(p, n); }},
                    {"on_freeze", false,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft&) {
                       const auto word = r.text(p, n, "\"pause\"");
                       if (word && *word != "pause" && *word != "terminate" && *word != "finish") {
                         r.fail(p, n, "is \"" + *word + R"("; it is one of "pause" "terminate" "finish")");
                       }
                     }},
                    {"quota", false,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft&) { r.quotas(p, n); }},
                    {"rate", false,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft&) { r.rate(p, n); }},
                    {"retry", true,
                     [](ConfigReader&, const Place&, const TomlNode& n,
                        RoleDraft& draft) { draft.retry = &n; }},
                    {"keep_done", true,
                     [](ConfigReader& r, const Place& p, const TomlNode& n, RoleDraft& draft) {
                       const auto ms = r.duration(p, n, {0, limits::duration_ms_max});
                       if (ms) draft.role.keep_done_ms = *ms;
                     }},
                }};

// The key's entry; nothing after a complaint.
template <typename Keys>
const typename Keys::value_type* Loader::find_key(const Place& place, const TomlNode& node,
                                                  const Keys& keys) {
  std::array<std::string_view, std::tuple_size_v<Keys>> known;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].name == node.key) return &keys[i];
    known[i] = keys[i].name;
  }
  reader_.unknown_key(place, node, known);
  return nullptr;
}

void Loader::read_bus(const TomlNode& table) {
  const Place place{"bus"};
  for (const TomlNode& node : table.items) {
    if (const BusKey* key = find_key(place, node, bus_keys)) key->read(*this, place, node);
  }
  if (config_.listen && config_.listen == config_.http && *config_.listen != "none") {
    reader_.fail(table.line, "bus.listen and bus.http are the same, " + *config_.listen);
  }
}

void Loader::read_roles(const TomlNode& table) {
  for (const TomlNode& node : table.items) {
    if (reader_.expect({"role"}, node, TomlKind::table, "[role.research]")) read_role(node);
  }
}

void Loader::read_role(const TomlNode& table) {
  const Place place{"role." + table.key};
  if (!well_formed_name(table.key)) {
    reader_.fail(table.line, "role '" + table.key + "': a name is 1 to 128 of A-Z a-z 0-9 . _ : -");
    return;
  }
  for (const std::string_view word : option_words) {
    if (!same_word(word, table.key)) continue;
    reader_.fail(table.line, "role '" + table.key + "': this word ends a list of roles, so it can name none");
    return;
  }
  RoleDraft draft;
  for (const TomlNode& node : table.items) {
    const RoleKey* key = find_key(place, node, role_keys);
    if (key == nullptr) continue;
    key->read(reader_, place, node, draft);
    if (!key->acted_on) reader_.notice(node.line, place.of(node));
  }
  finish_role(place, draft);
  config_.bus.roles.insert_or_assign(table.key, draft.role);
}

// The order of keys in the file is free, so what depends on others comes last.
void Loader::finish_role(const Place& place, RoleDraft& draft) {
  core::RoleConfig& role = draft.role;
  if (draft.backoff != nullptr) {
    reader_.spans(place, *draft.backoff, role.backoff_base_ms, role.backoff_max_ms);
    check_order(place, *draft.backoff, role.backoff_base_ms, role.backoff_max_ms);
  }
  if (draft.retry == nullptr) return;
  if (!reader_.expect(place, *draft.retry, TomlKind::table, "{ bad_input = \"dead\" }")) return;
  const Place inside{place.of(*draft.retry)};
  for (const TomlNode& node : draft.retry->items) retry_class(inside, node, role);
}

void Loader::retry_class(const Place& place, const TomlNode& node, core::RoleConfig& role) {
  const auto kind = core::class_from(node.key);
  if (!kind) {
    reader_.unknown_key(place, node, core::class_names);
    return;
  }
  core::ClassPolicy policy;
  if (node.kind == TomlKind::text && node.text == "dead") {
    policy.dead = true;
  } else if (node.kind == TomlKind::table) {
    reader_.spans(place, node, policy.base_ms, policy.max_ms);
    check_order(place, node, policy.base_ms != 0 ? policy.base_ms : role.backoff_base_ms,
                policy.max_ms != 0 ? policy.max_ms : role.backoff_max_ms);
  } else {
    reader_.fail(place, node, "is neither \"dead\" nor a table such as { base = \"30s\" }");
  }
  role.classes[static_cast<size_t>(*kind)] = policy;
}

void Loader::check_order(const Place& place, const TomlNode& node, int64_t base_ms, int64_t max_ms) {
  if (base_ms <= max_ms) return;
  reader_.fail(place, node,
               "starts at " + format_duration(base_ms) + ", above its max of " + format_duration(max_ms) +
                   "; raise max or lower base");
}

void Loader::read_section(const TomlNode& node) {
  const bool later =
      std::find(later_sections.begin(), later_sections.end(), node.key) != later_sections.end();
  if (later) {
    reader_.notice(node.line, "[" + node.key + "]");
    return;
  }
  if (node.key == "bus" || node.key == "role") {
    const std::string example = node.key == "bus" ? "[bus]" : "[role.research]";
    if (!reader_.expect({}, node, TomlKind::table, example)) return;
    node.key == "bus" ? read_bus(node) : read_roles(node);
    return;
  }
  std::vector<std::string_view> known(later_sections.begin(), later_sections.end());
  known.insert(known.end(), {"bus", "role"});
  const std::string nearest = nearest_word(node.key, known);
  const bool table = node.kind == TomlKind::table || node.kind == TomlKind::array;
  std::string text =
      table ? "unknown section [" + node.key + "]" : "key '" + node.key + "' outside of any section";
  if (!table) {
    text += "; put it under [bus] or [role.NAME]";
  } else if (!nearest.empty()) {
    text += "; did you mean [" + nearest + "]?";
  } else {
    text += "; this file has [bus] and [role.NAME]";
  }
  reader_.fail(node.line, text);
}

Result<FileConfig> Loader::load(const TomlNode& root) {
  for (const TomlNode& node : root.items) read_section(node);
  if (reader_.failed()) return make_error(Code::err, reader_.errors());
  config_.notices = reader_.notices();
  return std::move(config_);
}

}  // namespace

Result<FileConfig> parse_config(std::string_view text, const std::string& path) {
  const auto root = parse_toml(text, path);
  if (!root) return root.error();
  return Loader(path).load(*root);
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
