// What the pipeline runs on, and how it gets another one when that broke.
#pragma once

#include <functional>
#include <memory>

#include "bus/base/result.h"
#include "bus/journal/journal.h"
#include "bus/store/store.h"

namespace pawl::server {

// The journal writes to the store and goes first. Shared: a snapshot that another thread reads keeps its
// store.
struct Backend {
  std::shared_ptr<store::Store> store;
  std::unique_ptr<journal::Journal> journal;  // none when opened read-only
};

// Called on the worker's thread, with no other backend open; may block for as long as the disk does.
using OpenBackend = std::function<Result<Backend>(bool read_only)>;

}  // namespace pawl::server
