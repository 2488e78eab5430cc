#include "runner/link.h"

#include <algorithm>

#include "runner/clock.h"

namespace pawl::runner {
namespace {

constexpr int64_t pause_first_ms = 100;
constexpr int64_t pause_last_ms = 3000;
constexpr int64_t reconnect_limit_ms = 2000;

}  // namespace

void Link::connect_when_due(int64_t now_ms) {
  if (client_ || closing_ || now_ms < next_try_ms_) return;
  client::Timeouts timeouts = timeouts_;
  if (was_up_) timeouts.connect_ms = std::min(timeouts.connect_ms, reconnect_limit_ms);
  auto connected = client::Client::connect(endpoint_, timeouts);
  if (!connected) {
    failure_ = connected.error();
    if (!down_since_ms_) down_since_ms_ = now_ms;
    pause_ms_ = std::clamp(pause_ms_ * 2, pause_first_ms, pause_last_ms);
    next_try_ms_ = steady_now_ms() + pause_ms_;
    return;
  }
  client_.emplace(std::move(*connected));
  down_since_ms_.reset();
  pause_ms_ = 0;
  was_up_ = true;
}

void Link::ask(const client::Command& command, int64_t wait_ms, int64_t now_ms, OnReply on_reply) {
  client_->append(command);
  waiting_.push_back({now_ms + timeouts_.reply_ms + wait_ms, std::move(on_reply)});
}

void Link::close_gently(int64_t now_ms, int64_t patience_ms) {
  if (closing_) return;
  closing_ = true;
  if (!client_) return;
  if (waiting_.empty()) return client_.reset();
  client_->end_writing();
  for (Waiting& one : waiting_) one.deadline_ms = std::min(one.deadline_ms, now_ms + patience_ms);
}

void Link::add_polls(std::vector<pollfd>* polls, int64_t* wake_ms) const {
  if (!client_) {
    if (!closing_) *wake_ms = std::min(*wake_ms, next_try_ms_);
    return;
  }
  const int events = POLLIN | (client_->wants_write() ? POLLOUT : 0);
  polls->push_back({client_->fd(), static_cast<short>(events), 0});
  if (!waiting_.empty()) *wake_ms = std::min(*wake_ms, waiting_.front().deadline_ms);
}

void Link::pump(int64_t now_ms) {
  if (!client_) return;
  const Status pumped = client_->pump();
  for (;;) {
    auto next = client_->take();
    if (!next) return drop(next.error(), now_ms);
    if (!next->has_value()) break;
    if (waiting_.empty()) return drop(make_error(Code::err, "the bus answered what nobody asked"), now_ms);
    const OnReply on_reply = std::move(waiting_.front().on_reply);
    waiting_.pop_front();
    on_reply(&**next);
    if (!client_) return;
  }
  if (!pumped) return drop(pumped.error(), now_ms);
  if (closing_ && waiting_.empty()) return client_.reset();
  if (!waiting_.empty() && now_ms >= waiting_.front().deadline_ms) {
    drop(make_error(Code::err, "the bus at " + endpoint_.text() + " did not answer in time"), now_ms);
  }
}

void Link::drop(const Error& why, int64_t now_ms) {
  failure_ = why;
  client_.reset();
  if (!closing_) down_since_ms_ = now_ms;
  next_try_ms_ = now_ms + pause_first_ms;
  std::deque<Waiting> waiting;
  waiting.swap(waiting_);
  for (Waiting& one : waiting) one.on_reply(nullptr);
}

}  // namespace pawl::runner
