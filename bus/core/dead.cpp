// Dead letters: looking, counting, editing, replaying, dropping.
#include <algorithm>
#include <memory>
#include <utility>

#include "bus/base/parse.h"
#include "bus/core/fingerprint.h"
#include "bus/core/machine.h"

namespace pawl::core {

// A filter that outlives its command.
struct Machine::DeadQuery {
  std::optional<uint32_t> role;
  std::optional<ErrorClass> error_class;
  std::optional<std::string> fingerprint;
  std::optional<int64_t> since_ms;
  std::optional<std::string> match;

  DeadQuery(Machine& machine, const op::DeadFilter& filter)
      : error_class(filter.error_class), since_ms(filter.since_ms) {
    if (filter.role) {
      const RoleState* found = machine.find_role(*filter.role);
      role = found == nullptr ? 0 : found->number;
    }
    if (filter.fingerprint) fingerprint = std::string(*filter.fingerprint);
    if (filter.match) match = std::string(*filter.match);
  }
};

bool Machine::dead_matches(const DeadQuery& query, const DeadRecord& record) {
  if (query.role && record.role != *query.role) return false;
  if (query.error_class && record.error_class != *query.error_class) return false;
  if (query.fingerprint && fingerprint_text(record.fingerprint) != *query.fingerprint) return false;
  if (query.since_ms && record.at_ms < *query.since_ms) return false;
  if (!query.match) return true;
  auto message = load(record.key);
  if (!message || !read_payload(*message)) return false;
  return message->life.error_text.find(*query.match) != std::string::npos ||
         message->home.payload.find(*query.match) != std::string::npos;
}

// Up to `rows` dead letters from number `next` on; false when there are no more. `next` moves behind
// the last one looked at. The sink ends the scan with false.
bool Machine::scan_dead(uint64_t& next, size_t rows,
                        const std::function<bool(uint64_t, const DeadRecord&)>& sink) {
  std::vector<std::pair<uint64_t, DeadRecord>> found;
  view_.scan(Table::dead, keys::number(std::max(next, head_.dead_low)), "",
             [&](std::string_view key, std::string_view value) {
               auto record = decode<DeadRecord>(value);
               if (!record) {
                 damage("a dead letter's row");
                 return false;
               }
               found.emplace_back(keys::read_be(key, 0, 8), std::move(*record));
               return found.size() < rows;
             });
  for (const auto& [number, record] : found) {
    next = number + 1;
    if (!sink(number, record)) return true;
  }
  return found.size() == rows;
}

void Machine::write_dead(const DeadRecord& record, const Loaded& message, ReplyWriter& writer) {
  writer.map(8);
  writer.bulk("id");
  writer.bulk(encode_id(message.key));
  writer.bulk("role");
  writer.bulk(role_by_number(record.role).record.name);
  writer.bulk("error_class");
  writer.bulk(class_name(record.error_class));
  writer.bulk("error_text");
  writer.bulk(message.life.error_text);
  writer.bulk("fingerprint");
  writer.bulk(fingerprint_text(record.fingerprint));
  writer.bulk("at");
  writer.integer(record.at_ms);
  writer.bulk("attempts");
  writer.integer(message.life.spent);
  writer.bulk("deliveries");
  writer.integer(message.life.deliveries);
}

void Machine::apply_dead_list(const op::DeadList& list, ReplyWriter& writer) {
  const DeadQuery query(*this, list.filter);
  const auto cursor = parse_int(list.cursor);
  if (!cursor || *cursor < 0)
    return writer.error(make_error(Code::badarg, "CURSOR is what DEAD LIST answered, or 0"));
  auto next = static_cast<uint64_t>(*cursor);
  std::vector<std::pair<DeadRecord, Loaded>> found;
  size_t bytes = 0;
  const size_t rows = query.match ? config_.job_rows_per_step : limits::list_rows_examined_max;
  const bool more = scan_dead(next, rows, [&](uint64_t number, const DeadRecord& record) {
    if (!dead_matches(query, record)) return true;
    auto message = load(record.key);
    if (!message) return true;
    bytes += 256 + message->life.error_text.size();
    if (bytes > limits::reply_bytes_max && !found.empty()) {
      next = number;
      return false;
    }
    found.emplace_back(record, std::move(*message));
    return found.size() < list.count;
  });
  writer.array(2);
  writer.bulk(more ? std::to_string(next) : "0");
  writer.array(found.size());
  for (const auto& [record, message] : found) write_dead(record, message, writer);
}

void Machine::apply_dead_get(const op::DeadGet& get, ReplyWriter& writer) { apply_get(get.id, true, writer); }

Applied Machine::apply_dead_count(ClientId client, const op::DeadCount& count, Outbox& outbox) {
  const op::DeadFilter& filter = count.filter;
  if (!filter.error_class && !filter.fingerprint && !filter.since_ms && !filter.match) {
    uint64_t total = 0;
    for (const auto& [number, role] : roles_) {
      if (!filter.role || (!role->record.dropped && role->record.name == *filter.role)) {
        total += role->counts.at(MessageState::dead);
      }
    }
    outbox.reply_to(client).integer(static_cast<int64_t>(total));
    return Applied::replied;
  }
  struct Progress {
    DeadQuery query;
    uint64_t next = 0;
    int64_t total = 0;
  };
  auto progress = std::make_shared<Progress>(Progress{DeadQuery(*this, filter), 0, 0});
  return start_job(
      client, true,
      [this, client, progress](Outbox& out) {
        if (scan_dead(progress->next, config_.job_rows_per_step, [&](uint64_t, const DeadRecord& record) {
              if (dead_matches(progress->query, record)) ++progress->total;
              return true;
            })) {
          return false;
        }
        out.reply_to(client).integer(progress->total);
        return true;
      },
      outbox);
}

Applied Machine::apply_dead_groups(ClientId client, const op::DeadGroups& groups, Outbox& outbox) {
  struct Group {
    uint64_t count = 0;
    ErrorClass error_class = ErrorClass::unknown;
    int64_t first_ms = 0;
    int64_t last_ms = 0;
    BirthKey example;
  };
  struct Progress {
    DeadQuery query;
    uint64_t next = 0;
    std::map<std::pair<uint32_t, uint64_t>, Group> groups;  // role, fingerprint
  };
  auto progress = std::make_shared<Progress>(Progress{DeadQuery(*this, groups.filter), 0, {}});
  return start_job(
      client, true,
      [this, client, progress](Outbox& out) {
        const bool more =
            scan_dead(progress->next, config_.job_rows_per_step, [&](uint64_t, const DeadRecord& record) {
              if (!dead_matches(progress->query, record)) return true;
              Group& group = progress->groups[{record.role, record.fingerprint}];
              if (group.count++ == 0) group.first_ms = record.at_ms;
              group.error_class = record.error_class;
              group.last_ms = record.at_ms;
              group.example = record.key;
              return true;
            });
        if (more) return false;
        std::vector<std::pair<std::pair<uint32_t, uint64_t>, Group>> sorted(progress->groups.begin(),
                                                                            progress->groups.end());
        std::stable_sort(sorted.begin(), sorted.end(),
                         [](const auto& a, const auto& b) { return a.second.count > b.second.count; });
        if (sorted.size() > limits::items_per_command_max) sorted.resize(limits::items_per_command_max);
        ReplyWriter& writer = out.reply_to(client);
        writer.array(sorted.size());
        for (const auto& [name, group] : sorted) {
          const auto example = load(group.example);
          writer.map(8);
          writer.bulk("fingerprint");
          writer.bulk(fingerprint_text(name.second));
          writer.bulk("role");
          writer.bulk(role_by_number(name.first).record.name);
          writer.bulk("error_class");
          writer.bulk(class_name(group.error_class));
          writer.bulk("error_text");
          writer.bulk(example ? example->life.error_text.substr(0, 512) : "");
          writer.bulk("count");
          writer.integer(static_cast<int64_t>(group.count));
          writer.bulk("first");
          writer.integer(group.first_ms);
          writer.bulk("last");
          writer.integer(group.last_ms);
          writer.bulk("example");
          writer.bulk(encode_id(group.example));
        }
        return true;
      },
      outbox);
}

std::optional<Error> Machine::load_dead_ids(const std::vector<std::string_view>& ids,
                                            std::vector<Loaded>& out) {
  std::set<uint64_t> seen;
  for (const std::string_view id : ids) {
    auto message = load(id);
    if (!message) return make_error(Code::notfound, "no message " + std::string(id));
    if (message->life.place != Place::dead) {
      return make_error(Code::state, "message " + std::string(id) + " is " +
                                         std::string(state_name(state_of(message->life))) + ", not dead");
    }
    if (seen.insert(message->key.sequence).second) out.push_back(std::move(*message));
  }
  return std::nullopt;
}

// A replay under way.
struct Machine::ReplayJob {
  ReplayJob(Machine& machine, const op::DeadReplay& replay)
      : query(machine, replay.filter),
        by_id(!replay.ids.empty()),
        reset(replay.reset),
        dry_run(replay.dry_run),
        end(machine.head_.next_dead),
        left(replay.limit.value_or(SIZE_MAX)) {}

  DeadQuery query;
  bool by_id;
  std::vector<Loaded> given;
  std::string to;  // a name, for the role may be dropped meanwhile; empty: where they died
  bool reset;
  bool dry_run;
  uint64_t next = 0;
  uint64_t end;  // letters that die while the job runs are not its own
  uint64_t left;
  uint64_t name = 0;
  std::set<std::pair<std::string, std::string>> dry_keys;  // role, key
  int64_t matched = 0;
  int64_t conflicts = 0;
};

// False: skipped, because another message holds its key or because it has expired.
bool Machine::replay_one(Loaded& message, ReplayJob& job) {
  LifeRecord& life = message.life;
  const HomeRecord& home = message.home;
  const BirthKey& key = message.key;
  RoleState& from = role_by_number(life.role);
  if (!job.reset && life.expire_at_ms != 0 && life.expire_at_ms <= head_.wall_ms) return false;
  bool moves_key = false;
  // A key held for a time that is over is no longer the message's: it neither clashes nor is taken again.
  const bool wants_key =
      !home.unique.empty() && (home.unique_until_ms == 0 || home.unique_until_ms > head_.wall_ms);
  if (wants_key) {
    const RoleState* target = job.to.empty() ? &from : find_role(job.to);
    const auto holder = target == nullptr ? std::nullopt : unique_holder(*target, home.unique);
    if (holder && *holder != key && !PAWL_FAULT(replay_takes_held_key)) return false;
    const auto old = unique_holder(from, home.unique);
    moves_key = target != &from && old && *old == key;
  }
  if (job.dry_run) {
    // Of two letters under one key a real run brings back the first only.
    const std::string& name = job.to.empty() ? from.record.name : job.to;
    return !wants_key || job.dry_keys.emplace(name, home.unique).second;
  }
  RoleState& role = job.to.empty() ? from : **role_for_write(job.to);

  std::string row;
  const auto record =
      view_.get(Table::dead, keys::number(life.dead_number), row) ? decode<DeadRecord>(row) : std::nullopt;
  if (!record) {
    damage("a replayed letter's row");
    return false;
  }
  head_.dead_bytes -= std::min(head_.dead_bytes, record->bytes);
  view_.erase(Table::dead, keys::number(life.dead_number));
  --counts(from).at(MessageState::dead);
  ++counts(role).at(MessageState::ready);
  counts(role).bytes += home.bytes();
  life.role = role.number;
  if (!PAWL_FAULT(replay_keeps_attempts)) life.spent = 0;
  life.causes = {};
  life.spent_delivery = 0;
  life.crashes_in_row = 0;
  life.releases = 0;
  life.released_by.clear();
  life.cancel = false;
  life.cancel_reason.clear();
  life.ended_at_ms = 0;
  life.dead_number = 0;
  if (job.reset) life.expire_at_ms = 0;
  if (life.expire_at_ms != 0) {
    view_.put(Table::due_wall, keys::due_wall(life.expire_at_ms, keys::WallKind::expire, key.sequence),
              keys::birth(key));
    next_due_wall_ms_ = std::min(next_due_wall_ms_, life.expire_at_ms);
  }
  if (moves_key) {
    view_.erase(Table::unique, keys::named(from.number, home.unique));
    view_.erase(Table::due_wall, keys::due_wall(home.unique_until_ms, keys::WallKind::unique, key.sequence));
  }
  if (!home.unique.empty() && (home.unique_until_ms == 0 || moves_key)) {
    hold_unique(role, key, home.unique, home.unique_until_ms);
  }
  if (!home.group.empty() && !join_group(role, home.group, key)) {
    life.place = Place::waiting;
    put_life(key, life);
  } else {
    place_back(role, key, life);
  }
  return true;
}

// True when there are none left.
bool Machine::step_replay(ReplayJob& job) {
  const auto one = [&](Loaded& message) {
    ++job.matched;
    if (!replay_one(message, job)) ++job.conflicts;
  };
  if (job.by_id) {
    for (Loaded& message : job.given) one(message);
    return true;
  }
  const bool more =
      scan_dead(job.next, config_.job_rows_per_step, [&](uint64_t number, const DeadRecord& record) {
        if (number >= job.end || job.left == 0) {
          job.left = 0;
          return false;
        }
        if (!dead_matches(job.query, record)) return true;
        if (auto message = load(record.key)) {
          one(*message);
          --job.left;
        }
        return true;
      });
  return !more || job.left == 0;
}

Applied Machine::apply_dead_replay(ClientId client, const op::DeadReplay& replay, Outbox& outbox) {
  auto job = std::make_shared<ReplayJob>(*this, replay);
  const auto refuse = [&](const Error& error) {
    outbox.reply_to(client).error(error);
    return Applied::replied;
  };
  if (const auto error = load_dead_ids(replay.ids, job->given)) return refuse(*error);
  if (replay.to_role) {
    // Made only when something goes there.
    if (const auto error = check_role(*replay.to_role)) return refuse(*error);
    job->to = std::string(*replay.to_role);
  }
  if (!replay.dry_run) job->name = head_.next_token++;
  return start_job(
      client, false,
      [this, client, job](Outbox& out) {
        if (!step_replay(*job)) return false;
        const std::string name = encode_token(job->name);
        if (!job->dry_run) {
          chronicle("dead.replay", {{"replay", name},
                                    {"matched", std::to_string(job->matched)},
                                    {"conflicts", std::to_string(job->conflicts)}});
        }
        ReplyWriter& writer = out.reply_to(client);
        writer.map(job->dry_run ? 2 : 3);
        if (!job->dry_run) {
          writer.bulk("replay");
          writer.bulk(name);
        }
        writer.bulk("matched");
        writer.integer(job->matched);
        writer.bulk("conflicts");
        writer.integer(job->conflicts);
        return true;
      },
      outbox);
}

void Machine::apply_dead_edit(const op::DeadEdit& edit, ReplyWriter& writer) {
  std::vector<Loaded> found;
  if (const auto error = load_dead_ids({edit.id}, found)) return writer.error(*error);
  Loaded& message = found.front();
  const std::string at = keys::birth(message.key);
  const std::string number = keys::number(message.life.dead_number);
  std::string row;
  auto record = view_.get(Table::dead, number, row) ? decode<DeadRecord>(row) : std::nullopt;
  if (!record) {
    damage("an edited letter's row");
    return;
  }
  const uint64_t before = message.home.bytes();
  if (message.home.blob_bytes != 0) view_.erase(Table::blob, at);
  message.home.payload.clear();
  message.home.blob_bytes = 0;
  if (edit.payload.size() <= limits::inline_payload_bytes_max) {
    message.home.payload = std::string(edit.payload);
  } else {
    message.home.blob_bytes = static_cast<uint32_t>(edit.payload.size());
    view_.put(Table::blob, at, std::string(edit.payload));
  }
  view_.put(Table::home, at, encode(message.home));
  const uint64_t after = message.home.bytes();
  record->bytes = record->bytes - before + after;
  head_.dead_bytes = head_.dead_bytes - before + after;
  view_.put(Table::dead, number, encode(*record));
  chronicle("dead.edit", {{"id", std::string(edit.id)}, {"bytes", std::to_string(edit.payload.size())}});
  writer.simple("OK");
}

void Machine::drop_dead(const Loaded& message) {
  const LifeRecord& life = message.life;
  std::string row;
  const auto record =
      view_.get(Table::dead, keys::number(life.dead_number), row) ? decode<DeadRecord>(row) : std::nullopt;
  if (!record) {
    damage("a dropped letter's row");
    return;
  }
  head_.dead_bytes -= std::min(head_.dead_bytes, record->bytes);
  view_.erase(Table::dead, keys::number(life.dead_number));
  tell_past(message.key, role_by_number(life.role), life.deliveries);
  purge_rows(message.key, message.home.blob_bytes != 0, life.deliveries);
  --counts(role_by_number(life.role)).at(MessageState::dead);
}

Applied Machine::apply_dead_drop(ClientId client, const op::DeadDrop& drop, Outbox& outbox) {
  if (!drop.ids.empty()) {
    ReplyWriter& writer = outbox.reply_to(client);
    std::vector<Loaded> found;
    if (const auto error = load_dead_ids(drop.ids, found)) {
      writer.error(*error);
      return Applied::replied;
    }
    for (const Loaded& message : found) {
      drop_dead(message);
      chronicle("dead.drop", {{"id", encode_id(message.key)}});
    }
    writer.integer(static_cast<int64_t>(found.size()));
    return Applied::replied;
  }
  struct Progress {
    DeadQuery query;
    uint64_t next = 0;
    uint64_t end = 0;
    int64_t dropped = 0;
  };
  auto progress = std::make_shared<Progress>(Progress{DeadQuery(*this, drop.filter), 0, head_.next_dead});
  return start_job(
      client, false,
      [this, client, progress](Outbox& out) {
        bool ended = false;
        const bool more = scan_dead(progress->next, config_.job_rows_per_step,
                                    [&](uint64_t number, const DeadRecord& record) {
                                      ended = number >= progress->end;
                                      if (ended) return false;
                                      if (!dead_matches(progress->query, record)) return true;
                                      if (auto message = load(record.key)) {
                                        drop_dead(*message);
                                        ++progress->dropped;
                                      }
                                      return true;
                                    });
        if (more && !ended) return false;
        chronicle("dead.drop", {{"dropped", std::to_string(progress->dropped)}});
        out.reply_to(client).integer(progress->dropped);
        return true;
      },
      outbox);
}

}  // namespace pawl::core
