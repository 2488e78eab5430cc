// `pawl mirror --test` and `--dry-run`.
#include <algorithm>
#include <memory>

#include "cli/mirror.h"
#include "cli/values.h"
#include "runner/mirror_store.h"
#include "runner/notify_sender.h"

namespace pawl::cli {
namespace {

using runner::NotifyChannel;
using runner::NotifyEntry;
using runner::PostOutcome;

constexpr int64_t longest_ms = 1'000;

std::vector<PostOutcome> send_to_all(const std::vector<NotifyChannel>& channels, const NotifyEntry& entry) {
  runner::HttpPost http;
  std::vector<std::unique_ptr<runner::NotifySender>> senders;
  for (const NotifyChannel& channel : channels) {
    senders.push_back(std::make_unique<runner::NotifySender>(&channel, &http));
    senders.back()->start(entry, steady_now_ms(), wall_now_ms());
  }
  std::vector<PostOutcome> outcomes(channels.size());
  for (size_t left = channels.size(); left > 0;) {
    int64_t now = steady_now_ms();
    for (size_t i = 0; i < senders.size(); ++i) {
      if (!senders[i]->busy()) continue;
      const auto outcome = senders[i]->take(now);
      if (!outcome) continue;
      outcomes[i] = *outcome;
      --left;
    }
    if (left == 0) break;
    int64_t wake = now + longest_ms;
    std::vector<pollfd> polls;
    for (const auto& sender : senders) sender->add_polls(&polls, &wake);
    http.wait(&polls, std::clamp<int64_t>(wake - now, 0, longest_ms));
  }
  return outcomes;
}

struct Shown {
  Json::Array documents;
  size_t posts = 0;
};

void show(Session* session, const NotifyChannel& channel, const NotifyEntry& entry, Shown* shown) {
  ++shown->posts;
  const std::string body = notify_body(channel, entry);
  if (!session->out.json()) return session->out.line(channel.name + ": " + body);
  Json document;
  document.set("channel", channel.name);
  document.set("to", name_of(channel.to));
  document.set("delivery", delivery_id(channel, entry));
  document.set("body", body);
  shown->documents.push_back(std::move(document));
}

// What the bus answers; nothing: said why.
std::optional<client::Reply> events(Session* session, client::Client* bus, const std::string& after) {
  auto reply = bus->call({"EVENTS", after, "COUNT", "1000"});
  if (!reply) {
    session->unreachable(reply.error());
    return std::nullopt;
  }
  if (reply->is_error()) {
    session->fail(reply->error());
    return std::nullopt;
  }
  if (reply->items.size() == 2 && reply->items[0].as_int()) return std::move(*reply);
  session->fail(exit_failed, "the bus answered EVENTS in a shape that this version does not know");
  return std::nullopt;
}

// From `after` up to `end`; false: said why not.
bool show_channel(Session* session, client::Client* bus, const NotifyChannel& channel, int64_t after,
                  int64_t end, Shown* shown) {
  while (after < end) {
    const auto page = events(session, bus, std::to_string(after));
    if (!page) return false;
    for (const client::Reply& item : page->items[1].items) {
      const auto entry = runner::notify_entry(item);
      if (entry && entry->ends <= end && selects(channel, *entry)) show(session, channel, *entry, shown);
    }
    const int64_t next = *page->items[0].as_int();
    if (next <= after) break;
    after = next;
  }
  return true;
}

}  // namespace

int test_channels(Session* session, const std::vector<NotifyChannel>& channels) {
  const NotifyEntry notice = runner::test_notice(wall_now_ms(), own_host_name());
  const std::vector<PostOutcome> outcomes = send_to_all(channels, notice);
  Json::Array documents;
  std::vector<std::vector<std::string>> rows;
  bool all = true;
  for (size_t i = 0; i < channels.size(); ++i) {
    const bool ok = outcomes[i].end == PostOutcome::End::posted;
    all = all && ok;
    const std::string to(name_of(channels[i].to));
    rows.push_back({channels[i].name, to, ok ? "posted" : printable("not posted: " + outcomes[i].why)});
    Json document;
    document.set("channel", channels[i].name);
    document.set("to", to);
    document.set("posted", ok);
    if (!ok) document.set("why", outcomes[i].why);
    documents.push_back(std::move(document));
  }
  if (session->out.json()) {
    session->out.document(Json(std::move(documents)));
  } else {
    print_table(&session->out, {"channel", "to", "result"}, rows);
  }
  return all ? exit_ok : exit_failed;
}

int show_posts(Session* session, const std::vector<NotifyChannel>& channels, const client::Endpoint& endpoint,
               const std::string& folder) {
  auto connected = client::Client::connect(endpoint, session->timeouts());
  if (!connected) return session->unreachable(connected.error());
  client::Client bus = std::move(*connected);
  const auto last = events(session, &bus, "$");
  if (!last) return session->exit_code();
  const int64_t end = *last->items[0].as_int();
  Shown shown;
  for (const NotifyChannel& channel : channels) {
    const auto position = runner::MirrorStore::load_from(folder, channel.name);
    if (!position) return session->fail(exit_failed, position.error().text);
    std::optional<int64_t> after = session->arguments.number("after");
    if (!after && *position) after = (*position)->seq;
    if (!after) {
      session->out.talk(channel.name +
                        ": has no position yet, so it would begin with what happens from now on; --after 0 "
                        "shows what it would make of all there is");
      continue;
    }
    if (!show_channel(session, &bus, channel, *after, end, &shown)) return session->exit_code();
  }
  if (session->out.json()) {
    session->out.document(Json(std::move(shown.documents)));
  } else if (shown.posts == 0) {
    session->out.talk("nothing would be posted");
  }
  return exit_ok;
}

}  // namespace pawl::cli
