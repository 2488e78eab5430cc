// The proof that the rows make sense: every row belongs to one message in one
// state, and the counts kept along the way equal a full scan.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bus/core/state_view.h"

namespace pawl::core {

struct RoleRecord;

struct VerifyReport {
  bool ok = true;
  uint64_t messages = 0;
  uint64_t rows = 0;
  std::vector<std::string> problems;  // the first hundred
};

// Reads every row once, and point-reads the rows that it refers to; memory does
// not grow with the number of messages. Any view that stands still will do.
VerifyReport verify(const StateView& view);

// The part about deployed versions: `roles` by number. Returns the rows read.
uint64_t verify_deployed(const StateView& view, const std::map<uint32_t, const RoleRecord*>& roles,
                         const std::function<void(std::string)>& problem);

}  // namespace pawl::core
