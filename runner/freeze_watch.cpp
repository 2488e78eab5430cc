#include "runner/freeze_watch.h"

#include <algorithm>

namespace pawl::runner {
namespace {

// Most commands are over before: they cost no third connection.
constexpr int64_t subscribe_after_ms = 100;
constexpr int64_t subscribe_again_ms = 2000;
constexpr int64_t connect_ms_max = 1000;
constexpr int64_t flag_every_ms = 250;
constexpr int64_t status_often_ms = 1000;
constexpr int64_t status_seldom_ms = 10'000;  // should the topic's connection be dead without saying so

// The answer of KILL STATUS.
SeenFreeze freeze_in(const client::Reply& status) {
  SeenFreeze seen;
  const std::string kind = status.text_of("freeze", "none");
  seen.hard = kind == "hard";
  seen.all = kind != "none" && status.text_of("scope", "all") == "all";
  seen.reason = status.text_of("reason");
  return seen;
}

}  // namespace

FreezeWatch::FreezeWatch(client::Endpoint endpoint, client::Timeouts timeouts, ReadFlags read_flags)
    : endpoint_(std::move(endpoint)), timeouts_(timeouts), read_flags_(std::move(read_flags)) {
  timeouts_.connect_ms = std::min(timeouts_.connect_ms, connect_ms_max);
}

void FreezeWatch::look(int64_t now, bool cares, bool bus_up) {
  bus_up_ = bus_up;
  if (topic_) take_news(now);
  if (!cares) return;
  if (!connect_at_ms_) {
    connect_at_ms_ = now + subscribe_after_ms;
    status_at_ms_ = now + status_often_ms;
  }
  if (bus_up && !topic_ && !topic_refused_ && now >= *connect_at_ms_) subscribe(now);
  if (read_flags_ && now >= flag_at_ms_) look_at_flags(now);
}

void FreezeWatch::add_polls(std::vector<pollfd>* polls, int64_t* wake_ms, bool cares) const {
  if (topic_) polls->push_back({topic_->fd(), POLLIN, 0});
  if (!cares) return;
  if (read_flags_) *wake_ms = std::min(*wake_ms, flag_at_ms_);
  if (!bus_up_) return;
  if (!topic_ && !topic_refused_ && connect_at_ms_) *wake_ms = std::min(*wake_ms, *connect_at_ms_);
  if (!status_refused_ && !asking_) *wake_ms = std::min(*wake_ms, status_at_ms_);
}

void FreezeWatch::subscribe(int64_t now) {
  auto connected = client::Client::connect(endpoint_, timeouts_);
  if (!connected) return drop(now);
  topic_.emplace(std::move(*connected));
  topic_->append({"SUBSCRIBE", "pawl.freeze"});
  if (!topic_->flush()) drop(now);
}

void FreezeWatch::take_news(int64_t now) {
  const Status pumped = topic_->pump();
  for (;;) {
    auto next = topic_->take();
    if (!next) return drop(now);
    if (!next->has_value()) break;
    if ((*next)->is_error()) {
      topic_refused_ = true;
      return drop(now);
    }
    // The subscription itself counts as well: what came before it was not heard.
    subscribed_ = true;
    status_at_ms_ = now;
  }
  if (!pumped) drop(now);
}

void FreezeWatch::drop(int64_t now) {
  topic_.reset();
  subscribed_ = false;
  connect_at_ms_ = now + subscribe_again_ms;
  status_at_ms_ = std::min(status_at_ms_, now + status_often_ms);
}

void FreezeWatch::look_at_flags(int64_t now) {
  flag_at_ms_ = now + flag_every_ms;
  flag_ = read_flags_();
  if (flag_) flag_seen_ = true;
}

void FreezeWatch::on_status(const client::Reply* reply, int64_t now) {
  asking_ = false;
  status_at_ms_ = now + status_often_ms;
  if (!reply) return;
  if (reply->is_error()) {
    status_refused_ = true;
    return;
  }
  bus_ = freeze_in(*reply);
  if (!bus_.all) flag_seen_ = false;
  if (subscribed_ && !bus_.all) status_at_ms_ = now + status_seldom_ms;
}

void FreezeWatch::told(bool stands, const std::string& reason) {
  if (stands == bus_.all) return;
  status_at_ms_ = 0;
  bus_ = {};
  flag_seen_ = false;
  if (!stands) return;
  bus_.all = true;
  bus_.reason = reason;
}

void FreezeWatch::forget() {
  if (bus_.all) told(false, "");
}

bool FreezeWatch::frozen() const {
  // A flag with a number is the bus's own, and a bus that is there tells of it itself: the file goes a
  // moment after the freeze.
  if (flag_ && flag_->all && (flag_->number == 0 || !bus_up_)) return true;
  if (!bus_.all) return false;
  // Removing the file ends a soft freeze, also while no bus can say so.
  const bool removed = !bus_up_ && !bus_.hard && flag_seen_ && !flag_;
  return !removed;
}

std::string FreezeWatch::reason() const {
  if (bus_.all && !bus_.reason.empty()) return bus_.reason;
  return flag_ ? flag_->reason : "";
}

}  // namespace pawl::runner
