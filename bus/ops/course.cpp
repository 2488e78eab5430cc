#include "bus/ops/course.h"

#include "bus/ops/coding.h"

namespace pawl::ops {

template <typename Archive>
void Course::Held::serialize(Archive& ar) {
  code_word(ar, kind, core::restriction_names.size());
  ar(subject);
}

template <typename Archive>
void Course::code(Archive& ar, uint8_t version) {
  code_word(ar, tier, tier_names.size());
  code_words(ar, tried, action_count);
  code_flag(ar, resting);
  code_flag(ar, quiet);
  ar(held);
  bool any = running.has_value();
  code_flag(ar, any);
  Action action = running.value_or(Action::retry_later);
  code_word(ar, action, action_count);
  if constexpr (Archive::reading) running = any ? std::optional(action) : std::nullopt;
  ar(subject, decision, begun_ms, until_ms);
  if (version >= 2) ar(paused);
}

std::string encode(const Course& course) { return encode_value(course); }
std::optional<Course> decode_course(std::string_view bytes) { return decode_value<Course>(bytes); }

}  // namespace pawl::ops
