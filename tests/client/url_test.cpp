#include "bus/client/url.h"

#include <catch2/catch.hpp>

using pawl::client::parse_url;

TEST_CASE("url: what is accepted") {
  struct Row {
    const char* url;
    const char* path;
    const char* host;
    int port;
    const char* user;
    const char* password;
    const char* text;
  };
  const Row rows[] = {
      {"unix:///run/pawl.sock", "/run/pawl.sock", "", 0, "", "", "unix:///run/pawl.sock"},
      {"unix:///run/a@/b", "/run/a@/b", "", 0, "", "", "unix:///run/a@/b"},
      {"unix://:geheim@/run/pawl.sock", "/run/pawl.sock", "", 0, "", "geheim", "unix:///run/pawl.sock"},
      {"unix://ann:a%2F%40b@/run/x@/y", "/run/x@/y", "", 0, "ann", "a/@b", "unix:///run/x@/y"},
      {"tcp://127.0.0.1:7295", "", "127.0.0.1", 7295, "", "", "tcp://127.0.0.1:7295"},
      {"tcp://localhost:1/", "", "localhost", 1, "", "", "tcp://localhost:1"},
      {"tcp://[::1]:7295", "", "::1", 7295, "", "", "tcp://[::1]:7295"},
      {"tcp://:geheim@bus:7295", "", "bus", 7295, "", "geheim", "tcp://bus:7295"},
      {"tcp://:a%40b%3ac@bus:7295", "", "bus", 7295, "", "a@b:c", "tcp://bus:7295"},
      {"tcp://:a@b@bus:7295", "", "bus", 7295, "", "a@b", "tcp://bus:7295"},
      {"tcp://ann:geheim@bus:7295", "", "bus", 7295, "ann", "geheim", "tcp://bus:7295"},
      {"tcp://a%3An:b:c@[::1]:7295", "", "::1", 7295, "a:n", "b:c", "tcp://[::1]:7295"},
  };
  for (const Row& row : rows) {
    INFO(row.url);
    const auto parsed = parse_url(row.url);
    REQUIRE(parsed.ok());
    CHECK(parsed->path == row.path);
    CHECK(parsed->host == row.host);
    CHECK(parsed->port == row.port);
    CHECK(parsed->user == row.user);
    CHECK(parsed->password == row.password);
    CHECK(parsed->text() == row.text);
    const auto again = parse_url(parsed->url());
    REQUIRE(again.ok());
    CHECK(again->user == parsed->user);
    CHECK(again->password == parsed->password);
    CHECK(again->text() == parsed->text());
  }
}

TEST_CASE("url: what is refused, and that no password is shown") {
  const char* rows[] = {"",
                        "7295",
                        "127.0.0.1:7295",
                        "http://a:1",
                        "unix://",
                        "unix://relative",
                        "tcp://",
                        "tcp://host",
                        "tcp://host:",
                        "tcp://:7295",
                        "tcp://host:0",
                        "tcp://host:65536",
                        "tcp://host:-1",
                        "tcp://host:1x",
                        "tcp://::1:7295",
                        "tcp://[::1]",
                        "tcp://secret@host:1",
                        "tcp://user:@host:1",
                        "tcp://us%er:secret@host:1",
                        "unix://secret@/run/pawl.sock",
                        "unix://user:@/run/pawl.sock",
                        "unix://user:secret@relative",
                        "unix://user:secret@",
                        "tcp://:secr%4@host:1",
                        "tcp://:secret@host",
                        "tcp://ho st:1"};
  for (const char* row : rows) {
    INFO(row);
    const auto parsed = parse_url(row);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == pawl::Code::badarg);
    CHECK(parsed.error().text.find("secr") == std::string::npos);
  }
  CHECK_FALSE(parse_url("unix:///" + std::string(200, 'x')).ok());
}
