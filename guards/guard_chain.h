// The one flat chain: asked in declared order, told in reverse.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "guards/guard.h"
#include "guards/refusal_log.h"

namespace pawl::guards {

struct GuardCounters {
  std::string_view name;
  uint64_t evaluated = 0;
  uint64_t refused = 0;
  uint64_t would_refuse = 0;  // in mode observe
  uint64_t failed = 0;        // the guard threw, and its failure direction was applied
};

// Thread: one, the bus's. A guard that throws is answered for by its failure direction; nothing leaves.
class GuardChain final : public core::Gate {
 public:
  explicit GuardChain(std::vector<std::unique_ptr<Guard>> guards);

  Status open(core::Desk& desk) override;
  void restored(const core::RoleFacts& role, const core::Reservation& reserved, uint64_t tokens,
                uint64_t cost) override;
  void configured(core::Desk& desk) override;

  // The refusal of a transaction names the item that it is about: "at=N", from 0.
  Answer admit(const core::Operation& operation, const core::Caller& caller,
               const core::Desk& desk) const override;
  // Both pass idle guards by, which count as evaluated all the same.
  Answer admit_daemon(std::string_view daemon, const core::Desk& desk) const override;
  Answer admit_claim(const core::Candidate& candidate, const core::Desk& desk) const override;
  core::Reservation taken(const core::Candidate& candidate, core::Desk& desk) override;
  void refused(const core::Verdict& verdict, core::Desk& desk) override;
  // Does not count.
  std::vector<core::Verdict> explain(const core::Candidate& candidate, const core::Desk& desk) const override;
  core::Ruling judge(const core::Ending& ending, const core::Desk& desk) const override;
  void used(const core::Usage& usage, core::Desk& desk) override;
  void ended(const core::Ending& ending, const core::Ruling& ruling, core::Desk& desk) override;
  void tick(core::Desk& desk) override;
  void sealing(core::Desk& desk) override;
  std::optional<int64_t> next_wakeup_ms() const override;
  void command(const core::Operation& operation, const core::Caller& caller, core::Desk& desk,
               core::ReplyWriter& writer) override;
  void describe(const core::RoleFacts& role, const core::Desk& desk, core::Fields& fields) const override;
  Status restrict(const core::Restriction& restriction, core::Desk& desk) override;
  void lift(const core::Restriction& restriction, core::Desk& desk) override;
  void report(core::FactsSink& sink, const core::Desk& desk) const override;

  std::vector<GuardCounters> counters() const;

 private:
  struct Link {
    std::unique_ptr<Guard> guard;
    core::GuardMode mode = core::GuardMode::enforce;
    bool mode_is_set = false;        // by GUARD MODE, over what pawl.toml says
    mutable GuardCounters counters;  // asking is const, being asked is counted
  };

  // Asks each of them until one refuses; what it says is applied as its mode says.
  template <typename Question>
  Answer ask(const std::vector<const Link*>& links, const Question& question) const;
  Answer ask_all(const core::Operation& operation, const core::Caller& caller, const core::Desk& desk) const;
  // What a refusal comes to: nothing in mode observe.
  Answer counted(const Link& link, core::Verdict verdict) const;
  // Tells these guards; who throws is noted.
  template <typename News>
  void tell(const std::vector<Link*>& links, const News& news) const;
  std::vector<Link*> all_reversed();
  void failed(const Link& link) const;
  void note_later(std::string kind, core::Verdict verdict) const;
  static core::GuardMode configured_mode(const Guard& guard, const core::Desk& desk);
  void read_modes(core::Desk& desk);
  void list(const core::Desk& desk, core::ReplyWriter& writer) const;
  void set_mode(const core::op::SetGuardMode& set, const core::Caller& caller, core::Desk& desk,
                core::ReplyWriter& writer);

  std::vector<Link> links_;
  // Those that ask for it, in order: most guards have nothing to say to most questions.
  std::vector<const Link*> of_operations_;
  std::vector<const Link*> of_claims_;
  std::vector<const Link*> of_failures_;
  std::vector<const Link*> of_daemons_;
  std::vector<Link*> told_claims_;
  std::vector<Link*> told_ticks_;
  std::vector<Link*> told_seals_;
  // Last guard first.
  std::vector<Link*> told_usage_;
  std::vector<Link*> told_ends_;
  RefusalLog log_;
  // Of questions, which write nothing: told to the log with the next tick.
  mutable std::vector<std::pair<std::string, core::Verdict>> later_;
};

}  // namespace pawl::guards
