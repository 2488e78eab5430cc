// Errors as values. An expected refusal is a value with a code (contract,
// section 2); a broken invariant stops the process through PAWL_CHECK, in
// release builds too. No exception crosses a layer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace pawl {

// The first word of an error reply.
enum class Code : uint8_t {
  err,  // "ERR": unknown command, and what has no better word
  frozen,
  quota,
  paused,
  open,
  busy,
  lost,
  state,
  notfound,
  badarg,
  toobig,
  noauth,
  denied,
  readonly,
  notleader,
  execabort,
};

std::string_view code_name(Code code);

struct Error {
  Code code = Code::err;
  std::string text;                       // says what to do; without the code
  std::optional<int64_t> retry_after_ms;  // only for refusals that pass by themselves
};

// The error as the wire shows it, without the leading '-': "CODE text [retry-after-ms=N]".
std::string error_line(const Error& error);

inline Error make_error(Code code, std::string text) { return Error{code, std::move(text), std::nullopt}; }

// A value of T or an Error.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return held_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() { return std::get<0>(held_); }
  const T& value() const { return std::get<0>(held_); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(held_); }

 private:
  std::variant<T, Error> held_;
};

// Success or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

// Prints the broken invariant with its place and aborts.
[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace pawl

#define PAWL_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::pawl::check_failed(#expression, __FILE__, __LINE__))
