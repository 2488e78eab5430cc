// Who may come in, and who a connection is: [bus] password and the users of pawl.toml.
//
// Checking a hash takes tens of milliseconds and megabytes, by design. So it is done on a thread of its own,
// one after the other, while the connection waits and the others go on. A password that matched is known
// again by a fingerprint that dies with the process: a fleet that connects anew costs one check a user.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bus/core/config.h"
#include "bus/core/gate.h"
#include "bus/server/client.h"
#include "bus/server/worker.h"

namespace pawl::server {

class Pipeline;

// Whether the password matches the hash; on any thread.
using CheckPassword = std::function<bool(const std::string& hash, std::string_view password)>;

// Thread: the loop's.
class Access {
 public:
  enum class Entry : uint8_t {
    let_in,
    wrong,    // user or password; which of them is nobody's business
    crowded,  // too many wait already
    waits,    // the command is run again once the password is checked
  };

  // `present` is the configuration that holds now, and later ones in its place; it outlives this.
  // `password` is as of set_password(). `notify` is called on another thread when poll() has something.
  // `check` is libsodium's when empty.
  Access(const core::BusConfig& present, std::string password, std::function<void()> notify,
         CheckPassword check = {});

  // [bus] password; empty: there is none. Whoever came in with another one has to authenticate again.
  void set_password(std::string password);
  // Whether a connection has to say who it is.
  bool asks() const { return !password_.empty() || !present_.users.empty(); }
  // Whose operations this connection's are; nothing: it has to authenticate, for the first time or again.
  // What it points to lives until the configuration changes.
  std::optional<core::Caller> caller_of(const Client& client) const {
    if (!asks()) return core::Caller(client.id, client.name, nullptr);
    return known_caller(client);
  }
  // May do nothing; for commands that need no name.
  static core::Caller stranger(const Client& client);
  // Says what to do.
  Error unknown_caller(const Client& client) const;

  // AUTH and HELLO … AUTH.
  Entry enter(Client& client, std::string_view user, std::string_view password);
  static void leave(Client& client);
  // Passwords that have been checked: their clients go on.
  void poll(Pipeline& pipeline);

 private:
  struct Request {
    core::ClientId client;
    std::string hash;
    std::string password;
  };

  std::optional<core::Caller> known_caller(const Client& client) const;
  const core::UserConfig* find_user(std::string_view name) const;
  Entry enter_user(Client& client, std::string_view name, std::string_view password,
                   const std::optional<CheckedPassword>& checked);
  Entry ask_worker(const Client& client, const std::string& hash, std::string_view password);
  bool is_remembered(const std::string& hash, std::string_view password) const;
  void begin_next(Pipeline& pipeline);
  static void tell(Pipeline& pipeline, const Request& request, bool right);

  const core::BusConfig& present_;
  std::string password_;
  std::string password_mark_;  // its fingerprint
  std::function<void()> notify_;
  CheckPassword check_;
  std::map<std::string, std::string> remembered_;  // hash → fingerprint of the password that matched
  std::deque<Request> queue_;                      // the first one runs
  bool right_ = false;                             // the worker's, while it runs
  std::optional<Worker> worker_;                   // since the first check; last: its thread ends first
};

}  // namespace pawl::server
