// BEAT, DAEMONS, DAEMON, REAP, EVENT ADD: the fleet's processes.
#include <algorithm>
#include <array>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "bus/base/parse.h"
#include "bus/protocol/decode_support.h"
#include "bus/protocol/decoders.h"

namespace pawl::protocol {
namespace {

namespace op = core::op;

constexpr std::array<std::string_view, 6> reserved = {"boot",   "interval", "roles",
                                                      "errors", "needs",    "state"};

// Names with commas or spaces between them.
std::optional<Error> bad_names(std::string_view what, std::string_view list,
                               std::optional<std::vector<std::string_view>>& out) {
  out.emplace();
  while (!list.empty()) {
    const size_t end = std::min(list.find_first_of(", "), list.size());
    const std::string_view name = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    if (name.empty()) continue;
    if (auto error = bad_name(what, name)) return error;
    if (std::find(out->begin(), out->end(), name) != out->end()) continue;
    out->push_back(name);
    if (out->size() > limits::beat_names_max) {
      return badarg("'" + std::string(what) + "' names more than " + std::to_string(limits::beat_names_max));
    }
  }
  return std::nullopt;
}

std::optional<Error> bad_value(op::Beat& beat, std::string_view name, std::string_view value) {
  int64_t number = 0;
  if (same_word(name, "boot")) {
    beat.boot = value;
    return bad_name("boot", value);
  }
  if (same_word(name, "interval")) {
    auto error = bad_number("interval", value, limits::beat_interval_ms_min, limits::beat_interval_ms_max,
                            "milliseconds", number);
    beat.interval_ms = number;
    return error;
  }
  if (same_word(name, "errors")) {
    auto error = bad_number("errors", value, 0, limits::quota_cap_max, "a whole number", number);
    beat.errors = number;
    return error;
  }
  if (same_word(name, "roles")) return bad_names("roles", value, beat.roles);
  if (same_word(name, "needs")) return bad_names("needs", value, beat.needs);
  if (same_word(name, "state")) {
    beat.state = value;
    return bad_name("state", value);
  }
  if (auto error = bad_name("a value's name", name)) return error;
  if (auto error = bad_length("a value", value, 0, limits::beat_value_bytes_max)) return error;
  if (beat.values.size() == limits::beat_values_max) {
    return badarg("a beat carries at most " + std::to_string(limits::beat_values_max) + " values of its own");
  }
  beat.values.emplace_back(name, value);
  return std::nullopt;
}

// The other words are the bus's own, so that nobody can pass for it.
constexpr std::array<std::string_view, 4> event_families = {"launcher", "runner", "mirror", "note"};
constexpr std::array<std::string_view, 5> event_names_of_the_bus = {"seq", "at", "kind", "by", "sha256"};

std::optional<Error> bad_kind(std::string_view kind) {
  if (auto error = bad_name("a kind", kind)) return error;
  const std::string_view family = kind.substr(0, kind.find('.'));
  if (std::find(event_families.begin(), event_families.end(), family) != event_families.end()) {
    return std::nullopt;
  }
  return badarg("kind " + quoted(kind) +
                " is not for others than the bus; use note, or one that begins with note. launcher. runner. "
                "or mirror.");
}

std::optional<Error> bad_event_field(op::EventAdd& add, std::string_view name, std::string_view value) {
  if (same_word(name, "source")) {
    add.source = value;
    return bad_name("source", value);
  }
  if (same_word(name, "number")) {
    int64_t number = 0;
    auto error = bad_number("number", value, 1, limits::quota_cap_max, "a whole number", number);
    add.number = static_cast<uint64_t>(number);
    return error;
  }
  if (auto error = bad_name("a field's name", name)) return error;
  for (const std::string_view own : event_names_of_the_bus) {
    if (same_word(name, own)) return badarg("the field " + quoted(name) + " is written by the bus itself");
  }
  if (auto error = bad_length("a field", value, 0, limits::event_field_bytes_max)) return error;
  if (add.fields.size() == limits::event_fields_max) {
    return badarg("an entry has at most " + std::to_string(limits::event_fields_max) + " fields");
  }
  add.fields.emplace_back(name, value);
  return std::nullopt;
}

}  // namespace

Decoded decode_event_add(const Command& command, Args args) {
  op::EventAdd add;
  if (args.size() % 2 == 0) return wrong_arity(command);
  if (auto error = bad_kind(args[2])) return *std::move(error);
  add.kind = args[2];
  for (size_t i = 3; i < args.size(); i += 2) {
    for (size_t j = 3; j < i; j += 2) {
      if (same_word(args[i], args[j])) return badarg("the field " + quoted(args[i]) + " is there twice");
    }
    if (auto error = bad_event_field(add, args[i], args[i + 1])) return *std::move(error);
  }
  if (add.source.empty() != (add.number == 0)) return badarg("source and number go together");
  return operation(std::move(add));
}

Decoded decode_beat(const Command& command, Args args) {
  op::Beat beat;
  if (auto error = bad_daemon(args[1])) return *std::move(error);
  const size_t at = args[1].find('@');
  beat.daemon = args[1].substr(0, at);
  if (at != std::string_view::npos) beat.boot = args[1].substr(at + 1);
  const std::string_view boot_of_name = beat.boot;
  if (args.size() % 2 != 0) return wrong_arity(command);
  for (size_t i = 2; i < args.size(); i += 2) {
    for (size_t j = 2; j < i; j += 2) {
      if (same_word(args[i], args[j])) return badarg("the value " + quoted(args[i]) + " is there twice");
    }
    if (auto error = bad_value(beat, args[i], args[i + 1])) return *std::move(error);
  }
  if (!boot_of_name.empty() && beat.boot != boot_of_name) {
    return badarg("boot " + quoted(beat.boot) + " is another one than in " + quoted(args[1]));
  }
  return operation(std::move(beat));
}

Decoded decode_daemons(const Command& /*command*/, Args /*args*/) { return operation(op::Daemons{}); }

Decoded decode_daemon(const Command& /*command*/, Args args) {
  if (auto error = bad_name("a daemon", args[1])) return *std::move(error);
  return operation(op::DaemonInfo{args[1]});
}

Decoded decode_daemon_forget(const Command& /*command*/, Args args) {
  if (auto error = bad_name("a daemon", args[2])) return *std::move(error);
  return operation(op::DaemonForget{args[2]});
}

Decoded decode_reap(const Command& /*command*/, Args args) {
  if (auto error = bad_name("a daemon", args[1])) return *std::move(error);
  if (auto error = bad_name("a boot", args[2])) return *std::move(error);
  return operation(op::Reap{args[1], args[2]});
}

}  // namespace pawl::protocol
