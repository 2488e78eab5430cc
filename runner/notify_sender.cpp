#include "runner/notify_sender.h"

#include "runner/line_file.h"
#include "runner/words.h"

namespace pawl::runner {
namespace {

using End = PostOutcome::End;

PostOutcome outcome_of(const HandlerResult& result, int64_t timeout_ms) {
  std::string why;
  if (!result.not_begun.empty()) {
    why = result.not_begun;
  } else if (result.timed_out) {
    why = "took longer than " + std::to_string(timeout_ms) + " ms";
  } else if (result.signalled) {
    why = "signal " + std::to_string(result.code);
  } else if (result.code != 0) {
    why = "exit " + std::to_string(result.code);
  } else {
    return {};
  }
  if (!result.error_first_line.empty()) why += ": " + result.error_first_line;
  return {End::again, why, {}};
}

}  // namespace

void NotifySender::start(const NotifyEntry& entry, int64_t now_ms, int64_t wall_ms) {
  busy_ = true;
  outcome_.reset();
  if (channel_->uses_url()) {
    ticket_ = http_->start(notify_request(*channel_, entry, wall_ms));
  } else if (channel_->to == NotifyTo::command) {
    const PostOutcome begun = start_command(entry, now_ms);
    if (begun.end != End::posted) outcome_ = begun;
  } else {
    const Status written = append_line(channel_->path, notify_body(*channel_, entry));
    outcome_ = written ? PostOutcome{} : PostOutcome{End::again, written.error().text, {}};
  }
}

PostOutcome NotifySender::start_command(const NotifyEntry& entry, int64_t now_ms) {
  HandlerSpec spec;
  spec.command = channel_->command;
  spec.environment = {"PAWL_NOTIFY_CHANNEL=" + channel_->name,
                      "PAWL_NOTIFY_DELIVERY=" + delivery_id(*channel_, entry)};
  for (const char* name : workers_own_variables) spec.environment.emplace_back(name);
  spec.input = notify_body(*channel_, entry) + "\n";
  spec.deadline_ms = now_ms + channel_->timeout_ms;
  auto started = Handler::start(std::move(spec), now_ms);
  if (!started) return {End::again, started.error().text, {}};
  handler_ = std::move(*started);
  return {};
}

std::optional<PostOutcome> NotifySender::take(int64_t now_ms) {
  if (!busy_) return std::nullopt;
  if (handler_) {
    handler_->pump(now_ms);
    if (!handler_->done()) return std::nullopt;
    outcome_ = outcome_of(handler_->result(), channel_->timeout_ms);
    handler_.reset();
  } else if (!outcome_) {
    const auto answer = http_->take(ticket_);
    if (!answer) return std::nullopt;
    outcome_ = judge(*answer);
  }
  busy_ = false;
  return std::move(outcome_);
}

void NotifySender::add_polls(std::vector<pollfd>* polls, int64_t* wake_ms) const {
  if (handler_) handler_->add_polls(polls, wake_ms);
}

}  // namespace pawl::runner
