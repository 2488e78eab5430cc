#include "cli/kill_place.h"

#include <sys/stat.h>

#include <cstdlib>

#include "cli/kill_flags.h"

namespace pawl::cli {
namespace {

using core::FreezeKind;
using core::FreezeRecord;
using core::FreezeScope;

constexpr const char* default_folder = "pawl-data";

bool is_folder(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

client::Timeouts quick(const Session& session, int64_t connect_ms, int64_t reply_ms) {
  client::Timeouts timeouts = session.timeouts();
  if (session.arguments.timeout_ms) return timeouts;
  timeouts.connect_ms = connect_ms;
  timeouts.reply_ms = reply_ms;
  return timeouts;
}

std::optional<std::string> bad_data(const Session& session) {
  const auto data = session.arguments.text("data");
  if (!data || is_folder(*data)) return std::nullopt;
  return "--data: '" + *data + "' is no folder";
}

std::string folder_of_bus(const Session& session) {
  if (const auto data = session.arguments.text("data")) return *data;
  const auto where = session.endpoint();
  return where ? folder_of(*where) : std::string();
}

std::string folder_at_hand(const Session& session) {
  std::string folder = folder_of_bus(session);
  const char* url = std::getenv("PAWL_URL");
  const bool told = session.arguments.url || session.arguments.has("data") || (url && *url);
  if (folder.empty() && !told && is_folder(default_folder)) folder = default_folder;
  return folder;
}

FreezeRecord freeze_from(const client::Reply& status) {
  FreezeRecord freeze;
  const std::string kind = status.text_of("freeze", "none");
  if (kind == "soft") freeze.kind = FreezeKind::soft;
  if (kind == "hard") freeze.kind = FreezeKind::hard;
  freeze.scope = core::freeze_scope_from(status.text_of("scope", "all")).value_or(FreezeScope::all);
  freeze.reason = status.text_of("reason");
  freeze.by = status.text_of("by");
  freeze.since_ms = status.int_of("since").value_or(0);
  freeze.until_ms = status.int_of("until").value_or(0);
  return freeze;
}

void append_freeze(Json* document, const FreezeRecord& freeze) {
  document->set("freeze", core::freeze_kind_name(freeze.kind));
  if (!freeze.frozen()) return;
  document->set("scope", core::freeze_scope_name(freeze.scope));
  document->set("reason", freeze.reason);
  if (!freeze.by.empty()) document->set("by", freeze.by);
  if (freeze.since_ms > 0) document->set("since", freeze.since_ms);
  if (freeze.until_ms > 0) document->set("until", freeze.until_ms);
}

}  // namespace pawl::cli
