// The chronicle, and the failures in it.
#include <deque>

#include "cli/dispatch.h"
#include "cli/event_filter.h"
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

int64_t number_of(const std::string& cursor) { return client::Reply::make_text(cursor).as_int().value_or(0); }

// Where to begin, so that nothing of `since` or later is missing. Entries stand in the order of their times.
std::optional<std::string> cursor_at(Session* session, int64_t since_ms, int64_t last) {
  int64_t low = 0;
  while (low < last) {
    const int64_t middle = low + (last - low) / 2;
    const auto page = read_page(session, std::to_string(middle), 1, "", 0);
    if (!page) return std::nullopt;
    const Json* at = page->entries.empty() ? nullptr : page->entries.back().field("at");
    // No entry, or only what is dropped: nothing there is as new.
    if (at && at->as_int() && *at->as_int() >= since_ms) {
      last = middle;
    } else {
      low = std::max(middle + 1, page->entries.empty() ? 0 : number_of(page->next));
    }
  }
  return std::to_string(std::max<int64_t>(0, low));
}

// Adds what the filter holds; false: what follows is too new.
bool take_entries(Page& page, const EventFilter& filter, std::deque<Json>* into) {
  for (Json& entry : page.entries) {
    if (filter.is_past(entry)) return false;
    if (filter.holds(entry)) into->push_back(std::move(entry));
  }
  return true;
}

// The last `count` entries, in order; they end at *next.
std::optional<std::deque<Json>> last_entries(Session* session, int64_t count, const EventFilter& filter,
                                             std::string* next) {
  const auto end = read_page(session, "$", 1, "", 0);
  if (!end) return std::nullopt;
  const int64_t last = number_of(end->next);
  // What is asked for is anywhere, so all of it is looked through; else the sequence says where to begin.
  const bool anywhere = !filter.kind.empty() || filter.sifts();
  *next = std::to_string(anywhere ? 0 : std::max<int64_t>(0, last - count));
  if (filter.since_ms) {
    const auto begin = cursor_at(session, *filter.since_ms, last);
    if (!begin) return std::nullopt;
    *next = *begin;
  }
  std::deque<Json> kept;
  for (;;) {
    auto page = read_page(session, *next, page_entries, filter.kind, 0);
    if (!page) return std::nullopt;
    const bool stands_still = page->next == *next;
    *next = page->next;
    const bool more = take_entries(*page, filter, &kept);
    while (kept.size() > static_cast<size_t>(count)) kept.pop_front();
    if (!more || stands_still || number_of(*next) >= last) return kept;
  }
}

// From `next` on, at most `count`.
std::optional<std::deque<Json>> entries_after(Session* session, int64_t count, const EventFilter& filter,
                                              std::string* next) {
  std::deque<Json> kept;
  while (kept.size() < static_cast<size_t>(count)) {
    const int64_t left = count - static_cast<int64_t>(kept.size());
    auto page = read_page(session, *next, filter.sifts() ? page_entries : std::min(page_entries, left),
                          filter.kind, 0);
    if (!page) return std::nullopt;
    const bool stands_still = page->next == *next;
    *next = page->next;
    if (!take_entries(*page, filter, &kept) || stands_still) break;
  }
  if (kept.size() > static_cast<size_t>(count)) kept.resize(static_cast<size_t>(count));
  return kept;
}

int follow(Session* session, std::string next, const EventFilter& filter) {
  while (!session->out.closed()) {
    auto page = read_page(session, next, page_entries, filter.kind, follow_wait_ms);
    if (!page) return session->exit_code();
    next = page->next;
    std::deque<Json> kept;
    const bool more = take_entries(*page, filter, &kept);
    for (const Json& entry : kept) {
      session->out.line(session->out.json() ? dump(entry) : entry_line(*session, entry));
    }
    session->out.finish();
    if (!more) return exit_ok;
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
  const EventFilter filter = EventFilter::of(arguments);
  const bool following = arguments.has("follow");
  const int64_t count = arguments.number("count").value_or(shown_default);
  std::string next;
  std::deque<Json> entries;
  if (const auto after = arguments.number("after")) {
    next = std::to_string(*after);
    if (!following) {
      auto found = entries_after(session, count, filter, &next);
      if (!found) return session->exit_code();
      entries = std::move(*found);
    }
  } else {
    auto last = last_entries(session, count, filter, &next);
    if (!last) return session->exit_code();
    entries = std::move(*last);
  }
  print_entries(session, entries, !following);
  session->out.finish();
  return following ? follow(session, next, filter) : exit_ok;
}

int run_recent_failures(Session* session) {
  std::string next;
  EventFilter filter;
  filter.kind = "message";
  const auto entries =
      last_entries(session, session->arguments.number("count").value_or(shown_default), filter, &next);
  if (!entries) return session->exit_code();
  print_entries(session, *entries, true);
  if (entries->empty() && !session->out.json()) session->out.talk("no failures");
  return exit_ok;
}

}  // namespace pawl::cli
