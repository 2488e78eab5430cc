#include "bus/server/pipeline.h"

#include <utility>
#include <variant>

#include "bus/server/session.h"

namespace pawl::server {

using protocol::FrameStatus;

Pipeline::Pipeline(Engine& engine, PipelineOptions options)
    : engine_(engine),
      options_(std::move(options)),
      hub_([this](Client& client) { mark_dirty(client); }),
      flags_(options_.flag_directory),
      reloader_(engine, options_.load_config, [this](const NewConfig& config) { configured(config); }) {
  if (engine_.bus() != nullptr) last_freeze_ = engine_.bus()->committed_freeze();
}

Pipeline::~Pipeline() = default;

// ---- A turn: release, run, commit -------------------------------------------

void Pipeline::begin_turn(Instant now) {
  now_ = now;
  const EngineEvent event = engine_.poll(now);
  if (event == EngineEvent::committed) committed();
  if (event == EngineEvent::failed) lose_uncommitted();
  if (core::Bus* bus = engine_.bus()) {
    bus->set_disk(disk_);
    bus->begin_turn(now);
  }
  give_up_slow_kills();
  if (event == EngineEvent::reopened) reloader_.reopened();
  if (event == EngineEvent::reopened || now_.mono_ms >= zones_due_ms_) give_zones();
  // What was parked must not overtake a freeze.
  if (event == EngineEvent::reopened) look_at_flags();
  if (event == EngineEvent::reopened || event == EngineEvent::degraded) {
    resume_parked();
    wake_stalled();
  }
}

bool Pipeline::run_commands(Client& client) {
  const size_t bytes_before = client.unparsed().size();
  for (size_t count = 0; may_run(client); ++count) {
    const size_t bytes_run = bytes_before - client.unparsed().size();
    if (count == limits::commands_per_turn || bytes_run >= limits::bytes_per_turn) return true;
    const protocol::Frame frame = client.parser.parse(client.unparsed(), args_);
    if (frame.status == FrameStatus::need_more) {
      half_sent(client);
      return false;
    }
    client.needs_more = false;
    client.half_sent_since.reset();
    if (frame.status == FrameStatus::protocol_error) {
      answer_error(client, frame.error);
      client.close_after_replies = true;
      return false;
    }
    if (!args_.empty() && !run_command(client, frame.consumed)) return false;
    client.resumed = false;
    client.consume(frame.consumed);
  }
  return false;
}

bool Pipeline::serve(Client& client, uint16_t flags, core::Operation operation) {
  if ((flags & protocol::flag_status) != 0) return serve_status(client, flags, operation);
  if (serve_without_disk(client, operation)) return true;
  const bool is_kill = std::holds_alternative<core::op::KillSet>(operation);
  if (!is_kill && !has_room(flags)) return wait_for_room(client);
  if (const std::optional<Error> error = no_bus_for(operation, flags)) {
    answer_error(client, *error);
    return true;
  }
  if (client.input_ended && hands_out_claims(operation)) {
    // Whoever asked has gone, or cannot be told from one who has: the work stays here.
    client.close_after_replies = true;
    mark_dirty(client);
    return true;
  }
  if (const std::optional<Error> error = resolve_zone(operation)) {
    answer_error(client, *error);
    return true;
  }
  fit_wait(client, operation);
  const bool was_holding = client.replies.holds();
  const core::Applied applied = engine_.bus()->apply(caller_, operation, *this);
  const bool parked = applied == core::Applied::parked;
  if (parked) park(client, flags, operation);
  settle(current_tag());
  if (is_kill) note_kill(client, was_holding);
  return !parked;
}

bool Pipeline::end_turn(bool draining) {
  engine_.reopen_if_due(now_);
  core::Bus* bus = writable_bus();
  if (bus == nullptr) return end_turn_without_bus();
  give_back_claims();
  if (!draining && has_room(protocol::flag_write)) {
    bus->tick(*this);
    settle(current_tag());
  }
  if (bus->failed()) {
    engine_.abandon("the store could not be read");
    return true;
  }
  if (bus->has_changes() && engine_.in_flight() == 0) {
    engine_.submit(is_quick_commit(), flag_writer());
    open_position_ = 0;
    wake_stalled();
  }
  return !draining && bus->more_work() && has_room(protocol::flag_write);
}

void Pipeline::committed() {
  totals_ = engine_.bus()->totals();
  freeze_committed();
  const uint64_t durable = engine_.durable();
  std::erase_if(holding_, [&](core::ClientId id) {
    Client* client = find(id);
    if (client == nullptr) return true;
    client->replies.release(durable);
    mark_dirty(*client);
    return !client->replies.holds();
  });
  if (giving_back_sequence_ <= durable) giving_back_.clear();
  reloader_.committed();
  deliver_broadcasts();
}

// ---- One command ------------------------------------------------------------

bool Pipeline::run_command(Client& client, size_t frame_bytes) {
  frame_bytes_ = frame_bytes;
  ++commands_;
  client.served = true;
  const protocol::Command* command = protocol::find_command(args_);
  if (command == nullptr) {
    client.multi_malformed = true;
    answer_error(client, protocol::unknown_command(args_));
    return true;
  }
  const std::optional<core::Caller> caller = session_->access().caller_of(client);
  if (!caller && !command->has(protocol::flag_before_auth)) {
    answer_error(client, session_->access().unknown_caller(client));
    return true;
  }
  caller_ = caller ? *caller : Access::stranger(client);
  if (client.subscribed() && client.version == protocol::RespVersion::two &&
      !command->has(protocol::flag_while_subscribed)) {
    answer_error(client, make_error(Code::err,
                                    "only (P)SUBSCRIBE, (P)UNSUBSCRIBE, PING, RESET and QUIT are "
                                    "allowed while subscribed; use another connection or HELLO 3"));
    return true;
  }
  if (client.in_multi && !Session::allowed_in_multi(*command)) return queue_in_multi(client, *command);
  return decode_and_run(client, *command);
}

bool Pipeline::decode_and_run(Client& client, const protocol::Command& command) {
  protocol::Decoded decoded = protocol::decode(command, args_);
  if (const auto* error = std::get_if<Error>(&decoded)) {
    answer_error(client, *error);
    return true;
  }
  if (const auto* session = std::get_if<protocol::SessionCommand>(&decoded)) {
    if (command.has(protocol::flag_admin) && !Session::may_administer(caller_)) {
      answer_error(client, Session::needs_admin(caller_, command));
      return true;
    }
    return session_->run(client, *session);
  }
  return serve(client, command.flags, std::move(std::get<core::Operation>(decoded)));
}

bool Pipeline::queue_in_multi(Client& client, const protocol::Command& command) {
  const auto refuse = [&](const Error& error) {
    client.multi_malformed = true;
    answer_error(client, error);
    return true;
  };
  if (!command.has(protocol::flag_multi)) {
    return refuse(make_error(Code::err, command.name() + " cannot stand in a MULTI; PUSH, ACK and FAIL can"));
  }
  const auto item = protocol::decode_transaction_item(args_);
  if (!item.ok()) return refuse(item.error());
  for (const std::string_view word : args_) client.multi_bytes += word.size();
  if (client.queued.size() == limits::items_per_command_max ||
      client.multi_bytes > limits::command_bytes_max) {
    client.queued.clear();
    return refuse(make_error(Code::toobig, "a MULTI has at most " +
                                               std::to_string(limits::items_per_command_max) +
                                               " commands and " + std::to_string(limits::command_bytes_max) +
                                               " bytes; DISCARD and split it"));
  }
  client.queued.emplace_back(args_.begin(), args_.end());
  answer(client, [](protocol::RespWriter& writer) { writer.simple("QUEUED"); });
  return true;
}

bool Pipeline::serve_status(Client& client, uint16_t flags, const core::Operation& operation) {
  if (std::holds_alternative<core::op::Info>(operation)) {
    session_->info(client, protocol::Args(args_).subspan(1));
    return true;
  }
  if (std::holds_alternative<core::op::KillStatus>(operation)) {
    const core::FreezeRecord* undurable = undurable_freeze();
    if (undurable != nullptr || engine_.bus() == nullptr) {
      answer_freeze(client, undurable != nullptr ? *undurable : last_freeze_);
      return true;
    }
  }
  if (engine_.mode() == EngineMode::reopening) return wait_for_room(client);
  if (const std::optional<Error> error = no_bus_for(operation, flags)) {
    answer_error(client, *error);
    return true;
  }
  engine_.bus()->apply(caller_, operation, *this);
  // A beat may have set claims of others free: those wait for their batch.
  std::erase(touched_, &client);
  if (!touched_.empty() || fresh_broadcasts_ > 0) settle(current_tag());
  touched_.push_back(&client);
  settle(0);
  return true;
}

// ---- Replies and their tags --------------------------------------------------

core::ReplyWriter& Pipeline::reply_to(core::ClientId id) {
  Client* client = find(id);
  if (client == nullptr) {
    nowhere_.clear();
    writer_.aim(nowhere_, protocol::RespVersion::two);
    return writer_;
  }
  touched_.push_back(client);
  return writer_to(*client);
}

void Pipeline::carries_claim(core::ClientId id, const BirthKey& message, uint64_t token) {
  const HandedOut claim{message, token};
  if (Client* client = find(id)) {
    client->replies.carries(claim);
  } else {
    to_give_back_.push_back(claim);
  }
}

void Pipeline::publish(std::string_view topic, std::string_view text) {
  broadcasts_.push_back({ReplyQueue::never, std::string(topic), std::string(text)});
  ++fresh_broadcasts_;
}

uint64_t Pipeline::current_tag() {
  const core::Bus& bus = *engine_.bus();
  if (bus.failed()) return ReplyQueue::never;
  if (engine_.mode() != EngineMode::serving) return 0;
  if (bus.has_changes()) return bus.open_sequence();
  return engine_.in_flight();
}

void Pipeline::settle(uint64_t tag) {
  for (; fresh_broadcasts_ > 0; --fresh_broadcasts_) {
    broadcasts_[broadcasts_.size() - fresh_broadcasts_].sequence = tag;
  }
  if (tag == ReplyQueue::never) engine_.abandon("the store could not be read");
  const bool in_open_batch = tag != 0 && tag != ReplyQueue::never && tag != engine_.in_flight();
  for (Client* client : touched_) {
    client->last_sequence = tag == 0 ? engine_.durable() : tag;
    client->last_position = in_open_batch ? open_position_++ : -1;
    if (tag != 0 && !client->replies.holds()) holding_.push_back(client->id);
    client->replies.end_reply(tag);
    if (client->wait == Wait::core) unpark(*client);
    mark_dirty(*client);
  }
  touched_.clear();
}

void Pipeline::answer_error(Client& client, const Error& error) {
  answer(client, [&](protocol::RespWriter& writer) { writer.error(error); });
}

protocol::RespWriter& Pipeline::writer_to(Client& client) {
  writer_.aim(client.replies.buffer(), client.version);
  return writer_;
}

void Pipeline::mark_dirty(Client& client) {
  if (std::exchange(client.dirty, true)) return;
  dirty_.push_back(&client);
}

void Pipeline::deliver_broadcasts() {
  // A copy of each: a listener's queue is no place to be while the list changes.
  while (!broadcasts_.empty() && broadcasts_.front().sequence <= engine_.durable()) {
    const Broadcast broadcast = std::move(broadcasts_.front());
    broadcasts_.pop_front();
    hub_.publish(broadcast.topic, broadcast.text);
  }
}

}  // namespace pawl::server
