// Writing, reading and proving the chronicle, and what retention takes of it.
#include "bus/core/chronicle.h"

#include <sodium/crypto_hash_sha256.h>

#include <algorithm>
#include <array>
#include <utility>

#include "bus/base/text.h"
#include "bus/core/ops_desk.h"

namespace pawl::core {
namespace {

constexpr uint8_t alarm_chronicle = 2;

void add_netstring(std::string& out, std::string_view bytes) {
  out.append(std::to_string(bytes.size())).append(":").append(bytes).append(",");
}

// The 32 bytes.
std::string next_hash(std::string_view before_hex, uint64_t number, int64_t at_ms, std::string_view kind,
                      const Headers& fields) {
  std::string text;
  add_netstring(text, before_hex);
  add_netstring(text, std::to_string(number));
  add_netstring(text, std::to_string(at_ms));
  add_netstring(text, kind);
  for (const auto& [name, value] : fields) {
    add_netstring(text, name);
    add_netstring(text, value);
  }
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
  crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return {hash.begin(), hash.end()};
}

bool selects(std::string_view asked, std::string_view kind) {
  if (asked.empty() || kind == asked) return true;
  return kind.size() > asked.size() && kind.substr(0, asked.size()) == asked && kind[asked.size()] == '.';
}

void write_gap(uint64_t from, uint64_t to, ReplyWriter& writer) {
  writer.map(3);
  writer.bulk("kind");
  writer.bulk("gap");
  writer.bulk("from");
  writer.integer(static_cast<int64_t>(from));
  writer.bulk("to");
  writer.integer(static_cast<int64_t>(to));
}

// What a reader proves the entries against.
void write_chain(const ChronicleEnds& ends, uint64_t from, uint64_t to, ReplyWriter& writer) {
  writer.map(4 + (ends.before_first.empty() ? 0 : 1) + (ends.newest.empty() ? 0 : 1));
  writer.bulk("kind");
  writer.bulk("chain");
  writer.bulk("from");
  writer.integer(static_cast<int64_t>(from));
  writer.bulk("to");
  writer.integer(static_cast<int64_t>(to));
  writer.bulk("chained_from");
  writer.integer(static_cast<int64_t>(ends.chained_from));
  if (!ends.before_first.empty()) {
    writer.bulk("before");
    writer.bulk(hex_text(ends.before_first));
  }
  if (!ends.newest.empty()) {
    writer.bulk("sha256");
    writer.bulk(hex_text(ends.newest));
  }
}

void write_entry(uint64_t number, const EventRecord& event, bool hashes, ReplyWriter& writer) {
  const bool hashed = hashes && !event.hash.empty();
  writer.map(3 + event.fields.size() + (hashed ? 1 : 0));
  writer.bulk("seq");
  writer.integer(static_cast<int64_t>(number));
  writer.bulk("at");
  writer.integer(event.at_ms);
  writer.bulk("kind");
  writer.bulk(event.kind);
  for (const auto& [name, value] : event.fields) {
    writer.bulk(name);
    writer.bulk(value);
  }
  if (!hashed) return;
  writer.bulk("sha256");
  writer.bulk(hex_text(event.hash));
}

}  // namespace

std::string chronicle_hash(std::string_view before, uint64_t number, int64_t at_ms, std::string_view kind,
                           const Headers& fields) {
  return hex_text(next_hash(before, number, at_ms, kind, fields));
}

Status Machine::load_chronicle() {
  std::string value;
  if (!view_.get(Table::meta, keys::chronicle_row, value)) return {};
  auto ends = decode<ChronicleEnds>(value);
  if (!ends) return make_error(Code::err, "the chronicle's row is damaged or from a newer pawl");
  chronicle_ends_ = std::move(*ends);
  return {};
}

void Machine::chronicle(std::string_view kind, Headers fields) {
  EventRecord event;
  event.at_ms = head_.wall_ms;
  event.bus_ms = head_.bus_ms;
  event.kind = std::string(kind);
  event.fields = std::move(fields);
  const uint64_t number = head_.next_event++;
  event.hash = next_hash(hex_text(chronicle_ends_.newest), number, event.at_ms, kind, event.fields);
  if (chronicle_ends_.chained_from == 0) chronicle_ends_.chained_from = number;
  chronicle_ends_.newest = event.hash;
  chronicle_changed_ = true;
  if (ops_) ops_->note(event);
  std::string bytes = encode(event);
  head_.chronicle_bytes += bytes.size();
  view_.put(Table::chronicle, keys::number(number), std::move(bytes));
  events_added_ = true;
}

void Machine::seal_chronicle() {
  if (!std::exchange(chronicle_changed_, false)) return;
  view_.put(Table::meta, keys::chronicle_row, encode(chronicle_ends_));
}

size_t Machine::retain_chronicle() {
  alarm(alarm_chronicle, head_.chronicle_bytes > config_.chronicle_bytes_max / 10 * 9, "the chronicle");
  std::vector<std::string> gone;
  std::vector<std::pair<EventRecord, uint64_t>> past;  // with its bytes
  view_.scan(Table::chronicle, keys::number(head_.first_event), "",
             [&](std::string_view key, std::string_view value) {
               auto event = decode<EventRecord>(value);
               const bool old = !event || head_.bus_ms - event->bus_ms > config_.keep_dead_ms;
               if (!old && head_.chronicle_bytes <= config_.chronicle_bytes_max) return false;
               head_.chronicle_bytes -= std::min<uint64_t>(head_.chronicle_bytes, value.size());
               head_.first_event = keys::read_be(key, 0, 8) + 1;
               if (event) forget_source(view_, *event, keys::read_be(key, 0, 8));
               if (event) chronicle_ends_.before_first = event->hash;
               chronicle_changed_ = true;
               gone.emplace_back(key);
               if (event && ops_) past.emplace_back(std::move(*event), value.size());
               return gone.size() < limits::retention_rows_per_tick;
             });
  uint64_t number = head_.first_event - past.size();
  for (const auto& [event, bytes] : past) ops_->forgets(event, number++, bytes);
  for (const std::string& key : gone) view_.erase(Table::chronicle, key);
  return gone.size();
}

Applied Machine::apply_events(ClientId client, const op::Events& events, Outbox& outbox) {
  EventsAsk ask{events.after.value_or(head_.next_event - 1), events.count, std::string(events.kind),
                events.hashes};
  const bool waits = events.wait_ms.value_or(0) > 0;
  if (write_events(ask, !waits, client, outbox)) return Applied::replied;
  Wait& wait = park(client, WaitKind::events, *events.wait_ms);
  wait.events = std::move(ask);
  event_waits_.insert(wait.number);
  return Applied::parked;
}

bool Machine::write_events(const EventsAsk& ask, bool even_if_empty, ClientId client, Outbox& outbox) {
  std::vector<std::pair<uint64_t, EventRecord>> found;
  uint64_t next = std::min(ask.after, head_.next_event - 1);
  const bool gap = ask.after + 1 < head_.first_event;
  if (gap) next = head_.first_event - 1;
  size_t examined = 0;
  size_t bytes = 0;
  view_.scan(Table::chronicle, keys::number(next + 1), "", [&](std::string_view key, std::string_view value) {
    auto event = decode<EventRecord>(value);
    if (!event) {
      damage("an entry of the chronicle");
      return false;
    }
    bytes += value.size() + 96;
    if (bytes > limits::reply_bytes_max && !found.empty()) return false;
    next = keys::read_be(key, 0, 8);
    if (selects(ask.kind, event->kind)) found.emplace_back(next, std::move(*event));
    return found.size() < ask.count && ++examined < limits::list_rows_examined_max;
  });
  const bool stopped_early = examined >= limits::list_rows_examined_max;
  if (found.empty() && !gap && !even_if_empty && !stopped_early) return false;
  ReplyWriter& writer = outbox.reply_to(client);
  writer.array(2);
  writer.integer(static_cast<int64_t>(next));
  writer.array(found.size() + (gap ? 1 : 0) + (ask.hashes ? 1 : 0));
  if (ask.hashes) write_chain(chronicle_ends_, head_.first_event, head_.next_event - 1, writer);
  if (gap) write_gap(ask.after + 1, head_.first_event - 1, writer);
  for (const auto& [number, event] : found) write_entry(number, event, ask.hashes, writer);
  return true;
}

void Machine::serve_events(Outbox& outbox) {
  events_added_ = false;
  const std::set<uint64_t> numbers = event_waits_;
  for (const uint64_t number : numbers) {
    const Wait& wait = waits_.at(number);
    if (write_events(wait.events, false, wait.client, outbox)) unpark(number);
  }
}

}  // namespace pawl::core
