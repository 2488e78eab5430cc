// The roles that a runner handles, from a configuration and prompts that may change at any time.
//
// A change is taken as soon as somebody looks: refresh() compares what the files are with what they were, and
// reads only what is another one. A file that cannot be used changes nothing: what was there before stays,
// and a complaint says why, once for each mistake. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runner/deployed.h"
#include "runner/file_stamp.h"
#include "runner/prompt_store.h"
#include "runner/run_config.h"
#include "runner/setup.h"

namespace pawl::runner {

struct ServedRole {
  SetupPtr setup;
  size_t concurrency = 1;
  std::vector<std::string> needs;
  int64_t deployed = 0;  // the version that the setup is of; 0: the file's
};

class RoleRegistry {
 public:
  // `config_file` is watched, `load` reads it. `names`: only these roles; empty: all that have a command.
  RoleRegistry(std::string config_file, LoadRunConfig load, std::vector<std::string> names,
               PromptStore prompts);

  // The first look, which forgives nothing: every fault, a line each with its place.
  Status open();
  // Whether roles() is another one now. `forced`: reads the files whatever they look like.
  bool refresh(bool forced = false);

  // What the bus says the role is to run, over what the file says; nothing: the file's. One that cannot be
  // run is tried again with each refresh(). Whether roles() is another one now.
  bool deploy(const std::string& role, std::optional<DeployedVersion> version);
  // The version that deploy() named last, whether it can be run or not; 0: none.
  int64_t deployed(const std::string& role) const;
  // That version was not to be had: worth asking for again.
  bool is_faulty(const std::string& role) const;

  const std::map<std::string, ServedRole>& roles() const { return roles_; }
  // What was wrong since the last call.
  std::vector<std::string> take_complaints();

 private:
  bool files_changed() const;
  void watch(const std::string& path);
  bool is_served(const RoleConfig& role) const;
  std::vector<std::string> faults_of_names(const RunConfig& config) const;
  Result<ServedRole> make(const RoleConfig& role);
  Result<ServedRole> make_deployed(const RoleConfig& role, const DeployedVersion& version);
  Result<std::string> read_prompt(const RoleConfig& role);
  Result<ServedRole> assemble(const RoleConfig& role, const std::string& prompt, std::string version);
  bool apply(const RunConfig& config, std::vector<std::string>* faults);
  void complain(const std::vector<std::string>& faults);

  std::string config_file_;
  LoadRunConfig load_;
  std::vector<std::string> names_;
  PromptStore prompts_;
  std::optional<RunConfig> config_;  // as last read without a fault
  std::map<std::string, ServedRole> roles_;
  std::map<std::string, DeployedVersion> deployed_;
  bool unusable_ = false;  // one of them
  std::map<std::string, FileStamp> stamps_;
  std::set<std::string> standing_;  // complaints that were made and still hold
  std::vector<std::string> complaints_;
};

// A name of what a role runs: sixteen hexadecimal digits over command, prompt and settings.
std::string version_of(const RoleConfig& role, const std::string& prompt);

}  // namespace pawl::runner
