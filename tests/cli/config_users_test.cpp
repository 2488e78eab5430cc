// [user.NAME] of pawl.toml.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "cli/config.h"

namespace pawl::cli {
namespace {

// Of "ann-pw", as `pawl passwd` printed it.
const std::string hash =
    "$argon2id$v=19$m=65536,t=2,p=1$oh85Gh5IEmARNUwaMY/JgA$hP5Ze7eWBj9h29PAlS+ZFjF3RQvlxX4MNbuW4ZpYhrs";

std::string section(const std::string& lines) { return "[user.ann]\npassword = \"" + hash + "\"\n" + lines; }

}  // namespace

TEST_CASE("config: users with every key") {
  setenv("PAWL_CONFIG_TEST_HASH", hash.c_str(), 1);
  const auto config =
      parse_config(section("rights = [\"producer\", \"worker\"]\n") +
                       "[user.\"b.e-n:1\"]\npassword = { env = \"PAWL_CONFIG_TEST_HASH\" }\n"
                       "rights = [\"operator\"]\nroles = [\"mail\", \"team.\"]\n"
                       "[user.eve]\nroles = []\nrights = [\"admin\", \"admin\"]\npassword = '" +
                       hash + "'\n",
                   "pawl.toml");
  unsetenv("PAWL_CONFIG_TEST_HASH");
  if (!config) FAIL(config.error().text);
  const auto& users = config->bus.users;
  REQUIRE(users.size() == 3);
  const core::UserConfig& ann = users.at("ann");
  CHECK(ann.name == "ann");
  CHECK(ann.password_hash == hash);
  CHECK((ann.producer && ann.worker && !ann.operates && !ann.admin));
  CHECK((ann.roles.empty() && ann.covers("anything")));
  const core::UserConfig& ben = users.at("b.e-n:1");
  CHECK(ben.password_hash == hash);
  CHECK((!ben.producer && !ben.worker && ben.operates && !ben.admin));
  CHECK(ben.roles == std::vector<std::string>{"mail", "team."});
  CHECK((ben.covers("mailbox") && ben.covers("team.a") && !ben.covers("teams") && !ben.covers("")));
  const core::UserConfig& eve = users.at("eve");
  CHECK((!eve.producer && !eve.worker && !eve.operates && eve.admin && eve.roles.empty()));
  CHECK(config->notices.empty());
}

TEST_CASE("config: mistakes of users are named, and what may be a password is not shown") {
  setenv("PAWL_CONFIG_TEST_PLAIN", "hunter2", 1);
  const std::string rights = "rights = [\"producer\"]\n";
  const std::string no_hash =
      "holds no hash of a password; write what `pawl passwd` prints, or { env = \"NAME\" } that holds it";
  struct Case {
    std::string text;
    std::string error;
  };
  const std::vector<Case> cases = {
      {"[user.ann]\npassword = \"hunter2\"\n" + rights, "pawl.toml:2: user.ann.password " + no_hash},
      {"[user.ann]\npassword = { env = \"PAWL_CONFIG_TEST_PLAIN\" }\n" + rights,
       "pawl.toml:2: user.ann.password " + no_hash},
      {"[user.ann]\npassword = { env = \"PAWL_CONFIG_TEST_UNSET\" }\n" + rights,
       "pawl.toml:2: user.ann.password names the environment variable PAWL_CONFIG_TEST_UNSET, which is not "
       "set"},
      {"[user.ann]\npassword = \"" + hash.substr(0, hash.size() - 2) + "\"\n" + rights,
       "pawl.toml:2: user.ann.password " + no_hash},
      {"[user.ann]\npassword = 5\n" + rights,
       "pawl.toml:2: user.ann.password is an integer; write something like \"secret\" or { env = "
       "\"PAWL_PASSWORD\" }"},
      {"[user.ann]\n" + rights, "pawl.toml:1: user.ann has no password; write what `pawl passwd` prints"},
      {section(""),
       "pawl.toml:1: user.ann has no rights; write something like rights = [\"producer\", \"worker\"]"},
      {section("rights = []\n"),
       "pawl.toml:3: user.ann.rights is empty; write something like [\"producer\", \"worker\"]"},
      {section("rights = \"producer\"\n"),
       "pawl.toml:3: user.ann.rights is a text; write something like [\"producer\", \"worker\"]"},
      {section("rights = [\"root\"]\n"),
       "pawl.toml:3: user.ann.rights holds \"root\"; the rights are \"producer\" \"worker\" \"operator\" "
       "\"admin\""},
      {section("rights = [5]\n"),
       "pawl.toml:3: user.ann.rights is an integer; write something like \"producer\""},
      {section(rights + "roles = [\"\"]\n"),
       "pawl.toml:4: user.ann.roles holds \"\", which is the beginning of every role; leave roles out for "
       "all"},
      {section(rights + "roles = [\"mail*\"]\n"),
       "pawl.toml:4: user.ann.roles holds \"mail*\"; it is how names of roles begin: 1 to 128 of A-Z a-z 0-9 "
       ". "
       "_ : - and no *"},
      {section(rights + "roles = \"mail\"\n"),
       "pawl.toml:4: user.ann.roles is a text; write something like [\"research\", \"team-a.\"]"},
      {section(rights + "role = [\"mail\"]\n"),
       "pawl.toml:4: unknown key 'role' in [user.ann]; did you mean 'roles'?"},
      {"[user.\"a b\"]\n", "pawl.toml:1: user 'a b': a name is 1 to 128 of A-Z a-z 0-9 . _ : -"},
      {"[user.default]\n", "pawl.toml:1: user 'default' is the one of [bus] password; choose another name"},
      {"[user]\nann = 1\n", "pawl.toml:2: user.ann is an integer; write something like [user.ann]"},
      {"user = 1\n", "pawl.toml:1: user is an integer; write something like [user.NAME]"},
      {"[[user]]\n", "pawl.toml:1: user is an array; write something like [user.NAME]"},
      {"[users]\n", "pawl.toml:1: unknown section [users]; did you mean [user]?"},
  };
  for (const Case& wrong : cases) {
    INFO(wrong.text);
    const auto config = parse_config(wrong.text, "pawl.toml");
    REQUIRE(!config);
    CHECK(config.error().text == wrong.error);
    CHECK(config.error().text.find("hunter2") == std::string::npos);
  }
  unsetenv("PAWL_CONFIG_TEST_PLAIN");
}

}  // namespace pawl::cli
