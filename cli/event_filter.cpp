#include "cli/event_filter.h"

#include <algorithm>
#include <string_view>

#include "bus/client/json.h"

namespace pawl::cli {
namespace {

std::string_view text_in(const Json& entry, std::string_view name) {
  const Json* value = entry.field(name);
  return value && value->as_string() ? std::string_view(*value->as_string()) : std::string_view();
}

// One of "a,b"; a name there may be a prefix that ends with '*'.
bool listed(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    const std::string_view one = list.substr(0, end);
    if (one == name) return true;
    if (one.ends_with('*') && name.starts_with(one.substr(0, one.size() - 1))) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

int64_t time_of(const Json& entry) {
  const Json* at = entry.field("at");
  return at && at->as_int() ? *at->as_int() : 0;
}

}  // namespace

EventFilter EventFilter::of(const Arguments& arguments) {
  EventFilter filter;
  filter.kind = arguments.text("kind").value_or("");
  filter.role = arguments.text("role").value_or("");
  filter.daemon = arguments.text("daemon").value_or("");
  filter.id = arguments.text("id").value_or("");
  filter.incident = arguments.text("incident").value_or("");
  filter.match = arguments.text("match").value_or("");
  filter.since_ms = arguments.number("since");
  filter.until_ms = arguments.number("until");
  return filter;
}

bool EventFilter::sifts() const {
  return !role.empty() || !daemon.empty() || !id.empty() || !incident.empty() || !match.empty() || since_ms ||
         until_ms;
}

bool EventFilter::is_past(const Json& entry) const { return until_ms && time_of(entry) > *until_ms; }

bool EventFilter::holds(const Json& entry) const {
  if (text_in(entry, "kind") == "gap") return true;
  if (since_ms && time_of(entry) < *since_ms) return false;
  if (is_past(entry)) return false;
  if (!id.empty() && text_in(entry, "id") != id) return false;
  if (!incident.empty() && text_in(entry, "incident") != incident) return false;
  if (!role.empty() && text_in(entry, "role") != role && !listed(text_in(entry, "roles"), role)) return false;
  if (!daemon.empty()) {
    const std::string_view named = text_in(entry, "daemon");
    if (named.substr(0, named.find('@')) != daemon && !listed(text_in(entry, "daemons"), daemon))
      return false;
  }
  if (match.empty()) return true;
  const Json::Object* fields = entry.as_object();
  return fields && std::any_of(fields->begin(), fields->end(), [&](const auto& field) {
           const std::string* text = field.second.as_string();
           return text && text->find(match) != std::string::npos;
         });
}

}  // namespace pawl::cli
