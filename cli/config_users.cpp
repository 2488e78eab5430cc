#include "cli/config_users.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "bus/base/ids.h"
#include "bus/server/password.h"

namespace pawl::cli {
namespace {

constexpr std::array<std::string_view, 3> user_keys = {"password", "rights", "roles"};

struct RightWord {
  std::string_view word;
  bool core::UserConfig::*right;
};
constexpr std::array<RightWord, 4> right_words = {{
    {"producer", &core::UserConfig::producer},
    {"worker", &core::UserConfig::worker},
    {"operator", &core::UserConfig::operates},
    {"admin", &core::UserConfig::admin},
}};
constexpr std::string_view rights_example = R"(["producer", "worker"])";
constexpr std::string_view roles_example = R"(["research", "team-a."])";

// What does not fit is never shown: it may be the password itself.
void read_password(ConfigReader& reader, const Place& place, const TomlNode& node, core::UserConfig& user) {
  const auto hash = reader.secret(place, node);
  if (!hash) return;
  user.password_hash = *hash;
  if (const std::string fault = server::fault_of_hash(*hash); !fault.empty()) {
    reader.fail(place, node,
                fault + "; write what `pawl passwd` prints, or { env = \"NAME\" } that holds it");
  }
}

void read_rights(ConfigReader& reader, const Place& place, const TomlNode& node, core::UserConfig& user) {
  if (!reader.expect(place, node, TomlKind::array, rights_example)) return;
  for (const TomlNode& item : node.items) {
    if (!reader.expect({place.of(node)}, item, TomlKind::text, "\"producer\"")) continue;
    const auto known = std::find_if(right_words.begin(), right_words.end(),
                                    [&](const RightWord& one) { return one.word == item.text; });
    if (known != right_words.end()) {
      user.*known->right = true;
    } else {
      reader.fail(place, node,
                  "holds \"" + item.text + R"("; the rights are "producer" "worker" "operator" "admin")");
    }
  }
  if (node.items.empty()) {
    reader.fail(place, node, "is empty; write something like " + std::string(rights_example));
  }
}

void read_prefixes(ConfigReader& reader, const Place& place, const TomlNode& node, core::UserConfig& user) {
  if (!reader.expect(place, node, TomlKind::array, roles_example)) return;
  for (const TomlNode& item : node.items) {
    if (!reader.expect({place.of(node)}, item, TomlKind::text, "\"research\"")) continue;
    if (item.text.empty()) {
      reader.fail(place, node, "holds \"\", which is the beginning of every role; leave roles out for all");
    } else if (!well_formed_name(item.text)) {
      reader.fail(place, node,
                  "holds \"" + item.text +
                      "\"; it is how names of roles begin: 1 to 128 of A-Z a-z 0-9 . _ : - and no *");
    } else {
      user.roles.push_back(item.text);
    }
  }
}

void read_user(ConfigReader& reader, const TomlNode& table, core::UserConfig& user) {
  const Place place{"user." + table.key};
  bool has_password = false;
  bool has_rights = false;
  for (const TomlNode& node : table.items) {
    if (node.key == "password") {
      has_password = true;
      read_password(reader, place, node, user);
    } else if (node.key == "rights") {
      has_rights = true;
      read_rights(reader, place, node, user);
    } else if (node.key == "roles") {
      read_prefixes(reader, place, node, user);
    } else {
      reader.unknown_key(place, node, user_keys);
    }
  }
  if (!has_password)
    reader.fail(table.line, place.name + " has no password; write what `pawl passwd` prints");
  if (!has_rights) {
    reader.fail(table.line,
                place.name + " has no rights; write something like rights = " + std::string(rights_example));
  }
}

}  // namespace

void read_users(ConfigReader& reader, const TomlNode& section,
                std::map<std::string, core::UserConfig, std::less<>>& users) {
  if (!reader.expect({}, section, TomlKind::table, "[user.ann]")) return;
  for (const TomlNode& node : section.items) {
    if (!reader.expect({"user"}, node, TomlKind::table, "[user.ann]")) continue;
    if (!well_formed_name(node.key)) {
      reader.fail(node.line, "user '" + node.key + "': a name is 1 to 128 of A-Z a-z 0-9 . _ : -");
    } else if (node.key == "default") {
      reader.fail(node.line, "user 'default' is the one of [bus] password; choose another name");
    } else {
      core::UserConfig& user = users[node.key];
      user.name = node.key;
      read_user(reader, node, user);
    }
  }
}

}  // namespace pawl::cli
