// What the virtual clients do next, drawn from a seed. Each seed leaves out some
// kinds of operations and options (swarm testing): runs that lack something
// reach states that runs with everything never do.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/operation.h"
#include "tests/sim/model.h"
#include "tests/sim/rng.h"
#include "tests/sim/world.h"

namespace pawl::sim {

// A claim as its worker knows it.
struct KnownClaim {
  std::string id;
  std::string token;
};

// What clients have learned from answers that reached them.
struct Known {
  std::vector<KnownClaim> held;  // being worked on
  std::vector<KnownClaim> past;  // settled, or their worker died: their tokens may be dead or alive
};

enum class Kind : uint8_t {
  push,
  mpush,
  claim,
  claim_wait,
  ack,
  ack_next,
  mack,
  fail,
  extend,
  release,
  cancel,
  cancel_filter,
  move,
  get,
  result,
  result_wait,
  transaction,
  list,
  roles,
  role_info,
  role_drop,
  pause,
  resume,
  dead_list,
  dead_get,
  dead_count,
  dead_groups,
  dead_replay,
  dead_edit,
  dead_drop,
  explain,
  events,
  walk_off,
  kill_set,
  kill_hard,
  kill_clear,
  kill_files,
  kill_status,
  guard_mode,
  guard_list,
  quota_set,
  quota_drop,
  quota_get,
  deploy_set,
  deploy_rollback,
  deploy_read,
};
constexpr size_t kind_count = 46;

class OpMaker {
 public:
  OpMaker(Rng& rng, const World& world);

  // Which kind is next; walk_off is no operation: a worker dies without a word.
  Kind draw(const Model& model);
  // The operation's views live until the next call of make(). Moves claims in `known` from held to past
  // where the operation ends them.
  core::Operation make(Kind kind, const Model& model, Known& known);

  const std::vector<std::string>& role_names() const { return roles_; }

 private:
  std::string_view keep(std::string text);
  std::string_view role();
  std::vector<std::string_view> some_roles();
  std::string_view any_id(const Model& model);
  std::string_view dead_id(const Model& model);
  // A held claim mostly, now and then one that is settled, or an invented token.
  KnownClaim a_claim(const Model& model, Known& known, bool ends_it);
  core::op::Usage usage();
  core::op::Push push();
  core::op::MultiPush multi_push();
  core::op::MultiAck multi_ack(const Model& model, Known& known);
  core::op::Claim claim(bool wait);
  core::op::Ack ack(const Model& model, Known& known);
  core::op::Fail fail(const Model& model, Known& known);
  core::op::Transaction transaction(const Model& model, Known& known);
  core::op::DeadFilter filter();
  core::Operation make_dead(Kind kind, const Model& model);
  core::Operation make_change(Kind kind, const Model& model, Known& known);
  core::Operation make_kill(Kind kind, const Model& model);
  core::Operation make_deploy(Kind kind);
  core::op::SetGuardMode guard_mode();
  core::Operation make_quota(Kind kind);

  Rng& rng_;
  const World& world_;
  std::deque<std::string> texts_;
  std::vector<std::string> roles_;
  std::vector<Kind> bag_;  // each kind as often as its weight
  uint64_t serial_ = 0;
  int64_t model_wall_ = 0;  // AT counts from here
  // Options that this seed uses.
  bool uses_delay_, uses_at_, uses_expire_, uses_unique_, uses_unique_for_, uses_group_, uses_limits_;
  int priority_low_;
  int priorities_;
};

}  // namespace pawl::sim
