#include "tests/sim/describe.h"

namespace pawl::sim {
namespace {

namespace op = core::op;

// Appends words, leaving out options that are not there.
class Line {
 public:
  explicit Line(std::string verb) : text_(std::move(verb)) {}

  Line& word(std::string_view value) {
    text_ += ' ';
    text_ += value.size() > 40 ? std::string(value.substr(0, 40)) + "…" : std::string(value);
    return *this;
  }
  Line& words(const std::vector<std::string_view>& values) {
    for (const std::string_view value : values) word(value);
    return *this;
  }
  Line& number(std::string_view name, int64_t value) { return word(name).word(std::to_string(value)); }
  template <typename T>
  Line& option(std::string_view name, const std::optional<T>& value) {
    if (!value) return *this;
    if constexpr (std::is_integral_v<T>)
      return number(name, static_cast<int64_t>(*value));
    else
      return word(name).word(*value);
  }
  Line& flag(std::string_view name, bool on) { return on ? word(name) : *this; }
  Line& filter(const op::DeadFilter& filter) {
    option("ROLE", filter.role).option("FINGERPRINT", filter.fingerprint).option("MATCH", filter.match);
    if (filter.error_class) word("CLASS").word(core::class_name(*filter.error_class));
    return option("SINCE", filter.since_ms);
  }
  std::string done() { return std::move(text_); }

 private:
  std::string text_;
};

std::string text(const op::Push& push) {
  Line line("PUSH");
  line.word(push.role).word(push.payload);
  line.number("PRIORITY", push.priority).option("DELAY", push.delay_ms).option("AT", push.at_ms);
  line.option("UNIQUE", push.unique).option("UNIQUEFOR", push.unique_for_ms).option("GROUP", push.group);
  line.option("MAXATTEMPTS", push.max_attempts).option("LEASE", push.lease_ms);
  line.option("EXPIRE", push.expire_ms);
  for (const auto& [name, value] : push.headers) line.word("HEADER").word(name).word(value);
  return line.done();
}

std::string text(const op::Ack& ack) {
  Line line("ACK");
  line.word(ack.id).word(ack.token);
  if (!ack.result.empty()) line.word("RESULT").word(ack.result);
  line.option("TOKENS", ack.usage.tokens).option("COST", ack.usage.cost);
  if (ack.next) {
    line.word("NEXT").number("COUNT", static_cast<int64_t>(ack.next->count));
    line.option("LEASE", ack.next->lease_ms).words(ack.next->roles);
  }
  return line.done();
}

std::string text(const op::Fail& fail) {
  return Line("FAIL")
      .word(fail.id)
      .word(fail.token)
      .word(core::class_name(fail.error_class))
      .word(fail.text)
      .option("RETRYIN", fail.retry_in_ms)
      .flag("DEAD", fail.dead)
      .option("TOKENS", fail.usage.tokens)
      .done();
}

struct Describer {
  std::string operator()(const op::Push& o) const { return text(o); }
  std::string operator()(const op::Ack& o) const { return text(o); }
  std::string operator()(const op::Fail& o) const { return text(o); }
  std::string operator()(const op::MultiPush& o) const {
    return Line("MPUSH").word(o.role).words(o.payloads).done();
  }
  std::string operator()(const op::Claim& o) const {
    return Line("CLAIM")
        .word(o.daemon)
        .words(o.roles)
        .number("COUNT", static_cast<int64_t>(o.count))
        .option("WAIT", o.wait_ms)
        .option("LEASE", o.lease_ms)
        .done();
  }
  std::string operator()(const op::MultiAck& o) const { return pairs("MACK", o.items); }
  std::string operator()(const op::Unclaim& o) const { return pairs("(UNCLAIM)", o.items); }
  std::string operator()(const op::Extend& o) const {
    return Line("EXTEND").word(o.id).word(o.token).option("LEASE", o.lease_ms).done();
  }
  std::string operator()(const op::Release& o) const {
    return Line("RELEASE").word(o.id).word(o.token).option("DELAY", o.delay_ms).done();
  }
  std::string operator()(const op::Cancel& o) const { return Line("CANCEL").word(o.id).done(); }
  std::string operator()(const op::CancelFilter& o) const {
    Line line("CANCEL FILTER");
    line.word(o.role);
    if (o.state) line.word(core::state_name(*o.state));
    return line.option("LIMIT", o.limit).done();
  }
  std::string operator()(const op::Move& o) const {
    return Line("MOVE").word(o.id).option("PRIORITY", o.priority).option("TO", o.to_role).done();
  }
  std::string operator()(const op::Get& o) const { return Line("GET").word(o.id).done(); }
  std::string operator()(const op::GetResult& o) const {
    return Line("RESULT").word(o.id).option("WAIT", o.wait_ms).done();
  }
  std::string operator()(const op::Transaction& o) const {
    std::string result = "MULTI";
    for (const auto& item : o.items) {
      result += "; " + std::visit([](const auto& one) { return text(one); }, item);
    }
    return result + "; EXEC";
  }
  std::string operator()(const op::List& o) const {
    return Line("LIST")
        .word(o.role)
        .word(core::state_name(o.state))
        .word("CURSOR")
        .word(o.cursor)
        .number("COUNT", static_cast<int64_t>(o.count))
        .done();
  }
  std::string operator()(const op::Roles&) const { return "ROLES"; }
  std::string operator()(const op::RoleInfo& o) const { return Line("ROLE").word(o.role).done(); }
  std::string operator()(const op::RoleDrop& o) const { return Line("ROLE DROP").word(o.role).done(); }
  std::string operator()(const op::Pause& o) const { return Line("PAUSE").word(o.role).done(); }
  std::string operator()(const op::Resume& o) const { return Line("RESUME").word(o.role).done(); }
  std::string operator()(const op::DeadList& o) const { return Line("DEAD LIST").filter(o.filter).done(); }
  std::string operator()(const op::DeadGet& o) const { return Line("DEAD GET").word(o.id).done(); }
  std::string operator()(const op::DeadCount& o) const { return Line("DEAD COUNT").filter(o.filter).done(); }
  std::string operator()(const op::DeadGroups& o) const {
    return Line("DEAD GROUPS").filter(o.filter).done();
  }
  std::string operator()(const op::DeadReplay& o) const {
    Line line("DEAD REPLAY");
    line.words(o.ids);
    if (o.ids.empty()) line.word("FILTER").filter(o.filter);
    return line.option("LIMIT", o.limit)
        .option("TO", o.to_role)
        .flag("RESET", o.reset)
        .flag("DRYRUN", o.dry_run)
        .done();
  }
  std::string operator()(const op::DeadEdit& o) const {
    return Line("DEAD EDIT").word(o.id).word(o.payload).done();
  }
  std::string operator()(const op::DeadDrop& o) const {
    Line line("DEAD DROP");
    line.words(o.ids);
    if (o.ids.empty()) line.word("FILTER").filter(o.filter);
    return line.done();
  }
  std::string operator()(const op::Explain& o) const { return Line("EXPLAIN").word(o.id).done(); }
  std::string operator()(const op::Events&) const { return "EVENTS"; }
  std::string operator()(const op::Info&) const { return "INFO"; }
  std::string operator()(const op::KillSet& o) const {
    if (o.hard) return Line("KILL HARD").word(o.reason).done();
    return Line("KILL SET SCOPE")
        .word(core::freeze_scope_name(o.scope))
        .option("FOR", o.for_ms)
        .word(o.reason)
        .done();
  }
  std::string operator()(const op::KillClear& o) const {
    return Line("KILL CLEAR").flag("HARD", o.hard).word(o.reason).done();
  }
  std::string operator()(const op::KillStatus&) const { return "KILL STATUS"; }
  std::string operator()(const op::KillFiles& o) const {
    return Line("(flag files)").flag("KILL", o.soft).flag("KILL_HARD", o.hard).done();
  }
  std::string operator()(const op::QuotaSet& o) const {
    return Line("QUOTA SET")
        .word(o.role)
        .word(core::quota_kind_names[static_cast<size_t>(o.what)])
        .word(std::to_string(o.cap))
        .number("PER", o.per_ms)
        .option("ESTIMATE", o.estimate)
        .done();
  }
  std::string operator()(const op::QuotaGet& o) const {
    return Line("QUOTA GET").word(o.role.value_or("")).done();
  }
  std::string operator()(const op::QuotaDrop& o) const {
    return Line("QUOTA DROP")
        .word(o.role)
        .word(core::quota_kind_names[static_cast<size_t>(o.what)])
        .number("PER", o.per_ms)
        .done();
  }
  std::string operator()(const op::GuardList&) const { return "GUARD LIST"; }
  std::string operator()(const op::Beat& o) const { return Line("BEAT").word(o.daemon).done(); }
  std::string operator()(const op::Daemons&) const { return "DAEMONS"; }
  std::string operator()(const op::DaemonInfo& o) const { return Line("DAEMON").word(o.daemon).done(); }
  std::string operator()(const op::DaemonForget& o) const {
    return Line("DAEMON FORGET").word(o.daemon).done();
  }
  std::string operator()(const op::CronSet& o) const {
    return Line("CRON SET").word(o.name).word(o.expression).word(o.role).word(o.payload).done();
  }
  std::string operator()(const op::CronList&) const { return "CRON LIST"; }
  std::string operator()(const op::IncidentOpen& o) const {
    return Line("INCIDENT OPEN").word(core::tier_names[static_cast<size_t>(o.tier)]).word(o.title).done();
  }
  std::string operator()(const op::IncidentList&) const { return "INCIDENT LIST"; }
  std::string operator()(const op::IncidentGet& o) const { return Line("INCIDENT GET").word(o.id).done(); }
  std::string operator()(const op::IncidentAck& o) const { return Line("INCIDENT ACK").word(o.id).done(); }
  std::string operator()(const op::IncidentNote& o) const {
    return Line("INCIDENT NOTE").word(o.id).word(o.text).done();
  }
  std::string operator()(const op::IncidentStudy&) const { return "INCIDENT INSIGHTS"; }
  std::string operator()(const op::Sweep&) const { return "SWEEP"; }
  std::string operator()(const op::IncidentClose& o) const {
    return Line("INCIDENT CLOSE").word(o.id).word(o.reason).done();
  }
  std::string operator()(const op::CronDrop& o) const { return Line("CRON DROP").word(o.name).done(); }
  std::string operator()(const op::ZoneRulesGiven& o) const {
    return Line("(time zones)").number("COUNT", static_cast<int64_t>(o.zones.size())).done();
  }
  std::string operator()(const op::Reap& o) const { return Line("REAP").word(o.daemon).word(o.boot).done(); }
  std::string operator()(const op::DeploySet& o) const {
    Line line("DEPLOY SET");
    line.word(o.role).number("COMMAND", static_cast<int64_t>(o.command.size()));
    for (const std::string_view word : o.command) line.word(word);
    return line
        .option("PROMPT", o.prompt ? std::optional(std::to_string(o.prompt->size()) + "b") : std::nullopt)
        .done();
  }
  std::string operator()(const op::DeployRollback& o) const {
    return Line("DEPLOY ROLLBACK").word(o.role).option("TO", o.to).done();
  }
  std::string operator()(const op::DeployList& o) const { return Line("DEPLOY LIST").word(o.role).done(); }
  std::string operator()(const op::DeployGet& o) const { return Line("DEPLOY GET").word(o.role).done(); }
  std::string operator()(const op::EventAdd& o) const {
    return Line("EVENT ADD")
        .word(o.kind)
        .word(o.source)
        .number("number", static_cast<int64_t>(o.number))
        .done();
  }
  std::string operator()(const op::SetGuardMode& o) const {
    return Line("GUARD MODE").word(o.name).word(core::guard_mode_names[static_cast<size_t>(o.mode)]).done();
  }

  using Items = std::vector<std::pair<std::string_view, std::string_view>>;
  static std::string pairs(std::string verb, const Items& items) {
    Line line(std::move(verb));
    for (const auto& [id, token] : items) line.word(id).word(token);
    return line.done();
  }
};

}  // namespace

std::string describe(const core::Operation& operation) { return std::visit(Describer{}, operation); }

namespace {

std::string text(const std::vector<core::QuotaConfig>& quotas) {
  std::string result;
  for (const core::QuotaConfig& quota : quotas) {
    result += ", " + std::to_string(quota.cap) + " " +
              std::string(core::quota_kind_names[static_cast<size_t>(quota.what)]) + " per " +
              std::to_string(quota.per_ms);
    if (quota.estimate) result += " estimate " + std::to_string(*quota.estimate);
  }
  return result;
}

}  // namespace

std::string describe(const core::RoleConfig& role) {
  Line line("lease");
  line.word(std::to_string(role.lease_ms)).number("attempts", role.max_attempts);
  line.number("keep_done", role.keep_done_ms).number("concurrency", static_cast<int64_t>(role.concurrency));
  line.number("rate", role.rate.count).number("per", role.rate.per_ms);
  line.number("backlog", static_cast<int64_t>(role.backlog_max));
  line.number("bytes", static_cast<int64_t>(role.backlog_bytes_max));
  return line.done() + text(role.quotas) + (role.needs.empty() ? "" : ", needs " + role.needs[0]) +
         (role.limp ? ", limp" : "");
}

std::string describe(const core::BusConfig& config) {
  const core::GuardsConfig& guards = config.guards;
  Line line("fleet: poison");
  line.word(std::to_string(guards.poison_crashes)).number("outage", guards.outage_messages);
  line.number("window", guards.outage_window_ms).number("percent", guards.outage_percent);
  line.number("cooldown", guards.cooldown_ms).number("to", guards.cooldown_max_ms);
  line.number("shed", guards.shed_from_percent).flag("velocity", !guards.modes.empty());
  return line.done() + text(config.system_quotas);
}

}  // namespace pawl::sim
