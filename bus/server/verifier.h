// VERIFY: a proof over a frozen view of the store, on a thread of its own.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "bus/core/reply.h"
#include "bus/core/verify.h"
#include "bus/server/worker.h"
#include "bus/store/store.h"

namespace pawl::server {

class Pipeline;

// Thread: the loop's. One proof runs at a time; the others queue.
class Verifier {
 public:
  // `notify` is called on another thread when poll() has something.
  explicit Verifier(std::function<void()> notify) : worker_(std::move(notify)) {}

  // The client waits for verify.
  void request(core::ClientId client, std::shared_ptr<store::Store> store);
  // Answers whoever's proof has ended.
  void poll(Pipeline& pipeline);

 private:
  struct Request {
    core::ClientId client;
    std::shared_ptr<store::Store> store;
  };

  void begin();

  std::deque<Request> queue_;  // the first one runs
  core::VerifyReport report_;
  Worker worker_;  // last: its thread ends first
};

}  // namespace pawl::server
