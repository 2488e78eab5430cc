#include "cli/completion.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "cli/commands.h"

using pawl::cli::completion_script;

namespace {

std::string output_of(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  char buffer[4096];
  while (const size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, got);
  CHECK(pclose(pipe) == 0);
  return text;
}

// A script's text as one word of sh.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// What bash would offer behind these words.
std::string offered(const std::string& words, int at) {
  const std::string script = *completion_script("bash") + "\nCOMP_WORDS=(" + words +
                             ")\nCOMP_CWORD=" + std::to_string(at) + "\n_pawl\necho \"${COMPREPLY[@]}\"\n";
  return output_of("bash -c " + quoted(script));
}

}  // namespace

TEST_CASE("completion: bash offers what fits") {
  struct Row {
    const char* words;
    int at;
    const char* offers;
  };
  const Row rows[] = {{"pawl pu", 1, "push\n"},
                      {"pawl --url x pu", 3, "push\n"},
                      {"pawl dead ex", 2, "export\n"},
                      {"pawl push role --pri", 3, "--priority\n"},
                      {"pawl dead replay --dr", 3, "--dry-run\n"},
                      {"pawl list role sch", 3, "scheduled\n"},
                      {"pawl fail id token --class bad", 5, "bad_input\n"},
                      {"pawl completion z", 2, "zsh\n"},
                      {"pawl quota dr", 2, "drop\n"},
                      {"pawl kill --scope cl", 3, "claims\n"},
                      {"pawl exec r --on-freeze te", 4, "terminate\n"},
                      {"pawl guards m", 2, "mode\n"},
                      {"pawl exec role -- --js", 4, "\n"}};
  for (const Row& row : rows) {
    INFO(row.words);
    CHECK(offered(row.words, row.at) == row.offers);
  }
}

TEST_CASE("completion: every command is in every script") {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const auto script = completion_script(shell);
    REQUIRE(script.has_value());
    for (const auto& command : pawl::cli::command_table()) {
      const std::string name(command.name.substr(command.name.rfind(' ') + 1));
      INFO(shell << " " << name);
      CHECK(script->find(name) != std::string::npos);
    }
  }
  CHECK_FALSE(completion_script("csh").has_value());
}
