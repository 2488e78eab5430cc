#include "bus/ops/incident_signs.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "bus/ops/entry_fields.h"

namespace pawl::ops {
namespace {

using core::Tier;

enum class What : uint8_t { concern, ultra, gone };
using core::ErrorClass;

constexpr int64_t minute_ms = 60'000;

struct Row {
  std::string_view kind;
  std::string_view value;        // of the field `to` as well, where there is one: "low"
  std::string_view fingerprint;  // what stands before the subject
  std::string_view subject;      // the field whose value it is about
  What what;
  std::string_view title;  // "%" stands for the subject
  // What it is where the classifier knows no better.
  ErrorClass otherwise = ErrorClass::unknown;
  int64_t quiet_ms = 0;  // nothing in the chronicle says that it is over: when it was not seen for so long
};

constexpr ErrorClass down = ErrorClass::dependency_down;

constexpr std::array<Row, 20> table = {{
    {"daemon.red", "", "daemon:", "daemon", What::concern, "daemon % is red", down},
    {"daemon.escalate", "", "daemon:", "daemon", What::ultra, "daemon % stays red", down},
    {"launcher.escalate", "", "daemon:", "daemon", What::ultra, "daemon % was given up by its launcher",
     ErrorClass::crash},
    {"launcher.ready", "", "daemon:", "daemon", What::gone, ""},
    {"daemon.yellow", "", "daemon:", "daemon", What::gone, ""},
    {"daemon.green", "", "daemon:", "daemon", What::gone, ""},
    {"daemon.stopping", "", "daemon:", "daemon", What::gone, ""},
    {"daemon.forget", "", "daemon:", "daemon", What::gone, ""},
    {"role.unserved", "", "unserved:", "role", What::concern, "role % has no daemon that serves it", down},
    {"role.served", "", "unserved:", "role", What::gone, ""},
    {"breaker.open", "", "breaker:", "circuit", What::concern, "circuit % is open", down},
    {"breaker.close", "", "breaker:", "circuit", What::gone, ""},
    {"breaker.drop", "", "breaker:", "circuit", What::gone, ""},
    {"guard.failed", "", "guard:", "guard", What::ultra, "guard % failed"},
    {"ops.failed", "", "ops:", "part", What::ultra, "% of the ops layer failed"},
    {"retention.alarm", "", "retention:", "what", What::concern, "the space for % is nearly full"},
    {"disk.mark", "low", "disk", "", What::concern, "the disk is short of space", ErrorClass::quota},
    {"disk.mark", "critical", "disk", "", What::ultra, "the disk is nearly full", ErrorClass::quota},
    {"disk.mark", "ample", "disk", "", What::gone, ""},
    {"sweep.storm", "", "lapses:", "role", What::concern, "role % loses its claims to expired leases",
     ErrorClass::lease_expired, 5 * minute_ms},
}};

std::string field(const core::EventRecord& event, std::string_view name) {
  return std::string(field_of(event, name));
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

// A circuit is that of a role, or of what roles need.
void add_circuit(std::string_view circuit, Sighting& sighting) {
  const size_t colon = circuit.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name(circuit.substr(colon + 1));
  (circuit.starts_with("role:") ? sighting.roles : sighting.daemons).push_back(name);
}

// The failure behind an entry, as far as it tells.
ErrorClass class_in(const core::EventRecord& event, const Sighting& sighting, const Classifier* classifier,
                    ErrorClass otherwise) {
  if (classifier == nullptr) return otherwise;
  Failure failure;
  failure.error_class = core::class_from(field_of(event, "class")).value_or(ErrorClass::unknown);
  if (!sighting.roles.empty()) failure.role = sighting.roles.front();
  if (!sighting.daemons.empty()) failure.daemon = sighting.daemons.front();
  if (event.kind.starts_with("daemon.") || event.kind.starts_with("launcher.")) {
    failure.source = Source::daemon;
  } else {
    failure.guard = event.kind == "sweep.storm"    ? "sweep"
                    : event.kind == "breaker.open" ? "breaker"
                                                   : field(event, "guard");
    failure.source = failure.guard.empty() ? Source::invocation : Source::guard;
  }
  for (const std::string_view name : {"text", "reason", "why"}) {
    if (failure.text = field(event, name); !failure.text.empty()) break;
  }
  read_ending(failure);
  const Classified classified = classifier->classify(failure);
  return classified.known() ? classified.error_class : otherwise;
}

Sighting made(const core::EventRecord& event, std::string fingerprint, Tier tier, std::string title) {
  Sighting sighting;
  sighting.fingerprint = std::move(fingerprint);
  sighting.tier = tier;
  sighting.title = std::move(title);
  sighting.detail = detail_of(event);
  if (std::string role = field(event, "role"); !role.empty()) sighting.roles.push_back(std::move(role));
  if (const auto daemon = field_of(event, "daemon"); !daemon.empty()) {
    sighting.daemons.push_back(daemon_name(daemon));
  }
  add_circuit(field_of(event, "circuit"), sighting);
  return sighting;
}

std::optional<Sign> by_tier(const core::EventRecord& event, const Classifier* classifier) {
  const std::string word = field(event, "tier");
  const auto tier = std::find(core::tier_names.begin(), core::tier_names.end(), word);
  if (tier == core::tier_names.end()) return std::nullopt;
  std::string subject;
  for (const std::string_view name : {"daemon", "role", "guard", "cron"}) {
    if (subject = daemon_name(field_of(event, name)); !subject.empty()) break;
  }
  std::string fingerprint = event.kind;
  if (!subject.empty()) fingerprint += ":" + subject;
  std::string title = field(event, "title");
  if (title.empty()) title = event.kind + (subject.empty() ? "" : " of " + subject);
  Sign sign;
  sign.sighting = made(event, std::move(fingerprint), static_cast<Tier>(tier - core::tier_names.begin()),
                       std::move(title));
  // Where nothing is named that something could be done to, all that is left is to tell people.
  const bool about_all = sign.sighting.roles.empty() && sign.sighting.daemons.empty();
  if (!about_all) sign.sighting.error_class = class_in(event, sign.sighting, classifier, ErrorClass::unknown);
  return sign;
}

// What the policy or another guard has done about something that has its incident already.
bool has_cause(const core::EventRecord& event) {
  return event.kind == "breaker.open" && !field_of(event, "by").empty();
}

}  // namespace

bool end_is_told(std::string_view fingerprint) {
  return fingerprint.starts_with(dead_fingerprint("")) ||
         std::any_of(table.begin(), table.end(), [&](const Row& row) {
           return (row.what == What::gone || row.quiet_ms != 0) && fingerprint.starts_with(row.fingerprint);
         });
}

std::string dead_fingerprint(std::string_view fingerprint) { return "dead:" + std::string(fingerprint); }

Sighting sight_of_dead(const core::EventRecord& event, bool poison, uint64_t died,
                       const Classifier& classifier) {
  const std::string_view role = field_of(event, "role");
  std::string title =
      poison ? "messages of role " + std::string(role) + " kill whoever handles them"
             : std::to_string(died) + " messages of role " + std::string(role) + " died alike within an hour";
  Sighting sighting =
      made(event, dead_fingerprint(field_of(event, "fingerprint")), Tier::concern, std::move(title));
  // Who held it last has nothing to do with it, as far as is known.
  sighting.daemons.clear();
  sighting.quiet_ms = 5 * minute_ms;
  sighting.error_class =
      poison ? ErrorClass::bad_input : class_in(event, sighting, &classifier, ErrorClass::unknown);
  return sighting;
}

std::optional<Sign> sign_of(const core::EventRecord& event, const Classifier* classifier) {
  if (has_cause(event)) return std::nullopt;
  // Of incidents themselves, and of what is done about them.
  for (const std::string_view about : {"incident.", "policy.", "notify.", "monitor."}) {
    if (event.kind.starts_with(about)) return std::nullopt;
  }
  for (const Row& row : table) {
    if (row.kind != event.kind) continue;
    if (!row.value.empty() && field_of(event, "to") != row.value) continue;
    const std::string subject = row.subject.empty() ? "" : daemon_name(field_of(event, row.subject));
    std::string fingerprint = std::string(row.fingerprint) + subject;
    Sign sign;
    sign.gone = row.what == What::gone;
    if (sign.gone) {
      sign.sighting.fingerprint = std::move(fingerprint);
      return sign;
    }
    std::string title(row.title);
    if (const size_t at = title.find('%'); at != std::string::npos) title.replace(at, 1, subject);
    sign.sighting = made(event, std::move(fingerprint), row.what == What::ultra ? Tier::ultra : Tier::concern,
                         std::move(title));
    sign.sighting.quiet_ms = row.quiet_ms;
    sign.sighting.error_class = row.otherwise == ErrorClass::unknown
                                    ? ErrorClass::unknown
                                    : class_in(event, sign.sighting, classifier, row.otherwise);
    return sign;
  }
  return by_tier(event, classifier);
}

}  // namespace pawl::ops
