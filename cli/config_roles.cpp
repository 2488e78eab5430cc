// [role.NAME].
#include <array>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "cli/config_sections.h"

namespace pawl::cli {
namespace {

constexpr int64_t claims_most = 1'000'000;
constexpr int64_t backlog_most = 1'000'000'000'000;
constexpr int64_t backlog_bytes_most = int64_t{1} << 50;
// The words that end a list of roles in a command can be no role's name.
constexpr std::array<std::string_view, 4> option_words = {"count", "wait", "lease", "next"};

struct Draft {
  core::RoleConfig role;
  runner::RoleConfig handler;
  // Looked at once the rest of the role is known.
  const TomlNode* backoff = nullptr;
  const TomlNode* retry = nullptr;
  const TomlNode* limp = nullptr;
};

// What a key is read with.
struct At {
  ConfigReader& reader;
  const Place& place;
  const TomlNode& node;

  template <typename Number>
  void integer(Number& into, int64_t most) const {
    if (const auto value = reader.integer(place, node, {1, most})) into = static_cast<Number>(*value);
  }
  void duration(int64_t& into, Range range) const {
    if (const auto value = reader.duration(place, node, range)) into = *value;
  }
  void bytes(uint64_t& into, Range range) const {
    if (const auto value = reader.bytes(place, node, range)) into = static_cast<uint64_t>(*value);
  }
};

void on_freeze(const At& at, Draft& draft) {
  const auto word = at.reader.text(at.place, at.node, "\"pause\"");
  if (!word) return;
  if (const auto how = runner::on_freeze_from(*word)) {
    draft.handler.on_freeze = *how;
    return;
  }
  at.reader.fail(at.place, at.node, "is \"" + *word + R"("; it is one of "pause" "terminate" "finish")");
}

struct Key {
  std::string_view name;
  bool acted_on;
  void (*read)(const At&, Draft&);
};

constexpr Range any_time{1, limits::duration_ms_max};
constexpr Range lease_range{limits::lease_ms_min, limits::lease_ms_max};

constexpr std::array<Key, 19> keys = {{
    {"command", true,
     [](const At& at, Draft& d) {
       d.handler.command = at.reader.command(at.place, at.node);
       d.handler.command_place = at.reader.place_of(at.node);
     }},
    {"shell", true,
     [](const At& at, Draft& d) {
       if (at.reader.expect(at.place, at.node, TomlKind::boolean, "true")) d.handler.shell = at.node.boolean;
     }},
    {"prompt", true,
     [](const At& at, Draft& d) {
       d.handler.prompt = at.reader.text(at.place, at.node, "\"prompts/r.md\"").value_or("");
       d.handler.prompt_place = at.reader.place_of(at.node);
     }},
    {"exit", true, [](const At& at, Draft& d) { read_exits(at.reader, at.place, at.node, d.handler.rules); }},
    {"patterns", true,
     [](const At& at, Draft& d) { read_patterns(at.reader, at.place, at.node, d.handler.rules); }},
    {"concurrency", true, [](const At& at, Draft& d) { at.integer(d.role.concurrency, claims_most); }},
    {"lease", true, [](const At& at, Draft& d) { at.duration(d.role.lease_ms, lease_range); }},
    {"timeout", true, [](const At& at, Draft& d) { at.duration(d.handler.timeout_ms, any_time); }},
    {"max_attempts", true,
     [](const At& at, Draft& d) { at.integer(d.role.max_attempts, limits::attempts_max); }},
    {"backoff", true, [](const At& at, Draft& d) { d.backoff = &at.node; }},
    {"needs", true, [](const At& at, Draft& d) { d.role.needs = at.reader.names(at.place, at.node); }},
    {"limp", true,
     [](const At& at, Draft& d) {
       d.limp = &at.node;
       d.handler.limp = at.reader.command(at.place, at.node);
       d.handler.limp_place = at.reader.place_of(at.node);
       d.role.limp = !d.handler.limp.empty();
     }},
    {"on_freeze", true, on_freeze},
    {"quota", true, [](const At& at, Draft& d) { d.role.quotas = at.reader.quotas(at.place, at.node); }},
    {"rate", true,
     [](const At& at, Draft& d) {
       if (const auto rate = at.reader.rate(at.place, at.node)) d.role.rate = *rate;
     }},
    {"backlog", true, [](const At& at, Draft& d) { at.integer(d.role.backlog_max, backlog_most); }},
    {"backlog_bytes", true,
     [](const At& at, Draft& d) {
       at.bytes(d.role.backlog_bytes_max, {1, backlog_bytes_most});
     }},
    {"retry", true, [](const At& at, Draft& d) { d.retry = &at.node; }},
    {"keep_done", true,
     [](const At& at, Draft& d) {
       at.duration(d.role.keep_done_ms, {0, limits::duration_ms_max});
     }},
}};

void check_order(ConfigReader& reader, const Place& place, const TomlNode& node, int64_t base_ms,
                 int64_t max_ms) {
  if (base_ms <= max_ms) return;
  reader.fail(place, node,
              "starts at " + format_duration(base_ms) + ", above its max of " + format_duration(max_ms) +
                  "; raise max or lower base");
}

void retry_class(ConfigReader& reader, const Place& place, const TomlNode& node, core::RoleConfig& role) {
  const auto kind = core::class_from(node.key);
  if (!kind) {
    reader.unknown_key(place, node, core::class_names);
    return;
  }
  core::ClassPolicy policy;
  if (node.kind == TomlKind::text && node.text == "dead") {
    policy.dead = true;
  } else if (node.kind == TomlKind::table) {
    reader.spans(place, node, policy.base_ms, policy.max_ms);
    check_order(reader, place, node, policy.base_ms != 0 ? policy.base_ms : role.backoff_base_ms,
                policy.max_ms != 0 ? policy.max_ms : role.backoff_max_ms);
  } else {
    reader.fail(place, node, "is neither \"dead\" nor a table such as { base = \"30s\" }");
  }
  role.classes[static_cast<size_t>(*kind)] = policy;
}

// The order of keys in the file is free, so what depends on others comes last.
void finish(ConfigReader& reader, const Place& place, Draft& draft) {
  core::RoleConfig& role = draft.role;
  if (draft.backoff != nullptr) {
    reader.spans(place, *draft.backoff, role.backoff_base_ms, role.backoff_max_ms);
    check_order(reader, place, *draft.backoff, role.backoff_base_ms, role.backoff_max_ms);
  }
  if (draft.limp != nullptr && role.needs.empty()) {
    reader.fail(
        place, *draft.limp,
        "is the command for when something in needs is out, and there is no needs; name what it can do "
        "without");
  }
  if (draft.retry == nullptr) return;
  if (!reader.expect(place, *draft.retry, TomlKind::table, "{ bad_input = \"dead\" }")) return;
  const Place inside{place.of(*draft.retry)};
  for (const TomlNode& node : draft.retry->items) retry_class(reader, inside, node, role);
}

bool may_name_a_role(ConfigReader& reader, const TomlNode& table) {
  if (!well_formed_name(table.key)) {
    reader.fail(table.line, "role '" + table.key + "': a name is 1 to 128 of A-Z a-z 0-9 . _ : -");
    return false;
  }
  for (const std::string_view word : option_words) {
    if (!same_word(word, table.key)) continue;
    reader.fail(table.line, "role '" + table.key + "': this word ends a list of roles, so it can name none");
    return false;
  }
  return true;
}

}  // namespace

void read_roles(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  for (const TomlNode& role : table.items) {
    if (!reader.expect({"role"}, role, TomlKind::table, "[role.research]")) continue;
    if (!may_name_a_role(reader, role)) continue;
    const Place place{"role." + role.key};
    Draft draft;
    for (const TomlNode& node : role.items) {
      const Key* key = find_key(reader, place, node, keys);
      if (key == nullptr) continue;
      key->read({reader, place, node}, draft);
      if (!key->acted_on) reader.notice(node.line, place.of(node));
    }
    finish(reader, place, draft);
    draft.handler.name = role.key;
    draft.handler.place = reader.place_of(role);
    draft.handler.needs = draft.role.needs;
    if (draft.role.concurrency != 0) draft.handler.concurrency = draft.role.concurrency;
    config.run.roles.push_back(std::move(draft.handler));
    config.bus.roles.insert_or_assign(role.key, std::move(draft.role));
  }
}

}  // namespace pawl::cli
