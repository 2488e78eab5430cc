#include "bus/server/reloader.h"

#include <utility>

#include "bus/base/limits.h"
#include "bus/server/log.h"

namespace pawl::server {
namespace {

// One text for the chronicle and the log, of bounded length.
std::string joined(const std::vector<std::string>& changes) {
  std::string all;
  for (size_t i = 0; i < changes.size(); ++i) {
    if (all.size() + changes[i].size() > limits::error_text_bytes_max) {
      return all + "; … and " + std::to_string(changes.size() - i) + " more";
    }
    all += (i == 0 ? "" : "; ") + changes[i];
  }
  return all;
}

}  // namespace

Reloader::Reloader(Engine& engine, LoadConfig load, std::function<void(const NewConfig&)> applied)
    : engine_(engine), load_(std::move(load)), applied_(std::move(applied)) {}

Result<std::vector<std::string>> Reloader::reload(const std::string& by) {
  if (!load_) {
    return make_error(Code::state,
                      "this bus was started without a configuration file; start it with --config FILE");
  }
  Result<NewConfig> loaded = load_();
  if (!loaded.ok()) return loaded.error();
  if (loaded->changes.empty()) return std::vector<std::string>{};
  apply({0, loaded->bus, joined(loaded->changes), by});
  applied_(*loaded);
  return std::move(loaded->changes);
}

void Reloader::apply(Pending pending) {
  engine_.set_config(pending.config);
  engine_.bus()->reconfigure(pending.config, pending.changes, pending.by);
  pending.sequence = engine_.bus()->open_sequence();
  pending_.push_back(std::move(pending));
}

void Reloader::committed() {
  for (; !pending_.empty() && pending_.front().sequence <= engine_.durable(); pending_.pop_front()) {
    log::info("the configuration was reloaded by " + pending_.front().by + ": " + pending_.front().changes);
  }
}

void Reloader::reopened() {
  committed();
  for (Pending& lost : std::exchange(pending_, {})) apply(std::move(lost));
}

}  // namespace pawl::server
