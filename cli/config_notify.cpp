// [[notify]]: what the mirror posts, and where to.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "cli/config_sections.h"
#include "runner/http_post.h"

namespace pawl::cli {
namespace {

using runner::NotifyChannel;
using runner::NotifyTo;

constexpr size_t channels_max = 64;
constexpr size_t kind_bytes_max = 128;
constexpr Range timeout_range{100, 3'600'000};
constexpr int64_t tries_most = 1000;

struct Draft {
  NotifyChannel channel;
  std::optional<NotifyTo> to;
  ops::NotifyChannel gate;
  std::string faults;  // variables that are not set
  std::vector<const TomlNode*> given;

  const TomlNode* find(std::string_view key) const {
    for (const TomlNode* node : given) {
      if (node->key == key) return node;
    }
    return nullptr;
  }
};

struct At {
  ConfigReader& reader;
  const Place& place;
  const TomlNode& node;

  void fail(const std::string& text) const { reader.fail(place, node, text); }
};

// A text or { env = "NAME" }. What is not set is noted, for it stops nobody but the mirror.
std::optional<std::string> text_or_variable(const At& at, Draft& draft, std::string_view example) {
  if (at.node.kind == TomlKind::text) return at.reader.text(at.place, at.node, example);
  const bool shaped =
      at.node.kind == TomlKind::table && at.node.items.size() == 1 && at.node.items[0].key == "env";
  if (!shaped) {
    at.fail("is " + std::string(toml_kind_name(at.node.kind)) +
            " of something else; write a text, or { env = \"NAME\" }");
    return std::nullopt;
  }
  const auto name = at.reader.text({at.place.of(at.node)}, at.node.items[0], "env = \"SLACK_WEBHOOK_URL\"");
  if (!name) return std::nullopt;
  const char* value = std::getenv(name->c_str());
  if (value != nullptr && *value != '\0') return std::string(value);
  draft.faults += (draft.faults.empty() ? "" : "\n") + at.reader.place_of(at.node) + ": " +
                  at.place.of(at.node) + " names the environment variable " + *name + ", which is not set";
  return std::nullopt;
}

void read_to(const At& at, Draft& draft) {
  const auto word = at.reader.text(at.place, at.node, "\"slack\"");
  if (!word) return;
  const auto& names = runner::notify_to_names;
  const auto found = std::find(names.begin(), names.end(), *word);
  if (found == names.end()) {
    return at.fail("is \"" + *word + R"("; it is one of "slack" "discord" "webhook" "command" "file")");
  }
  draft.to = static_cast<NotifyTo>(found - names.begin());
}

void read_name(const At& at, Draft& draft) {
  draft.channel.name = at.reader.text(at.place, at.node, "\"ops\"").value_or("");
  const std::string& name = draft.channel.name;
  if (!well_formed_name(name) || name[0] == '.') {
    at.fail("is no name: 1 to 128 of A-Z a-z 0-9 . _ : -, and no dot first");
  }
}

void read_url(const At& at, Draft& draft) {
  const auto url = text_or_variable(at, draft, "\"https://hooks.slack.com/services/…\"");
  if (!url) return;
  draft.channel.url = *url;
  if (const std::string fault = runner::fault_of_url(*url); !fault.empty()) at.fail(fault);
}

void read_secret(const At& at, Draft& draft) {
  draft.channel.secret = text_or_variable(at, draft, "{ env = \"WEBHOOK_SECRET\" }").value_or("");
}

void read_path(const At& at, Draft& draft) {
  draft.channel.path = at.reader.text(at.place, at.node, "\"/var/log/pawl-notices.jsonl\"").value_or("");
  const std::string& path = draft.channel.path;
  if (!path.empty() && path[0] != '/') {
    at.fail("is \"" + path + "\", which means another file in every folder; write the whole path, from / on");
  } else if (path.ends_with('/')) {
    at.fail("is a folder; write the path of a file");
  }
}

void read_tiers(const At& at, Draft& draft) {
  draft.channel.tiers = at.reader.names(at.place, at.node);
  const auto& known = runner::notify_tier_names;
  for (const std::string& tier : draft.channel.tiers) {
    if (std::find(known.begin(), known.end(), tier) == known.end()) {
      at.fail("holds \"" + tier + R"("; the tiers are "ultra" "concern")");
    }
  }
}

void read_kinds(const At& at, Draft& draft) {
  constexpr std::string_view example = R"(["daemon.*", "kill.set"])";
  if (!at.reader.expect(at.place, at.node, TomlKind::array, example)) return;
  for (const TomlNode& item : at.node.items) {
    if (!at.reader.expect({at.place.of(at.node)}, item, TomlKind::text, "\"daemon.*\"")) continue;
    std::string_view stem = item.text;
    if (stem.ends_with('*')) stem.remove_suffix(1);
    if (item.text.size() > kind_bytes_max || (item.text != "*" && !well_formed_name(stem))) {
      at.fail("holds \"" + item.text + R"("; a kind is written "daemon.red", "daemon.*" or "*")");
    }
    draft.channel.kinds.push_back(item.text);
  }
  if (at.node.items.empty()) at.fail("is empty; write something like " + std::string(example));
}

void read_tries(const At& at, Draft& draft) {
  const auto value = at.reader.integer(at.place, at.node, {1, tries_most});
  if (value) draft.channel.tries = static_cast<uint32_t>(*value);
}

struct Key {
  std::string_view name;
  void (*read)(const At&, Draft&);
};

constexpr std::array<Key, 11> keys = {{
    {"to", read_to},
    {"name", read_name},
    {"url", read_url},
    {"secret", read_secret},
    {"command", [](const At& at, Draft& d) { d.channel.command = at.reader.command(at.place, at.node); }},
    {"path", read_path},
    {"tiers", read_tiers},
    {"kinds", read_kinds},
    {"timeout",
     [](const At& at, Draft& d) {
       if (const auto ms = at.reader.duration(at.place, at.node, timeout_range)) d.channel.timeout_ms = *ms;
     }},
    {"backoff",
     [](const At& at, Draft& d) {
       at.reader.spans(at.place, at.node, d.channel.backoff_base_ms, d.channel.backoff_max_ms);
       if (d.channel.backoff_base_ms > d.channel.backoff_max_ms) {
         at.fail("starts above its max; raise max or lower base");
       }
     }},
    {"tries", read_tries},
}};

const Key* find_channel_key(ConfigReader& reader, const Place& place, const TomlNode& node) {
  std::vector<std::string_view> known(gate_keys().begin(), gate_keys().end());
  for (const Key& key : keys) {
    if (key.name == node.key) return &key;
    known.push_back(key.name);
  }
  reader.unknown_key(place, node, known);
  return nullptr;
}

// Which keys go with which target.
struct Needs {
  std::string_view key;
  std::string_view example;
  bool (*with)(NotifyTo);
  bool required;
};
constexpr auto is_posted = [](NotifyTo to) { return to <= NotifyTo::webhook; };
constexpr std::array<Needs, 5> needs = {{
    {"url", R"(url = { env = "WEBHOOK_URL" })", is_posted, true},
    {"secret", "", [](NotifyTo to) { return to == NotifyTo::webhook; }, false},
    {"command", R"(command = ["./tell-me.sh"])", [](NotifyTo to) { return to == NotifyTo::command; }, true},
    {"tries", "", [](NotifyTo to) { return to == NotifyTo::command; }, false},
    {"path", R"(path = "/var/log/pawl-notices.jsonl")", [](NotifyTo to) { return to == NotifyTo::file; },
     true},
}};

void finish(ConfigReader& reader, const Place& place, const TomlNode& table, Draft& draft) {
  if (!draft.to) {
    if (!draft.find("to")) reader.fail(table.line, place.name + R"( has no to; write to = "slack")");
    return;
  }
  NotifyChannel& channel = draft.channel;
  channel.to = *draft.to;
  const std::string to(name_of(channel.to));
  for (const Needs& need : needs) {
    const TomlNode* node = draft.find(need.key);
    if (node && !need.with(channel.to)) {
      reader.fail(place, *node, "has no meaning with to = \"" + to + "\"; take it out");
    } else if (!node && need.required && need.with(channel.to)) {
      reader.fail(table.line, place.name + " has no " + std::string(need.key) + "; write something like " +
                                  std::string(need.example));
    }
  }
  if (channel.name.empty() && !draft.find("name")) channel.name = to;
  if (!draft.find("tiers") && !draft.find("kinds")) {
    channel.tiers.assign(runner::notify_tier_names.begin(), runner::notify_tier_names.end());
  } else if (const TomlNode* tiers = draft.find("tiers");
             tiers && channel.tiers.empty() && channel.kinds.empty()) {
    reader.fail(place, *tiers, "is empty, and there are no kinds: nothing would ever be posted");
  }
  for (const TomlNode* node : draft.given) {
    const auto& gate = gate_keys();
    if (!channel.tiers.empty() || std::find(gate.begin(), gate.end(), node->key) == gate.end()) continue;
    reader.fail(place, *node, "is for notices of incidents, which this channel does not get; give it tiers");
  }
}

// What the bus's gate knows of the channel; one for kinds alone it does not know.
void add_gate(ConfigReader& reader, const Place& place, const TomlNode& table, Draft& draft,
              FileConfig& config) {
  if (draft.channel.tiers.empty()) return;
  draft.gate.name = draft.channel.name;
  for (const std::string& word : draft.channel.tiers) {
    if (const auto tier = ops::word_from<ops::Tier>(word, ops::tier_names)) draft.gate.tiers.push_back(*tier);
  }
  for (const std::string& wrong : ops::check_notify_channel(draft.gate)) {
    reader.fail(table.line, place.name + ": " + wrong);
  }
  config.rules.notify.push_back(draft.gate);
}

}  // namespace

void read_notify(ConfigReader& reader, const TomlNode& array, FileConfig& config) {
  for (size_t i = 0; i < array.items.size(); ++i) {
    const TomlNode& table = array.items[i];
    const Place place{"notify[" + std::to_string(i) + "]"};
    if (!reader.expect(place, table, TomlKind::table, "[[notify]]")) continue;
    Draft draft;
    draft.channel.place = reader.place_of(table);
    for (const TomlNode& node : table.items) {
      if (read_gate_key(reader, place, node, draft.gate)) {
        draft.given.push_back(&node);
        continue;
      }
      const Key* key = find_channel_key(reader, place, node);
      if (key == nullptr) continue;
      draft.given.push_back(&node);
      key->read({reader, place, node}, draft);
    }
    finish(reader, place, table, draft);
    add_gate(reader, place, table, draft, config);
    const std::string& name = draft.channel.name;
    const bool taken = std::any_of(config.notify.begin(), config.notify.end(),
                                   [&](const NotifyChannel& other) { return other.name == name; });
    if (taken && !name.empty()) {
      reader.fail(table.line,
                  place.name + " is the second one called '" + name + "'; give it a name = \"…\" of its own");
    }
    if (!draft.faults.empty())
      config.notify_faults += (config.notify_faults.empty() ? "" : "\n") + draft.faults;
    config.notify.push_back(std::move(draft.channel));
  }
  if (array.items.size() > channels_max) {
    reader.fail(array.line, "more than " + std::to_string(channels_max) + " [[notify]]");
  }
}

}  // namespace pawl::cli
