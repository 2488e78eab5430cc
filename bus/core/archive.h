// A cereal archive for records: little-endian base-128 numbers, straight into a
// string. cereal's own binary archives go through iostreams and allocate by
// whatever length they read; this one never allocates more than the input holds
// and turns damage into a flag instead of an exception.
#pragma once

#include <array>
#include <cereal/cereal.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace pawl::core {

class RecordWriter : public cereal::OutputArchive<RecordWriter, cereal::AllowEmptyClassElision> {
 public:
  explicit RecordWriter(std::string& out)
      : cereal::OutputArchive<RecordWriter, cereal::AllowEmptyClassElision>(this), out_(out) {}

  void number(uint64_t value) {
    std::array<char, 10> digits;  // 7 bits each
    size_t count = 0;
    for (; value >= 0x80; value >>= 7) digits[count++] = static_cast<char>(value | 0x80);
    digits[count++] = static_cast<char>(value);
    out_.append(digits.data(), count);
  }
  void bytes(std::string_view value) {
    number(value.size());
    out_.append(value);
  }
  static constexpr bool reading = false;

 private:
  std::string& out_;
};

class RecordReader : public cereal::InputArchive<RecordReader, cereal::AllowEmptyClassElision> {
 public:
  explicit RecordReader(std::string_view in)
      : cereal::InputArchive<RecordReader, cereal::AllowEmptyClassElision>(this), rest_(in) {}

  uint64_t number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    damaged_ = true;
    return 0;
  }
  std::string_view bytes() {
    const uint64_t size = number();
    if (size > rest_.size()) {
      damaged_ = true;
      return {};
    }
    const std::string_view value = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return value;
  }
  size_t left() const { return rest_.size(); }
  void damage() { damaged_ = true; }
  // Everything read, nothing left over, nothing out of bounds.
  bool whole() const { return !damaged_ && rest_.empty(); }
  bool damaged() const { return damaged_; }
  static constexpr bool reading = true;

 private:
  std::string_view rest_;
  bool damaged_ = false;
};

// Numbers: unsigned as they are, signed in zigzag.
template <typename T>
requires(std::is_arithmetic_v<T>&& std::is_unsigned_v<T>) void CEREAL_SAVE_FUNCTION_NAME(RecordWriter& ar,
                                                                                         const T& value) {
  ar.number(static_cast<uint64_t>(value));
}
template <typename T>
requires(std::is_arithmetic_v<T>&& std::is_signed_v<T>) void CEREAL_SAVE_FUNCTION_NAME(RecordWriter& ar,
                                                                                       const T& value) {
  const auto wide = static_cast<int64_t>(value);
  ar.number((static_cast<uint64_t>(wide) << 1) ^ static_cast<uint64_t>(wide >> 63));
}
template <typename T>
requires(std::is_arithmetic_v<T>&& std::is_unsigned_v<T>) void CEREAL_LOAD_FUNCTION_NAME(RecordReader& ar,
                                                                                         T& value) {
  const uint64_t wide = ar.number();
  value = static_cast<T>(wide);
  if (static_cast<uint64_t>(value) != wide) ar.damage();
}
template <typename T>
requires(std::is_arithmetic_v<T>&& std::is_signed_v<T>) void CEREAL_LOAD_FUNCTION_NAME(RecordReader& ar,
                                                                                       T& value) {
  const uint64_t coded = ar.number();
  const auto wide = static_cast<int64_t>((coded >> 1) ^ (~(coded & 1) + 1));
  value = static_cast<T>(wide);
  if (static_cast<int64_t>(value) != wide) ar.damage();
}
inline void CEREAL_SAVE_FUNCTION_NAME(RecordWriter& ar, const std::string& value) { ar.bytes(value); }
inline void CEREAL_LOAD_FUNCTION_NAME(RecordReader& ar, std::string& value) { value = ar.bytes(); }

template <typename T>
void CEREAL_SAVE_FUNCTION_NAME(RecordWriter& ar, const std::vector<T>& values) {
  ar.number(values.size());
  for (const T& value : values) ar(value);
}
template <typename T>
void CEREAL_LOAD_FUNCTION_NAME(RecordReader& ar, std::vector<T>& values) {
  const uint64_t count = ar.number();
  values.clear();
  // Every element takes at least a byte, so a lying count ends here.
  if (count > ar.left()) return ar.damage();
  values.reserve(count);
  for (uint64_t i = 0; i < count && !ar.damaged(); ++i) ar(values.emplace_back());
}
template <typename A, typename B>
void CEREAL_SAVE_FUNCTION_NAME(RecordWriter& ar, const std::pair<A, B>& value) {
  ar(value.first, value.second);
}
template <typename A, typename B>
void CEREAL_LOAD_FUNCTION_NAME(RecordReader& ar, std::pair<A, B>& value) {
  ar(value.first, value.second);
}

}  // namespace pawl::core
