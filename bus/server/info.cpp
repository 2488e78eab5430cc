#include "bus/server/info.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "bus/base/parse.h"

namespace pawl::server {
namespace {

const std::chrono::steady_clock::time_point process_start = std::chrono::steady_clock::now();

int64_t uptime_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - process_start)
      .count();
}

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

std::string_view mode_word(EngineMode mode) {
  switch (mode) {
    case EngineMode::serving:
      return "serving";
    case EngineMode::reopening:
      return "reopening";
    case EngineMode::read_only:
      return "read_only";
    case EngineMode::down:
      return "down";
  }
  return "";
}

class Text {
 public:
  explicit Text(protocol::Args sections) : sections_(sections) {}

  // False: this section was not asked for.
  bool section(std::string_view name) {
    const bool wanted = sections_.empty() || std::any_of(sections_.begin(), sections_.end(), [&](auto word) {
                          return same_word(word, name) || same_word(word, "all") ||
                                 same_word(word, "default") || same_word(word, "everything");
                        });
    if (wanted) {
      if (!text_.empty()) text_ += "\r\n";
      text_.append("# ").append(name).append("\r\n");
    }
    return wanted;
  }
  void line(std::string_view name, std::string_view value) {
    text_.append(name).append(":");
    for (const char c : value) text_ += (c == '\r' || c == '\n') ? ' ' : c;
    text_ += "\r\n";
  }
  void line(std::string_view name, uint64_t value) { line(name, std::to_string(value)); }
  std::string take() { return std::move(text_); }

 private:
  protocol::Args sections_;
  std::string text_;
};

}  // namespace

std::string_view program_version() { return PAWL_VERSION; }

std::string info_text(const InfoFacts& facts, protocol::Args sections) {
  Text text(sections);
  if (text.section("Server")) {
    text.line("redis_version", redis_version);
    text.line("redis_mode", "standalone");
    text.line("pawl_version", program_version());
    text.line("process_id", static_cast<uint64_t>(getpid()));
    text.line("tcp_port", facts.tcp_port);
    text.line("server_time_usec", static_cast<uint64_t>(facts.now.wall_ms) * 1000);
    text.line("uptime_in_seconds", static_cast<uint64_t>(uptime_seconds()));
  }
  if (text.section("Clients")) {
    text.line("connected_clients", facts.clients);
    text.line("blocked_clients", facts.waiting);
  }
  if (text.section("Memory")) {
    text.line("used_memory_rss", resident_bytes());
    text.line("window_entries", facts.totals.window_entries);
  }
  if (text.section("Persistence")) {
    text.line("loading", uint64_t{0});
    text.line("store", mode_word(facts.mode));
    if (!facts.reason.empty()) text.line("store_reason", facts.reason);
    text.line("batch_sequence", facts.durable);
    text.line("batches_committed", facts.commits);
    text.line("batch_in_flight", uint64_t{facts.in_flight});
    text.line("last_commit_us", static_cast<uint64_t>(facts.last_commit_us));
  }
  if (text.section("Stats")) text.line("total_commands_processed", facts.commands);
  if (text.section("Replication")) {
    text.line("role", "master");
    text.line("connected_slaves", uint64_t{0});
  }
  if (text.section("Bus")) {
    text.line("live_claims", facts.totals.live_claims);
    text.line("waiting", facts.waiting);
    text.line("done_bytes", facts.totals.done_bytes);
    text.line("dead_bytes", facts.totals.dead_bytes);
    text.line("chronicle_bytes", facts.totals.chronicle_bytes);
  }
  return text.take();
}

}  // namespace pawl::server
