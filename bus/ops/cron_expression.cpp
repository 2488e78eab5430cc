#include "bus/ops/cron_expression.h"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bus/base/limits.h"
#include "bus/base/parse.h"
#include "bus/ops/civil.h"

namespace pawl::ops {
namespace {

using core::ZoneChange;
using core::ZoneRules;

constexpr int64_t minute_s = 60;
constexpr int64_t hour_s = 3600;
constexpr int64_t never_s = INT64_MAX / 2000;
constexpr size_t expression_bytes_max = 256;
constexpr int64_t years_ahead = 60;  // 29 February on a given weekday comes back within 40

constexpr std::array<std::string_view, 12> month_names = {"jan", "feb", "mar", "apr", "may", "jun",
                                                          "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> day_names = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct FieldKind {
  std::string_view what;
  int min;
  int max;
  std::span<const std::string_view> names;  // of `min` and what follows
  std::string_view allowed;
};
constexpr FieldKind kinds[] = {
    {"minute", 0, 59, {}, "0-59"},
    {"hour", 0, 23, {}, "0-23"},
    {"day of the month", 1, 31, {}, "1-31"},
    {"month", 1, 12, month_names, "1-12 or jan-dec"},
    {"weekday", 0, 7, day_names, "0-7 or sun-sat, Sunday is 0 and 7"},
};

constexpr std::pair<std::string_view, std::string_view> macros[] = {
    {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
};

struct Field {
  uint64_t values = 0;
  bool star = false;  // it begins with `*`
  bool all = false;   // it is `*`
};

// One field; `at` is the place of its first character, from 1.
class FieldReader {
 public:
  FieldReader(const FieldKind& kind, std::string_view text, size_t at)
      : kind_(kind), text_(text), rest_(text), at_(at) {}

  Result<Field> read() {
    Field field;
    field.star = text_.starts_with('*');
    field.all = text_ == "*";
    do {
      if (auto error = read_item(field.values)) return *std::move(error);
    } while (take(','));
    if (!rest_.empty()) return fault("'" + std::string(rest_.substr(0, 1)) + "' is not expected here");
    // Sunday may be written as either.
    if (kind_.max == 7 && (field.values & (1U << 7)) != 0) field.values = (field.values & 0x7f) | 1U;
    return field;
  }

 private:
  std::optional<Error> read_item(uint64_t& values) {
    int from = kind_.min;
    // Of weekdays only a range may name Sunday 7.
    int to = kind_.max == 7 ? 6 : kind_.max;
    const bool star = take('*');
    bool range = star;
    if (!star) {
      const auto first = value(false);
      if (!first.ok()) return first.error();
      from = *first;
      range = take('-');
      int last = from;
      if (range) {
        const auto second = value(true);
        if (!second.ok()) return second.error();
        last = *second;
        if (last < from) {
          return fault("the range " + std::to_string(from) + "-" + std::to_string(last) +
                       " runs backwards; write it as two, with a comma");
        }
      }
      const bool to_the_end = !range && rest_.starts_with('/');
      if (!to_the_end || last > to) to = last;
    }
    int step = 1;
    if (take('/')) {
      const auto given = number("a step");
      if (!given.ok()) return given.error();
      step = *given;
      if (step == 0) return fault("a step of 0 never moves");
      if (step > kind_.max - kind_.min) {
        return fault("a step of " + std::to_string(step) + " is longer than the field (" +
                     std::string(kind_.allowed) + "); \"@every\" takes any duration");
      }
    }
    for (int value = from; value <= to; value += step) values |= uint64_t{1} << value;
    return std::nullopt;
  }

  // A number or a name.
  Result<int> value(bool ends_range) {
    const size_t letters = std::min(
        rest_.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), rest_.size());
    if (letters > 0) {
      const std::string_view word = rest_.substr(0, letters);
      for (size_t i = 0; i < kind_.names.size(); ++i) {
        if (!same_word(word, kind_.names[i])) continue;
        rest_.remove_prefix(letters);
        // "sat-sun" ends with the Sunday behind it.
        if (kind_.max == 7 && i == 0 && ends_range) return 7;
        return kind_.min + static_cast<int>(i);
      }
      return fault("'" + std::string(word.substr(0, 20)) + "' is not known");
    }
    const std::string_view before = rest_;
    const auto given = number("a value");
    if (!given.ok()) return given.error();
    if (*given < kind_.min || *given > kind_.max) {
      rest_ = before;
      return fault(std::to_string(*given) + " is out of range");
    }
    return *given;
  }

  Result<int> number(std::string_view what) {
    const size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (digits == 0) return fault(std::string(what) + " is missing");
    if (digits > 4)
      return fault("'" + std::string(rest_.substr(0, std::min<size_t>(digits, 20))) + "' is too large");
    const int found = static_cast<int>(parse_int(rest_.substr(0, digits)).value_or(0));
    rest_.remove_prefix(digits);
    return found;
  }

  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  Error fault(const std::string& why) const {
    const size_t place = at_ + (text_.size() - rest_.size());
    return make_error(Code::badarg, "the schedule at character " + std::to_string(place) + ", " +
                                        std::string(kind_.what) + " '" + std::string(text_.substr(0, 64)) +
                                        "': " + why + "; a " + std::string(kind_.what) + " is *, " +
                                        std::string(kind_.allowed) +
                                        ", a range a-b, a list a,b, each with a step /n");
  }

  const FieldKind& kind_;
  std::string_view text_;
  std::string_view rest_;
  size_t at_;
};

Result<int64_t> read_every(std::string_view text) {
  const size_t at = std::min(text.find_first_not_of(" \t", 6), text.size());
  std::string_view word = text.substr(at);
  while (word.ends_with(' ') || word.ends_with('\t')) word.remove_suffix(1);
  const auto every_ms = parse_duration_ms(word);
  if (!every_ms || at == 6) {
    return make_error(Code::badarg, "the schedule '" + std::string(text.substr(0, 64)) +
                                        "': after @every stands a duration like 90s, 15m or 2h");
  }
  if (*every_ms < limits::cron_every_ms_min || *every_ms > limits::cron_every_ms_max) {
    return make_error(Code::badarg,
                      "the schedule '" + std::string(text.substr(0, 64)) + "': @every takes 1s to 366d");
  }
  return *every_ms;
}

// Words with the place of their first character, from 1.
std::vector<std::pair<std::string_view, size_t>> words_of(std::string_view text) {
  std::vector<std::pair<std::string_view, size_t>> words;
  size_t at = 0;
  while ((at = text.find_first_not_of(" \t", at)) != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(" \t", at), text.size());
    words.emplace_back(text.substr(at, end - at), at + 1);
    at = end;
  }
  return words;
}

}  // namespace

Result<CronExpression> CronExpression::parse(std::string_view text) {
  if (text.size() > expression_bytes_max) {
    return make_error(Code::badarg,
                      "the schedule has " + std::to_string(text.size()) + " bytes, at most 256 are taken");
  }
  const std::string_view whole = text;
  const auto shown = [&] { return "the schedule '" + std::string(whole.substr(0, 64)) + "': "; };
  CronExpression made;
  auto words = words_of(text);
  if (!words.empty() && words[0].first.starts_with('@')) {
    if (same_word(words[0].first, "@every")) {
      const auto every = read_every(text.substr(words[0].second - 1));
      if (!every.ok()) return every.error();
      made.every_ms_ = *every;
      return made;
    }
    const auto macro = std::find_if(std::begin(macros), std::end(macros),
                                    [&](const auto& one) { return same_word(one.first, words[0].first); });
    if (macro == std::end(macros) || words.size() > 1) {
      return make_error(Code::badarg, shown() +
                                          "there are @hourly, @daily, @midnight, @weekly, @monthly, @yearly, "
                                          "@annually and @every DURATION");
    }
    words = words_of(macro->second);
  }
  if (words.size() != 5) {
    return make_error(Code::badarg,
                      shown() + "it has " + std::to_string(words.size()) +
                          " fields; minute, hour, day of the month, month and weekday are 5, as in "
                          "\"0 3 * * mon-fri\"");
  }
  std::array<Field, 5> fields;
  for (size_t i = 0; i < fields.size(); ++i) {
    auto field = FieldReader(kinds[i], words[i].first, words[i].second).read();
    if (!field.ok()) return field.error();
    fields[i] = *field;
  }
  made.minutes_ = fields[0].values;
  made.hours_ = static_cast<uint32_t>(fields[1].values);
  made.days_ = static_cast<uint32_t>(fields[2].values);
  made.months_ = static_cast<uint16_t>(fields[3].values);
  made.weekdays_ = static_cast<uint8_t>(fields[4].values);
  made.any_hour_ = fields[1].all;
  made.either_day_ = !fields[2].star && !fields[4].star;
  if (!made.can_fire()) {
    return make_error(Code::badarg, shown() + "it never fires: none of its months has one of its days");
  }
  return made;
}

// A day and a month that come together once in some years meet every weekday in time.
bool CronExpression::can_fire() const {
  if (either_day_) return true;
  for (int month = 1; month <= 12; ++month) {
    if ((months_ >> month & 1U) == 0) continue;
    for (int day = 1; day <= days_in(2000, month); ++day) {
      if ((days_ >> day & 1U) != 0) return true;
    }
  }
  return false;
}

bool CronExpression::day_fits(int64_t days, int day, int month) const {
  if ((months_ >> month & 1U) == 0) return false;
  const bool by_day = (days_ >> day & 1U) != 0;
  const bool by_weekday = (weekdays_ >> weekday_of(days) & 1U) != 0;
  return either_day_ ? by_day || by_weekday : by_day && by_weekday;
}

int64_t CronExpression::next_local(int64_t from_s) const {
  from_s = floor_div(from_s + minute_s - 1, minute_s) * minute_s;
  int64_t days = floor_div(from_s, day_s);
  int64_t in_day_s = from_s - days * day_s;
  Date date = date_of(days);
  const int64_t last_year = date.year + years_ahead;
  while (date.year <= last_year) {
    if ((months_ >> date.month & 1U) == 0) {
      // On to the first of the next month.
      days += days_in(date.year, date.month) - date.day + 1;
      date = date_of(days);
      in_day_s = 0;
      continue;
    }
    if (day_fits(days, date.day, date.month)) {
      for (int64_t hour = in_day_s / hour_s; hour < 24; ++hour, in_day_s = hour * hour_s) {
        if ((hours_ >> hour & 1U) == 0) continue;
        const int64_t minute = (in_day_s - hour * hour_s) / minute_s;
        const uint64_t left = minutes_ >> minute;
        if (left == 0) continue;
        return days * day_s + hour * hour_s + (minute + std::countr_zero(left)) * minute_s;
      }
    }
    ++days;
    in_day_s = 0;
    if (++date.day > days_in(date.year, date.month)) date = date_of(days);
  }
  return never_s;  // not after can_fire()
}

int64_t CronExpression::next(int64_t after_ms, const ZoneRules* zone, int64_t anchor_ms) const {
  if (every_ms_ != 0) {
    return anchor_ms + (floor_div(after_ms - anchor_ms, every_ms_) + 1) * every_ms_;
  }
  static const std::vector<ZoneChange> utc = {ZoneChange{}};
  const std::vector<ZoneChange>& changes = zone == nullptr || zone->changes.empty() ? utc : zone->changes;
  // From here on everything is in seconds; a slot is a whole one.
  const int64_t from_s = floor_div(after_ms, 1000) + 1;
  auto change = std::upper_bound(changes.begin(), changes.end(), from_s,
                                 [](int64_t at_s, const ZoneChange& one) { return at_s < one.from_s; });
  if (change != changes.begin()) --change;
  for (;; ++change) {
    const bool first = change == changes.begin();
    const int64_t begin_s = first ? from_s : std::max(from_s, change->from_s);
    int64_t local_s = begin_s + change->offset_s;
    if (!first && !any_hour_) {
      const int64_t before_s = change->from_s + std::prev(change)->offset_s;  // the old clock at the change
      const int64_t after_s = change->from_s + change->offset_s;
      // The gap: what the old clock would still have come to.
      if (from_s <= change->from_s && after_s > before_s && next_local(before_s) < after_s) {
        return change->from_s * 1000;
      }
      // The doubled hour: the old clock has been there.
      local_s = std::max(local_s, before_s);
    }
    const int64_t slot_s = next_local(local_s) - change->offset_s;
    const auto following = std::next(change);
    if (following == changes.end() || slot_s < following->from_s) return slot_s * 1000;
  }
}

}  // namespace pawl::ops
