// Versions of a role that were deployed over the bus: what they are, and when to ask for them.
//
// Every claim says which version its message is to be run with, so nothing has to be heard in time: a worker
// that has another one at hand asks, and begins when it knows. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runner/link.h"

namespace pawl::runner {

struct DeployedVersion {
  int64_t number = 0;
  std::string hash;                   // over command and prompt, as the bus shows it
  std::vector<std::string> command;   // empty: the file's
  std::optional<std::string> prompt;  // nothing: the file's
  std::string fault;                  // why it is not to be had; "": it is
};

// The answer of DEPLOY GET.
DeployedVersion deployed_in(const client::Reply& answer);

class DeployedWatch {
 public:
  // Told of each answer; nothing: the role runs what the file says.
  using OnVersion = std::function<void(const std::string& role, std::optional<DeployedVersion> version)>;

  explicit DeployedWatch(OnVersion on_version) : on_version_(std::move(on_version)) {}

  // Messages of the role wait for this version.
  void want(const std::string& role, int64_t number);
  // Once a turn: asks for what is wanted; for the present version of every role once `link` is up again, so
  // that one that cannot be run is seen before its first message.
  void turn(Link* link, const std::function<std::vector<std::string>()>& roles, int64_t now_ms);

 private:
  void ask(Link* link, const std::string& role, int64_t number, int64_t now_ms);
  void on_answer(const std::string& role, int64_t number, const client::Reply* reply);

  OnVersion on_version_;
  std::map<std::string, int64_t> wanted_;  // by role; what is being asked for is not in it
  bool asked_all_ = false;
  bool unknown_ = false;  // the bus has no such command
};

}  // namespace pawl::runner
