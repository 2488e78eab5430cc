// The text of INFO: lines of name:value under "# Section", as stock clients parse it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bus/base/time.h"
#include "bus/core/bus.h"
#include "bus/protocol/decode.h"
#include "bus/server/engine.h"

namespace pawl::server {

// Clients choose their features by it.
constexpr std::string_view redis_version = "7.0.0";
std::string_view program_version();

struct InfoFacts {
  uint16_t tcp_port = 0;
  Instant now;
  size_t clients = 0;
  size_t waiting = 0;  // parked commands
  uint64_t commands = 0;
  core::BusTotals totals;
  EngineMode mode = EngineMode::serving;
  std::string reason;
  uint64_t durable = 0;
  uint64_t commits = 0;
  bool in_flight = false;
  int64_t last_commit_us = 0;
};

// Without sections, or with "all", "default" or "everything": all of them.
std::string info_text(const InfoFacts& facts, protocol::Args sections);

}  // namespace pawl::server
