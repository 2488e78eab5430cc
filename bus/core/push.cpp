// Entering: PUSH, MPUSH, and MULTI … EXEC as a whole.
#include <algorithm>
#include <utility>

#include "bus/core/machine.h"

namespace pawl::core {

std::optional<BirthKey> Machine::unique_holder(const RoleState& role, std::string_view unique) const {
  std::string value;
  if (!view_.get(Table::unique, keys::named(role.number, unique), value)) return std::nullopt;
  if (value.size() != keys::birth_bytes + 8) return std::nullopt;
  const auto until_ms = static_cast<int64_t>(keys::read_be(value, keys::birth_bytes, 8));
  if (until_ms != 0 && until_ms <= head_.wall_ms) return std::nullopt;
  return keys::read_birth(value);
}

void Machine::hold_unique(const RoleState& role, const BirthKey& key, std::string_view unique,
                          int64_t until_ms) {
  std::string value = keys::birth(key);
  keys::append_be(value, static_cast<uint64_t>(until_ms), 8);
  view_.put(Table::unique, keys::named(role.number, unique), std::move(value));
  if (until_ms == 0) return;
  // The row says itself what it frees: its message may be gone by then.
  view_.put(Table::due_wall, keys::due_wall(until_ms, keys::WallKind::unique, key.sequence),
            keys::named(role.number, unique));
  next_due_wall_ms_ = std::min(next_due_wall_ms_, until_ms);
}

void Machine::apply_push(const op::Push& push, ReplyWriter& writer) {
  const Result<RoleState*> role = role_for_write(push.role);
  if (!role) return writer.error(role.error());
  if (push.unique) {
    if (const auto holder = unique_holder(**role, *push.unique)) return writer.bulk(encode_id(*holder));
  }
  char id[id_bytes];
  write_id(push_message(**role, push), id);
  writer.bulk({id, id_bytes});
}

void Machine::apply_multi_push(const op::MultiPush& push, ReplyWriter& writer) {
  const Result<RoleState*> role = role_for_write(push.role);
  if (!role) return writer.error(role.error());
  writer.array(push.payloads.size());
  op::Push one;
  one.role = push.role;
  for (const std::string_view payload : push.payloads) {
    one.payload = payload;
    char id[id_bytes];
    write_id(push_message(**role, one), id);
    writer.bulk({id, id_bytes});
  }
}

BirthKey Machine::push_message(RoleState& role, const op::Push& push) {
  const bool on_wall = push.at_ms.has_value();
  const bool delayed = on_wall ? *push.at_ms > head_.wall_ms : push.delay_ms.value_or(0) > 0;
  std::string head;
  bool behind_head = push.group && view_.get(Table::head, keys::named(role.number, *push.group), head);
  if (PAWL_FAULT(delayed_head_free) && behind_head && load(keys::read_birth(head))->life.due_ms != 0)
    behind_head = false;
  const bool parked = delayed || behind_head;

  PAWL_CHECK(head_.next_sequence < limits::sequence_max);
  const BirthKey key{role.number, lane_of(push.priority, parked), head_.next_sequence++};
  HomeRecord home;
  home.pushed_at_ms = head_.wall_ms;
  if (push.payload.size() <= limits::inline_payload_bytes_max) {
    home.payload = std::string(push.payload);
  } else {
    home.blob_bytes = static_cast<uint32_t>(push.payload.size());
    view_.put(Table::blob, keys::birth(key), push.payload);
  }
  for (const auto& [name, value] : push.headers) home.headers.emplace_back(name, value);
  home.lease_ms = push.lease_ms.value_or(0);
  home.max_attempts = push.max_attempts.value_or(0);
  if (push.expire_ms) home.expire_at_ms = head_.wall_ms + *push.expire_ms;
  if (push.group) home.group = std::string(*push.group);
  if (push.unique) {
    home.unique = std::string(*push.unique);
    if (push.unique_for_ms) home.unique_until_ms = head_.wall_ms + *push.unique_for_ms;
    hold_unique(role, key, home.unique, home.unique_until_ms);
  }
  view_.put(Table::home, keys::birth(key), encoded(home));
  if (home.expire_at_ms != 0) {
    view_.put(Table::due_wall, keys::due_wall(home.expire_at_ms, keys::WallKind::expire, key.sequence),
              keys::birth(key));
    next_due_wall_ms_ = std::min(next_due_wall_ms_, home.expire_at_ms);
  }
  if (push.group && !behind_head) {
    view_.put(Table::head, keys::named(role.number, *push.group), keys::head_value(key, key.sequence + 1));
  }
  RoleCounts& now = counts(role);
  ++now.pushed;
  now.bytes += home.bytes();
  ++now.at(delayed ? MessageState::scheduled : MessageState::ready);
  if (parked) {
    put_new_parked(role, key, push, home, behind_head);
  } else {
    Lane& lane = role.home[static_cast<size_t>(9 - push.priority)];
    if (offer(role, lane, LaneEntry{key.sequence, key})) home_cache_.put(key.sequence, std::move(home));
  }
  return key;
}

void Machine::put_new_parked(RoleState& role, const BirthKey& key, const op::Push& push,
                             const HomeRecord& home, bool behind_head) {
  LifeRecord life;
  life.role = role.number;
  life.priority = static_cast<uint8_t>(push.priority);
  life.expire_at_ms = home.expire_at_ms;
  if (push.at_ms && *push.at_ms > head_.wall_ms) {
    place_due(key, life, *push.at_ms, true);
  } else if (push.delay_ms.value_or(0) > 0) {
    place_due(key, life, head_.bus_ms + *push.delay_ms, false);
  }
  if (behind_head) {
    life.place = Place::waiting;
    view_.put(Table::group, keys::group(role.number, home.group, key.sequence), keys::birth(key));
  }
  put_life(key, life);
}

std::optional<Error> Machine::check_transaction(const op::Transaction& transaction) {
  std::set<uint64_t> settled;
  for (size_t i = 0; i < transaction.items.size(); ++i) {
    const std::string at = " at=" + std::to_string(i);
    const auto check_claim = [&](std::string_view id, std::string_view token,
                                 const op::Usage& usage) -> std::optional<Error> {
      const LiveClaim* claim = find_claim(id, token);
      if (claim != nullptr && settled.insert(claim->key.sequence).second) return std::nullopt;
      // As with every LOST. What the others used is told again, with their claims.
      if (claim == nullptr) charge_lost(id, token, usage);
      return make_error(Code::lost, "the claim on " + std::string(id) + " is not yours any more" + at);
    };
    std::optional<Error> error;
    const op::TransactionItem& item = transaction.items[i];
    if (const auto* push = std::get_if<op::Push>(&item)) {
      error = check_role(push->role);
      if (error) error->text += at;
    } else if (const auto* ack = std::get_if<op::Ack>(&item)) {
      error = check_claim(ack->id, ack->token, ack->usage);
    } else if (const auto* fail = std::get_if<op::Fail>(&item)) {
      error = check_claim(fail->id, fail->token, fail->usage);
    }
    if (error) return error;
  }
  return std::nullopt;
}

void Machine::apply_transaction(const op::Transaction& transaction, ReplyWriter& writer) {
  // Checked as a whole first: nothing below can be refused any more.
  if (const auto error = check_transaction(transaction)) {
    if (PAWL_FAULT(exec_not_atomic)) {
      const auto* push = std::get_if<op::Push>(&transaction.items.front());
      if (push != nullptr && !push->unique) push_message(**role_for_write(push->role), *push);
    }
    return writer.error(*error);
  }
  writer.array(transaction.items.size());
  for (const op::TransactionItem& item : transaction.items) {
    if (const auto* push = std::get_if<op::Push>(&item)) {
      apply_push(*push, writer);
    } else if (const auto* ack = std::get_if<op::Ack>(&item)) {
      LiveClaim* claim = find_claim(ack->id, ack->token);
      PAWL_CHECK(claim != nullptr);
      charge(claim->life, ack->usage);
      acknowledge(*claim, ack->result, ack->version);
      writer.simple("OK");
    } else if (const auto* fail = std::get_if<op::Fail>(&item)) {
      apply_fail(*fail, writer);
    }
  }
}

}  // namespace pawl::core
