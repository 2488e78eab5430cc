// What a worker knows of a freeze of scope `all`, the one that its work stands still in: by the topic
// pawl.freeze, by what the bus answers, and by the flag files where they are at hand.
//
// For a poll loop of one thread. The topic says at once that something changed, KILL STATUS says what; the
// watch only says when to ask. Without the topic (a bus that refuses it, a broken connection) it has to be
// asked every second.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bus/client/client.h"

namespace pawl::runner {

// A freeze, as far as a worker cares.
struct SeenFreeze {
  bool hard = false;
  bool all = false;     // scope all: what runs is stopped too
  uint64_t number = 0;  // of a flag that the bus wrote; 0: somebody else did
  std::string reason;
};

class FreezeWatch {
 public:
  // What the flag files say now; nothing: no freeze. Null where the files are not at hand.
  using ReadFlags = std::function<std::optional<SeenFreeze>()>;

  FreezeWatch(client::Endpoint endpoint, client::Timeouts timeouts, ReadFlags read_flags);

  // Sees what there is. `cares`: there is work that a freeze matters to; nothing is connected, read or asked
  // without. `bus_up`: the worker's own connection stands. Times are of the steady clock.
  void look(int64_t now_ms, bool cares, bool bus_up);
  void add_polls(std::vector<pollfd>* polls, int64_t* wake_ms, bool cares) const;

  // Whether KILL STATUS is to be asked now; then asked() must be called, and on_status() with its answer
  // (null: none came).
  bool wants_status(int64_t now_ms) const { return !status_refused_ && !asking_ && now_ms >= status_at_ms_; }
  void asked() { asking_ = true; }
  void on_status(const client::Reply* reply, int64_t now_ms);
  // The bus does not tell its status: other answers are all there is to learn from.
  bool blind() const { return status_refused_; }

  // Another answer of the bus shows that a freeze of all stands, or that none does.
  void told(bool stands, const std::string& reason);
  // What was known is old: there was no work for a while.
  void forget();

  bool frozen() const;
  // Why, as far as it is known.
  std::string reason() const;

 private:
  void subscribe(int64_t now_ms);
  void take_news(int64_t now_ms);
  void look_at_flags(int64_t now_ms);
  void drop(int64_t now_ms);

  client::Endpoint endpoint_;
  client::Timeouts timeouts_;
  ReadFlags read_flags_;

  std::optional<client::Client> topic_;
  bool subscribed_ = false;
  bool topic_refused_ = false;
  std::optional<int64_t> connect_at_ms_;

  bool bus_up_ = true;
  SeenFreeze bus_;  // as the bus told it last
  std::optional<SeenFreeze> flag_;
  bool flag_seen_ = false;  // during this freeze: its absence means something
  int64_t flag_at_ms_ = 0;

  bool asking_ = false;
  bool status_refused_ = false;
  int64_t status_at_ms_ = 0;
};

}  // namespace pawl::runner
