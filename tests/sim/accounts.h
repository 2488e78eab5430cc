// What the roles have used and may use, by the plainest book there is: every charge with its time, every
// claim with its estimate. Says between what bounds the bus's own books must be.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bus/core/config.h"
#include "bus/core/operation.h"
#include "tests/support/reply_tree.h"

namespace pawl::sim {

// A value, as the model is. Times are wall milliseconds.
class Accounts {
 public:
  explicit Accounts(const core::BusConfig& config);

  bool any_caps() const { return !caps_.empty(); }
  // Whether a cap of the role, or of the fleet, stands.
  bool capped(const std::string& role) const;

  bool set(const core::op::QuotaSet& set, int64_t wall);
  // The answer to it.
  test::Value drop(const core::op::QuotaDrop& drop);
  // What QUOTA SET made; good as long as this lives unchanged.
  std::vector<core::op::QuotaDrop> set_ones() const;

  void claimed(const std::string& token, const std::string& role, int64_t wall);
  void reported(const std::string& token, const core::op::Usage& usage, int64_t wall);
  // Of a claim that has ended; `role` is the message's now. Unsure: its record may be gone.
  void reported_late(const std::string& token, const std::string& role, const core::op::Usage& usage,
                     int64_t wall, bool sure);
  void lapsed(const std::string& token, int64_t wall);
  void ended(const std::string& token);

  // Which cap a claim of the role breaks that is granted now, in words.
  std::optional<std::string> overdrawn(const std::string& role, int64_t wall) const;
  // No cap may refuse it.
  bool surely_fits(const std::string& role, int64_t wall) const;
  // What is wrong with the answer to QUOTA GET, read at that time.
  std::optional<std::string> judge_get(const core::op::QuotaGet& get, const test::Value& got,
                                       int64_t wall) const;

 private:
  using Kind = core::QuotaKind;
  // Tokens and cost; calls are not reserved.
  using Amounts = std::array<int64_t, 2>;

  struct Cap {
    std::string role;  // or "*"
    core::QuotaConfig quota;
    std::optional<core::QuotaConfig> file;  // what pawl.toml says, under a QUOTA SET too
    int64_t since = 0;                      // counts what is charged after that for sure
    bool set = false;                       // by QUOTA SET
  };
  struct Charge {
    int64_t at = 0;
    Kind what = Kind::calls;
    std::string role;
    int64_t amount = 0;
    bool sure = true;
  };
  struct Delivery {
    std::string role;
    std::array<std::optional<int64_t>, 2> estimate;  // nothing: not known, but no more than
    Amounts most{};                                  // the smallest cap at that time
    Amounts used{};
    bool live = true;
    bool has_lapsed = false;
  };
  struct Bounds {
    int64_t low = 0;
    int64_t high = 0;
  };

  bool concerns(const Cap& cap, const std::string& role) const { return cap.role == "*" || cap.role == role; }
  bool kind_capped(Kind what, const std::string& role) const;
  // Nothing: learned, so not known here.
  std::optional<int64_t> estimate(Kind what, const std::string& role) const;
  int64_t smallest_cap(Kind what, const std::string& role) const;
  void charge(Kind what, const std::string& role, int64_t amount, int64_t wall, bool sure = true);
  Bounds used(const Cap& cap, int64_t wall) const;
  Bounds reserved(const Cap& cap) const;
  std::string text(const Cap& cap, Bounds used, Bounds reserved) const;

  std::vector<Cap> caps_;
  std::vector<Charge> charges_;
  std::map<std::string, Delivery> deliveries_;  // by token
  int64_t longest_ = 0;                         // window there ever was
};

}  // namespace pawl::sim
