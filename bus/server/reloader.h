// RELOAD and SIGHUP: another configuration while the bus runs, whole or not at all.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"
#include "bus/core/config.h"
#include "bus/server/disk_watch.h"
#include "bus/server/engine.h"

namespace pawl::server {

// What is to take the place of what runs.
struct NewConfig {
  core::BusConfig bus;
  std::string password;  // empty: none is asked for
  DiskLimits disk;
  std::vector<std::string> changes;  // a line each, as RELOAD answers them; empty: there are none
};

// Reads the configuration again and compares it with the one that it answered before, the first time with
// the one that the server was opened with. An error says what is wrong with the new one: nothing changes.
// Called on the loop's thread.
using LoadConfig = std::function<Result<NewConfig>()>;

// Thread: the loop's.
class Reloader {
 public:
  // The engine outlives the reloader. `load` may be empty: there is nothing to reload. `applied` is told of
  // each new configuration, for what does not belong to the bus; the one before is gone then.
  Reloader(Engine& engine, LoadConfig load, std::function<void(const NewConfig&)> applied);

  // Applies what there is now in the open batch, which chronicles it with `by`; the changes. STATE without a
  // configuration to read, otherwise as `load` fails. Requires a bus that can write.
  Result<std::vector<std::string>> reload(const std::string& by);
  // More is durable; says so in the log.
  void committed();
  // A new bus serves. It was opened with the newest configuration; what was lost is the chronicle's entry.
  void reopened();

 private:
  // Not durable yet.
  struct Pending {
    uint64_t sequence;
    core::BusConfig config;
    std::string changes;
    std::string by;
  };

  void apply(Pending pending);

  Engine& engine_;
  LoadConfig load_;
  std::function<void(const NewConfig&)> applied_;
  std::deque<Pending> pending_;
};

}  // namespace pawl::server
