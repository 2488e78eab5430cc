#include "tests/sim/simulation.h"

#include <algorithm>
#include <ostream>

#include "tests/sim/describe.h"

namespace pawl::sim {
namespace {

namespace op = core::op;

bool is_status(const core::Operation& operation) {
  return std::holds_alternative<op::Roles>(operation) || std::holds_alternative<op::RoleInfo>(operation) ||
         std::holds_alternative<op::KillStatus>(operation) ||
         std::holds_alternative<op::GuardList>(operation) || std::holds_alternative<op::QuotaGet>(operation);
}

}  // namespace

std::string to_text(const SimFailure& failure) {
  const std::string seed = std::to_string(failure.seed);
  return "seed " + seed + ", turn " + std::to_string(failure.step) + "\n  doing: " + failure.operation +
         "\n  wrong: " + failure.what + "\n  again: pawl_sim --seed " + seed + " --trace\n";
}

SimResult simulate(uint64_t seed, size_t steps, std::ostream* trace) {
  return Simulation(seed, trace).run(steps);
}

Simulation::Simulation(uint64_t seed, std::ostream* trace)
    : seed_(seed),
      trace_(trace),
      rng_(seed),
      world_(rng_),
      maker_(rng_, world_),
      config_(make_config(rng_, world_)),
      gate_(guards::make_guard_chain()),
      store_(std::make_unique<test::MemoryStore>()),
      audit_(config_),
      live_(config_),
      durable_(config_) {}

void Simulation::fail(const std::string& what) {
  if (!failure_) failure_ = SimFailure{seed_, step_, doing_, what};
}

void Simulation::note(const std::string& line) {
  if (trace_ != nullptr) *trace_ << step_ << ": " << line << "\n";
}

void Simulation::open_bus() {
  auto opened = core::Bus::open(*store_, config_, *gate_);
  if (!opened.ok()) return fail("Bus::open: " + error_line(opened.error()));
  bus_ = std::move(*opened);
}

void Simulation::begin_turn() {
  bus_->begin_turn(clock_.now());
  live_.begin_turn(clock_.now());
  note("-- turn at wall " + std::to_string(clock_.now().wall_ms) + " mono " +
       std::to_string(clock_.now().mono_ms));
}

core::Applied Simulation::apply(const core::Operation& operation, core::ClientId client,
                                const core::UserConfig* user) {
  doing_ = "client " + std::to_string(client) + (user == nullptr ? "" : ", " + user->name) + ": " +
           describe(operation);
  note(doing_);
  ++result_.operations;
  const core::Applied applied = bus_->apply(
      user == nullptr ? core::Caller(client) : core::Caller(client, user->name, user), operation, outbox_);
  std::vector<Reply> replies = outbox_.take();
  if (trace_ != nullptr) {
    for (const Reply& reply : replies) {
      note("   → client " + std::to_string(reply.client) + ": " + test::to_text(reply.value));
    }
  }
  if (is_status(operation)) {
    // Others may be served in its turn: a hold that was over, a disk that has room again.
    const auto own = std::find_if(replies.begin(), replies.end(),
                                  [&](const Reply& reply) { return reply.client == client; });
    if (own == replies.end()) return fail("a status read got no reply"), applied;
    if (live_.denies(operation, user)) {
      if (!own->value.is_error(Code::denied)) fail("expected DENIED, got " + test::to_text(own->value));
    } else {
      durable_.judge_status(operation, own->value, live_.wall_ms(), user);
    }
    if (durable_.problem()) fail(*durable_.problem());
    replies.erase(own);
    live_.served(replies);
    if (live_.problem()) fail(*live_.problem());
    take_replies(std::move(replies));
    return applied;
  }
  live_.apply(client, operation, applied, replies, user);
  if (live_.problem()) fail(*live_.problem());
  check_published();
  take_replies(std::move(replies));
  return applied;
}

// LIST page by page to its end, within one turn.
void Simulation::walk_list(op::List list) {
  std::vector<std::string> ids;
  std::string cursor = "0";
  for (size_t page = 0; page < 100'000 && !failed(); ++page) {
    list.cursor = cursor;
    const size_t before = outgoing_.size();
    apply(list, next_client_++);
    if (failed() || outgoing_.size() != before + 1) return;
    const Value reply = outgoing_.back().reply.value;
    for (const Value& item : reply.items[1].items) ids.push_back(item.field("id")->text);
    cursor = reply.items[0].text;
    if (cursor != "0") continue;
    live_.judge_listing(list.role, list.state, ids);
    if (live_.problem()) fail(*live_.problem());
    return;
  }
  if (!failed()) fail("LIST never comes to an end");
}

void Simulation::do_something() {
  const Kind kind = maker_.draw(live_);
  if (kind == Kind::walk_off) {
    if (known_.held.empty()) return;
    const size_t at = rng_.below(known_.held.size());
    note("the worker of " + known_.held[at].id + " dies");
    known_.past.push_back(known_.held[at]);
    known_.held.erase(known_.held.begin() + static_cast<std::ptrdiff_t>(at));
    return;
  }
  const core::Operation operation = maker_.make(kind, live_, known_);
  if (const auto* list = std::get_if<op::List>(&operation)) return walk_list(*list);
  // Flag files are the bus's own to see.
  const bool own = std::holds_alternative<op::KillFiles>(operation);
  apply(operation, next_client_++, own ? nullptr : somebody());
}

const core::UserConfig* Simulation::somebody() {
  if (config_.users.empty() || rng_.chance(30)) return nullptr;
  return &std::next(config_.users.begin(), static_cast<std::ptrdiff_t>(rng_.below(config_.users.size())))
              ->second;
}

// Whoever listens on pawl.freeze hears of every change, and of nothing else.
void Simulation::check_published() {
  const auto published = outbox_.take_published();
  const auto told = static_cast<size_t>(std::count_if(
      published.begin(), published.end(), [](const auto& one) { return one.first == "pawl.freeze"; }));
  const size_t news = live_.take_freeze_news();
  if (told != news) {
    fail("the freeze changed " + std::to_string(news) + " times and was told " + std::to_string(told) +
         " times");
  }
}

void Simulation::take_replies(std::vector<Reply> replies) {
  // What a reply must wait for is known when the turn ends: until then, for the newest there may be.
  for (Reply& reply : replies) outgoing_.push_back({UINT64_MAX, std::move(reply)});
}

void Simulation::tick() {
  for (const std::string& id : live_.doubtful_lapses()) {
    if (!failed()) apply(op::Get{id}, next_client_++);
  }
  for (size_t round = 0; round < 100 && !failed(); ++round) {
    doing_ = "tick";
    bus_->tick(outbox_);
    std::vector<Reply> replies = outbox_.take();
    if (trace_ != nullptr) {
      for (const Reply& reply : replies) {
        note("   tick → client " + std::to_string(reply.client) + ": " + test::to_text(reply.value));
      }
    }
    live_.tick(replies);
    if (live_.problem()) fail(*live_.problem());
    check_published();
    take_replies(std::move(replies));
    if (!bus_->more_work()) break;
    if (round == 99) fail("the bus has had more work for 100 ticks");
  }
  if (!failed()) check_wakeup();
}

// Whoever sleeps until next_wakeup_ms() misses nothing.
void Simulation::check_wakeup() {
  const std::optional<int64_t> due = live_.next_due_mono();
  if (!due) return;
  const std::optional<int64_t> wakeup = bus_->next_wakeup_ms();
  if (!wakeup || *wakeup > *due) {
    fail("something is due at " + std::to_string(*due) + " but the bus would sleep until " +
         (wakeup ? std::to_string(*wakeup) : "for ever"));
  }
}

void Simulation::end_turn() {
  const uint64_t in_flight = flight_ ? flight_->batch.link.sequence : 0;
  const uint64_t newest = bus_->has_changes() ? bus_->open_sequence() : in_flight;
  for (Outgoing& one : outgoing_) {
    if (one.needs == UINT64_MAX) one.needs = newest;
  }
  if (bus_->failed()) fail("the bus gives up: " + bus_->failure());
}

void Simulation::seal() {
  if (flight_ || !bus_->has_changes()) return;
  core::Batch batch = bus_->seal();
  note("seal batch " + std::to_string(batch.link.sequence) + ", rows " + std::to_string(batch.row_count));
  flight_.emplace(InFlight{std::move(batch), live_});
}

// What reaches the disk is looked at by itself: it must be right whatever the replies said.
bool Simulation::write_flight() {
  audit_.look_at(*store_, flight_->batch);
  if (audit_.problem())
    fail("batch " + std::to_string(flight_->batch.link.sequence) + ": " + *audit_.problem());
  const Status written = store_->write(flight_->batch);
  if (!written.ok()) fail("the store refused a batch: " + error_line(written.error()));
  return written.ok();
}

void Simulation::commit() {
  if (!flight_ || !write_flight()) return;
  note("commit batch " + std::to_string(flight_->batch.link.sequence));
  bus_->committed();
  durable_ = std::move(flight_->model);
  flight_.reset();
}

void Simulation::deliver() {
  const uint64_t durable = store_->chain().sequence;
  std::vector<Outgoing> later;
  for (Outgoing& one : outgoing_) {
    if (one.needs > durable) {
      later.push_back(std::move(one));
      continue;
    }
    const bool closed = world_.clients_die && !draining_ && !one.reply.claims.empty() && rng_.chance(5);
    if (closed) note("client " + std::to_string(one.reply.client) + " was gone before its claims reached it");
    for (const auto& [id, token] : one.reply.claims) {
      if (closed)
        undelivered_.emplace_back(id, token);
      else
        known_.held.push_back({id, token});
    }
  }
  outgoing_ = std::move(later);
}

void Simulation::turn() {
  move_clock();
  begin_turn();
  if (world_.disk) disk_fills();
  give_back_undelivered();
  if (rng_.chance(1)) storm();
  const size_t operations = rng_.below(5);
  for (size_t i = 0; i < operations && !failed(); ++i) do_something();
  if (world_.clients_die && rng_.chance(5)) some_client_goes_away();
  if (failed()) return;
  tick();
  if (failed()) return;
  end_turn();
  if (world_.failing_commits && rng_.chance(2)) return failed_commit();
  if (world_.crashes && rng_.chance(2)) return crash();
  if (!world_.slow_commits || rng_.chance(60)) seal();
  if (!world_.slow_commits || rng_.chance(60)) commit();
  if (!failed()) deliver();
}

SimResult Simulation::run(size_t steps) {
  for (const auto& [name, role] : config_.roles) note(name + ": " + describe(role));
  note(describe(config_));
  open_bus();
  live_.opened();
  for (step_ = 0; step_ < steps && !failed(); ++step_) turn();
  if (!failed() && rng_.chance(5)) siege();
  if (!failed()) drain();
  result_.failure = failure_;
  result_.chain = store_->chain().hash;
  result_.messages = live_.messages().size();
  return result_;
}

}  // namespace pawl::sim
