// What a runner serves, while its files change.
#include "runner/role_registry.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "runner/files.h"
#include "tests/support/temp_directory.h"

using namespace pawl::runner;
using pawl::Code;
using pawl::make_error;

namespace {

// A registry over a folder; what its "file" says is set by the test.
class Rig {
 public:
  explicit Rig(std::vector<std::string> names = {})
      : registry(
            path("pawl.toml"),
            [this]() -> pawl::Result<RunConfig> {
              ++loads;
              if (!error.empty()) return make_error(Code::err, error);
              return config;
            },
            std::move(names), PromptStore(made("prompts"))) {
    touch();
  }

  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  std::string made(const std::string& name) const {
    REQUIRE(make_folders(path(name)));
    return path(name);
  }
  void write(const std::string& name, const std::string& text) const {
    REQUIRE(write_file(path(name), text, 0600, false));
  }
  // In place: the same file, the same size if the text has it.
  void overwrite(const std::string& name, const std::string& text) const {
    std::fstream(path(name), std::ios::in | std::ios::out) << text;
  }
  void touch() { write("pawl.toml", std::to_string(++touches_)); }
  RoleConfig& role(const std::string& name) {
    for (RoleConfig& one : config.roles) {
      if (one.name == name) return one;
    }
    RoleConfig& added = config.roles.emplace_back();
    added.name = name;
    added.place = "pawl.toml:1";
    added.command = {"sh"};
    added.command_place = "pawl.toml:2";
    added.prompt_place = "pawl.toml:3";
    return added;
  }
  std::string version(const std::string& name) const { return registry.roles().at(name).setup->version; }
  std::string prompt(const std::string& name) const {
    return *read_file(registry.roles().at(name).setup->prompt->path(), 1000);
  }

 private:
  pawl::test::TempDirectory folder_;
  int touches_ = 0;

 public:
  RunConfig config;
  std::string error;
  int loads = 0;
  RoleRegistry registry;
};

}  // namespace

TEST_CASE("registry: the roles with a command, or those named") {
  for (const bool named : {false, true}) {
    Rig rig(named ? std::vector<std::string>{"b"} : std::vector<std::string>{});
    rig.role("a");
    rig.role("b").concurrency = 3;
    rig.role("none").command.clear();
    REQUIRE(rig.registry.open());
    CHECK(rig.registry.roles().size() == (named ? 1 : 2));
    CHECK(rig.registry.roles().count("none") == 0);
    CHECK(rig.registry.roles().at("b").concurrency == 3);
  }
}

TEST_CASE("registry: at the start every fault is told") {
  Rig rig({"a", "b", "c", "gone"});
  rig.role("a").command.clear();
  rig.role("b").command = {"/no/such/program"};
  rig.role("c").prompt = rig.path("no-prompt");
  const auto opened = rig.registry.open();
  REQUIRE_FALSE(opened);
  const std::string& text = opened.error().text;
  for (const char* part : {"pawl.toml:1: [role.a] has no command", "pawl.toml:2: role.b.command: cannot run",
                           "pawl.toml:3: role.c.prompt: cannot read ", "there is no [role.gone]"}) {
    INFO(part << " in " << text);
    CHECK(text.find(part) != std::string::npos);
  }
  Rig empty;
  CHECK(empty.registry.open().error().text.find("no role has a command") != std::string::npos);
}

TEST_CASE("registry: a version names command, prompt and settings, and nothing else") {
  RoleConfig base;
  base.command = {"sh", "-c", "x"};
  const std::string version = version_of(base, "prompt");
  CHECK(version.size() == 16);
  CHECK(version_of(base, "prompt") == version);
  std::vector<std::string> others = {version_of(base, "prompt2"), version_of(base, "")};
  const auto with = [&](auto change) {
    RoleConfig role = base;
    change(role);
    others.push_back(version_of(role, "prompt"));
  };
  with([](RoleConfig& r) { r.command = {"sh", "-c", "y"}; });
  with([](RoleConfig& r) { r.command = {"sh", "-cx"}; });
  with([](RoleConfig& r) { r.command = {"sh", "-c", "x", ""}; });
  with([](RoleConfig& r) { r.shell = true; });
  with([](RoleConfig& r) { r.timeout_ms = 1; });
  with([](RoleConfig& r) { r.on_freeze = OnFreeze::finish; });
  with([](RoleConfig& r) { r.rules.exits[3] = "auth"; });
  with([](RoleConfig& r) { r.rules.patterns.push_back({*pawl::Pattern::compile("x"), "auth", {}}); });
  with([](RoleConfig& r) { r.rules.patterns.push_back({*pawl::Pattern::compile("x"), "auth", 0}); });
  std::sort(others.begin(), others.end());
  CHECK(std::adjacent_find(others.begin(), others.end()) == others.end());
  CHECK(std::find(others.begin(), others.end(), version) == others.end());
  RoleConfig same = base;
  same.concurrency = 9;
  same.name = "other";
  same.place = "elsewhere";
  CHECK(version_of(same, "prompt") == version);
}

TEST_CASE("registry: a limp command has a version of its own, and the same prompt") {
  Rig rig;
  rig.write("p.md", "be brief");
  rig.role("a").prompt = rig.path("p.md");
  rig.role("a").limp = {"echo", "later"};
  rig.role("b").shell = true;
  rig.role("b").limp = {"echo $1", "later"};
  rig.role("c");
  REQUIRE(rig.registry.open());
  const SetupPtr setup = rig.registry.roles().at("a").setup;
  REQUIRE(setup->limp);
  CHECK(setup->limp->command == std::vector<std::string>{"echo", "later"});
  CHECK(setup->limp->prompt == setup->prompt);
  CHECK(setup->limp->version != setup->version);
  CHECK_FALSE(setup->limp->limp);
  CHECK(rig.registry.roles().at("b").setup->limp->command ==
        std::vector<std::string>{"/bin/sh", "-c", "echo $1", "b", "later"});
  CHECK_FALSE(rig.registry.roles().at("c").setup->limp);
  // What is deployed is an argument vector; the limp command stays the file's script.
  CHECK(rig.registry.deploy("b", DeployedVersion{1, "feed", {"true"}, std::nullopt, ""}));
  CHECK(rig.registry.roles().at("b").setup->command == std::vector<std::string>{"true"});
  CHECK(rig.registry.roles().at("b").setup->limp->command ==
        std::vector<std::string>{"/bin/sh", "-c", "echo $1", "b", "later"});
  // Neither changes the other's version, and a change of either is taken.
  rig.role("a").limp = {"echo", "much", "later"};
  rig.touch();
  CHECK(rig.registry.refresh());
  const SetupPtr second = rig.registry.roles().at("a").setup;
  CHECK(second->version == setup->version);
  CHECK(second->limp->version != setup->limp->version);
  rig.role("a").limp.clear();
  rig.touch();
  CHECK(rig.registry.refresh());
  CHECK_FALSE(rig.registry.roles().at("a").setup->limp);
  // A program that is not there is told where it is written, and changes nothing.
  rig.role("a").limp = {"/no/such/program"};
  rig.role("a").limp_place = "pawl.toml:9";
  rig.touch();
  CHECK_FALSE(rig.registry.refresh());
  const std::vector<std::string> complaints = rig.registry.take_complaints();
  REQUIRE(complaints.size() == 1);
  CHECK(complaints[0] == "pawl.toml:9: role.a.limp: cannot run '/no/such/program': no such program");
}

TEST_CASE("registry: a change of the prompt, however quick, is seen at the next look") {
  Rig rig;
  rig.write("p.md", "000");
  rig.role("a").prompt = rig.path("p.md");
  REQUIRE(rig.registry.open());
  CHECK(rig.prompt("a") == "000");
  for (int i = 1; i < 200; ++i) {
    // The same size, in the same file: only its time can tell, and two of them share a tick of it.
    const std::string text = std::to_string(1000 + i).substr(1);
    rig.overwrite("p.md", text);
    CHECK(rig.registry.refresh());
    CHECK(rig.prompt("a") == text);
  }
}

TEST_CASE("registry: files that stand still are not read") {
  Rig rig;
  rig.role("a");
  rig.write("p.md", "x");
  rig.role("a").prompt = rig.path("p.md");
  // Old enough to be trusted, by the time of the last change of the inode too: wait for it.
  REQUIRE(rig.registry.open());
  const auto settled = [&] {
    const int before = rig.loads;
    rig.registry.refresh();
    return rig.loads == before;
  };
  for (int i = 0; i < 10'000 && !settled(); ++i) usleep(1000);
  const int loads = rig.loads;
  for (int i = 0; i < 100; ++i) CHECK_FALSE(rig.registry.refresh());
  CHECK(rig.loads == loads);
  CHECK_FALSE(rig.registry.refresh(true));
  CHECK(rig.loads == loads + 1);
}

TEST_CASE("registry: a file that is no use changes nothing, and is said once") {
  Rig rig;
  rig.role("a");
  rig.write("p.md", "x");
  rig.role("a").prompt = rig.path("p.md");
  REQUIRE(rig.registry.open());
  const std::string version = rig.version("a");
  rig.error = "pawl.toml:7: nonsense";
  for (int i = 0; i < 3; ++i) {
    rig.touch();
    CHECK_FALSE(rig.registry.refresh());
    CHECK(rig.registry.take_complaints() ==
          (i == 0 ? std::vector<std::string>{"pawl.toml:7: nonsense"} : std::vector<std::string>{}));
    CHECK(rig.version("a") == version);
  }
  // Prompts go on being taken under the old file.
  rig.write("p.md", "y");
  CHECK(rig.registry.refresh());
  CHECK(rig.prompt("a") == "y");
  // Another mistake is another complaint; the same one again after it was mended too.
  rig.error = "pawl.toml:8: other";
  rig.touch();
  rig.registry.refresh();
  CHECK(rig.registry.take_complaints().size() == 1);
  rig.error.clear();
  rig.touch();
  rig.registry.refresh();
  CHECK(rig.registry.take_complaints().empty());
  rig.error = "pawl.toml:8: other";
  rig.touch();
  rig.registry.refresh();
  CHECK(rig.registry.take_complaints().size() == 1);
}

TEST_CASE("registry: one role's mistake is its own") {
  Rig rig;
  rig.role("a");
  rig.role("b");
  REQUIRE(rig.registry.open());
  const std::string version = rig.version("a");
  rig.role("a").command = {"/no/such/program"};
  rig.role("b").command = {"sh", "-x"};
  rig.role("c");
  rig.touch();
  const std::string b = rig.version("b");
  CHECK(rig.registry.refresh());
  CHECK(rig.version("a") == version);
  CHECK(rig.version("b") != b);
  CHECK(rig.registry.roles().count("c") == 1);
  CHECK(rig.registry.take_complaints().size() == 1);
  rig.config.roles.erase(rig.config.roles.begin());
  rig.touch();
  CHECK(rig.registry.refresh());
  CHECK(rig.registry.roles().count("a") == 0);
}

TEST_CASE("registry: a copy of a prompt lives as long as somebody has it") {
  Rig rig;
  rig.write("p.md", "one");
  rig.write("prompts/left-over.md", "of an earlier process");
  rig.role("a").prompt = rig.path("p.md");
  rig.role("b").prompt = rig.path("p.md");
  REQUIRE(rig.registry.open());
  CHECK(names_in(rig.path("prompts")).size() == 1);
  SetupPtr running = rig.registry.roles().at("a").setup;
  const std::string old = running->prompt->path();
  rig.write("p.md", "two");
  CHECK(rig.registry.refresh());
  CHECK(names_in(rig.path("prompts")).size() == 2);
  CHECK(*read_file(old, 100) == "one");
  running.reset();
  CHECK(names_in(rig.path("prompts")).size() == 1);
  // And back: the same content again, while its first copy is gone.
  rig.write("p.md", "one");
  CHECK(rig.registry.refresh());
  CHECK(rig.prompt("b") == "one");
}

TEST_CASE("registry: shell only when asked for") {
  Rig rig;
  rig.role("a").command = {"echo $0 $1", "x"};
  rig.role("a").shell = true;
  REQUIRE(rig.registry.open());
  CHECK(rig.registry.roles().at("a").setup->command ==
        std::vector<std::string>{"/bin/sh", "-c", "echo $0 $1", "a", "x"});
}

TEST_CASE("registry: a deployed version goes over the file, and what it does not bring is the file's") {
  Rig rig;
  rig.write("p.md", "file's");
  rig.role("a").prompt = rig.path("p.md");
  rig.role("b");
  REQUIRE(rig.registry.open());
  const std::string file = rig.version("a");
  const std::string other = rig.version("b");
  const auto setup = [&] { return rig.registry.roles().at("a").setup; };
  CHECK(rig.registry.deployed("a") == 0);
  CHECK_FALSE(rig.registry.deploy("a", std::nullopt));

  DeployedVersion version{3, "feed", {"true", "x"}, std::nullopt, ""};
  CHECK(rig.registry.deploy("a", version));
  CHECK_FALSE(rig.registry.deploy("a", version));
  CHECK(rig.registry.deployed("a") == 3);
  CHECK(rig.registry.roles().at("a").deployed == 3);
  CHECK(rig.registry.roles().at("b").deployed == 0);
  CHECK(setup()->command == version.command);
  CHECK(rig.prompt("a") == "file's");
  CHECK(setup()->version.rfind("3:feed:", 0) == 0);
  CHECK(setup()->version.size() == std::string("3:feed:").size() + 8);
  CHECK(rig.version("b") == other);

  // The half that is the file's goes on changing with it, and is another version.
  const std::string before = setup()->version;
  rig.write("p.md", "new");
  CHECK(rig.registry.refresh());
  CHECK(rig.prompt("a") == "new");
  CHECK(setup()->version != before);
  CHECK(setup()->version.rfind("3:feed:", 0) == 0);

  version = {4, "beef", {}, "deployed", ""};
  rig.role("a").command = {"sh", "-c"};
  rig.role("a").shell = true;
  rig.touch();
  CHECK(rig.registry.deploy("a", version));
  CHECK(rig.registry.refresh());
  CHECK(setup()->command[0] == "/bin/sh");
  CHECK(rig.prompt("a") == "deployed");
  // A prompt that is deployed is not looked for in the file's place.
  unlink(rig.path("p.md").c_str());
  rig.touch();
  rig.registry.refresh();
  CHECK(rig.registry.take_complaints().empty());
  rig.write("p.md", "new");
  rig.role("a").command = {"sh"};
  rig.role("a").shell = false;
  rig.touch();
  rig.registry.refresh();
  CHECK(rig.registry.deploy("a", std::nullopt));
  CHECK(rig.prompt("a") == "new");
  CHECK(setup()->version.size() == 16);
  CHECK(setup()->version != file);
}

TEST_CASE("registry: a deployed version that cannot be run leaves what there was, and is tried again") {
  Rig rig;
  rig.role("a");
  REQUIRE(rig.registry.open());
  const std::string file = rig.version("a");
  CHECK_FALSE(rig.registry.deploy("a", DeployedVersion{1, "feed", {rig.path("agent")}, std::nullopt, ""}));
  CHECK(rig.version("a") == file);
  CHECK(rig.registry.roles().at("a").deployed == 0);
  CHECK(rig.registry.deployed("a") == 1);
  auto complaints = rig.registry.take_complaints();
  REQUIRE(complaints.size() == 1);
  CHECK(complaints[0].find("a: version 1 cannot be run here: cannot run '") == 0);
  CHECK_FALSE(rig.registry.refresh());
  CHECK(rig.registry.take_complaints().empty());
  // Nothing of the configuration changes, only the program comes.
  REQUIRE(write_file(rig.path("agent"), "#!/bin/sh\n", 0700, false));
  CHECK(rig.registry.refresh());
  CHECK(rig.registry.roles().at("a").deployed == 1);
  CHECK_FALSE(rig.registry.refresh());

  CHECK_FALSE(rig.registry.deploy("a", DeployedVersion{2, "", {}, std::nullopt, "NOTFOUND no version 2"}));
  CHECK(rig.registry.roles().at("a").deployed == 1);
  CHECK(rig.registry.is_faulty("a"));
  complaints = rig.registry.take_complaints();
  REQUIRE(complaints.size() == 1);
  CHECK(complaints[0] == "a: version 2 cannot be run here: NOTFOUND no version 2");
}
