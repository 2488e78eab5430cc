#include "bus/ops/incident_signs.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace pawl::ops {
namespace {

using core::Tier;

enum class What : uint8_t { concern, ultra, gone };

struct Row {
  std::string_view kind;
  std::string_view value;        // of the field `of` as well, where there is one: "to=low"
  std::string_view fingerprint;  // what stands before the subject
  std::string_view subject;      // the field whose value it is about
  What what;
  std::string_view title;  // "%" stands for the subject
};

constexpr std::array<Row, 17> table = {{
    {"daemon.red", "", "daemon:", "daemon", What::concern, "daemon % is red"},
    {"daemon.escalate", "", "daemon:", "daemon", What::ultra, "daemon % stays red"},
    {"launcher.escalate", "", "daemon:", "daemon", What::ultra, "daemon % was given up by its launcher"},
    {"launcher.ready", "", "daemon:", "daemon", What::gone, ""},
    {"daemon.yellow", "", "daemon:", "daemon", What::gone, ""},
    {"daemon.green", "", "daemon:", "daemon", What::gone, ""},
    {"daemon.stopping", "", "daemon:", "daemon", What::gone, ""},
    {"daemon.forget", "", "daemon:", "daemon", What::gone, ""},
    {"role.unserved", "", "unserved:", "role", What::concern, "role % has no daemon that serves it"},
    {"role.served", "", "unserved:", "role", What::gone, ""},
    {"guard.failed", "", "guard:", "guard", What::ultra, "guard % failed"},
    {"ops.failed", "", "ops:", "part", What::ultra, "% of the ops layer failed"},
    {"retention.alarm", "", "retention:", "what", What::concern, "the space for % is nearly full"},
    {"disk.mark", "low", "disk", "", What::concern, "the disk is short of space"},
    {"disk.mark", "critical", "disk", "", What::ultra, "the disk is nearly full"},
    {"disk.mark", "ample", "disk", "", What::gone, ""},
    {"sweep.storm", "", "lapses:", "role", What::concern, "role % loses its claims to expired leases"},
}};

std::string field(const core::EventRecord& event, std::string_view name) {
  for (const auto& [key, value] : event.fields) {
    if (key == name) return value;
  }
  return "";
}

// The evidence: every field as it was chronicled.
std::string detail_of(const core::EventRecord& event) {
  constexpr size_t bytes_max = 1024;
  std::string text = event.kind;
  for (const auto& [name, value] : event.fields) {
    if (name == "tier" || value.empty()) continue;
    text += " " + name + "=" + value;
  }
  if (text.size() > bytes_max) text.resize(bytes_max);
  return text;
}

std::string without_boot(std::string name) { return name.substr(0, name.find('@')); }

Sign made(const core::EventRecord& event, std::string fingerprint, Tier tier, std::string title) {
  Sign sign;
  sign.sighting.fingerprint = std::move(fingerprint);
  sign.sighting.tier = tier;
  sign.sighting.title = std::move(title);
  sign.sighting.detail = detail_of(event);
  if (const std::string role = field(event, "role"); !role.empty()) sign.sighting.roles.push_back(role);
  if (const std::string daemon = field(event, "daemon"); !daemon.empty()) {
    sign.sighting.daemons.push_back(without_boot(daemon));
  }
  return sign;
}

std::optional<Sign> by_tier(const core::EventRecord& event) {
  const std::string word = field(event, "tier");
  const auto tier = std::find(core::tier_names.begin(), core::tier_names.end(), word);
  if (tier == core::tier_names.end()) return std::nullopt;
  std::string subject;
  for (const std::string_view name : {"daemon", "role", "guard", "cron"}) {
    if (subject = without_boot(field(event, name)); !subject.empty()) break;
  }
  std::string fingerprint = event.kind;
  if (!subject.empty()) fingerprint += ":" + subject;
  std::string title = field(event, "title");
  if (title.empty()) title = event.kind + (subject.empty() ? "" : " of " + subject);
  return made(event, std::move(fingerprint), static_cast<Tier>(tier - core::tier_names.begin()),
              std::move(title));
}

}  // namespace

std::optional<Sign> sign_of(const core::EventRecord& event) {
  // Of incidents themselves, and of what is done about them.
  for (const std::string_view about : {"incident.", "policy.", "notify.", "monitor."}) {
    if (event.kind.starts_with(about)) return std::nullopt;
  }
  for (const Row& row : table) {
    if (row.kind != event.kind) continue;
    if (!row.value.empty() && field(event, "to") != row.value) continue;
    const std::string subject = row.subject.empty() ? "" : without_boot(field(event, row.subject));
    std::string fingerprint = std::string(row.fingerprint) + subject;
    if (row.what == What::gone) {
      Sign sign;
      sign.gone = true;
      sign.sighting.fingerprint = std::move(fingerprint);
      return sign;
    }
    std::string title(row.title);
    if (const size_t at = title.find('%'); at != std::string::npos) title.replace(at, 1, subject);
    return made(event, std::move(fingerprint), row.what == What::ultra ? Tier::ultra : Tier::concern,
                std::move(title));
  }
  return by_tier(event);
}

}  // namespace pawl::ops
