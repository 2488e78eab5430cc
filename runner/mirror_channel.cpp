#include "runner/mirror_channel.h"

#include <algorithm>

#include "bus/base/parse.h"
#include "runner/clock.h"

namespace pawl::runner {
namespace {

constexpr const char* page_entries = "100";
constexpr int64_t wait_ms = 20'000;
constexpr int64_t again_ms = 5'000;             // after an answer that is none of use
constexpr int64_t save_again_ms = 1'000;        // when a position could not be written
constexpr int64_t save_idle_every_ms = 60'000;  // a position that no post has moved
constexpr int posts_per_pump = 64;              // that end at once, so that no channel starves another

std::string name_of(const NotifyEntry& entry) {
  return entry.seq > 0 ? "#" + std::to_string(entry.seq) + " " + entry.kind : entry.kind;
}

}  // namespace

Status MirrorChannel::open() {
  auto position = tools_->store->load(spec_->name);
  if (!position) return position.error();
  if (*position) {
    queue_.emplace(spec_, **position);
    saved_ = **position;
    say("goes on after #" + std::to_string((*position)->seq));
  }
  return {};
}

std::optional<MirrorPosition> MirrorChannel::position() const {
  if (!queue_) return std::nullopt;
  return queue_->position();
}

void MirrorChannel::add_polls(std::vector<pollfd>* polls, int64_t* wake_ms) const {
  link_.add_polls(polls, wake_ms);
  sender_.add_polls(polls, wake_ms);
  if (must_save_) {
    *wake_ms = std::min(*wake_ms, save_at_ms_);
  } else if (queue_ && !queue_->hungry() && !sender_.busy() && !stopping_) {
    *wake_ms = std::min(*wake_ms, post_at_ms_);
  }
  if (wants_to_ask()) *wake_ms = std::min(*wake_ms, ask_at_ms_);
}

void MirrorChannel::pump(int64_t now) {
  link_.pump(now);
  for (int i = 0; i < posts_per_pump; ++i) {
    if (const auto outcome = sender_.take(now)) on_outcome(*outcome, now);
    if (sender_.busy()) break;
    if (must_save_ && !save(now)) break;
    post(now);
    if (!sender_.busy()) break;
  }
  if (wants_to_ask() && now >= ask_at_ms_) ask(now);
  const bool moved = queue_ && saved_ != queue_->position();
  if (moved && !sender_.busy() && now >= save_at_ms_) save(now);
  if (tools_->once && target_ && queue_ && !sender_.busy() && !must_save_ && queue_->hungry()) {
    finished_ = finished_ || queue_->position().seq >= *target_;
  }
}

// ---- Following ------------------------------------------------------------------

bool MirrorChannel::wants_to_ask() const {
  return link_.up() && !asked_ && !stopping_ && !finished_ && (!queue_ || queue_->hungry());
}

// The end of the chronicle where that is still to be known, else what comes behind what was read.
void MirrorChannel::ask(int64_t now) {
  const bool first = !queue_ || (tools_->once && !target_);
  client::Command command = {"EVENTS", first ? "$" : std::to_string(queue_->read_to()), "COUNT",
                             page_entries};
  const bool waits = !first && !tools_->once;
  if (waits) command.insert(command.end(), {"WAIT", std::to_string(wait_ms)});
  asked_ = true;
  link_.ask(command, waits ? wait_ms : 0, now, [this, first](const client::Reply* reply) {
    asked_ = false;
    if (!reply) return;
    if (reply->is_error()) return on_refusal(reply->error(), steady_now_ms());
    const bool shaped = reply->items.size() == 2 && reply->items[0].as_int() && reply->items[1].is_array();
    if (!shaped) {
      return on_refusal(
          make_error(Code::err, "the bus answered EVENTS in a shape that this version does not know"),
          steady_now_ms());
    }
    last_refusal_.clear();
    let_in_ = true;
    first ? on_end(*reply) : on_page(*reply);
  });
}

void MirrorChannel::on_end(const client::Reply& reply) {
  const int64_t end = *reply.items[0].as_int();
  if (tools_->once) target_ = end;
  if (queue_) return;
  say("has no position yet: begins with what happens from now on, after #" + std::to_string(end));
  MirrorPosition position;
  position.seq = end;
  queue_.emplace(spec_, position);
  must_save_ = true;
}

void MirrorChannel::on_page(const client::Reply& reply) {
  std::vector<NotifyEntry> entries;
  for (const client::Reply& item : reply.items[1].items) {
    auto entry = notify_entry(item);
    if (!entry) continue;
    if (entry->kind == gap_kind) {
      complain("entries " + entry->text_of("from") + " to " + entry->text_of("to") +
               " of the chronicle went with their retention before they could be looked at");
    }
    if (entry->kind == gate_kind) note_stray(*entry);
    entries.push_back(std::move(*entry));
  }
  const int64_t next = *reply.items[0].as_int();
  if (next < queue_->read_to()) {
    complain("the chronicle ends at #" + std::to_string(next) + ", but #" +
             std::to_string(queue_->read_to()) +
             " was seen already: the bus has another one than before; goes on from its end");
    if (target_) target_ = std::min(*target_, next);
  }
  queue_->take_page(next, std::move(entries));
}

void MirrorChannel::note_stray(const NotifyEntry& entry) {
  const std::string to = entry.text_of("to");
  if (!tools_->names.insert(to).second) return;
  tools_->voice->error(name_of(entry) + " goes to '" + to + "', but no [[notify]] has this name");
}

void MirrorChannel::on_refusal(const Error& error, int64_t now) {
  ask_at_ms_ = now + again_ms;
  if (error.text == last_refusal_) return;
  last_refusal_ = error.text;
  complain("the chronicle cannot be read: " + error_line(error));
  // Who was never let in is not let in by waiting.
  const bool stranger = !let_in_ && (error.code == Code::noauth || error.code == Code::denied);
  if (tools_->once || stranger) refused_ = error;
}

// ---- Posting --------------------------------------------------------------------

void MirrorChannel::post(int64_t now) {
  if (stopping_ || finished_ || !queue_ || now < post_at_ms_) return;
  const NotifyEntry* entry = queue_->head();
  if (entry) sender_.start(*entry, now, wall_now_ms());
}

void MirrorChannel::on_outcome(const PostOutcome& outcome, int64_t now) {
  const NotifyEntry entry = *queue_->head();
  const uint32_t failures_before = queue_->failures_in_a_row();
  const bool by_tries = outcome.end == PostOutcome::End::again;
  const NotifyQueue::Settled settled = queue_->settle(outcome);
  must_save_ = settled != NotifyQueue::Settled::again || spec_->to == NotifyTo::command;
  if (settled == NotifyQueue::Settled::again) {
    const int64_t pause =
        pause_before_retry_ms(*spec_, queue_->failures_in_a_row(), outcome, tools_->random());
    post_at_ms_ = now + pause;
    if (failures_before == 0) {
      complain(name_of(entry) + " is not posted yet: " + outcome.why +
               (tools_->once ? "" : "; trying again in " + format_duration(pause)));
    }
    if (tools_->once) finished_ = fell_short_ = true;
    return;
  }
  if (settled == NotifyQueue::Settled::posted) {
    ++posted_;
    if (failures_before > 0)
      say(name_of(entry) + " is posted, at the " + std::to_string(failures_before + 1) + ". try");
    return;
  }
  ++failed_;
  fell_short_ = true;
  const std::string tries = by_tries ? " (" + std::to_string(spec_->tries) + " tries)" : "";
  complain(name_of(entry) + " will not be posted: " + outcome.why + tries);
  if (const Status noted = tools_->store->note_failed(*spec_, entry, outcome.why + tries); !noted) {
    complain("nor could that be written down: " + noted.error().text);
  }
}

bool MirrorChannel::save(int64_t now) {
  if (now < save_at_ms_ && must_save_ && !last_save_error_.empty()) return false;
  const MirrorPosition position = queue_->position();
  const Status saved = tools_->store->save(spec_->name, position);
  if (saved) {
    saved_ = position;
    must_save_ = false;
    last_save_error_.clear();
    save_at_ms_ = now + save_idle_every_ms;
    return true;
  }
  save_at_ms_ = now + save_again_ms;
  if (saved.error().text != last_save_error_) {
    last_save_error_ = saved.error().text;
    complain(last_save_error_ + "; posts nothing until its position can be kept");
  }
  return false;
}

void MirrorChannel::keep_position() {
  if (queue_ && saved_ != queue_->position()) static_cast<void>(save(INT64_MAX - save_idle_every_ms));
}

}  // namespace pawl::runner
