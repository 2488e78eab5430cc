// What a connection answers by itself: names, versions, transactions, broadcast,
// and the operator's INFO, RELOAD, VERIFY and SHUTDOWN.
#pragma once

#include <functional>
#include <string>

#include "bus/protocol/command_table.h"
#include "bus/server/client.h"

namespace pawl::server {

class Pipeline;
class Verifier;
struct NewConfig;

struct SessionOptions {
  std::string password;            // empty: none asked for
  uint16_t tcp_port = 0;           // for INFO
  std::function<void()> shutdown;  // begins a drain
};

// Thread: the loop's.
class Session {
 public:
  // Both outlive the session.
  Session(Pipeline& pipeline, Verifier& verifier, SessionOptions options);

  // As Pipeline::serve: false when the client waits for its answer.
  bool run(Client& client, const protocol::SessionCommand& command);
  // INFO [section …]: from committed values, also while a commit hangs or there is no bus.
  void info(Client& client, protocol::Args sections);

  // A reload: who is let in stays in, the others need the new password.
  void configured(const NewConfig& config);

  bool needs_password() const { return !options_.password.empty(); }
  void set_tcp_port(uint16_t port) { options_.tcp_port = port; }
  // Commands that act at once between MULTI and EXEC.
  static bool allowed_in_multi(const protocol::Command& command);

 private:
  using Args = protocol::Args;

  void about_connection(Client& client, const protocol::SessionCommand& command);
  void ping(Client& client, Args args);
  void hello(Client& client, Args args);
  void auth(Client& client, Args args);
  bool let_in(Client& client, std::string_view user, std::string_view password);
  void reset(Client& client);
  void multi(Client& client);
  bool exec(Client& client);
  void discard(Client& client);
  void subscribe(Client& client, Args names, bool pattern);
  void unsubscribe(Client& client, Args names, bool pattern);
  void publish(Client& client, Args args);
  bool verify(Client& client);
  void ok(Client& client);

  Pipeline& pipeline_;
  Verifier& verifier_;
  SessionOptions options_;
};

}  // namespace pawl::server
