// [[classify]] and [[policy]]: what kind of failure it is, and what is done about it.
#include <algorithm>
#include <array>
#include <optional>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "bus/ops/entry_fields.h"
#include "cli/config_sections.h"

namespace pawl::cli {
namespace {

using core::ErrorClass;
using ops::ClassifyRule;
using ops::PolicyRule;
using ops::Span;

constexpr size_t rules_max = 1000;

// A text, or an array of them: each item that is one.
std::vector<const TomlNode*> texts_of(ConfigReader& reader, const Place& place, const TomlNode& node,
                                      std::string_view example) {
  std::vector<const TomlNode*> out;
  if (node.kind != TomlKind::array) {
    if (reader.expect(place, node, TomlKind::text, example)) out.push_back(&node);
    return out;
  }
  if (node.items.empty()) reader.fail(place, node, "is empty; write something like " + std::string(example));
  for (const TomlNode& item : node.items) {
    if (reader.expect({place.of(node)}, item, TomlKind::text, example)) out.push_back(&item);
  }
  return out;
}

template <typename E, size_t count>
std::vector<E> words_of(ConfigReader& reader, const Place& place, const TomlNode& node,
                        const std::array<std::string_view, count>& names) {
  std::vector<E> out;
  for (const TomlNode* item : texts_of(reader, place, node, "\"" + std::string(names[0]) + "\"")) {
    if (const auto word = ops::word_from<E>(item->text, names)) {
      out.push_back(*word);
      continue;
    }
    std::string all;
    for (const std::string_view name : names) all += " " + std::string(name);
    reader.fail(place, node, "says \"" + item->text + "\"; it is one of" + all);
  }
  return out;
}

// 3, "64-78", or an array of such.
std::vector<Span> spans_of(ConfigReader& reader, const Place& place, const TomlNode& node) {
  std::vector<Span> out;
  const auto one = [&](const TomlNode& item) {
    if (item.kind == TomlKind::integer) return out.push_back({item.integer, item.integer});
    if (!reader.expect(place, item, TomlKind::text, "\"64-78\"")) return;
    const auto span = ops::span_from(item.text);
    if (!span) return reader.fail(node.line, place.of(node) + ": " + span.error().text);
    out.push_back(*span);
  };
  if (node.kind != TomlKind::array) {
    one(node);
    return out;
  }
  for (const TomlNode& item : node.items) one(item);
  if (node.items.empty()) reader.fail(place, node, "is empty; write a number, or \"64-78\"");
  return out;
}

// 5: so many or more; "5-20": between.
Span from_of(ConfigReader& reader, const Place& place, const TomlNode& node) {
  if (node.kind == TomlKind::integer) return {node.integer, Span{}.most};
  const std::vector<Span> spans = spans_of(reader, place, node);
  return spans.empty() ? Span{} : spans.front();
}

// "22:00-06:00", the end not included; past midnight it is two spans.
std::vector<Span> minutes_of(ConfigReader& reader, const Place& place, const TomlNode& node) {
  std::vector<Span> out;
  for (const TomlNode* item : texts_of(reader, place, node, "\"22:00-06:00\"")) {
    const std::string_view text = item->text;
    const size_t dash = text.find('-');
    const auto from = minute_of_day(text.substr(0, dash));
    const auto to = dash == std::string_view::npos ? std::nullopt : minute_of_day(text.substr(dash + 1));
    if (!from || !to || *from == *to || *from == 1440) {
      reader.fail(place, node,
                  "says \"" + item->text + "\"; write it like \"22:00-06:00\", from a time to another one");
    } else if (*from < *to) {
      out.push_back({*from, *to - 1});
    } else {
      out.push_back({*from, 1439});
      if (*to > 0) out.push_back({0, *to - 1});
    }
  }
  return out;
}

struct ClassifyKey {
  std::string_view name;
  void (*read)(ConfigReader&, const Place&, const TomlNode&, ClassifyRule&);
};
constexpr std::array<ClassifyKey, 8> classify_keys = {{
    {"text", [](ConfigReader& r, const Place& p, const TomlNode& n,
                ClassifyRule& rule) { rule.text = r.pattern(p, n, "\"slow down|try later\""); }},
    {"class", [](ConfigReader& r, const Place& p, const TomlNode& n,
                 ClassifyRule& rule) { rule.reported = words_of<ErrorClass>(r, p, n, core::class_names); }},
    {"source", [](ConfigReader& r, const Place& p, const TomlNode& n,
                  ClassifyRule& rule) { rule.sources = words_of<ops::Source>(r, p, n, ops::source_names); }},
    {"exit", [](ConfigReader& r, const Place& p, const TomlNode& n,
                ClassifyRule& rule) { rule.exit_codes = spans_of(r, p, n); }},
    {"signal", [](ConfigReader& r, const Place& p, const TomlNode& n,
                  ClassifyRule& rule) { rule.signals = spans_of(r, p, n); }},
    {"role", [](ConfigReader& r, const Place& p, const TomlNode& n,
                ClassifyRule& rule) { rule.role = glob_of(r, p, n); }},
    {"daemon", [](ConfigReader& r, const Place& p, const TomlNode& n,
                  ClassifyRule& rule) { rule.daemon = glob_of(r, p, n); }},
    {"guard", [](ConfigReader& r, const Place& p, const TomlNode& n,
                 ClassifyRule& rule) { rule.guard = glob_of(r, p, n); }},
}};

void fingerprints_of(ConfigReader& reader, const Place& place, const TomlNode& node, PolicyRule& rule) {
  for (const TomlNode* item : texts_of(reader, place, node, "\"00f1e2d3c4b5a697\"")) {
    const auto fingerprint = ops::fingerprint_from(item->text);
    if (!fingerprint) {
      reader.fail(place, node, "says \"" + item->text + "\"; a fingerprint is sixteen digits, 0-9 and a-f");
    } else {
      rule.fingerprints.push_back(*fingerprint);
    }
  }
}

struct PolicyKey {
  std::string_view name;
  void (*read)(ConfigReader&, const Place&, const TomlNode&, PolicyRule&);
};
constexpr std::array<PolicyKey, 12> policy_keys = {{
    {"class", [](ConfigReader& r, const Place& p, const TomlNode& n,
                 PolicyRule& rule) { rule.classes = words_of<ErrorClass>(r, p, n, core::class_names); }},
    {"tier", [](ConfigReader& r, const Place& p, const TomlNode& n,
                PolicyRule& rule) { rule.tiers = words_of<ops::Tier>(r, p, n, ops::tier_names); }},
    {"health", [](ConfigReader& r, const Place& p, const TomlNode& n,
                  PolicyRule& rule) { rule.colours = words_of<ops::Colour>(r, p, n, ops::colour_names); }},
    {"breaker",
     [](ConfigReader& r, const Place& p, const TomlNode& n, PolicyRule& rule) {
       rule.breakers = words_of<ops::BreakerState>(r, p, n, ops::breaker_names);
     }},
    {"fingerprint", fingerprints_of},
    {"count", [](ConfigReader& r, const Place& p, const TomlNode& n,
                 PolicyRule& rule) { rule.count = from_of(r, p, n); }},
    {"spread", [](ConfigReader& r, const Place& p, const TomlNode& n,
                  PolicyRule& rule) { rule.spread = from_of(r, p, n); }},
    {"age",
     [](ConfigReader& r, const Place& p, const TomlNode& n, PolicyRule& rule) {
       if (const auto ms = r.duration(p, n, {0, limits::duration_ms_max})) rule.age_ms.least = *ms;
     }},
    {"load", [](ConfigReader& r, const Place& p, const TomlNode& n,
                PolicyRule& rule) { rule.load_percent = from_of(r, p, n); }},
    {"time", [](ConfigReader& r, const Place& p, const TomlNode& n,
                PolicyRule& rule) { rule.minutes = minutes_of(r, p, n); }},
    {"role", [](ConfigReader& r, const Place& p, const TomlNode& n,
                PolicyRule& rule) { rule.role = glob_of(r, p, n); }},
    {"daemon", [](ConfigReader& r, const Place& p, const TomlNode& n,
                  PolicyRule& rule) { rule.daemon = glob_of(r, p, n); }},
}};

template <typename Rule, typename Keys>
void read_when(ConfigReader& reader, const Place& place, const TomlNode& node, const Keys& keys, Rule& rule) {
  if (!reader.expect(place, node, TomlKind::table, "{ role = \"mail*\" }")) return;
  const Place inside{place.of(node)};
  for (const TomlNode& item : node.items) {
    const auto* key = find_key(reader, inside, item, keys);
    if (key != nullptr) key->read(reader, inside, item, rule);
  }
}

void read_try(ConfigReader& reader, const Place& place, const TomlNode& node, PolicyRule& rule) {
  for (const TomlNode* item : texts_of(reader, place, node, R"(["restart_daemon", "escalate"])")) {
    const auto action = ops::action_from(item->text);
    if (!action) {
      reader.fail(node.line, place.of(node) + ": " + action.error().text);
    } else {
      rule.actions.push_back(*action);
    }
  }
}

// An array of tables.
struct Table {
  ConfigReader& reader;
  const TomlNode& array;
  std::string_view name;

  // Calls read(place, table, name it has without one of its own) for each.
  template <typename Read>
  void each(Read read) const {
    for (size_t i = 0; i < array.items.size(); ++i) {
      const Place place{std::string(name) + "[" + std::to_string(i) + "]"};
      if (reader.expect(place, array.items[i], TomlKind::table, "[[" + std::string(name) + "]]")) {
        read(place, array.items[i], std::string(name) + " " + std::to_string(i + 1));
      }
    }
    if (array.items.size() > rules_max) {
      reader.fail(array.line, "more than " + std::to_string(rules_max) + " [[" + std::string(name) + "]]");
    }
  }
};

}  // namespace

std::optional<int64_t> minute_of_day(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = parse_int(text.substr(0, 2));
  const auto minute = parse_int(text.substr(3));
  if (!hour || !minute || *hour < 0 || *hour > 24 || *minute < 0 || *minute > 59) return std::nullopt;
  if (*hour == 24 && *minute != 0) return std::nullopt;
  return *hour * 60 + *minute;
}

std::string glob_of(ConfigReader& reader, const Place& place, const TomlNode& node) {
  const auto glob = reader.text(place, node, "\"team-*\"");
  if (!glob) return "";
  std::string plain = *glob;
  std::replace_if(
      plain.begin(), plain.end(), [](char c) { return c == '*' || c == '?'; }, 'x');
  if (!well_formed_name(plain))
    reader.fail(place, node, "is no name; it may have * for any run and ? for any one character");
  return *glob;
}

void read_classify(ConfigReader& reader, const TomlNode& array, FileConfig& config) {
  constexpr std::array<std::string_view, 3> known = {"name", "when", "class"};
  std::vector<ClassifyRule>& rules = config.rules.classify;
  const bool failed_before = reader.failed();
  Table{reader, array, "classify"}.each([&](const Place& place, const TomlNode& table, std::string name) {
    ClassifyRule rule;
    rule.name = std::move(name);
    bool has_class = false;
    for (const TomlNode& node : table.items) {
      if (node.key == "name") {
        rule.name = reader.text(place, node, "\"mail-limits\"").value_or("");
      } else if (node.key == "when") {
        read_when(reader, place, node, classify_keys, rule);
      } else if (node.key == "class") {
        has_class = true;
        const auto classes = words_of<ErrorClass>(reader, place, node, core::class_names);
        if (classes.size() > 1) reader.fail(place, node, "is one class, not several");
        if (!classes.empty()) rule.becomes = classes.front();
      } else {
        reader.unknown_key(place, node, known);
      }
    }
    if (!has_class) reader.fail(table.line, place.name + " has no class; write class = \"rate_limited\"");
    rules.push_back(std::move(rule));
  });
  if (failed_before || reader.failed()) return;  // rules that were not understood would look alike
  for (const std::string& wrong : ops::check_classify_rules(rules))
    reader.fail(array.line, "[[classify]]: " + wrong);
}

void read_policy(ConfigReader& reader, const TomlNode& array, FileConfig& config) {
  constexpr std::array<std::string_view, 3> known = {"name", "when", "try"};
  std::vector<PolicyRule>& rules = config.rules.policy;
  const bool failed_before = reader.failed();
  Table{reader, array, "policy"}.each([&](const Place& place, const TomlNode& table, std::string name) {
    PolicyRule rule;
    rule.name = std::move(name);
    bool has_try = false;
    for (const TomlNode& node : table.items) {
      if (node.key == "name") {
        rule.name = reader.text(place, node, "\"nights\"").value_or("");
      } else if (node.key == "when") {
        read_when(reader, place, node, policy_keys, rule);
      } else if (node.key == "try") {
        has_try = true;
        read_try(reader, place, node, rule);
      } else {
        reader.unknown_key(place, node, known);
      }
    }
    if (!has_try)
      reader.fail(table.line, place.name + R"( has no try; write try = ["restart_daemon", "escalate"])");
    rules.push_back(std::move(rule));
  });
  if (failed_before || reader.failed()) return;
  for (const std::string& wrong : ops::check_policy_rules(rules))
    reader.fail(array.line, "[[policy]]: " + wrong);
}

void read_ops(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  constexpr std::array<std::string_view, 1> known = {"policy"};
  const Place place{"ops"};
  for (const TomlNode& node : table.items) {
    if (node.key != "policy") {
      reader.unknown_key(place, node, known);
      continue;
    }
    const auto modes = words_of<core::GuardMode>(reader, place, node, core::guard_mode_names);
    if (modes.size() > 1) reader.fail(place, node, "is one mode, not several");
    if (!modes.empty()) config.rules.policy_mode = modes.front();
  }
}

void read_limits(ConfigReader& reader, const Place& place, const TomlNode& node, FileConfig& config) {
  constexpr std::array<std::string_view, 3> known = {"max", "per", "fleet"};
  if (!reader.expect(place, node, TomlKind::table, R"({ restart_daemon = { max = 3, per = "10m" } })"))
    return;
  const Place inside{place.of(node)};
  for (const TomlNode& item : node.items) {
    const auto action = ops::action_from(item.key);
    if (!action) {
      reader.fail(item.line, inside.name + ": " + action.error().text);
      continue;
    }
    if (!ops::facts_of(*action).recovers) {
      reader.fail(inside, item, "has no limit: the notify gate decides who is told how often");
      continue;
    }
    if (!reader.expect(inside, item, TomlKind::table, "{ max = 3, per = \"10m\" }")) continue;
    const Place deep{inside.of(item)};
    const ops::ActionFacts& facts = ops::facts_of(*action);
    ops::Cap cap;
    std::optional<int64_t> fleet;
    for (const TomlNode& value : item.items) {
      if (value.key == "max") {
        if (const auto max = reader.integer(deep, value, {0, 1'000'000}))
          cap.max = static_cast<uint32_t>(*max);
      } else if (value.key == "per") {
        if (const auto ms = reader.duration(deep, value, {1000, limits::duration_ms_max})) cap.per_ms = *ms;
      } else if (value.key == "fleet") {
        fleet = reader.integer(deep, value, {0, 1'000'000});
      } else {
        reader.unknown_key(deep, value, known);
      }
    }
    cap.fleet = fleet                  ? static_cast<uint32_t>(*fleet)
                : facts.fleet_cap == 0 ? 0
                                       : std::max(facts.fleet_cap, cap.max);
    if (cap.per_ms == 0) reader.fail(item.line, deep.name + " has no per; write { max = 3, per = \"10m\" }");
    config.rules.caps[static_cast<size_t>(*action)] = cap;
  }
}

}  // namespace pawl::cli
