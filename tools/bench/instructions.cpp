// What tools/bench/instructions counts: RESP bytes in, RESP bytes out, through the main path as the
// server drives it, without sockets and over a store in memory. The same operations each time: what
// differs between two runs is the code.
//
// Usage: bench_instructions [none|present|all]: without guards, with the chain as it stands when nothing is
// configured (the default), and with every guard given something to do.
//
// Prints one line a phase, "phase NAME SHAPE OPERATIONS", and under callgrind dumps a profile of each.
#include <gnu/libc-version.h>
#include <valgrind/callgrind.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bus/journal/local_journal.h"
#include "bus/server/pipeline.h"
#include "bus/server/session.h"
#include "bus/server/verifier.h"
#include "guards/registry.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"

namespace pawl::bench {
namespace {

constexpr size_t payload_bytes = 256;
constexpr size_t ticket_bytes = 128;
constexpr size_t warm_up_operations = 512;

[[noreturn]] void fail(const std::string& why) {
  static_cast<void>(std::fprintf(stderr, "bench_instructions: %s\n", why.c_str()));
  std::exit(1);
}

std::string frame(const std::vector<std::string>& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return bytes;
}

// The bulk string after field `name` of a claim.
std::string_view field(std::string_view reply, std::string_view name) {
  const size_t at = reply.find(name);
  if (at == std::string_view::npos) return {};
  const size_t begin = reply.find("\r\n", at + name.size()) + 2;
  return reply.substr(begin, reply.find("\r\n", begin) - begin);
}

// A connection's user: one request in flight. Its buffers are made once, so that every allocation that
// is counted is the server's.
struct Desk {
  explicit Desk(core::ClientId id) : client(id) {
    reply.reserve(size_t{4} << 10);
    request.reserve(size_t{1} << 10);
  }

  server::Client client;
  std::string reply;
  std::string request;
};

server::OpenBackend memory_backend() {
  return [](bool) -> Result<server::Backend> {
    server::Backend backend;
    backend.store = std::make_shared<test::MemoryStore>();
    backend.journal = std::make_unique<journal::LocalJournal>(*backend.store);
    return backend;
  };
}

// No guards at all: what the core itself costs.
class NoGuards final : public core::Gate {
 public:
  core::Answer admit_claim(const core::Candidate& /*candidate*/, const core::Desk& /*desk*/) const override {
    return {};
  }
  std::vector<core::Verdict> explain(const core::Candidate& /*candidate*/,
                                     const core::Desk& /*desk*/) const override {
    return {};
  }
};

std::unique_ptr<core::Gate> gate_of(std::string_view guards) {
  if (guards == "none") return std::make_unique<NoGuards>();
  return guards::make_guard_chain();
}

// Limits that are kept an eye on and never reached.
core::BusConfig config_of(std::string_view guards) {
  core::BusConfig config;
  if (guards != "all") return config;
  constexpr int64_t plenty = int64_t{1} << 50;
  constexpr int64_t hour_ms = 3'600'000;
  core::RoleConfig& role = config.roles["work"];
  role.concurrency = 1'000'000;
  role.rate = {1'000'000'000, 1000};
  role.backlog_max = 1'000'000;
  role.backlog_bytes_max = uint64_t{1} << 40;
  role.needs = {"mail"};
  role.quotas = {{core::QuotaKind::tokens, plenty, hour_ms, 1000},
                 {core::QuotaKind::tokens, plenty, 24 * hour_ms, 1000},
                 {core::QuotaKind::calls, plenty, hour_ms, std::nullopt}};
  config.system_quotas = {{core::QuotaKind::cost, plenty, 24 * hour_ms, 10}};
  return config;
}

class Bench {
 public:
  // `width` connections: the operations of a batch.
  Bench(size_t width, std::string_view guards)
      : width_(width), config_(config_of(guards)), gate_(gate_of(guards)) {
    if (const Status status = engine_.start(); !status.ok()) fail(status.error().text);
    pipeline_.set_session(session_);
    for (size_t i = 1; i <= width; ++i) {
      desks_.push_back(std::make_unique<Desk>(i));
      pipeline_.add(desks_.back()->client);
    }
  }
  ~Bench() {
    for (const auto& desk : desks_) pipeline_.remove(desk->client);
  }

  void run(size_t batches);

 private:
  void measure(const char* name, size_t batches, const std::function<void()>& once);
  void turn();
  void ask();
  void everyone(std::string_view request);
  void keep_claims();
  void acknowledge(size_t first, std::string_view rest_of_command);
  void push_some(size_t batches);
  void forget();

  size_t width_;
  test::FakeClock clock_;
  core::BusConfig config_;
  std::unique_ptr<core::Gate> gate_;
  server::Engine engine_{config_, *gate_, memory_backend(), [] {}};
  server::Verifier verifier_{[] {}};
  server::Pipeline pipeline_{engine_, {}};
  server::Access access_{config_, "", [] {}};
  server::Session session_{pipeline_, verifier_, access_, {}};
  std::vector<std::unique_ptr<Desk>> desks_;
  std::vector<std::string> tickets_;  // of claims: the two words of an ACK, as bytes of a frame
  size_t ticket_count_ = 0;
  const std::string push_ = frame({"PUSH", "work", std::string(payload_bytes, 'x')});
  const std::string claim_ = frame({"CLAIM", "bench", "work"});
};

// One turn of the server: what has arrived, one batch, the answers to it.
void Bench::turn() {
  clock_.advance(1);
  pipeline_.begin_turn(clock_.now());
  for (const auto& desk : desks_) {
    if (desk->request.empty()) continue;
    desk->client.in.append(desk->request);
    static_cast<void>(pipeline_.run_commands(desk->client));
    pipeline_.mark_dirty(desk->client);
  }
  static_cast<void>(pipeline_.end_turn(false));
  while (engine_.in_flight() != 0 && !engine_.wait_for_commit(1'000'000)) {
  }
  pipeline_.begin_turn(clock_.now());
  for (server::Client* client : pipeline_.take_dirty()) {
    client->dirty = false;
    Desk& desk = *desks_[client->id - 1];
    const std::string_view bytes = client->replies.to_send();
    desk.reply.assign(bytes);
    client->replies.sent(bytes.size());
  }
  static_cast<void>(pipeline_.next_wakeup_ms());
}

// A turn in which every connection gets the answer to its request.
void Bench::ask() {
  for (const auto& desk : desks_) desk->reply.clear();
  turn();
  for (const auto& desk : desks_) {
    if (desk->reply.empty() || desk->reply[0] == '-') fail("unexpected answer: " + desk->reply);
  }
}

void Bench::everyone(std::string_view request) {
  for (const auto& desk : desks_) desk->request.assign(request);
  ask();
}

void Bench::keep_claims() {
  for (const auto& desk : desks_) {
    const std::string_view id = field(desk->reply, "\r\nid\r\n");
    const std::string_view token = field(desk->reply, "\r\ntoken\r\n");
    if (id.empty() || token.empty()) fail("no claim in: " + desk->reply);
    if (ticket_count_ == tickets_.size()) fail("more claims than tickets");
    std::string& ticket = tickets_[ticket_count_++];
    ticket.clear();
    for (const std::string_view word : {id, token}) {
      ticket.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
    }
  }
}

// Tickets from `first` on, one for each connection.
void Bench::acknowledge(size_t first, std::string_view rest_of_command) {
  for (const auto& desk : desks_) {
    desk->request.assign(rest_of_command.empty() ? "*3\r\n$3\r\nACK\r\n" : "*5\r\n$3\r\nACK\r\n");
    desk->request.append(tickets_[first++]);
    desk->request.append(rest_of_command);
  }
  ask();
}

void Bench::push_some(size_t batches) {
  for (size_t i = 0; i < batches; ++i) everyone(push_);
}

// Retention of everything that has ended.
void Bench::forget() {
  clock_.advance(limits::keep_done_ms_default + 1000);
  for (const auto& desk : desks_) desk->request.clear();
  do turn();
  while (engine_.bus()->totals().done_bytes > 0);
}

void Bench::measure(const char* name, size_t batches, const std::function<void()>& once) {
  const std::string label = std::string(name) + " " + std::to_string(width_);
  CALLGRIND_START_INSTRUMENTATION;
  for (size_t i = 0; i < batches; ++i) once();
  CALLGRIND_STOP_INSTRUMENTATION;
  CALLGRIND_DUMP_STATS_AT(label.c_str());
}

void Bench::run(size_t batches) {
  const size_t warm = warm_up_operations / width_;
  const size_t operations = batches * width_;
  const auto report = [&](const char* name) {
    static_cast<void>(std::printf("phase %s %zu %zu\n", name, width_, operations));
  };
  tickets_.resize(operations + std::max(width_, warm_up_operations));
  for (std::string& ticket : tickets_) ticket.reserve(ticket_bytes);

  // Buffers, tables and the role are there when the counting begins.
  push_some(2 * warm);
  for (size_t i = 0; i < warm; ++i) {
    everyone(claim_);
    keep_claims();
  }
  for (size_t i = 0; i < warm; ++i) acknowledge(i * width_, "");
  forget();
  ticket_count_ = 0;

  measure("push", batches, [&] { everyone(push_); });
  report("push");
  measure("claim", batches, [&] {
    everyone(claim_);
    keep_claims();
  });
  report("claim");
  size_t next = 0;
  measure("ack", batches, [&] {
    acknowledge(next, "");
    next += width_;
  });
  report("ack");

  push_some(batches + warm);
  everyone(claim_);
  ticket_count_ = 0;
  keep_claims();
  next = 0;
  measure("ack+next", batches, [&] {
    acknowledge(next, "$4\r\nNEXT\r\n$4\r\nwork\r\n");
    keep_claims();
    next += width_;
  });
  report("ack+next");
  // Acknowledged twice as often as the other phases count.
  measure("retention", 1, [&] { forget(); });
  static_cast<void>(std::printf("phase retention %zu %zu\n", width_, 2 * operations));
}

}  // namespace
}  // namespace pawl::bench

int main(int argc, char** argv) {
  const std::string_view guards = argc > 1 ? argv[1] : "present";
  if (argc > 2 || (guards != "none" && guards != "present" && guards != "all")) {
    pawl::bench::fail("usage: bench_instructions [none|present|all]");
  }
  static_cast<void>(
      std::printf("built gcc %s, %s, glibc %s\n", __VERSION__, PAWL_BUILD_FLAGS, gnu_get_libc_version()));
  pawl::bench::Bench(64, guards).run(64);
  pawl::bench::Bench(1, guards).run(1024);
  return 0;
}
