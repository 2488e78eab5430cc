// Looking: GET, EXPLAIN, ROLES.
#include <algorithm>
#include <utility>

#include "bus/core/fields.h"
#include "bus/core/fingerprint.h"
#include "bus/core/machine.h"

namespace pawl::core {
namespace {

void write_invocation(const InvocationRecord& record, ReplyWriter& writer) {
  Fields fields;
  fields.number("delivery", record.delivery);
  fields.text("daemon", record.daemon);
  fields.number("start", record.start_ms);
  if (record.end_ms != 0) fields.number("end", record.end_ms);
  fields.text("outcome", record.end_ms == 0
                             ? "running"
                             : std::string(outcome_names[static_cast<size_t>(record.outcome)]));
  if (record.outcome == Outcome::failed || record.outcome == Outcome::lapsed) {
    fields.text("error_class", std::string(class_name(record.error_class)));
    fields.text("error_text", record.error_text);
  }
  fields.number("tokens", static_cast<int64_t>(record.tokens));
  fields.number("cost", static_cast<int64_t>(record.cost));
  if (!record.version.empty()) fields.text("version", record.version);
  if (!record.limp.empty()) fields.text("limp", record.limp);
  writer.map(fields.size());
  fields.write(writer);
}

}  // namespace

std::vector<InvocationRecord> Machine::invocations(const Loaded& message) {
  std::vector<InvocationRecord> records;
  const std::string prefix = keys::birth(message.key);
  view_.scan(Table::invocation, prefix, keys::after_prefix(prefix),
             [&](std::string_view, std::string_view value) {
               auto record = decode<InvocationRecord>(value);
               if (record) {
                 records.push_back(std::move(*record));
               } else {
                 damage("an invocation");
               }
               return record.has_value() && records.size() < limits::items_per_command_max;
             });
  const LifeRecord& life = message.life;
  if (life.deliveries > 0 && !life.invocation_written) {
    // The newest delivery is still running, or went well: the life row has it.
    InvocationRecord newest;
    newest.delivery = life.deliveries;
    newest.token = life.token;
    newest.daemon = life.daemon;
    newest.start_ms = life.claimed_at_ms;
    newest.end_ms = life.ended_at_ms;
    newest.tokens = life.tokens;
    newest.cost = life.cost;
    newest.version = life.version;
    newest.limp = life.limp;
    records.push_back(std::move(newest));
  }
  return records;
}

void Machine::apply_get(std::string_view id, bool dead_only, ReplyWriter& writer) {
  auto message = load(id);
  if (!message || (dead_only && message->life.place != Place::dead)) return writer.nil();
  if (read_payload(*message)) write_message(*message, writer);
}

void Machine::write_message(Loaded& message, ReplyWriter& writer) {
  const LifeRecord& life = message.life;
  const HomeRecord& home = message.home;
  const RoleState& role = role_by_number(life.role);
  const MessageState state = state_of(life);
  Fields fields;
  fields.text("id", encode_id(message.key));
  fields.text("role", role.record.name);
  fields.text("state", std::string(state_name(state)));
  fields.number("priority", life.priority);
  fields.number("pushed_at", home.pushed_at_ms);
  fields.number("attempt", int64_t{life.spent} + 1);
  fields.number("spent", life.spent);
  fields.number("deliveries", life.deliveries);
  fields.number("max_attempts", max_attempts(role, home.max_attempts));
  fields.number("lease", home.lease_ms != 0 ? home.lease_ms : role.config->lease_ms);
  if (life.due_ms != 0) fields.number("due", due_on_wall_ms(life));
  if (life.expire_at_ms != 0) fields.number("expires_at", life.expire_at_ms);
  if (!home.unique.empty()) fields.text("unique", home.unique);
  if (!home.group.empty()) fields.text("group", home.group);
  if (state == MessageState::claimed) {
    fields.text("daemon", life.daemon);
    fields.number("claimed_at", life.claimed_at_ms);
    fields.number("deadline", wall_of_lease(life.deadline_ms));
    if (life.progress >= 0) fields.number("progress", life.progress);
    if (!life.note.empty()) fields.text("note", life.note);
  }
  if (life.cancel || !life.cancel_reason.empty()) {
    fields.number("cancel", 1);
    fields.text("cancel_reason", life.cancel_reason);
  }
  add_error(fields, life);
  if (life.ended_at_ms != 0) fields.number("ended_at", life.ended_at_ms);
  if (!life.result.empty()) fields.text("result", life.result);
  const std::vector<InvocationRecord> records = invocations(message);
  writer.map(fields.size() + 3);
  fields.write(writer);
  writer.bulk("payload");
  writer.bulk(home.payload);
  writer.bulk("headers");
  writer.map(home.headers.size());
  for (const auto& [name, value] : home.headers) {
    writer.bulk(name);
    writer.bulk(value);
  }
  writer.bulk("invocations");
  writer.array(records.size());
  for (const InvocationRecord& record : records) write_invocation(record, writer);
}

void Machine::apply_explain(const op::Explain& explain, ReplyWriter& writer) {
  auto message = load(explain.id);
  if (!message) return writer.nil();
  const LifeRecord& life = message->life;
  const RoleState& role = role_by_number(life.role);
  const MessageState state = state_of(life);
  std::vector<Fields> holds;
  const auto hold = [&](std::string_view guard, std::string scope, std::string reason) -> Fields& {
    Fields& fields = holds.emplace_back();
    fields.text("guard", std::string(guard));
    fields.text("scope", std::move(scope));
    fields.text("reason", std::move(reason));
    return fields;
  };
  if (state == MessageState::claimed) {
    Fields& fields =
        hold("claim", "message", "claimed by " + life.daemon + "; its lease runs until the deadline");
    fields.number("value", life.deliveries);
    fields.number("retry_at", wall_of_lease(life.deadline_ms));
    if (!life.limp.empty()) fields.text("limp", life.limp);
  } else if (state != MessageState::scheduled && state != MessageState::ready) {
    hold("end", "message", "the message is " + std::string(state_name(state)));
  } else {
    if (life.due_ms != 0) {
      const bool backing_off = life.has_error && life.deliveries > 0;
      Fields& fields =
          hold(backing_off ? "backoff" : "delay", "message",
               backing_off ? "backing off after " + std::to_string(life.spent) + " spent attempts"
                           : "not before its time");
      fields.number("value", life.spent);
      if (backing_off) fields.number("limit", max_attempts(role, message->home.max_attempts));
      fields.number("retry_at", due_on_wall_ms(life));
    }
    if (life.place == Place::waiting) {
      std::string head;
      if (view_.get(Table::head, keys::named(role.number, message->home.group), head)) {
        hold("group", "group:" + message->home.group, "waits behind " + encode_id(keys::read_birth(head)));
      }
    }
    if (life.expire_at_ms != 0) {
      Fields& fields = hold("expiry", "message", "expires unless it is claimed before");
      fields.number("limit", life.expire_at_ms);
    }
    const RoleFacts role_facts = facts(role);
    for (const Verdict& verdict : gate_.explain(Candidate{role_facts, "", clocks()}, *desk_)) {
      std::string scope = verdict.scope == Scope::role ? "role:" + role.record.name : "fleet";
      if (!verdict.subject.empty()) scope = verdict.subject;
      Fields& fields = hold(verdict.guard, std::move(scope), verdict.reason);
      if (verdict.value) fields.number("value", *verdict.value);
      if (verdict.limit) fields.number("limit", *verdict.limit);
      if (verdict.retry_at_ms) fields.number("retry_at", *verdict.retry_at_ms);
    }
    Fields of_role;
    gate_.describe(role_facts, *desk_, of_role);
    if (const std::string* without = of_role.text_of("limp")) {
      Fields& fields = hold("limp", "role:" + role.record.name,
                            "holds nothing back: without " + *without + " the role's limp command runs it");
      fields.text("limp", *without);
    }
  }
  writer.array(holds.size());
  for (const Fields& fields : holds) {
    writer.map(fields.size());
    fields.write(writer);
  }
}

std::optional<int64_t> Machine::oldest_ready_ms(RoleState& role) {
  if (role.committed.at(MessageState::ready) == 0) return std::nullopt;
  std::optional<BirthKey> oldest;
  for (int index = 0; index < 10; ++index) {
    for (const bool home : {true, false}) {
      Lane& lane = home ? role.home[static_cast<size_t>(index)] : role.back[static_cast<size_t>(index)];
      if (lane.needs_refill()) refill(role, index, home);
      if (!lane.empty() && (!oldest || lane.front().sequence < oldest->sequence)) oldest = lane.front().key;
    }
  }
  if (!oldest) return std::nullopt;
  std::string row;
  const auto home =
      view_.get(Table::home, keys::birth(*oldest), row) ? decode<HomeRecord>(row) : std::nullopt;
  if (!home) return std::nullopt;
  return std::max<int64_t>(0, head_.wall_ms - home->pushed_at_ms);
}

void Machine::write_role(RoleState& role, ReplyWriter& writer) {
  const RoleCounts& now = role.committed;
  Fields fields;
  fields.text("role", role.record.name);
  for (size_t i = 0; i < state_count; ++i) fields.number(state_names[i], static_cast<int64_t>(now.depth[i]));
  if (const auto oldest = oldest_ready_ms(role)) fields.number("oldest_ms", *oldest);
  const RoleRecord& record = role.committed_record;
  fields.number("paused", record.paused ? 1 : 0);
  if (record.paused) fields.text("pause_reason", record.pause_reason);
  if (record.deployed != 0) {
    fields.number("deployed", static_cast<int64_t>(record.deployed));
    fields.text("deployed_hash", fingerprint_text(record.deployed_hash));
  }
  if (!role.committed_version.empty()) fields.text("version", role.committed_version);
  const RoleCounts before = role.history.empty() ? RoleCounts{} : role.history.front();
  const auto rate = [](uint64_t a, uint64_t b) { return static_cast<int64_t>(a >= b ? a - b : 0); };
  const bool known = !role.history.empty();
  fields.number("pushed_per_minute", known ? rate(now.pushed, before.pushed) : 0);
  fields.number("claimed_per_minute", known ? rate(now.claimed, before.claimed) : 0);
  fields.number("done_per_minute", known ? rate(now.done, before.done) : 0);
  fields.number("failed_per_minute", known ? rate(now.failed, before.failed) : 0);
  fields.number("pushed_total", static_cast<int64_t>(now.pushed));
  fields.number("claimed_total", static_cast<int64_t>(now.claimed));
  fields.number("done_total", static_cast<int64_t>(now.done));
  fields.number("failed_total", static_cast<int64_t>(now.failed));
  fields.number("lapsed_total", static_cast<int64_t>(now.lapsed));
  fields.number("released_total", static_cast<int64_t>(now.released));
  fields.number("dead_total", static_cast<int64_t>(now.died));
  fields.number("tokens_total", static_cast<int64_t>(now.tokens));
  fields.number("cost_total", static_cast<int64_t>(now.cost));
  const auto waiting = role_waits_.find(role.record.name);
  fields.number("waiting", waiting == role_waits_.end() ? 0 : static_cast<int64_t>(waiting->second.size()));
  gate_.describe(facts(role), *desk_, fields);
  writer.map(fields.size());
  fields.write(writer);
}

// A user with role prefixes sees his own.
void Machine::apply_roles(const Caller& caller, ReplyWriter& writer) {
  std::vector<RoleState*> shown;
  for (const auto& [name, role] : shown_names_) {
    if (caller.user == nullptr || caller.user->covers(name)) shown.push_back(role);
  }
  writer.array(shown.size());
  for (RoleState* role : shown) write_role(*role, writer);
}

void Machine::apply_role_info(const op::RoleInfo& info, ReplyWriter& writer) {
  const auto shown = shown_names_.find(info.role);
  if (shown == shown_names_.end()) {
    return writer.error(
        make_error(Code::notfound, "no role '" + std::string(info.role) + "'; ROLES lists those there are"));
  }
  write_role(*shown->second, writer);
}

}  // namespace pawl::core
