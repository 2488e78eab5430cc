#include "bus/server/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "bus/ops/registry.h"
#include "bus/server/log.h"
#include "guards/registry.h"

namespace pawl::server {
namespace {

constexpr std::string_view too_many_clients = "-ERR max number of clients reached\r\n";

// Of a drain: what had arrived by then is still read.
constexpr int turns_for_reading = 2;

Connection& connection_of(Client& client) { return static_cast<Connection&>(client); }

template <typename Handle>
uv_handle_t* handle_of(Handle& handle) {
  return reinterpret_cast<uv_handle_t*>(&handle);
}

}  // namespace

Server::Server(ServerOptions options, core::BusConfig config, OpenBackend open_backend)
    : options_(std::move(options)), config_(std::move(config)), open_backend_(std::move(open_backend)) {}

Status check_options(const ServerOptions& options, const core::BusConfig& config) {
  const bool asks = !options.password.empty() || !config.users.empty();
  if (asks || !options.tcp || is_loopback(*options.tcp)) return {};
  return make_error(Code::badarg,
                    "refusing to listen on " + to_text(*options.tcp) +
                        " without a password: anyone who reaches it could take the work; set [bus] "
                        "password or [user.NAME], or listen on 127.0.0.1");
}

Result<std::unique_ptr<Server>> Server::open(ServerOptions options, core::BusConfig config,
                                             OpenBackend open_backend) {
  if (const Status status = check_options(options, config); !status.ok()) return status.error();
  std::unique_ptr<Server> server(new Server(std::move(options), std::move(config), std::move(open_backend)));
  if (const Status status = server->start(); !status.ok()) return status.error();
  return server;
}

Instant Server::now() const {
  if (options_.clock) return options_.clock();
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  return Instant{duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count(),
                 duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count()};
}

// ---- A turn ---------------------------------------------------------------------

bool Server::loop(Relay& relay) {
  while (!ended_) {
    uv_run(&loop_, UV_RUN_ONCE);
    if (!turn(relay)) return false;
  }
  return true;
}

bool Server::turn(Relay& relay) {
  const Instant instant = now();
  turn_ms_ = instant.mono_ms;
  // Woken long after the time that was asked for: the process hung. What has arrived meanwhile may not have
  // been read yet, and comes before any sweep; the next turn follows at once.
  constexpr int64_t late_ms = 20;
  const bool late = wake_ms_ != 0 && turn_ms_ > wake_ms_ + late_ms;
  if (stop_wanted_.load(std::memory_order_relaxed)) begin_drain();
  pipeline_->begin_turn(instant);
  if (reload_wanted_ && pipeline_->reload_for_signal()) reload_wanted_ = false;
  verifier_->poll(*pipeline_);
  access_->poll(*pipeline_);
  pipeline_->look_at_flags();
  collect_runnable();
  for (Connection* connection : std::exchange(ready_, {})) {
    connection->in_ready = false;
    if (pipeline_->run_commands(*connection)) add_ready(*connection);
    pipeline_->mark_dirty(*connection);
  }
  const bool again = pipeline_->end_turn(draining_ || late) || late;
  flush();
  collect_runnable();
  if (draining_) drain();
  const bool again_at_once = again || (draining_ && drain_turns_ <= turns_for_reading);
  arm(again_at_once || !ready_.empty());
  if (!pipeline_->commit_here(relay)) return false;
  if (pipeline_->has_committed()) {
    pipeline_->begin_turn(now());
    flush();
    collect_runnable();
    arm(again_at_once || !ready_.empty());
  }
  return true;
}

void Server::collect_runnable() {
  for (Client* client : pipeline_->take_runnable()) {
    add_ready(connection_of(*client));
    pipeline_->mark_dirty(*client);
  }
}

void Server::flush() {
  for (Client* client : pipeline_->take_dirty()) {
    client->dirty = false;
    Connection& connection = connection_of(*client);
    if (connection.closed()) continue;
    if (!connection.write_once()) {
      close(connection);
    } else if (connection.replies.bytes() > options_.output_hard_bytes) {
      log::warn("client " + std::to_string(connection.id) + " does not read its replies: closed");
      close(connection);
    } else {
      settle(connection);
    }
  }
}

// What comes next for a connection that something happened to.
void Server::settle(Connection& connection) {
  const bool idle = connection.replies.idle();
  const bool waits = connection.wait != Wait::nothing;
  const bool no_input = connection.unparsed().empty() || connection.needs_more;
  if (idle && (connection.close_after_replies || (connection.input_ended && !waits && no_input))) {
    close(connection);
    return;
  }
  const bool blocked = connection.replies.bytes() >= options_.output_soft_bytes;
  if (!waits && !blocked && !no_input && !connection.close_after_replies) add_ready(connection);
  const bool has_room = connection.needs_more || connection.unparsed().size() < limits::bytes_per_turn;
  const bool reading_is_over = draining_ && drain_turns_ > turns_for_reading;
  const bool reads =
      !reading_is_over && !connection.input_ended && !connection.close_after_replies && !blocked && has_room;
  connection.watch(reads, !reads && connection.wait == Wait::core && !connection.input_ended);
}

void Server::arm(bool again) {
  if (again) {
    uv_idle_start(&idle_, [](uv_idle_t*) {});
  } else {
    uv_idle_stop(&idle_);
  }
  std::optional<int64_t> next = pipeline_->next_wakeup_ms();
  constexpr int64_t drain_step_ms = 10;
  if (draining_) next = std::min(next.value_or(turn_ms_ + drain_step_ms), turn_ms_ + drain_step_ms);
  wake_ms_ = again ? 0 : next.value_or(0);
  if (!next) {
    uv_timer_stop(&wakeup_);
    return;
  }
  const auto wait_ms = static_cast<uint64_t>(std::max<int64_t>(0, *next - turn_ms_));
  // Timers run before the poll: only the idle handle keeps the loop from sleeping on.
  uv_timer_start(
      &wakeup_,
      [](uv_timer_t* timer) {
        auto* self = static_cast<Server*>(timer->data);
        uv_idle_start(&self->idle_, [](uv_idle_t*) {});
      },
      wait_ms, 0);
}

// ---- Connections ------------------------------------------------------------------

void Server::accept(int socket) {
  if (draining_ || connections_.size() >= options_.connections_max) {
    if (!draining_) {
      static_cast<void>(::send(socket, too_many_clients.data(), too_many_clients.size(), MSG_NOSIGNAL));
    }
    ::close(socket);
    return;
  }
  auto connection = std::make_unique<Connection>(next_id_++, socket, this);
  connection->connected_at = now().mono_ms;
  if (access_->asks()) connection->parser.set_limits(protocol::FrameLimits::unauthenticated());
  const int error = connection->start(&loop_, [](Connection& one, int status, int events) {
    static_cast<Server*>(one.server())->on_events(one, status, events);
  });
  if (error != 0) {
    log::warn(std::string("a connection could not be watched: ") + uv_strerror(error));
    return;
  }
  pipeline_->add(*connection);
  connections_.emplace(connection->id, std::move(connection));
}

void Server::on_events(Connection& connection, int status, int events) {
  if (connection.closed()) return;
  if (status < 0) return close(connection);
  if ((events & UV_READABLE) != 0) {
    read(connection);
  } else if ((events & UV_DISCONNECT) != 0) {
    return close(connection);
  }
  if ((events & UV_WRITABLE) != 0 && !connection.closed()) pipeline_->mark_dirty(connection);
}

void Server::read(Connection& connection) {
  switch (connection.read_once()) {
    case ReadOutcome::bytes:
      if (connection.wait == Wait::nothing) {
        add_ready(connection);
      } else {
        pipeline_->mark_dirty(connection);  // it may have sent enough
      }
      break;
    case ReadOutcome::nothing:
      break;
    case ReadOutcome::broken:
      close(connection);
      break;
    case ReadOutcome::ended:
      connection.input_ended = true;
      // Who half-closes cannot be told from who has gone: claims stay here rather than with nobody.
      if (connection.wait == Wait::core || !connection.replies.undelivered().empty())
        return close(connection);
      add_ready(connection);
      break;
  }
}

void Server::add_ready(Connection& connection) {
  if (connection.closed() || std::exchange(connection.in_ready, true)) return;
  ready_.push_back(&connection);
}

void Server::close(Connection& connection) {
  if (connection.closed()) return;
  pipeline_->remove(connection);
  std::erase(ready_, &connection);
  connection.close([](uv_handle_t* handle) {
    auto* closed = static_cast<Connection*>(handle->data);
    static_cast<Server*>(closed->server())->closing_.erase(closed->id);
  });
  auto node = connections_.extract(connection.id);
  closing_.insert(std::move(node));
}

bool Server::is_stranger(const Connection& connection) const {
  return connection.known == Known::nobody && access_->asks();
}

void Server::sweep_deadlines() {
  pipeline_->set_disk(disk_->look());
  const int64_t mono_ms = now().mono_ms;
  std::vector<Connection*> late;
  for (const auto& [id, connection] : connections_) {
    const bool half_sent = connection->half_sent_since && !connection->input_ended &&
                           mono_ms - *connection->half_sent_since > options_.request_deadline_ms;
    const bool stranger = is_stranger(*connection) && connection->wait != Wait::verify &&
                          mono_ms - connection->connected_at > options_.handshake_deadline_ms;
    // What is parked or listens must not outlive its user.
    const bool parked = connection->wait == Wait::core && !connection->once_only;
    const bool listens = connection->wait == Wait::nothing && connection->subscribed();
    const bool turned_out =
        (parked || listens) && connection->known != Known::nobody && !access_->caller_of(*connection);
    if (half_sent || stranger || turned_out) late.push_back(connection.get());
  }
  for (Connection* connection : late) {
    if (connection->close_after_replies) continue;
    if (is_stranger(*connection)) {
      pipeline_->turn_out(*connection, make_error(Code::noauth, "no AUTH in time; connect again"));
    } else if (!access_->caller_of(*connection)) {
      pipeline_->turn_out(*connection, access_->unknown_caller(*connection));
    } else {
      pipeline_->turn_out(*connection, make_error(Code::err, "the rest of the command did not come in time"));
    }
  }
  if (!late.empty()) uv_idle_start(&idle_, [](uv_idle_t*) {});
}

// ---- Start and end -------------------------------------------------------------------

Status Server::start() {
  std::signal(SIGPIPE, SIG_IGN);
  if (const int error = uv_loop_init(&loop_); error != 0) {
    return make_error(Code::err, std::string("cannot make an event loop: ") + uv_strerror(error));
  }
  start_handles();
  const auto notify = [this] { uv_async_send(&async_); };
  guards_ = guards::make_guard_chain();
  office_ = ops::make_ops();
  engine_ = std::make_unique<Engine>(config_, *guards_, open_backend_, notify, office_.get());
  if (Status status = engine_->start(); !status.ok()) return status;
  verifier_ = std::make_unique<Verifier>(notify);
  access_ = std::make_unique<Access>(engine_->config(), options_.password, notify, options_.check_password);
  pipeline_ = std::make_unique<Pipeline>(
      *engine_, PipelineOptions{options_.output_soft_bytes, options_.commit_patience_us > 0,
                                options_.data_directory, options_.load_config});
  disk_ = std::make_unique<DiskWatch>(options_.data_directory, options_.disk);
  pipeline_->set_disk(disk_->look());
  SessionOptions session;
  session.shutdown = [this] { stop(); };
  session.limit_disk = [this](const DiskLimits& limits) { disk_->set_limits(limits); };
  session_ = std::make_unique<Session>(*pipeline_, *verifier_, *access_, std::move(session));
  pipeline_->set_session(*session_);
  if (Status status = listen(); !status.ok()) return status;
  session_->set_tcp_port(tcp_port());
  // A first turn: what fell due while the bus was down.
  uv_async_send(&async_);
  return {};
}

Status Server::listen() {
  const auto on_accept = [this](int socket) { accept(socket); };
  if (options_.tcp) {
    auto listener = Listener::tcp(&loop_, *options_.tcp, on_accept);
    if (!listener.ok()) return listener.error();
    tcp_ = std::move(listener.value());
  }
  if (options_.unix_path) {
    auto listener = Listener::unix_socket(&loop_, *options_.unix_path, on_accept);
    if (!listener.ok()) return listener.error();
    unix_ = std::move(listener.value());
  }
  return {};
}

void Server::start_handles() {
  uv_async_init(&loop_, &async_, [](uv_async_t*) {});  // it is enough that the loop wakes up
  uv_idle_init(&loop_, &idle_);
  uv_timer_init(&loop_, &wakeup_);
  uv_timer_init(&loop_, &sweep_);
  idle_.data = wakeup_.data = sweep_.data = this;
  const int64_t shortest = std::min(options_.request_deadline_ms, options_.handshake_deadline_ms);
  const auto period = static_cast<uint64_t>(std::clamp<int64_t>(shortest / 4, 5, 1000));
  uv_timer_start(
      &sweep_, [](uv_timer_t* timer) { static_cast<Server*>(timer->data)->sweep_deadlines(); }, period,
      period);
  for (uv_signal_t& signal : signals_) {
    uv_signal_init(&loop_, &signal);
    signal.data = this;
  }
  handles_started_ = true;
}

void Server::run() {
  if (options_.handle_signals) {
    const auto on = [](uv_signal_t* signal, int) { static_cast<Server*>(signal->data)->on_signal(); };
    uv_signal_start(&signals_[0], on, SIGTERM);
    uv_signal_start(&signals_[1], on, SIGINT);
    uv_signal_start(
        &signals_[2],
        [](uv_signal_t* signal, int) { static_cast<Server*>(signal->data)->reload_wanted_ = true; }, SIGHUP);
  }
  Relay relay([this](Relay& self) { return loop(self); }, options_.commit_patience_us);
  relay.run();
}

void Server::stop() {
  stop_wanted_.store(true, std::memory_order_relaxed);
  uv_async_send(&async_);
}

void Server::on_signal() {
  if (stop_wanted_.load(std::memory_order_relaxed)) {
    log::warn("a second signal: exiting at once; what was answered is durable");
    _exit(1);
  }
  log::info("stopping: no more connections, the last answers are on their way");
  stop();
}

void Server::begin_drain() {
  if (std::exchange(draining_, true)) return;
  drain_since_ms_ = turn_ms_;
  if (tcp_) tcp_->close();
  if (unix_) unix_->close();
}

// One more poll reads what has arrived; then every connection that has its answers is closed, and the
// loop ends once nothing is left to commit.
void Server::drain() {
  if (++drain_turns_ <= turns_for_reading) {
    return;
  }
  const bool late = turn_ms_ - drain_since_ms_ > options_.drain_deadline_ms;
  std::vector<Connection*> done;
  for (const auto& [id, connection] : connections_) {
    const bool waits_for_room = connection->wait == Wait::room;
    if (late || (!connection->in_ready && !waits_for_room && connection->replies.idle())) {
      done.push_back(connection.get());
    } else {
      connection->watch(false, false);
    }
  }
  for (Connection* connection : done) close(*connection);
  const bool too_late = turn_ms_ - drain_since_ms_ > 2 * options_.drain_deadline_ms;
  if (connections_.empty() && (pipeline_->settled() || too_late)) ended_ = true;
}

Server::~Server() {
  if (!handles_started_) return;
  for (const auto& [id, connection] : connections_) connection->close([](uv_handle_t*) {});
  for (Listener* listener : {tcp_.get(), unix_.get()}) {
    if (listener != nullptr) listener->close();
  }
  // Whoever may still notify goes before what is notified.
  session_.reset();
  access_.reset();
  verifier_.reset();
  pipeline_.reset();
  engine_.reset();
  for (uv_handle_t* handle : {handle_of(async_), handle_of(idle_), handle_of(wakeup_), handle_of(sweep_),
                              handle_of(signals_[0]), handle_of(signals_[1]), handle_of(signals_[2])}) {
    uv_close(handle, nullptr);
  }
  uv_run(&loop_, UV_RUN_DEFAULT);
  PAWL_CHECK(uv_loop_close(&loop_) == 0);
}

}  // namespace pawl::server
