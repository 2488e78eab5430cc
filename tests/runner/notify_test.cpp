// What is posted of which entry, how it looks, and what a target's answer means.
#include <algorithm>
#include <catch2/catch.hpp>

#include "runner/notify_post.h"
#include "runner/notify_queue.h"
#include "runner/signature.h"

using namespace pawl::runner;
using pawl::client::Json;
using pawl::client::parse_json;
using pawl::client::Reply;
using End = PostOutcome::End;

namespace {

NotifyEntry entry_of(std::vector<std::pair<std::string, std::string>> fields, int64_t seq = 7) {
  std::vector<Reply> items;
  if (seq > 0) {
    items = {Reply::make_text("seq"), Reply::make_integer(seq), Reply::make_text("at"),
             Reply::make_integer(1'700'000'000'123)};
  }
  for (auto& [name, value] : fields) {
    items.push_back(Reply::make_text(name));
    items.push_back(Reply::make_text(value));
  }
  const auto entry = notify_entry(Reply::make_array(std::move(items)));
  REQUIRE(entry);
  return *entry;
}

NotifyChannel channel_of(NotifyTo to, std::vector<std::string> tiers, std::vector<std::string> kinds) {
  NotifyChannel channel;
  channel.name = "ops";
  channel.to = to;
  channel.url = "https://example.com/hook";
  channel.tiers = std::move(tiers);
  channel.kinds = std::move(kinds);
  return channel;
}

Json parsed(const std::string& text) {
  const auto json = parse_json(text);
  INFO(text);
  REQUIRE(json);
  return *json;
}

std::string content_of(const NotifyEntry& entry) {
  const Json body = parsed(notify_body(channel_of(NotifyTo::discord, {}, {}), entry));
  return *body.field("content")->as_string();
}

std::string section_of(const NotifyEntry& entry) {
  const Json body = parsed(notify_body(channel_of(NotifyTo::slack, {}, {}), entry));
  const Json& section = (*body.field("blocks")->as_array())[0];
  return *section.field("text")->field("text")->as_string();
}

}  // namespace

TEST_CASE("notify: the choice is a function of entry and rules") {
  struct Case {
    std::vector<std::string> tiers;
    std::vector<std::string> kinds;
    std::vector<std::pair<std::string, std::string>> entry;
    bool selected;
  };
  const Case cases[] = {
      // Tiers are the bus's gate's matter: it says so with a notice.
      {{"ultra"}, {}, {{"kind", "daemon.escalate"}, {"tier", "ultra"}}, false},
      {{"ultra"}, {}, {{"kind", "daemon.red"}}, false},
      {{}, {"daemon.red"}, {{"kind", "daemon.red"}}, true},
      {{}, {"daemon.red"}, {{"kind", "daemon.redder"}}, false},
      {{}, {"daemon"}, {{"kind", "daemon.red"}}, false},
      {{}, {"daemon.*"}, {{"kind", "daemon.red"}}, true},
      {{}, {"daemon.*"}, {{"kind", "daemon"}}, false},
      {{}, {"*"}, {{"kind", "kill.set"}}, true},
      {{"ultra"}, {"kill.set"}, {{"kind", "kill.set"}}, true},
      // A notice of the gate goes where it says, whatever else the channel takes.
      {{}, {"kill.set"}, {{"kind", "notify.sent"}, {"to", "ops"}}, true},
      {{"ultra"}, {"*"}, {{"kind", "notify.sent"}, {"to", "other"}, {"tier", "ultra"}}, false},
      {{"ultra"}, {"*"}, {{"kind", "notify.sent"}}, false},
      {{}, {"kill.set"}, {{"kind", "notify.suppressed"}, {"to", "ops"}}, false},
  };
  for (const Case& one : cases) {
    const NotifyEntry entry = entry_of(one.entry);
    INFO(pawl::client::dump(entry.json));
    CHECK(selects(channel_of(NotifyTo::slack, one.tiers, one.kinds), entry) == one.selected);
  }
  // What is lost is told to everybody.
  CHECK(selects(channel_of(NotifyTo::file, {}, {"x"}),
                entry_of({{"kind", "gap"}, {"from", "3"}, {"to", "9"}}, 0)));
}

TEST_CASE("notify: an entry keeps what the bus said, in its order") {
  const NotifyEntry entry = entry_of({{"kind", "role.pause"}, {"role", "a"}, {"reason", "x"}});
  CHECK(pawl::client::dump(entry.json) ==
        R"({"seq":7,"at":1700000000123,"kind":"role.pause","role":"a","reason":"x"})");
  CHECK(entry.ends == 7);
  const NotifyEntry gap = entry_of({{"kind", "gap"}, {"from", "3"}, {"to", "9"}}, 0);
  CHECK(gap.ends == 9);
  CHECK_FALSE(notify_entry(Reply::make_text("x")));
  CHECK_FALSE(notify_entry(Reply::make_array({})));
  CHECK_FALSE(notify_entry(Reply::make_array({Reply::make_text("kind"), Reply::make_text("x")})));
}

TEST_CASE("notify: a delivery id is the entry's and the channel's") {
  NotifyChannel ops = channel_of(NotifyTo::slack, {}, {});
  NotifyChannel other = ops;
  other.name = "other";
  const NotifyEntry entry = entry_of({{"kind", "role.pause"}});
  const std::string id = delivery_id(ops, entry);
  CHECK(id.size() == 32);
  CHECK(id == delivery_id(ops, entry_of({{"kind", "role.pause"}})));
  CHECK(id != delivery_id(other, entry));
  CHECK(id != delivery_id(ops, entry_of({{"kind", "role.pause"}}, 8)));
  // A gap that has grown since is the same one.
  const NotifyEntry gap = entry_of({{"kind", "gap"}, {"from", "3"}, {"to", "9"}}, 0);
  CHECK(delivery_id(ops, gap) ==
        delivery_id(ops, entry_of({{"kind", "gap"}, {"from", "3"}, {"to", "12"}}, 0)));
  CHECK(delivery_id(ops, gap) !=
        delivery_id(ops, entry_of({{"kind", "gap"}, {"from", "4"}, {"to", "9"}}, 0)));
}

TEST_CASE("notify: Slack gets text and blocks, with markup escaped") {
  const NotifyEntry entry = entry_of(
      {{"kind", "daemon.escalate"}, {"tier", "ultra"}, {"daemon", "a@b"}, {"reason", "<!channel> a & b"}});
  CHECK(
      notify_body(channel_of(NotifyTo::slack, {}, {}), entry) ==
      R"({"text":"[ultra] daemon.escalate","blocks":[{"type":"section","text":{"type":"mrkdwn","text":)"
      R"("*[ultra] daemon.escalate*\ndaemon: a@b\nreason: &lt;!channel&gt; a &amp; b"}},)"
      R"({"type":"context","elements":[{"type":"mrkdwn","text":"pawl · daemon.escalate · #7 · 2023-11-14T22:13:20Z"}]}]})");
}

TEST_CASE("notify: Discord gets content, and nobody is pinged") {
  const NotifyEntry entry =
      entry_of({{"kind", "incident.open"}, {"title", "The disk\nis full"}, {"text", "@everyone"}});
  CHECK(notify_body(channel_of(NotifyTo::discord, {}, {}), entry) ==
        R"({"content":"**incident.open: The disk is full**\n@everyone\n)"
        R"(`pawl · incident.open · #7 · 2023-11-14T22:13:20Z`","allowed_mentions":{"parse":[]}})");
}

TEST_CASE("notify: title and text of the gate's notices and of gaps") {
  const NotifyText sent = notify_text(entry_of(
      {{"kind", "notify.sent"}, {"to", "ops"}, {"tier", "concern"}, {"title", "T"}, {"text", "one\ntwo"}}));
  CHECK(sent.title == "T");  // it says itself what tier it is of
  CHECK(sent.text == "one\ntwo");
  const NotifyText gap = notify_text(entry_of({{"kind", "gap"}, {"from", "3"}, {"to", "9"}}, 0));
  CHECK(gap.title == "Entries 3 to 9 of the chronicle could not be looked at");
  CHECK(notify_text(another_chronicle(50, 10)).text.find("another chronicle") != std::string::npos);
}

TEST_CASE("notify: what is no text cannot do harm") {
  const NotifyText shown =
      notify_text(entry_of({{"kind", "x"}, {"a", std::string("\x1b[31m\0\xff\tb\x7f", 10)}, {"b", ""}}));
  CHECK(shown.text == "a: [31m\xEF\xBF\xBD b");
}

TEST_CASE("notify: texts are cut to what a target takes, between characters") {
  for (const std::string one : {"x", "ü", "€", "😀", "&"}) {
    std::string all;
    for (int i = 0; i < 5000; ++i) all += one;
    INFO(one);
    const NotifyEntry fields = entry_of({{"kind", "k"}, {"a", all}, {"b", all}, {"c", all}, {"d", all}});
    const NotifyEntry sent = entry_of({{"kind", "notify.sent"}, {"title", all}, {"text", all}});
    for (const NotifyEntry& entry : {fields, sent}) {
      const std::string content = content_of(entry);
      const std::string section = section_of(entry);
      CHECK(pawl::client::is_utf8(content));
      CHECK(pawl::client::is_utf8(section));
      const auto characters = [](const std::string& text) {
        return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
      };
      CHECK(characters(content) <= 2000);
      CHECK(characters(content) > 900);
      CHECK(characters(section) <= 3000);
      CHECK(characters(section) > 1400);
      CHECK(section.find("…") != std::string::npos);
      // No half of "&amp;" stands before the cut.
      CHECK((one != "&" || section.find(";…") != std::string::npos));
    }
  }
}

TEST_CASE("notify: a webhook is signed over time and body") {
  NotifyChannel channel = channel_of(NotifyTo::webhook, {}, {});
  channel.secret = "key";
  const NotifyEntry entry = entry_of({{"kind", "role.pause"}});
  const HttpRequest request = notify_request(channel, entry, 1'700'000'999'999);
  CHECK(request.body == R"({"seq":7,"at":1700000000123,"kind":"role.pause"})");
  const std::vector<std::string> expected = {
      "Content-Type: application/json", "X-Pawl-Delivery: " + delivery_id(channel, entry),
      "X-Pawl-Timestamp: 1700000999",
      "X-Pawl-Signature: sha256=" + hmac_sha256_hex("key", "1700000999." + request.body)};
  CHECK(request.headers == expected);
  channel.secret = "";
  CHECK(notify_request(channel, entry, 1'700'000'999'999).headers.size() == 3);
  channel.to = NotifyTo::slack;
  CHECK(notify_request(channel, entry, 1'700'000'999'999).headers.size() == 2);
}

TEST_CASE("notify: hashes are those of RFC 4231 and FIPS 180") {
  CHECK(hmac_sha256_hex("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hmac_sha256_hex(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("notify: what an answer means") {
  struct Case {
    int status;
    std::optional<int64_t> retry_after_ms;
    End end;
    std::optional<int64_t> after_ms;
  };
  const Case cases[] = {
      {200, {}, End::posted, {}},  {204, {}, End::posted, {}},    {0, {}, End::again, {}},
      {301, {}, End::again, {}},   {400, {}, End::failed, {}},    {404, 5000, End::failed, {}},
      {408, {}, End::again, {}},   {408, 5000, End::again, {}},   {410, {}, End::failed, {}},
      {429, {}, End::again, {}},   {429, 5000, End::again, 5000}, {500, {}, End::again, {}},
      {500, 5000, End::again, {}}, {503, 7000, End::again, 7000}, {504, {}, End::again, {}},
  };
  for (const Case& one : cases) {
    HttpAnswer answer;
    answer.status = one.status;
    answer.error = one.status == 0 ? "it hung up" : "";
    answer.retry_after_ms = one.retry_after_ms;
    answer.body = "no\nsuch\x1b thing";
    const PostOutcome outcome = judge(answer);
    INFO(one.status);
    CHECK(outcome.end == one.end);
    CHECK(outcome.after_ms == one.after_ms);
    const std::string why =
        one.status == 0 ? "it hung up" : "answered " + std::to_string(one.status) + ": no such thing";
    CHECK(outcome.why == (one.end == End::posted ? "" : why));
  }
}

TEST_CASE("notify: pauses double up to their most, with random(0, base) on top") {
  const NotifyChannel channel = channel_of(NotifyTo::slack, {}, {});
  const PostOutcome again{End::again, "x", {}};
  const std::vector<int64_t> expected = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
  for (uint32_t n = 1; n <= expected.size(); ++n) {
    CHECK(pause_before_retry_ms(channel, n, again, 0) == expected[n - 1]);
    CHECK(pause_before_retry_ms(channel, n, again, 1000) == expected[n - 1] + 1000);
    CHECK(pause_before_retry_ms(channel, n, again, 1001) == expected[n - 1]);
  }
  CHECK(pause_before_retry_ms(channel, 1'000'000, again, 0) == 60'000);
  // The target knows better, within an hour.
  CHECK(pause_before_retry_ms(channel, 9, {End::again, "x", 5000}, 0) == 5000);
  CHECK(pause_before_retry_ms(channel, 1, {End::again, "x", 5000}, 999) == 5999);
  CHECK(pause_before_retry_ms(channel, 1, {End::again, "x", 999'999'999}, 0) == 3'600'000);
}

// ---- The queue ------------------------------------------------------------------

namespace {

std::vector<NotifyEntry> page(const std::vector<std::pair<int64_t, std::string>>& entries) {
  std::vector<NotifyEntry> all;
  for (const auto& [seq, kind] : entries) all.push_back(entry_of({{"kind", kind}}, seq));
  return all;
}

MirrorPosition at(int64_t seq) {
  MirrorPosition position;
  position.seq = seq;
  return position;
}

constexpr auto posted = NotifyQueue::Settled::posted;
constexpr auto again = NotifyQueue::Settled::again;
constexpr auto failed = NotifyQueue::Settled::failed;

}  // namespace

TEST_CASE("notify: a position moves with what is posted and past what is not selected") {
  const NotifyChannel channel = channel_of(NotifyTo::slack, {}, {"yes"});
  NotifyQueue queue(&channel, at(10));
  CHECK(queue.hungry());
  CHECK(queue.read_to() == 10);
  CHECK(queue.head() == nullptr);
  queue.take_page(16, page({{11, "no"}, {12, "yes"}, {13, "no"}, {14, "yes"}, {15, "no"}, {16, "no"}}));
  CHECK(queue.position().seq == 11);
  REQUIRE(queue.head() != nullptr);
  CHECK(queue.head()->seq == 12);
  CHECK(queue.settle({End::again, "x", {}}) == again);
  CHECK(queue.failures_in_a_row() == 1);
  CHECK(queue.position().seq == 11);
  CHECK(queue.settle({}) == posted);
  CHECK(queue.failures_in_a_row() == 0);
  CHECK(queue.head()->seq == 14);
  CHECK(queue.position().seq == 13);
  CHECK(queue.settle({End::failed, "gone", {}}) == failed);
  CHECK(queue.head() == nullptr);
  CHECK(queue.hungry());
  CHECK(queue.position().seq == 16);
  CHECK(queue.position().posted == 1);
  CHECK(queue.position().failed == 1);
  // An answer may hold nothing and still lead on.
  queue.take_page(20, {});
  CHECK(queue.position().seq == 20);
}

TEST_CASE("notify: the tries of a command are bounded, also over a restart") {
  NotifyChannel channel = channel_of(NotifyTo::command, {}, {"yes"});
  channel.tries = 3;
  NotifyQueue first(&channel, at(0));
  first.take_page(2, page({{1, "yes"}, {2, "yes"}}));
  const PostOutcome exit_1{End::again, "exit 1", {}};
  CHECK(first.settle(exit_1) == again);
  CHECK(first.settle(exit_1) == again);
  CHECK(first.position().tries == 2);
  NotifyQueue second(&channel, first.position());
  second.take_page(2, page({{1, "yes"}, {2, "yes"}}));
  CHECK(second.settle(exit_1) == failed);
  CHECK(second.head()->seq == 2);
  CHECK(second.position().tries == 0);
  CHECK(second.settle(exit_1) == again);
  CHECK(second.settle({}) == posted);
  CHECK(second.position() == MirrorPosition{2, 0, 1, 1});
}

TEST_CASE("notify: a gap is posted, and gone past") {
  const NotifyChannel channel = channel_of(NotifyTo::slack, {}, {"yes"});
  NotifyQueue queue(&channel, at(4));
  auto entries = page({{10, "no"}, {11, "yes"}});
  entries.insert(entries.begin(), entry_of({{"kind", "gap"}, {"from", "5"}, {"to", "9"}}, 0));
  queue.take_page(11, std::move(entries));
  CHECK(queue.head()->kind == "gap");
  CHECK(queue.position().seq == 4);
  CHECK(queue.settle({}) == posted);
  CHECK(queue.position().seq == 9);
  CHECK(queue.head()->seq == 11);
  CHECK(queue.position().seq == 10);
}

TEST_CASE("notify: another chronicle is told, and followed from its end") {
  const NotifyChannel channel = channel_of(NotifyTo::slack, {}, {"yes"});
  NotifyQueue queue(&channel, at(500));
  queue.take_page(20, {});
  REQUIRE(queue.head() != nullptr);
  CHECK(queue.head()->kind == "gap");
  CHECK(queue.head()->text_of("from") == "21");
  CHECK(queue.head()->text_of("to") == "500");
  CHECK(queue.position().seq == 500);
  CHECK(queue.settle({}) == posted);
  CHECK(queue.position().seq == 20);
  queue.take_page(21, page({{21, "yes"}}));
  CHECK(queue.head()->seq == 21);
}
