#include "bus/protocol/help.h"

#include <catch2/catch.hpp>

#include "bus/protocol/reply_writer.h"

namespace pawl::protocol {
namespace {

std::string command_reply(std::vector<std::string_view> args, RespVersion version = RespVersion::two) {
  std::string out;
  RespWriter writer(out, version);
  write_command_reply(writer, args);
  return out;
}

}  // namespace

TEST_CASE("COMMAND in the shapes that stock clients read") {
  CHECK(command_reply({"INFO", "get"}) ==
        "*1\r\n*6\r\n$3\r\nget\r\n:2\r\n*1\r\n+readonly\r\n:0\r\n:0\r\n:0\r\n");
  CHECK(command_reply({"INFO", "none"}) == "*1\r\n$-1\r\n");
  CHECK(command_reply({"INFO", "push"}).find(":-3\r\n") != std::string::npos);
  CHECK(command_reply({"DOCS", "roles"}, RespVersion::three).starts_with("%1\r\n$5\r\nroles\r\n%4\r\n"));
  CHECK(command_reply({"COUNT"})[0] == ':');
  const std::string count = command_reply({"COUNT"}).substr(1);
  CHECK(command_reply({}).starts_with("*" + count));
  CHECK(command_reply({"LIST"}).starts_with("*" + count));
  CHECK(command_reply({"NONE"}).starts_with("-BADARG unknown option 'NONE'"));
}

TEST_CASE("help names every command") {
  const std::string text = help_text();
  for (const Command& command : all_commands()) {
    INFO(command.name());
    CHECK(text.find(std::string(command.usage) + "\n    " + std::string(command.help)) != std::string::npos);
    CHECK(help_for(command.verb).find(command.usage) != std::string::npos);
  }
  CHECK(text.find("BACKUP") == std::string::npos);
  CHECK(help_for("none").empty());
}

}  // namespace pawl::protocol
