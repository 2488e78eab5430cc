// One channel of the mirror: follows the chronicle over a connection of its own, posts what its rules
// select, in order, and keeps its position. No channel waits for another one.
//
// A position is durable before the next post begins. So at most the post whose answer came, or may have
// come, before the position was written is repeated by the next process, under the same delivery id.
// For a poll loop of one thread.
#pragma once

#include <poll.h>

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "runner/link.h"
#include "runner/mirror_store.h"
#include "runner/notify_queue.h"
#include "runner/notify_sender.h"
#include "runner/voice.h"

namespace pawl::runner {

// What all channels share; outlives them.
struct MirrorTools {
  client::Endpoint endpoint;
  client::Timeouts timeouts;
  HttpPost* http = nullptr;
  MirrorStore* store = nullptr;
  Voice* voice = nullptr;
  // Names of all channels. A notice of the gate to another one is nobody's: said once.
  std::set<std::string, std::less<>> names;
  bool once = false;  // up to the chronicle's end as it was at first; a post that fails ends it
  std::mt19937_64 random{std::random_device{}()};
};

class MirrorChannel {
 public:
  // Both outlive it.
  MirrorChannel(const NotifyChannel* spec, MirrorTools* tools)
      : spec_(spec), tools_(tools), link_(tools->endpoint, tools->timeouts), sender_(spec, tools->http) {}

  // Where it goes on. ERR: the position cannot be used.
  Status open();

  const NotifyChannel& spec() const { return *spec_; }
  Link& link() { return link_; }
  void add_polls(std::vector<pollfd>* polls, int64_t* wake_ms) const;
  // Does whatever can be done now.
  void pump(int64_t now_ms);
  // Begins no further post; idle() comes when the present one has ended.
  void stop() { stopping_ = true; }
  bool idle() const { return !sender_.busy(); }
  // Writes the position where it has moved; for the end.
  void keep_position();

  // Nothing before the first answer of the bus.
  std::optional<MirrorPosition> position() const;
  // Of a run with `once`: nothing more will come of it.
  bool finished() const { return finished_; }
  // Of a run with `once`: something is left, or has failed.
  bool fell_short() const { return fell_short_; }
  // Since it was opened; failed ones for good.
  int64_t posted() const { return posted_; }
  int64_t failed() const { return failed_; }
  // An answer of the bus's that ends it all: the first one says that we may not, or any one with `once`.
  const std::optional<Error>& refused() const { return refused_; }

 private:
  bool wants_to_ask() const;
  void ask(int64_t now_ms);
  void on_end(const client::Reply& reply);
  void on_page(const client::Reply& reply);
  void on_refusal(const Error& error, int64_t now_ms);
  void note_stray(const NotifyEntry& entry);
  void post(int64_t now_ms);
  void on_outcome(const PostOutcome& outcome, int64_t now_ms);
  bool save(int64_t now_ms);
  void say(const std::string& text) { tools_->voice->talk(spec_->name + ": " + text); }
  void complain(const std::string& text) { tools_->voice->error(spec_->name + ": " + text); }

  const NotifyChannel* spec_;
  MirrorTools* tools_;
  Link link_;
  NotifySender sender_;
  std::optional<NotifyQueue> queue_;
  std::optional<MirrorPosition> saved_;
  std::optional<int64_t> target_;  // with `once`
  bool asked_ = false;
  bool stopping_ = false;
  bool must_save_ = false;  // before the next post
  bool finished_ = false;
  bool fell_short_ = false;
  bool let_in_ = false;
  std::optional<Error> refused_;
  std::string last_refusal_;
  std::string last_save_error_;
  int64_t posted_ = 0;
  int64_t failed_ = 0;
  int64_t ask_at_ms_ = 0;
  int64_t post_at_ms_ = 0;
  int64_t save_at_ms_ = 0;
};

}  // namespace pawl::runner
