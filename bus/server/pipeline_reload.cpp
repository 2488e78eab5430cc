// RELOAD and SIGHUP on their way through the pipeline.
#include "bus/server/log.h"
#include "bus/server/pipeline.h"
#include "bus/server/session.h"

namespace pawl::server {

bool Pipeline::reload(Client& client) {
  if (!has_room(protocol::flag_write)) return wait_for_room(client);
  if (writable_bus() == nullptr) {
    answer_error(client, read_only_error());
    return true;
  }
  const core::Caller& caller = caller_;
  const auto changes = reloader_.reload(caller.name.empty() ? "client " + std::to_string(client.id)
                                                            : std::string(caller.name));
  core::ReplyWriter& writer = reply_to(client.id);
  if (changes.ok()) {
    writer.array(changes->size());
    for (const std::string& change : *changes) writer.bulk(change);
  } else {
    writer.error(changes.error());
  }
  settle(current_tag());
  return true;
}

bool Pipeline::reload_for_signal() {
  if (!has_room(protocol::flag_write)) return false;
  if (writable_bus() == nullptr) {
    log::warn("SIGHUP: not reloaded: " + read_only_error().text);
    return true;
  }
  const auto changes = reloader_.reload("signal");
  if (!changes.ok()) {
    log::warn("SIGHUP: not reloaded: " + changes.error().text);
  } else if (changes->empty()) {
    log::info("SIGHUP: nothing has changed");
  }
  return true;
}

void Pipeline::configured(const NewConfig& config) {
  session_->configured(config);
  give_zones();
  if (session_->access().asks()) return;
  // Whoever had not come in yet need not any more.
  for (const auto& [id, client] : clients_) client->parser.set_limits(protocol::FrameLimits::full());
}

}  // namespace pawl::server
