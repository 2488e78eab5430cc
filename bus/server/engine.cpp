#include "bus/server/engine.h"

#include <algorithm>
#include <utility>

#include "bus/server/log.h"
#include "bus/server/steady_clock.h"

namespace pawl::server {
namespace {

constexpr int64_t reopen_pause_first_ms = 100;
constexpr int64_t reopen_pause_max_ms = 5000;

}  // namespace

struct Engine::Attempt {
  std::shared_ptr<Backend> old;  // closed before anything is opened
  bool read_only_too = false;
  std::shared_ptr<Backend> backend;
  std::unique_ptr<core::Bus> bus;
  bool read_only = false;
  std::string why;  // it could not be opened for writing
};

Engine::Engine(core::BusConfig config, core::Gate& gate, OpenBackend open, std::function<void()> notify,
               core::Office* office)
    : config_(std::move(config)),
      gate_(gate),
      office_(office),
      open_(std::move(open)),
      pause_ms_(reopen_pause_first_ms),
      worker_(std::move(notify)) {}

Engine::~Engine() {
  // The disk may keep a running commit; what it uses must not go before it ends.
  while (worker_.busy() && !worker_.take_done()) static_cast<void>(worker_.wait_done(100'000));
}

Status Engine::start() {
  Attempt first;
  attempt(first, config_, gate_, office_, open_);
  if (!first.bus) return make_error(Code::readonly, first.why);
  backend_ = std::move(first.backend);
  bus_ = std::move(first.bus);
  durable_ = backend_->store->chain().sequence;
  mode_ = EngineMode::serving;
  return {};
}

void Engine::set_config(core::BusConfig config) {
  PAWL_CHECK(mode_ == EngineMode::serving);  // nothing else reads it then
  config_ = std::move(config);
}

void Engine::submit(bool here, std::function<Status()> first) {
  PAWL_CHECK(mode_ == EngineMode::serving && in_flight_ == 0);
  if (first_ || first) first_ = std::move(first);
  batch_ = bus_->seal();
  in_flight_ = batch_.link.sequence;
  due_here_ = here;
  if (!here) worker_.run([this] { commit(); });
}

void Engine::commit() {
  const int64_t start = steady_us();
  if (first_) first_status_ = first_();
  commit_status_ = backend_->journal->commit(batch_);
  commit_us_ = steady_us() - start;
}

bool Engine::commit_here(Relay& relay) {
  return !std::exchange(due_here_, false) || worker_.run_here([this] { commit(); }, relay);
}

bool Engine::wait_for_commit(long microseconds) { return in_flight_ == 0 || worker_.wait_done(microseconds); }

EngineEvent Engine::poll(Instant now) {
  if (worker_.take_done()) return in_flight_ != 0 ? finish_commit(now) : finish_attempt(now);
  if (abandoned_ && in_flight_ == 0) return fail(now, abandoned_why_);
  return EngineEvent::none;
}

EngineEvent Engine::finish_commit(Instant now) {
  const uint64_t sequence = std::exchange(in_flight_, 0);
  last_commit_us_ = commit_us_;
  if (!commit_status_.ok()) {
    return fail(
        now, "batch " + std::to_string(sequence) + " could not be committed: " + commit_status_.error().text);
  }
  durable_ = sequence;
  ++commits_;
  bus_->committed();
  pause_ms_ = reopen_pause_first_ms;
  return EngineEvent::committed;
}

EngineEvent Engine::fail(Instant now, const std::string& why) {
  log::error(why + "; opening the store again in " + std::to_string(pause_ms_) + " ms");
  abandoned_ = false;
  bus_.reset();
  reason_ = why;
  mode_ = EngineMode::reopening;
  reopen_at_ms_ = now.mono_ms + pause_ms_;
  pause_ms_ = std::min(pause_ms_ * 2, reopen_pause_max_ms);
  return EngineEvent::failed;
}

void Engine::abandon(const std::string& why) {
  abandoned_ = true;
  abandoned_why_ = why;
}

std::optional<int64_t> Engine::next_reopen_ms() const {
  if (mode_ == EngineMode::serving || worker_.busy()) return std::nullopt;
  return reopen_at_ms_;
}

void Engine::reopen_if_due(Instant now) {
  if (mode_ == EngineMode::serving || worker_.busy() || now.mono_ms < reopen_at_ms_) return;
  attempt_ = std::make_shared<Attempt>();
  // A read-only store holds the directory as well: it makes way for the attempt.
  bus_.reset();
  attempt_->old = std::move(backend_);
  attempt_->read_only_too = true;
  mode_ = EngineMode::reopening;
  worker_.run([this] { attempt(*attempt_, config_, gate_, office_, open_); });
}

void Engine::attempt(Attempt& attempt, const core::BusConfig& config, core::Gate& gate, core::Office* office,
                     const OpenBackend& open) {
  const auto try_open = [&](bool read_only) -> Status {
    Result<Backend> backend = open(read_only);
    if (!backend.ok()) return backend.error();
    auto shared = std::make_shared<Backend>(std::move(backend.value()));
    Result<std::unique_ptr<core::Bus>> bus = core::Bus::open(*shared->store, config, gate, office);
    if (!bus.ok()) return bus.error();
    attempt.backend = std::move(shared);
    attempt.bus = std::move(bus.value());
    attempt.read_only = read_only;
    return {};
  };
  attempt.old.reset();
  const Status writable = try_open(false);
  if (writable.ok()) return;
  attempt.why = writable.error().text;
  if (!attempt.read_only_too) return;
  const Status readable = try_open(true);
  if (!readable.ok()) log::error("the store cannot be read either: " + readable.error().text);
}

EngineEvent Engine::finish_attempt(Instant now) {
  const std::shared_ptr<Attempt> result = std::exchange(attempt_, nullptr);
  backend_ = std::move(result->backend);
  bus_ = std::move(result->bus);
  const std::string before = std::exchange(reason_, result->why);
  if (bus_) durable_ = backend_->store->chain().sequence;
  if (bus_ && !result->read_only) {
    mode_ = EngineMode::serving;
    log::warn("the store is open again, batch " + std::to_string(durable_) + " is the newest");
    return EngineEvent::reopened;
  }
  mode_ = bus_ ? EngineMode::read_only : EngineMode::down;
  reopen_at_ms_ = now.mono_ms + pause_ms_;
  pause_ms_ = std::min(pause_ms_ * 2, reopen_pause_max_ms);
  if (reason_ != before) log::error("the store cannot be opened for writing: " + reason_);
  return EngineEvent::degraded;
}

}  // namespace pawl::server
