// The bus as a process: sockets on one libuv loop, the pipeline behind them.
#pragma once

#include <uv.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "bus/base/limits.h"
#include "bus/base/time.h"
#include "bus/core/config.h"
#include "bus/ops/ops.h"
#include "bus/server/access.h"
#include "bus/server/address.h"
#include "bus/server/backend.h"
#include "bus/server/connection.h"
#include "bus/server/disk_watch.h"
#include "bus/server/engine.h"
#include "bus/server/listener.h"
#include "bus/server/pipeline.h"
#include "bus/server/relay.h"
#include "bus/server/session.h"
#include "bus/server/verifier.h"
#include "guards/guard_chain.h"

namespace pawl::server {

struct ServerOptions {
  std::optional<Address> tcp;  // port 0: any
  std::optional<std::string> unix_path;
  std::string password;  // asked of every connection, as are the users of pawl.toml
  // SIGTERM and SIGINT drain, a second one exits at once; SIGHUP reloads.
  bool handle_signals = false;
  LoadConfig load_config;      // what RELOAD and SIGHUP apply; empty: there is no file
  std::string data_directory;  // of the flag files, and whose disk is watched; empty: none
  DiskLimits disk;
  // How long a commit may keep the loop before another thread goes on with it; 0: commits never do.
  long commit_patience_us = 2000;

  // Bounds; the defaults are those of limits.h.
  size_t connections_max = limits::connections_default;
  size_t output_soft_bytes = limits::output_soft_bytes;
  size_t output_hard_bytes = limits::output_hard_bytes;
  int64_t request_deadline_ms = limits::request_deadline_ms;
  int64_t handshake_deadline_ms = limits::handshake_deadline_ms;
  int64_t drain_deadline_ms = 5'000;

  // Both clocks, once a turn; the system's when empty.
  std::function<Instant()> clock;
  // libsodium's when empty.
  CheckPassword check_password;
};

// BADARG when the options do not go together, whatever the machine is like. A TCP address that is not
// loopback needs a password or users.
Status check_options(const ServerOptions& options, const core::BusConfig& config);

// Everything but stop() belongs to the thread that calls run(), until run() returns.
class Server {
 public:
  // Opens the store through `open`, then the sockets. Fails with a text for the operator. From here on
  // the process ignores SIGPIPE.
  static Result<std::unique_ptr<Server>> open(ServerOptions options, core::BusConfig config,
                                              OpenBackend open_backend);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // 0 without TCP.
  uint16_t tcp_port() const { return tcp_ ? tcp_->port() : uint16_t{0}; }
  // Until a signal, SHUTDOWN or stop(): then takes no more connections, runs what has been received,
  // answers what is durable and closes.
  void run();
  // From any thread.
  void stop();

 private:
  Server(ServerOptions options, core::BusConfig config, OpenBackend open_backend);

  Status start();
  Status listen();
  void start_handles();

  // Both false: the loop is another thread's now.
  bool loop(Relay& relay);
  bool turn(Relay& relay);
  void collect_runnable();
  void flush();
  void settle(Connection& connection);
  void arm(bool again);

  void accept(int socket);
  void on_events(Connection& connection, int status, int events);
  void read(Connection& connection);
  void add_ready(Connection& connection);
  void close(Connection& connection);
  bool is_stranger(const Connection& connection) const;
  void sweep_deadlines();

  void begin_drain();
  void drain();
  void on_signal();
  Instant now() const;

  ServerOptions options_;
  core::BusConfig config_;
  OpenBackend open_backend_;

  uv_loop_t loop_{};
  uv_async_t async_{};
  uv_idle_t idle_{};
  uv_timer_t wakeup_{};
  uv_timer_t sweep_{};
  uv_signal_t signals_[3]{};
  bool handles_started_ = false;
  std::atomic<bool> stop_wanted_{false};

  std::unique_ptr<guards::GuardChain> guards_;
  std::unique_ptr<ops::Ops> office_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Verifier> verifier_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<DiskWatch> disk_;
  std::unique_ptr<Session> session_;

  std::unique_ptr<Listener> tcp_;
  std::unique_ptr<Listener> unix_;
  core::ClientId next_id_ = 1;
  std::unordered_map<core::ClientId, std::unique_ptr<Connection>> connections_;
  std::unordered_map<core::ClientId, std::unique_ptr<Connection>> closing_;
  std::vector<Connection*> ready_;

  bool ended_ = false;
  bool draining_ = false;
  bool reload_wanted_ = false;  // by a signal
  int drain_turns_ = 0;
  int64_t drain_since_ms_ = 0;
  int64_t wake_ms_ = 0;  // when the loop was to wake, had nothing come in; 0: at once
  int64_t turn_ms_ = 0;  // monotonic, of the turn that runs
};

}  // namespace pawl::server
