// The kill switch: set, cleared, told.
#include "bus/core/freeze.h"

#include <utility>

#include "bus/core/machine.h"

namespace pawl::core {
namespace {

std::string told(const FreezeRecord& freeze) {
  std::string text = "freeze=" + std::string(freeze_kind_name(freeze.kind));
  if (!freeze.frozen()) return text;
  text += " scope=" + std::string(freeze_scope_name(freeze.scope));
  if (!freeze.by.empty()) text += " by=" + freeze.by;
  return text + " reason=" + freeze.reason;
}

std::string name_of(const Caller& caller) {
  return caller.name.empty() ? "client " + std::to_string(caller.client) : std::string(caller.name);
}

}  // namespace

std::string freeze_text(const FreezeRecord& freeze) {
  std::string text = freeze.kind == FreezeKind::hard ? "a hard freeze" : "a freeze";
  if (!freeze.all()) text += " of " + std::string(freeze_scope_name(freeze.scope));
  text += " stands";
  if (!freeze.by.empty()) text += ", set by " + freeze.by;
  if (!freeze.reason.empty()) text += " (" + freeze.reason + ")";
  return text + (freeze.kind == FreezeKind::hard ? "; an operator ends it: pawl clear --hard --reason TEXT"
                                                 : "; pawl clear ends it");
}

void write_freeze(const FreezeRecord& freeze, bool durable, ReplyWriter& writer) {
  Fields fields;
  fields.text("freeze", std::string(freeze_kind_name(freeze.kind)));
  if (freeze.frozen()) {
    fields.text("scope", std::string(freeze_scope_name(freeze.scope)));
    fields.text("reason", freeze.reason);
    fields.text("by", freeze.by);
    fields.number("since", freeze.since_ms);
    if (freeze.until_ms != 0) fields.number("until", freeze.until_ms);
  }
  fields.number("durable", durable ? 1 : 0);
  writer.map(fields.size());
  fields.write(writer);
}

Status Machine::load_freeze() {
  std::string value;
  if (!view_.get(Table::meta, keys::freeze_row, value)) return {};
  auto freeze = decode<FreezeRecord>(value);
  if (!freeze) return make_error(Code::err, "the freeze row is damaged or from a newer pawl");
  if (PAWL_FAULT(freeze_lost_at_restart)) freeze->kind = FreezeKind::none;
  freeze_ = sealed_freeze_ = committed_freeze_ = std::move(*freeze);
  return {};
}

void Machine::put_freeze() { view_.put(Table::meta, keys::freeze_row, encoded(freeze_)); }

void Machine::set_freeze_flagged(bool flagged) {
  if (freeze_.flagged == flagged || !freeze_.frozen()) return;
  freeze_.flagged = flagged;
  put_freeze();
}

void Machine::begin_freeze(FreezeRecord freeze, Outbox& outbox) {
  freeze.number = freeze_.number + 1;
  freeze.since_ms = head_.wall_ms;
  freeze.flagged = true;  // the file is written before the batch commits
  freeze_ = std::move(freeze);
  put_freeze();
  Headers fields = {{"freeze", std::string(freeze_kind_name(freeze_.kind))},
                    {"scope", std::string(freeze_scope_name(freeze_.scope))},
                    {"by", freeze_.by},
                    {"reason", freeze_.reason},
                    {"number", std::to_string(freeze_.number)}};
  if (freeze_.until_ms != 0) fields.emplace_back("until", std::to_string(freeze_.until_ms));
  chronicle("kill.set", std::move(fields));
  outbox.publish("pawl.freeze", told(freeze_));
  wake_all();
  if (!freeze_.stops_claims() || PAWL_FAULT(freeze_keeps_waiters)) return;
  // Whoever waits for work learns of it now.
  std::vector<uint64_t> waiting;
  for (const auto& [number, wait] : waits_) {
    if (wait.kind == WaitKind::claim) waiting.push_back(number);
  }
  for (const uint64_t number : waiting) {
    Error error = make_error(Code::frozen, freeze_text(freeze_));
    if (freeze_.until_ms != 0) error.retry_after_ms = freeze_.until_ms - head_.wall_ms;
    outbox.reply_to(waits_.at(number).client).error(error);
    unpark(number);
  }
}

void Machine::end_freeze(std::string_view by, std::string_view reason, Outbox& outbox) {
  chronicle("kill.clear", {{"freeze", std::string(freeze_kind_name(freeze_.kind))},
                           {"by", std::string(by)},
                           {"reason", std::string(reason)},
                           {"stood_ms", std::to_string(head_.wall_ms - freeze_.since_ms)},
                           {"number", std::to_string(freeze_.number)}});
  const uint64_t number = freeze_.number;
  freeze_ = {};
  freeze_.number = number;
  put_freeze();
  outbox.publish("pawl.freeze", told(freeze_));
  wake_all();
}

void Machine::apply_kill_set(const Caller& caller, const op::KillSet& set, Outbox& outbox) {
  // A soft one over a hard one changes nothing: the answer shows what stands.
  if (set.hard || freeze_.kind != FreezeKind::hard) {
    FreezeRecord freeze;
    freeze.kind = set.hard ? FreezeKind::hard : FreezeKind::soft;
    freeze.scope = set.hard ? FreezeScope::all : set.scope;
    freeze.reason = std::string(set.reason);
    freeze.by = name_of(caller);
    if (set.for_ms && !set.hard) freeze.until_ms = head_.wall_ms + *set.for_ms;
    begin_freeze(std::move(freeze), outbox);
  }
  write_freeze(freeze_, true, outbox.reply_to(caller.client));
}

void Machine::apply_kill_clear(const Caller& caller, const op::KillClear& clear, Outbox& outbox) {
  if (freeze_.kind == FreezeKind::hard && !clear.hard && !PAWL_FAULT(clear_ends_hard)) {
    outbox.reply_to(caller.client)
        .error(make_error(Code::frozen, "the freeze is hard (" + freeze_.reason +
                                            "); only KILL CLEAR HARD reason ends it"));
    return;
  }
  if (freeze_.frozen()) end_freeze(name_of(caller), clear.reason, outbox);
  write_freeze(freeze_, true, outbox.reply_to(caller.client));
}

void Machine::apply_kill_files(const op::KillFiles& files, Outbox& outbox) {
  if (files.hard && freeze_.kind != FreezeKind::hard) {
    FreezeRecord freeze;
    freeze.kind = FreezeKind::hard;
    freeze.by = "file";
    freeze.reason = std::string(files.reason);
    begin_freeze(std::move(freeze), outbox);
  } else if (files.soft && (!freeze_.frozen() || (files.written && freeze_.kind == FreezeKind::soft))) {
    FreezeRecord freeze;
    freeze.kind = FreezeKind::soft;
    freeze.scope = files.scope;
    freeze.by = "file";
    freeze.reason = std::string(files.reason);
    if (files.until_ms > head_.wall_ms) freeze.until_ms = files.until_ms;
    begin_freeze(std::move(freeze), outbox);
  } else if (!files.soft && (freeze_.kind == FreezeKind::soft ||
                             (freeze_.kind == FreezeKind::hard && PAWL_FAULT(file_ends_hard_freeze)))) {
    end_freeze("file", "the flag file was removed", outbox);
  }
}

void Machine::tick_freeze(Outbox& outbox) {
  if (freeze_.until_ms != 0 && freeze_.until_ms <= head_.wall_ms && !PAWL_FAULT(freeze_limit_ignored)) {
    end_freeze("time limit", "it was set for a time that is over", outbox);
  }
  if (wanted_freeze_ && !freeze_.frozen()) begin_freeze(std::move(*wanted_freeze_), outbox);
  wanted_freeze_.reset();
  if (wanted_thaw_ && freeze_.kind == FreezeKind::soft && freeze_.by == wanted_thaw_->first) {
    end_freeze(wanted_thaw_->first, wanted_thaw_->second, outbox);
  }
  wanted_thaw_.reset();
}

}  // namespace pawl::core
