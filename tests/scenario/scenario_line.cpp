#include "tests/scenario/scenario_line.h"

#include <algorithm>
#include <sstream>

#include "bus/base/ids.h"
#include "bus/base/parse.h"
#include "bus/base/result.h"

namespace pawl::core {
namespace {

// Words parted by spaces; 'quoted words' are one.
std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  bool open = false;
  bool begun = false;
  for (const char c : text) {
    if (c == '\'') {
      open = !open;
      if (!begun) words.emplace_back();
      begun = true;
    } else if (c == ' ' && !open) {
      begun = false;
    } else {
      if (!begun) words.emplace_back();
      begun = true;
      words.back() += c;
    }
  }
  return words;
}

void read_operation(const std::string& text, ScenarioLine& line) {
  for (const std::string& word : split_words(text)) {
    const size_t equals = word.find('=');
    if (line.verb.empty()) {
      line.verb = word;
    } else if ((word == "dead" && line.verb == "fail") || word == "reset" || word == "dry") {
      line.options[word];
    } else if (equals != std::string::npos) {
      line.options[word.substr(0, equals)] = word.substr(equals + 1);
    } else {
      line.args.push_back(word);
    }
  }
}

std::vector<std::string_view> views(const std::vector<std::string>& words, size_t from) {
  return {words.begin() + static_cast<std::ptrdiff_t>(std::min(from, words.size())), words.end()};
}

std::string_view arg(const ScenarioLine& line, size_t at) {
  return at < line.args.size() ? std::string_view(line.args[at]) : std::string_view();
}

op::Push make_push(const ScenarioLine& line, int64_t wall_ms) {
  op::Push push;
  push.role = arg(line, 0);
  push.payload = arg(line, 1);
  push.priority = static_cast<int>(line.number_of("pri").value_or(limits::priority_default));
  push.delay_ms = line.number_of("delay");
  if (const auto at_ms = line.number_of("at")) push.at_ms = wall_ms + *at_ms;
  push.unique = line.word("unique");
  push.unique_for_ms = line.number_of("for");
  push.group = line.word("group");
  if (const auto max = line.number_of("max")) push.max_attempts = static_cast<uint32_t>(*max);
  push.lease_ms = line.number_of("lease");
  push.expire_ms = line.number_of("expire");
  if (const auto header = line.word("header")) push.headers.emplace_back("name", *header);
  return push;
}

op::Usage make_usage(const ScenarioLine& line) {
  return op::Usage{line.number_of("tokens"), line.number_of("cost")};
}

size_t count_of(const ScenarioLine& line, size_t otherwise) {
  return static_cast<size_t>(line.number_of("n").value_or(static_cast<int64_t>(otherwise)));
}

op::Ack make_ack(const ScenarioLine& line, ScenarioNames& names) {
  op::Ack ack;
  ack.id = names.id(line.args.at(0));
  ack.token = names.token(line.args.at(0));
  ack.result = line.word("result").value_or("");
  ack.usage = make_usage(line);
  if (line.flag("next")) {
    op::Next next;
    std::string_view rest = *line.word("next");
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      next.roles.push_back(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    next.count = count_of(line, 1);
    next.lease_ms = line.number_of("lease");
    ack.next = next;
  }
  return ack;
}

op::Fail make_fail(const ScenarioLine& line, ScenarioNames& names) {
  op::Fail fail;
  fail.id = names.id(line.args.at(0));
  fail.token = names.token(line.args.at(0));
  const auto error_class = class_from(line.args.at(1));
  PAWL_CHECK(error_class.has_value());
  fail.error_class = *error_class;
  fail.text = arg(line, 2);
  fail.retry_in_ms = line.number_of("in");
  fail.dead = line.flag("dead");
  fail.usage = make_usage(line);
  return fail;
}

op::DeadFilter make_filter(const ScenarioLine& line) {
  op::DeadFilter filter;
  filter.role = line.word("role");
  if (const auto word = line.word("class")) filter.error_class = class_from(*word);
  filter.fingerprint = line.word("fp");
  filter.since_ms = line.number_of("since");
  filter.match = line.word("match");
  return filter;
}

std::vector<std::string_view> ids_of(const ScenarioLine& line, ScenarioNames& names) {
  std::vector<std::string_view> ids;
  for (const std::string& name : line.args) ids.push_back(names.id(name));
  return ids;
}

std::optional<size_t> limit_of(const ScenarioLine& line) {
  const auto limit = line.number_of("limit");
  return limit ? std::optional<size_t>(static_cast<size_t>(*limit)) : std::nullopt;
}

std::optional<Operation> make_write(const ScenarioLine& line, ScenarioNames& names, int64_t wall_ms) {
  const std::string& verb = line.verb;
  if (verb == "push") return make_push(line, wall_ms);
  if (verb == "mpush") return op::MultiPush{arg(line, 0), views(line.args, 1)};
  if (verb == "claim") {
    return op::Claim{arg(line, 0), views(line.args, 1), count_of(line, 1), line.number_of("wait"),
                     line.number_of("lease")};
  }
  if (verb == "ack") return make_ack(line, names);
  if (verb == "fail") return make_fail(line, names);
  if (verb == "mack") {
    op::MultiAck ack;
    for (const std::string& name : line.args) ack.items.emplace_back(names.id(name), names.token(name));
    return ack;
  }
  if (verb == "extend") {
    op::Extend extend{names.id(line.args.at(0)),
                      names.token(line.args.at(0)),
                      line.number_of("lease"),
                      {},
                      make_usage(line)};
    if (line.flag("progress")) {
      extend.progress = {*line.number_of("progress"), line.word("note").value_or("")};
    }
    return extend;
  }
  if (verb == "release") {
    return op::Release{names.id(line.args.at(0)), names.token(line.args.at(0)), line.number_of("delay")};
  }
  if (verb == "unclaim") {
    return op::Unclaim{{{names.id(line.args.at(0)), names.token(line.args.at(0))}}};
  }
  if (verb == "cancel") return op::Cancel{names.id(line.args.at(0)), arg(line, 1)};
  if (verb == "cancelall") {
    const auto state = line.word("state");
    return op::CancelFilter{arg(line, 0), state ? state_from(*state) : std::nullopt, limit_of(line)};
  }
  if (verb == "move") {
    const auto priority = line.number_of("pri");
    return op::Move{names.id(line.args.at(0)),
                    priority ? std::optional<int>(static_cast<int>(*priority)) : std::nullopt,
                    line.word("to")};
  }
  if (verb == "exec") {
    op::Transaction transaction;
    return transaction;
  }
  return std::nullopt;
}

std::optional<Operation> make_dead(const ScenarioLine& line, ScenarioNames& names, std::string_view cursor) {
  const std::string& verb = line.verb;
  if (verb == "deadlist") return op::DeadList{make_filter(line), cursor, count_of(line, 100)};
  if (verb == "deadget") return op::DeadGet{names.id(line.args.at(0))};
  if (verb == "deadcount") return op::DeadCount{make_filter(line)};
  if (verb == "deadgroups") return op::DeadGroups{make_filter(line)};
  if (verb == "replay") {
    return op::DeadReplay{ids_of(line, names), make_filter(line),  limit_of(line),
                          line.word("to"),     line.flag("reset"), line.flag("dry")};
  }
  if (verb == "edit") return op::DeadEdit{names.id(line.args.at(0)), arg(line, 1)};
  if (verb == "deaddrop") return op::DeadDrop{ids_of(line, names), make_filter(line)};
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> ScenarioLine::word(const std::string& name) const {
  const auto found = options.find(name);
  return found == options.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

std::optional<int64_t> ScenarioLine::number_of(const std::string& name) const {
  const auto digits = word(name);
  if (!digits) return std::nullopt;
  const auto value = parse_int(*digits);
  PAWL_CHECK(value.has_value());
  return value;
}

std::vector<ScenarioLine> read_table(const std::string& table) {
  std::vector<ScenarioLine> lines;
  std::istringstream in(table);
  size_t number = 0;
  for (std::string text; std::getline(in, text);) {
    ++number;
    text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
    if (text.empty() || text[0] == '#') continue;
    ScenarioLine line;
    line.number = number;
    line.text = text;
    if (text.compare(0, 2, "& ") == 0) {
      line.same_turn = true;
      text.erase(0, 2);
    }
    const size_t bar = text.find('|');
    read_operation(text.substr(0, bar), line);
    if (bar != std::string::npos) line.expected = split_words(text.substr(bar + 1));
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<ScenarioLine> split_exec(const ScenarioLine& line) {
  std::vector<ScenarioLine> parts;
  std::string text = line.text.substr(line.text.find("exec ") + 5);
  text = text.substr(0, text.find('|'));
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ';');) {
    ScenarioLine item;
    item.number = line.number;
    read_operation(part, item);
    parts.push_back(std::move(item));
  }
  return parts;
}

std::string_view ScenarioNames::id(const std::string& reference) {
  if (reference[0] == '?') return keep(encode_id(BirthKey{1, 8, 999'999}));
  const std::string name = reference.substr(0, reference.find_first_of(".@"));
  const auto found = ids_.find(name);
  return found == ids_.end() ? keep(name) : std::string_view(found->second);
}

std::string_view ScenarioNames::token(const std::string& reference) {
  if (const size_t at = reference.find('@'); at != std::string::npos) return keep(reference.substr(at + 1));
  const auto tokens = tokens_.find(std::string(id(reference)));
  if (tokens == tokens_.end()) return keep("0");
  if (const size_t dot = reference.find('.'); dot != std::string::npos) {
    return tokens->second.at(*parse_int(std::string_view(reference).substr(dot + 1)));
  }
  return tokens->second.rbegin()->second;
}

void ScenarioNames::bind(const std::string& name, const std::string& id) {
  ids_[name] = id;
  names_[id] = name;
}

void ScenarioNames::bind_token(const std::string& id, int64_t delivery, const std::string& token) {
  tokens_[id][delivery] = token;
}

std::string ScenarioNames::name_of(const std::string& id) const {
  const auto found = names_.find(id);
  return found == names_.end() ? id : found->second;
}

std::optional<Operation> make_guard_operation(const ScenarioLine& line) {
  const std::string& verb = line.verb;
  if (verb == "kill") {
    op::KillSet set;
    if (const auto scope = line.word("scope")) set.scope = *freeze_scope_from(*scope);
    set.for_ms = line.number_of("for");
    set.reason = arg(line, 0);
    return set;
  }
  if (verb == "killhard") return op::KillSet{true, FreezeScope::all, std::nullopt, arg(line, 0)};
  if (verb == "clear" || verb == "clearhard") return op::KillClear{verb == "clearhard", arg(line, 0)};
  if (verb == "killstatus") return op::KillStatus{};
  if (verb == "files") {
    op::KillFiles files;
    files.soft = std::count(line.args.begin(), line.args.end(), "soft") > 0;
    files.hard = std::count(line.args.begin(), line.args.end(), "hard") > 0;
    files.reason = "by hand";
    return files;
  }
  if (verb == "guard") {
    op::SetGuardMode set;
    set.name = arg(line, 0);
    for (size_t i = 0; i < guard_mode_names.size(); ++i) {
      if (arg(line, 1) == guard_mode_names[i]) set.mode = static_cast<GuardMode>(i);
    }
    return set;
  }
  if (verb == "quota") {
    op::QuotaSet set;
    set.role = arg(line, 0);
    for (size_t i = 0; i < quota_kind_names.size(); ++i) {
      if (arg(line, 1) == quota_kind_names[i]) set.what = static_cast<QuotaKind>(i);
    }
    set.cap = line.number_of("cap").value_or(0);
    set.per_ms = line.number_of("per").value_or(3'600'000);
    set.estimate = line.number_of("estimate");
    return set;
  }
  return std::nullopt;
}

std::vector<std::string_view> names_in(std::string_view list) {
  std::vector<std::string_view> names;
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    names.push_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return names;
}

std::optional<Operation> make_daemon_operation(const ScenarioLine& line) {
  const std::string& verb = line.verb;
  if (verb == "beat") {
    op::Beat beat;
    beat.daemon = arg(line, 0);
    beat.boot = line.word("boot").value_or("");
    beat.interval_ms = line.number_of("interval");
    beat.errors = line.number_of("errors");
    beat.state = line.word("state").value_or("");
    if (const auto roles = line.word("roles")) beat.roles = names_in(*roles);
    if (const auto needs = line.word("needs")) beat.needs = names_in(*needs);
    return beat;
  }
  if (verb == "daemon") return op::DaemonInfo{arg(line, 0)};
  if (verb == "daemons") return op::Daemons{};
  if (verb == "forget") return op::DaemonForget{arg(line, 0)};
  if (verb == "reap") return op::Reap{arg(line, 0), arg(line, 1)};
  if (verb == "note") {
    op::EventAdd add;
    add.kind = arg(line, 0);
    add.source = line.word("source").value_or("");
    add.number = static_cast<uint64_t>(line.number_of("number").value_or(0));
    for (const char* name : {"text", "daemon", "role", "reason", "tier"}) {
      if (const auto value = line.word(name)) add.fields.emplace_back(name, *value);
    }
    return add;
  }
  return std::nullopt;
}

// A zone that is put forward and back again, both an hour, on the test clock's second day.
const ZoneRules& test_zone() {
  static const ZoneRules zone = {"Test/Zone", {{0, 3600}, {1'700'100'000, 7200}, {1'700'200'800, 3600}}};
  return zone;
}

std::optional<Operation> make_ops_operation(const ScenarioLine& line) {
  const std::string& verb = line.verb;
  if (verb == "cron") {
    op::CronSet set;
    set.name = arg(line, 0);
    set.expression = arg(line, 1);
    set.role = arg(line, 2);
    set.payload = arg(line, 3);
    set.zone = line.word("zone").value_or("");
    if (set.zone == test_zone().name) set.rules = &test_zone();
    const std::string_view catch_up = line.word("catchup").value_or("skip");
    for (size_t i = 0; i < catch_up_names.size(); ++i) {
      if (catch_up == catch_up_names[i]) set.catch_up = static_cast<CatchUp>(i);
    }
    return set;
  }
  if (verb == "incident") {
    op::IncidentOpen wanted;
    wanted.tier = arg(line, 0) == "ultra" ? Tier::ultra : Tier::concern;
    wanted.title = arg(line, 1);
    wanted.fingerprint = line.word("fingerprint").value_or("");
    if (const auto roles = line.word("roles")) wanted.roles = names_in(*roles);
    if (const auto daemons = line.word("daemons")) wanted.daemons = names_in(*daemons);
    wanted.owner = line.word("owner").value_or("");
    wanted.note = line.word("note").value_or("");
    return wanted;
  }
  if (verb == "incidents") {
    op::IncidentList list;
    list.closed = arg(line, 0) == "closed";
    if (const auto tier = line.word("tier")) list.tier = *tier == "ultra" ? Tier::ultra : Tier::concern;
    list.role = line.word("role").value_or("");
    list.count = count_of(line, 100);
    return list;
  }
  if (verb == "incidentget") return op::IncidentGet{arg(line, 0)};
  if (verb == "incidentack") return op::IncidentAck{arg(line, 0), line.word("owner").value_or("")};
  if (verb == "incidentnote") return op::IncidentNote{arg(line, 0), arg(line, 1)};
  if (verb == "sweep") return op::Sweep{line.number_of("since")};
  if (verb == "insights") return op::IncidentStudy{};
  if (verb == "graph") return op::IncidentStudy{op::Study::graph, arg(line, 0)};
  if (verb == "notices") return op::IncidentStudy{op::Study::notices};
  if (verb == "unknown") return op::IncidentStudy{op::Study::unknown};
  if (verb == "incidentclose") return op::IncidentClose{arg(line, 0), arg(line, 1)};
  if (verb == "crons") return op::CronList{};
  if (verb == "crondrop") return op::CronDrop{arg(line, 0)};
  return std::nullopt;
}

std::optional<Operation> make_operation(const ScenarioLine& line, ScenarioNames& names, int64_t wall_ms,
                                        std::string_view cursor) {
  if (auto write = make_write(line, names, wall_ms)) return write;
  if (auto dead = make_dead(line, names, cursor)) return dead;
  if (auto guard = make_guard_operation(line)) return guard;
  if (auto daemon = make_daemon_operation(line)) return daemon;
  if (auto ops = make_ops_operation(line)) return ops;
  const std::string& verb = line.verb;
  if (verb == "get") return op::Get{names.id(line.args.at(0))};
  if (verb == "result") return op::GetResult{names.id(line.args.at(0)), line.number_of("wait")};
  if (verb == "list") {
    const auto state = state_from(line.args.at(1));
    PAWL_CHECK(state.has_value());
    return op::List{arg(line, 0), *state, cursor, count_of(line, 100)};
  }
  if (verb == "roles") return op::Roles{};
  if (verb == "role") return op::RoleInfo{arg(line, 0)};
  if (verb == "drop") return op::RoleDrop{arg(line, 0)};
  if (verb == "pause") return op::Pause{arg(line, 0), arg(line, 1)};
  if (verb == "resume") return op::Resume{arg(line, 0)};
  if (verb == "deploy") {
    op::DeploySet set;
    set.role = arg(line, 0);
    if (const auto command = line.word("command")) set.command = names_in(*command);
    set.prompt = line.word("prompt");
    set.reason = line.word("why").value_or("");
    return set;
  }
  if (verb == "rollback") {
    const auto to = line.number_of("to");
    return op::DeployRollback{arg(line, 0), to ? std::optional(static_cast<uint64_t>(*to)) : std::nullopt,
                              line.word("why").value_or("")};
  }
  if (verb == "deployed") {
    const auto version = line.number_of("version");
    return op::DeployGet{arg(line, 0),
                         version ? std::optional(static_cast<uint64_t>(*version)) : std::nullopt};
  }
  if (verb == "versions") return op::DeployList{arg(line, 0)};
  if (verb == "explain") return op::Explain{names.id(line.args.at(0))};
  if (verb == "events") {
    op::Events events;
    const std::string_view from = cursor.empty() ? arg(line, 0) : cursor;
    if (from != "$") events.after = static_cast<uint64_t>(*parse_int(from));
    events.count = count_of(line, 100);
    events.wait_ms = line.number_of("wait");
    events.kind = line.word("kind").value_or("");
    return events;
  }
  return std::nullopt;
}

}  // namespace pawl::core
