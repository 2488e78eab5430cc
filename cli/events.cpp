// The chronicle, and the failures in it.
#include <deque>

#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr int64_t page_entries = 1000;
constexpr int64_t follow_wait_ms = 5000;
constexpr int64_t shown_default = 50;

struct Page {
  std::string next;
  Json::Array entries;
};

// Nothing: said why.
std::optional<Page> read_page(Session* session, const std::string& after, int64_t count,
                              const std::string& kind, int64_t wait_ms) {
  client::Command command = {"EVENTS", after, "COUNT", std::to_string(count)};
  if (wait_ms > 0) {
    command.push_back("WAIT");
    command.push_back(std::to_string(wait_ms));
  }
  if (!kind.empty()) {
    command.push_back("KIND");
    command.push_back(kind);
  }
  const auto reply = session->ask(command, wait_ms);
  if (!reply) return std::nullopt;
  if (reply->items.size() != 2) {
    session->fail(exit_failed, "the bus answered EVENTS in a shape that this version does not know");
    return std::nullopt;
  }
  Page page;
  page.next = reply->items[0].as_text();
  Json entries = maps_to_json(reply->items[1]);
  page.entries = std::move(*entries.as_array());
  return page;
}

std::string entry_line(const Session& session, const Json& entry) {
  const Json* at = entry.field("at");
  std::string line = at && at->as_int() ? format_time(*at->as_int()) : "";
  line = session.out.paint(Color::dim, line) + "  " + session.out.paint(Color::bold, cell_of(entry, "kind"));
  if (const Json::Object* fields = entry.as_object()) {
    for (const auto& [name, value] : *fields) {
      if (name == "at" || name == "kind") continue;
      line += "  " + printable(name) + "=" + shortened(cell_text(name, value), 120);
    }
  }
  return line;
}

// The last `count` entries, in order; they end at *next.
std::optional<std::deque<Json>> last_entries(Session* session, int64_t count, const std::string& kind,
                                             std::string* next) {
  const auto end = read_page(session, "$", 1, "", 0);
  if (!end) return std::nullopt;
  const auto last = client::Reply::make_text(end->next).as_int().value_or(0);
  // Kinds are anywhere, so all of it is looked through; else the sequence says where to begin.
  *next = std::to_string(kind.empty() ? std::max<int64_t>(0, last - count) : 0);
  std::deque<Json> kept;
  for (;;) {
    auto page = read_page(session, *next, page_entries, kind, 0);
    if (!page) return std::nullopt;
    const bool stands_still = page->next == *next;
    *next = page->next;
    for (Json& entry : page->entries) kept.push_back(std::move(entry));
    while (kept.size() > static_cast<size_t>(count)) kept.pop_front();
    if (stands_still || client::Reply::make_text(*next).as_int().value_or(0) >= last) return kept;
  }
}

int follow(Session* session, std::string next, const std::string& kind) {
  while (!session->out.closed()) {
    auto page = read_page(session, next, page_entries, kind, follow_wait_ms);
    if (!page) return session->exit_code();
    next = page->next;
    for (const Json& entry : page->entries) {
      session->out.line(session->out.json() ? dump(entry) : entry_line(*session, entry));
    }
    session->out.finish();
  }
  return exit_ok;
}

void print_entries(Session* session, const std::deque<Json>& entries, bool one_document) {
  if (session->out.json() && one_document) {
    return session->out.document(Json(Json::Array(entries.begin(), entries.end())));
  }
  for (const Json& entry : entries) {
    session->out.line(session->out.json() ? dump(entry) : entry_line(*session, entry));
  }
}

}  // namespace

int run_events(Session* session) {
  const Arguments& arguments = session->arguments;
  if (!arguments.words.empty()) {
    if (arguments.words[0] == "verify") return verify_events(session);
    return session->fail(exit_usage, "usage: pawl events, or pawl events verify");
  }
  const std::string kind = arguments.text("kind").value_or("");
  const bool following = arguments.has("follow");
  const int64_t count = arguments.number("count").value_or(shown_default);
  std::string next;
  std::deque<Json> entries;
  if (const auto after = arguments.number("after")) {
    next = std::to_string(*after);
    while (following == false && entries.size() < static_cast<size_t>(count)) {
      auto page = read_page(session, next,
                            std::min(page_entries, count - static_cast<int64_t>(entries.size())), kind, 0);
      if (!page) return session->exit_code();
      const bool stands_still = page->next == next;
      next = page->next;
      for (Json& entry : page->entries) entries.push_back(std::move(entry));
      if (stands_still) break;
    }
  } else {
    auto last = last_entries(session, count, kind, &next);
    if (!last) return session->exit_code();
    entries = std::move(*last);
  }
  print_entries(session, entries, !following);
  session->out.finish();
  return following ? follow(session, next, kind) : exit_ok;
}

int run_recent_failures(Session* session) {
  std::string next;
  const auto entries =
      last_entries(session, session->arguments.number("count").value_or(shown_default), "message", &next);
  if (!entries) return session->exit_code();
  print_entries(session, *entries, true);
  if (entries->empty() && !session->out.json()) session->out.talk("no failures");
  return exit_ok;
}

}  // namespace pawl::cli
