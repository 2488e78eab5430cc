// Guard "quota": caps on tokens, cost and calls of a role and of the fleet ("*"), in sliding windows.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "guards/guard.h"
#include "guards/quota_account.h"

namespace pawl::guards {

// A claim reserves its estimate in every window of the role and of the fleet, and is refused where used +
// reserved + estimate would pass a cap, or where a cap is full. What is reported turns from reserved into
// used; the end of the claim gives the rest back, a lapse charges it.
//
// Rows "quota/ROLE" and "quota/*" hold the caps that QUOTA SET made, what was used, and what deliveries
// used lately. What is reserved is added up again from the live claims after open().
class QuotaBreaker final : public Guard {
 public:
  std::string_view name() const override { return "quota"; }
  // Closed: it stands between a loop and somebody's money.
  FailureDirection failure_direction() const override { return FailureDirection::closed; }
  uint8_t asks() const override { return asks_claims; }

  // Throws std::runtime_error on a damaged row.
  void open(core::Desk& desk) override;
  void restored(const core::RoleFacts& role, const core::Reservation& reserved, uint64_t tokens,
                uint64_t cost) override;
  void configured(core::Desk& desk) override;

  // Of several caps that refuse, the one that will the longest.
  Answer admit_claim(const core::Candidate& candidate, const core::Desk& desk) const override;
  void taken(const core::Candidate& candidate, core::Reservation& reserved, core::Desk& desk) override;
  void used(const core::Usage& usage, core::Desk& desk) override;
  void ended(const core::Ending& ending, const core::Ruling& ruling, core::Desk& desk) override;

  // Trips and what passes by itself, once a second at most.
  void tick(core::Desk& desk) override;
  std::optional<int64_t> next_wakeup_ms() const override;
  void sealing(core::Desk& desk) override;
  // QUOTA SET, GET and DROP.
  bool command(const core::Operation& operation, const core::Caller& caller, core::Desk& desk,
               core::ReplyWriter& writer) override;
  // `quota`: the highest percentage of the role's own caps.
  void describe(const core::RoleFacts& role, const core::Desk& desk, core::Fields& fields) const override;
  void report(core::FactsSink& sink, const core::Desk& desk) const override;

 private:
  struct Shortage;

  // Null: it has none.
  Account* find(const core::RoleFacts& role) const;
  Account& account(std::string_view name);  // made where there is none
  Account& account_of(const core::RoleFacts& role);
  Account* named(std::string_view name);  // a role's or, for "*", the fleet's
  void changed(Account& account, std::string_view name);
  void count();  // whether there is any, for idle()
  void charge(core::QuotaKind what, Account* own, const core::RoleFacts& role, uint64_t amount,
              core::Desk& desk);
  void release(core::QuotaKind what, Account* own, const core::RoleFacts& role, uint64_t amount);
  void learn(core::QuotaKind what, const core::Ending& ending, uint64_t value);
  void look(const Account& account, const core::Candidate& candidate,
            const std::array<uint64_t, quota_kinds>& needs, Shortage& worst) const;
  // quota.warn, where a cap has come to four fifths.
  void warn(Account& account, std::string_view name, core::Desk& desk);
  void check(Account& account, std::string_view name, core::Desk& desk);
  void wake_turned_away(core::Desk& desk);

  static std::optional<Error> unfit(const core::op::QuotaSet& set, const Account* account);
  void set(const core::op::QuotaSet& set, const core::Caller& caller, core::Desk& desk,
           core::ReplyWriter& writer);
  void drop(const core::op::QuotaDrop& drop, const core::Caller& caller, core::Desk& desk,
            core::ReplyWriter& writer);
  void get(const core::op::QuotaGet& get, const core::Desk& desk, core::ReplyWriter& writer) const;

  std::map<std::string, std::unique_ptr<Account>, std::less<>> accounts_;
  Account fleet_;
  mutable std::unordered_map<uint32_t, Account*> by_number_;  // of role; null: it has none
  std::set<std::string, std::less<>> changed_;                // accounts whose rows are to be put
  // Bus time.
  int64_t next_check_ms_ = 0;
  bool watching_ = false;      // a cap is tripped or warned
  bool frozen_ = false;        // nothing is written until the fleet goes on
  mutable bool news_ = false;  // a cap refused that was not tripped
  // Roles that the fleet's caps refused a claim: room there is news to them.
  mutable std::set<std::string, std::less<>> turned_away_;
  int64_t woken_ms_ = 0;
  bool wake_later_ = false;
};

}  // namespace pawl::guards
