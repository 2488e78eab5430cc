// [[notify]] of pawl.toml.
#include <stdlib.h>

#include <catch2/catch.hpp>

#include "cli/config.h"
#include "cli/mirror.h"

using pawl::cli::check_notify;
using pawl::cli::FileConfig;
using pawl::cli::parse_config;
using pawl::runner::NotifyChannel;
using pawl::runner::NotifyTo;

namespace {

FileConfig good(const std::string& text) {
  auto parsed = parse_config(text, "pawl.toml");
  INFO((parsed ? "" : parsed.error().text));
  REQUIRE(parsed);
  return std::move(*parsed);
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("config: [[notify]] with every key, and with as few as there may be") {
  setenv("PAWL_TEST_HOOK", "https://hooks.example.com/s/1", 1);
  const FileConfig config = good(R"([[notify]]
to    = "slack"
url   = { env = "PAWL_TEST_HOOK" }
tiers = ["ultra"]

[[notify]]
to      = "webhook"
name    = "pager"
url     = "http://127.0.0.1:8080/x"
secret  = "s"
tiers   = ["ultra", "concern"]
kinds   = ["daemon.*", "kill.set"]
timeout = "2s"
backoff = { base = "50ms", max = "1s" }

[[notify]]
to      = "command"
command = ["sh", "-c", "cat"]
kinds   = ["*"]
tries   = 2

[[notify]]
to   = "file"
path = "/var/log/x"
)");
  REQUIRE(config.notify.size() == 4);
  CHECK(config.has_notify);
  CHECK(config.notices.empty());
  CHECK(config.notify_faults.empty());
  const NotifyChannel& slack = config.notify[0];
  CHECK(slack.name == "slack");
  CHECK(slack.to == NotifyTo::slack);
  CHECK(slack.url == "https://hooks.example.com/s/1");
  CHECK(slack.tiers == Words{"ultra"});
  CHECK(slack.kinds.empty());
  CHECK(slack.timeout_ms == 10'000);
  CHECK(slack.backoff_base_ms == 1000);
  CHECK(slack.backoff_max_ms == 60'000);
  CHECK(slack.place == "pawl.toml:1");
  const NotifyChannel& pager = config.notify[1];
  CHECK(pager.name == "pager");
  CHECK(pager.secret == "s");
  CHECK(pager.tiers == Words{"ultra", "concern"});
  CHECK(pager.kinds == Words{"daemon.*", "kill.set"});
  CHECK(pager.timeout_ms == 2000);
  CHECK(pager.backoff_base_ms == 50);
  CHECK(pager.backoff_max_ms == 1000);
  CHECK(config.notify[2].command == Words{"sh", "-c", "cat"});
  CHECK(config.notify[2].tries == 2);
  CHECK(config.notify[2].tiers.empty());
  CHECK(config.notify[3].path == "/var/log/x");
  CHECK(config.notify[3].tiers == Words{"ultra", "concern"});
}

TEST_CASE("config: mistakes in [[notify]] are named, and never the url") {
  // tidy: long-function because it is a table.
  struct Case {
    std::string text;
    std::string error;
  };
  const std::string url = "url = \"https://x.example/secret\"\n";
  const Case cases[] = {
      {"[notify]\nto = \"slack\"\n", "pawl.toml:1: notify is a table; write something like [[notify]]"},
      {"[[notify]]\n" + url, "pawl.toml:1: notify[0] has no to; write to = \"slack\""},
      {"[[notify]]\nto = \"pager\"\n",
       "pawl.toml:2: notify[0].to is \"pager\"; it is one of \"slack\" \"discord\" \"webhook\" \"command\" "
       "\"file\""},
      {"[[notify]]\nto = \"slack\"\n",
       "pawl.toml:1: notify[0] has no url; write something like url = { env = \"WEBHOOK_URL\" }"},
      {"[[notify]]\nto = \"discord\"\nurl = \"ftp://secret\"\n",
       "pawl.toml:3: notify[0].url begins with ftp://; only http and https are posted to"},
      {"[[notify]]\nto = \"webhook\"\nurl = \"not a secret\"\n",
       "pawl.toml:3: notify[0].url is no url; write something like \"https://hooks.slack.com/services/…\""},
      {"[[notify]]\nto = \"slack\"\nurl = { file = \"x\" }\n",
       "pawl.toml:3: notify[0].url is a table of something else; write a text, or { env = \"NAME\" }"},
      {"[[notify]]\nto = \"slack\"\nsecret = \"s\"\n" + url,
       "pawl.toml:3: notify[0].secret has no meaning with to = \"slack\"; take it out"},
      {"[[notify]]\nto = \"file\"\n" + url + "path = \"/x\"\n",
       "pawl.toml:3: notify[0].url has no meaning with to = \"file\"; take it out"},
      {"[[notify]]\nto = \"file\"\n",
       "pawl.toml:1: notify[0] has no path; write something like path = \"/var/log/pawl-notices.jsonl\""},
      {"[[notify]]\nto = \"file\"\npath = \"notices\"\n",
       "pawl.toml:3: notify[0].path is \"notices\", which means another file in every folder; write the "
       "whole path, from / on"},
      {"[[notify]]\nto = \"file\"\npath = \"/var/log/\"\n",
       "pawl.toml:3: notify[0].path is a folder; write the path of a file"},
      {"[[notify]]\nto = \"command\"\n",
       "pawl.toml:1: notify[0] has no command; write something like command = [\"./tell-me.sh\"]"},
      {"[[notify]]\nto = \"slack\"\nurll = \"x\"\n" + url,
       "pawl.toml:3: unknown key 'urll' in [notify[0]]; did you mean 'url'?"},
      {"[[notify]]\nto = \"slack\"\ntiers = [\"worry\"]\n" + url,
       "pawl.toml:3: notify[0].tiers holds \"worry\"; the tiers are \"ultra\" \"concern\""},
      {"[[notify]]\nto = \"slack\"\ntiers = []\n" + url,
       "pawl.toml:3: notify[0].tiers is empty, and there are no kinds: nothing would ever be posted"},
      {"[[notify]]\nto = \"slack\"\nkinds = [\"*.red\"]\n" + url,
       "pawl.toml:3: notify[0].kinds holds \"*.red\"; a kind is written \"daemon.red\", \"daemon.*\" or "
       "\"*\""},
      {"[[notify]]\nto = \"slack\"\nkinds = []\n" + url,
       "pawl.toml:3: notify[0].kinds is empty; write something like [\"daemon.*\", \"kill.set\"]"},
      {"[[notify]]\nto = \"slack\"\nname = \"../x\"\n" + url,
       "pawl.toml:3: notify[0].name is no name: 1 to 128 of A-Z a-z 0-9 . _ : -, and no dot first"},
      {"[[notify]]\nto = \"slack\"\n" + url + "[[notify]]\nto = \"slack\"\n" + url,
       "pawl.toml:4: notify[1] is the second one called 'slack'; give it a name = \"…\" of its own"},
      {"[[notify]]\nto = \"slack\"\nbackoff = { base = \"2s\", max = \"1s\" }\n" + url,
       "pawl.toml:3: notify[0].backoff starts above its max; raise max or lower base"},
      {"[[notify]]\nto = \"slack\"\ntries = 3\n" + url,
       "pawl.toml:3: notify[0].tries has no meaning with to = \"slack\"; take it out"},
      // Of the gate.
      {"[[notify]]\nto = \"slack\"\nquiet = \"22-7\"\n" + url,
       "pawl.toml:3: notify[0].quiet says \"22-7\"; write it like \"22:00-07:00\", from a time to another "
       "one"},
      {"[[notify]]\nto = \"slack\"\nquiet = \"07:00-07:00\"\n" + url,
       "pawl.toml:1: notify[0]: quiet hours from a time to the same time are empty: leave them out"},
      {"[[notify]]\nto = \"slack\"\nutc_offset = \"2\"\n" + url,
       "pawl.toml:3: notify[0].utc_offset says \"2\"; write it like \"+02:00\""},
      {"[[notify]]\nto = \"slack\"\nquite = \"22:00-07:00\"\n" + url,
       "pawl.toml:3: unknown key 'quite' in [notify[0]]; did you mean 'quiet'?"},
      {"[[notify]]\nto = \"slack\"\nkinds = [\"x\"]\nremind = \"1h\"\n" + url,
       "pawl.toml:4: notify[0].remind is for notices of incidents, which this channel does not get; give it "
       "tiers"},
  };
  for (const Case& one : cases) {
    const auto parsed = parse_config(one.text, "pawl.toml");
    INFO(one.text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().text == one.error);
    CHECK(parsed.error().text.find("x.example") == std::string::npos);
  }
}

TEST_CASE("config: what only the mirror needs stops nobody else") {
  unsetenv("PAWL_TEST_MISSING");
  const FileConfig config = good(R"([[notify]]
to     = "webhook"
url    = { env = "PAWL_TEST_MISSING" }
secret = { env = "PAWL_TEST_MISSING" }
[[notify]]
to      = "command"
command = ["/no/such/program"]
)");
  const auto there = check_notify(config);
  REQUIRE_FALSE(there);
  CHECK(there.error().text ==
        "pawl.toml:3: notify[0].url names the environment variable PAWL_TEST_MISSING, which is not set\n"
        "pawl.toml:4: notify[0].secret names the environment variable PAWL_TEST_MISSING, which is not set\n"
        "pawl.toml:5: notify 'command': there is no program '/no/such/program' that may be run; check the "
        "path and its "
        "mode");
}

TEST_CASE("config: what a channel's gate holds back") {
  const auto parsed = parse_config(R"([[notify]]
to = "file"
path = "/n"
role = "mail*"
interval = { base = "1m", max = "1h" }
settle = "10m"
flap_changes = 4
flap_window = "1h"
storm_max = 3
storm_window = "5m"
remind = "0s"
quiet = "22:00-07:30"
utc_offset = "-03:30"
[[notify]]
to = "command"
command = ["x"]
kinds = ["kill.*"]
)",
                                   "pawl.toml");
  INFO((parsed ? "" : parsed.error().text));
  REQUIRE(parsed);
  REQUIRE(parsed->rules.notify.size() == 1);  // the other one has no tiers
  const pawl::ops::NotifyChannel& gate = parsed->rules.notify[0];
  CHECK(gate.name == "file");
  CHECK(gate.tiers == std::vector<pawl::ops::Tier>{pawl::ops::Tier::ultra, pawl::ops::Tier::concern});
  CHECK(gate.role == "mail*");
  CHECK((gate.min_interval_ms == 60'000 && gate.max_interval_ms == 3'600'000 && gate.settle_ms == 600'000));
  CHECK((gate.flap_changes == 4 && gate.flap_window_ms == 3'600'000));
  CHECK((gate.storm_max == 3 && gate.storm_window_ms == 300'000 && gate.remind_every_ms == 0));
  CHECK(gate.quiet == std::pair<int, int>(22 * 60, 7 * 60 + 30));
  CHECK(gate.utc_offset_minutes == -210);
}
