// Money, quotas and rates out of a TOML tree.
#include <algorithm>
#include <array>
#include <cmath>

#include "bus/base/limits.h"
#include "cli/config_reader.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr int64_t micro_per_dollar = 1'000'000;
// As the file says it: dollars.
constexpr std::array<std::string_view, 3> quota_words = {"tokens", "cost_usd", "calls"};

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// Nothing: more than can be said in micro-dollars.
std::optional<int64_t> to_micro(const TomlNode& node) {
  int64_t micro = 0;
  if (node.kind == TomlKind::integer) {
    return __builtin_mul_overflow(node.integer, micro_per_dollar, &micro) ? std::nullopt
                                                                          : std::optional(micro);
  }
  const double scaled = node.number * static_cast<double>(micro_per_dollar);
  constexpr double most = 9e18;  // within int64; false for NaN as well
  if (!(scaled >= -most && scaled <= most)) return std::nullopt;
  return std::llround(scaled);
}

}  // namespace

std::optional<int64_t> ConfigReader::dollars(const Place& place, const TomlNode& node, Range micro_dollars) {
  if (node.kind != TomlKind::integer && !expect(place, node, TomlKind::number, "20.0")) return std::nullopt;
  const auto micro = to_micro(node);
  if (micro && *micro >= micro_dollars.least && *micro <= micro_dollars.most) return micro;
  fail(place, node,
       "is out of range; in dollars it must lie between " + format_cost(micro_dollars.least) + " and " +
           format_cost(micro_dollars.most));
  return std::nullopt;
}

std::vector<core::QuotaConfig> ConfigReader::quotas(const Place& place, const TomlNode& node) {
  std::vector<core::QuotaConfig> all;
  if (!expect(place, node, TomlKind::array, "[ { what = \"tokens\", cap = 200000, per = \"1h\" } ]"))
    return all;
  for (size_t i = 0; i < node.items.size(); ++i) {
    const Place here{place.of(node) + "[" + std::to_string(i) + "]"};
    const auto one = quota(here, node.items[i]);
    if (!one) continue;
    const bool repeated = std::any_of(all.begin(), all.end(), [&](const core::QuotaConfig& other) {
      return other.what == one->what && other.per_ms == one->per_ms;
    });
    if (repeated) {
      fail(here, node.items[i],
           "repeats the quota of " + std::string(quota_words[static_cast<size_t>(one->what)]) + " per " +
               format_duration(one->per_ms));
    } else {
      all.push_back(*one);
    }
  }
  return all;
}

std::optional<core::QuotaConfig> ConfigReader::quota(const Place& place, const TomlNode& item) {
  constexpr std::array<std::string_view, 4> known = {"what", "cap", "per", "estimate"};
  constexpr std::string_view example = R"({ what = "tokens", cap = 200000, per = "1h" })";
  if (!expect(place, item, TomlKind::table, example)) return std::nullopt;
  std::array<const TomlNode*, known.size()> found{};
  for (const TomlNode& key : item.items) {
    const auto at = std::find(known.begin(), known.end(), key.key);
    if (at == known.end()) {
      unknown_key(place, key, known);
    } else {
      found[static_cast<size_t>(at - known.begin())] = &key;
    }
  }
  const auto [what_node, cap_node, per_node, estimate_node] = found;
  if (what_node == nullptr || cap_node == nullptr || per_node == nullptr) {
    fail(place, item, "needs what, cap and per, like " + std::string(example));
    return std::nullopt;
  }
  const auto what = quota_kind(place, *what_node);
  const auto per = duration(place, *per_node, {limits::quota_window_ms_min, limits::quota_window_ms_max});
  const auto cap = what ? quota_amount(place, *cap_node, *what, 1) : std::nullopt;
  std::optional<int64_t> estimate;
  if (what && estimate_node != nullptr) {
    estimate = quota_amount(place, *estimate_node, *what, 0);
    if (!estimate) return std::nullopt;
    if (*what == core::QuotaKind::calls) {
      fail(place, *estimate_node, "is of no use: a claim is one call; leave it out");
      return std::nullopt;
    }
  }
  if (!what || !per || !cap) return std::nullopt;
  if (estimate && *estimate > *cap) {
    fail(place, *estimate_node, "is above its cap, so that nothing could ever be claimed; lower it");
    return std::nullopt;
  }
  return core::QuotaConfig{*what, *cap, *per, estimate};
}

std::optional<core::QuotaKind> ConfigReader::quota_kind(const Place& place, const TomlNode& node) {
  const auto word = text(place, node, "\"tokens\"");
  if (!word) return std::nullopt;
  const auto at = std::find(quota_words.begin(), quota_words.end(), *word);
  if (at != quota_words.end()) return static_cast<core::QuotaKind>(at - quota_words.begin());
  fail(place, node, "is " + quoted(*word) + R"(; it is one of "tokens" "cost_usd" "calls")");
  return std::nullopt;
}

std::optional<int64_t> ConfigReader::quota_amount(const Place& place, const TomlNode& node,
                                                  core::QuotaKind what, int64_t least) {
  const Range range{least, limits::quota_cap_max};
  if (what == core::QuotaKind::cost) return dollars(place, node, range);
  if (!expect(place, node, TomlKind::integer, "200000")) return std::nullopt;
  return integer(place, node, range);
}

std::optional<core::RateConfig> ConfigReader::rate(const Place& place, const TomlNode& node) {
  constexpr int64_t count_most = 1'000'000'000;
  constexpr std::array<std::pair<std::string_view, int64_t>, 3> units = {
      {{"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
  if (!expect(place, node, TomlKind::text, "\"10/s\"")) return std::nullopt;
  const size_t slash = node.text.find('/');
  const auto count = parse_int(std::string_view(node.text).substr(0, slash));
  const std::string unit = slash == std::string::npos ? "" : node.text.substr(slash + 1);
  for (const auto& [name, per_ms] : units) {
    if (unit == name && count && *count >= 1 && *count <= count_most) return core::RateConfig{*count, per_ms};
  }
  fail(place, node, "is " + quoted(node.text) + R"(; a rate is written "10/s" "100/m" "1000/h")");
  return std::nullopt;
}

}  // namespace pawl::cli
