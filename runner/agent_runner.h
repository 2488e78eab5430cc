// `pawl run`: the roles of pawl.toml, each with its own command, prompt and number of messages at a time; all
// of it taken anew whenever it changes. Beats for as long as it lives.
#pragma once

#include <map>
#include <string>

#include "runner/deployed.h"
#include "runner/heartbeat.h"
#include "runner/role_registry.h"
#include "runner/work_loop.h"

namespace pawl::runner {

struct RunnerOptions {
  std::string name;
  std::string boot;
  int64_t heartbeat_ms = heartbeat_ms_default;
  bool drain = false;
  bool verbose = false;
};

class AgentRunner : public WorkHost {
 public:
  // `registry` is open. Everything pointed to outlives the runner.
  AgentRunner(RunnerOptions options, WorkPlace place, RoleRegistry* registry, Spool* spool, Voice* voice,
              int signal_fd);

  // Until it is told to stop.
  WorkEnd run() { return loop_.run(); }
  const WorkCounts& counts() const { return loop_.counts(); }

  void refresh(int64_t now_ms) override;
  void turn(int64_t now_ms, int64_t* wake_ms) override;
  void hang_up() override;
  void stopping() override;
  Readiness readiness(const Lane& lane, int64_t deployed, std::string* why) override;
  bool verbose() const override { return options_.verbose || heartbeat_.verbose(); }

 private:
  void look(bool forced);
  void apply();
  std::vector<std::string> role_names() const;
  void on_deployed(const std::string& role, std::optional<DeployedVersion> version);
  size_t capacity_of(const ServedRole& role) const;

  const RunnerOptions options_;
  RoleRegistry* registry_;
  Voice* voice_;
  Heartbeat heartbeat_;
  WorkLoop loop_;
  DeployedWatch deployed_;
  bool answered_ = false;  // what waits is looked at for an answer that just came
  std::map<std::string, Lane*> lanes_;
  bool reduced_ = false;
  int64_t look_at_ms_ = 0;
};

}  // namespace pawl::runner
