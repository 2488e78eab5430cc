// Decisions as bytes and as lines for people.
#include <algorithm>

#include "bus/base/text.h"
#include "bus/core/fingerprint.h"
#include "bus/ops/coding.h"
#include "bus/ops/policy.h"

namespace pawl::ops {

template <typename Archive>
void serialize(Archive& ar, MeasuredAction& one) {
  code_word(ar, one.action, action_count);
  ar(one.measure);
}

template <typename Archive>
void serialize(Archive& ar, UsedAction& one) {
  code_word(ar, one.action, action_count);
  ar(one.count, one.frees_at_ms);
}

template <typename Archive>
void serialize(Archive& ar, Situation& s) {
  ar(s.incident, s.fingerprint);
  code_word(ar, s.error_class, core::class_count);
  code_word(ar, s.tier, tier_names.size());
  code_flag(ar, s.end_is_told);
  code_word(ar, s.colour, colour_names.size());
  code_word(ar, s.breaker, breaker_names.size());
  ar(s.count, s.spread, s.age_ms, s.load_percent, s.minute, s.now_ms, s.role, s.daemon);
  code_words(ar, s.tried, action_count);
  ar(s.measures, s.used);
}

template <typename Archive>
void serialize(Archive& ar, Candidate& one) {
  code_word(ar, one.action, action_count);
  ar(one.place, one.measure, one.lower_ppm, one.expected_ppm, one.expected_ms);
  code_word(ar, one.verdict, verdict_names.size());
  ar(one.why);
}

template <typename Archive>
void Decision::code(Archive& ar, uint8_t version) {
  ar(situation, rule, candidates);
  bool any = chosen.has_value();
  code_flag(ar, any);
  Action action = chosen.value_or(Action::retry_later);
  code_word(ar, action, action_count);
  if (any) chosen = action;
  ar(subject);
  if (version >= 2) ar(situation.used_by_all);
}

template <typename Archive>
void serialize(Archive& ar, Span& span) {
  ar(span.least, span.most);
}

// Names stand in decisions, so they count.
uint64_t hash_of(const PolicyTable& table) {
  std::string bytes;
  core::RecordWriter ar(bytes);
  for (PolicyRule rule : table.rules) {
    ar(rule.name);
    code_words(ar, rule.classes, core::class_count);
    code_words(ar, rule.tiers, tier_names.size());
    code_words(ar, rule.colours, colour_names.size());
    code_words(ar, rule.breakers, breaker_names.size());
    ar(rule.fingerprints);
    for (Span* span : {&rule.count, &rule.spread, &rule.age_ms, &rule.load_percent}) serialize(ar, *span);
    ar(rule.minutes, rule.role, rule.daemon);
    code_flag(ar, rule.untold);
    code_words(ar, rule.actions, action_count);
  }
  for (Cap cap : table.caps) ar(cap.max, cap.per_ms, cap.fleet);
  return core::exact_fingerprint(bytes);
}

std::string encode(const Decision& decision) { return encode_value(decision); }
std::optional<Decision> decode_decision(std::string_view bytes) { return decode_value<Decision>(bytes); }

std::string decision_text(const Decision& decision) { return hex_text(encode(decision)); }

std::optional<Decision> decision_from_text(std::string_view text) {
  const auto bytes = bytes_from_hex(text);
  return bytes ? decode_decision(*bytes) : std::nullopt;
}

namespace {

std::string percent(uint32_t ppm) {
  const uint32_t tenths = (ppm + 500) / 1000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %";
}

std::string seconds(int64_t ms) {
  return ms < 10'000 ? std::to_string(ms) + " ms" : std::to_string((ms + 500) / 1000) + " s";
}

std::string order_of(const Decision& decision) {
  std::string out;
  for (const Candidate& one : decision.candidates) {
    out += (out.empty() ? "" : ", ") + std::string(action_name(one.action));
  }
  return out;
}

std::string chosen_text(const Decision& decision) {
  if (!decision.chosen) return "nothing";
  return std::string(action_name(*decision.chosen)) + " on " + decision.subject;
}

std::string rule_text(const Decision& decision) {
  return decision.rule.empty() ? "none" : "'" + decision.rule + "'";
}

}  // namespace

std::vector<std::string> explain(const Decision& decision) {
  const Situation& s = decision.situation;
  std::vector<std::string> lines;
  lines.push_back(
      "incident " + std::to_string(s.incident) + ", fingerprint " + core::fingerprint_text(s.fingerprint) +
      ": " + std::string(tier_name(s.tier)) + ", " + std::string(core::class_name(s.error_class)) + ", " +
      std::to_string(s.count) + " failures in " + seconds(s.age_ms) + ", affects " +
      std::to_string(s.spread) + (s.role.empty() ? "" : ", role " + s.role) +
      (s.daemon.empty() ? "" : ", daemon " + s.daemon) + ", health " +
      std::string(name_of(s.colour, colour_names)) + ", breaker " +
      std::string(name_of(s.breaker, breaker_names)) + ", load " + std::to_string(s.load_percent) + " %" +
      (s.end_is_told ? "" : ", and nobody says when it is over"));
  lines.push_back("rule: " + rule_text(decision));
  for (const Candidate& one : decision.candidates) {
    std::string line(name_of(one.verdict, verdict_names));
    line += ": " + std::string(action_name(one.action));
    if (one.place > 0) line += " (place " + std::to_string(one.place) + " of the rule)";
    if (facts_of(one.action).recovers) {
      line +=
          ", helped " + std::to_string(one.measure.successes) + " of " + std::to_string(one.measure.tries);
      if (one.measure.tries > 0) {
        line += " (at least " + percent(one.lower_ppm) + ", expected " + percent(one.expected_ppm) + ")";
      }
      line += ", takes " + seconds(one.expected_ms);
    }
    lines.push_back(line + ": " + one.why);
  }
  lines.push_back("decided: " + chosen_text(decision));
  if (decision.chosen) lines.push_back("taken back by: " + std::string(facts_of(*decision.chosen).back));
  return lines;
}

std::vector<std::string> differences(const Decision& before, const Decision& after) {
  std::vector<std::string> lines;
  const auto compare = [&](const std::string& what, const std::string& old_text,
                           const std::string& new_text) {
    if (old_text != new_text) lines.push_back(what + ": " + old_text + " -> " + new_text);
  };
  compare("rule", rule_text(before), rule_text(after));
  compare("order", order_of(before), order_of(after));
  compare("decided", chosen_text(before), chosen_text(after));
  for (const Candidate& one : after.candidates) {
    const auto old = std::find_if(before.candidates.begin(), before.candidates.end(),
                                  [&](const Candidate& other) { return other.action == one.action; });
    if (old != before.candidates.end()) compare(std::string(action_name(one.action)), old->why, one.why);
  }
  // Nothing that people read differs, but the bytes do.
  if (lines.empty() && encode(before) != encode(after)) lines.emplace_back("measures were weighed otherwise");
  return lines;
}

}  // namespace pawl::ops
