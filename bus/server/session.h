// What a connection answers by itself: names, versions, transactions, broadcast,
// and the operator's INFO, RELOAD, VERIFY and SHUTDOWN. Coming in is in session_enter.cpp.
#pragma once

#include <functional>
#include <string>

#include "bus/protocol/command_table.h"
#include "bus/server/access.h"
#include "bus/server/client.h"

namespace pawl::server {

class Pipeline;
class Verifier;
struct DiskLimits;
struct NewConfig;

struct SessionOptions {
  uint16_t tcp_port = 0;           // for INFO
  std::function<void()> shutdown;  // begins a drain
  std::function<void(const DiskLimits&)> limit_disk;
};

// Thread: the loop's.
class Session {
 public:
  // All three outlive the session.
  Session(Pipeline& pipeline, Verifier& verifier, Access& access, SessionOptions options);

  // As Pipeline::serve: false when the client waits for its answer.
  bool run(Client& client, const protocol::SessionCommand& command);
  // INFO [section …]: from committed values, also while a commit hangs or there is no bus.
  void info(Client& client, protocol::Args sections);

  // A reload: what does not belong to the bus.
  void configured(const NewConfig& config);
  Access& access() { return access_; }
  void set_tcp_port(uint16_t port) { options_.tcp_port = port; }
  // Commands that act at once between MULTI and EXEC.
  static bool allowed_in_multi(const protocol::Command& command);
  // What is the admin's and no operation, so that no guard sees it.
  static bool may_administer(const core::Caller& caller);
  static Error needs_admin(const core::Caller& caller, const protocol::Command& command);

 private:
  using Args = protocol::Args;

  void about_connection(Client& client, const protocol::SessionCommand& command);
  void ping(Client& client, Args args);
  // Both as run().
  bool hello(Client& client, Args args);
  bool auth(Client& client, Args args);
  void welcome(Client& client, const protocol::Hello& hello);
  Access::Entry enter(Client& client, std::string_view user, std::string_view password);
  void reset(Client& client);
  void multi(Client& client);
  bool exec(Client& client);
  void discard(Client& client);
  std::optional<Error> may_listen(std::string_view name, bool pattern) const;
  void subscribe(Client& client, Args names, bool pattern);
  void unsubscribe(Client& client, Args names, bool pattern);
  void publish(Client& client, Args args);
  bool verify(Client& client);
  void ok(Client& client);

  Pipeline& pipeline_;
  Verifier& verifier_;
  Access& access_;
  SessionOptions options_;
};

}  // namespace pawl::server
