// How a worker talks to people. Lines without their end and without a prefix; they may hold any bytes, and
// whoever prints them makes them harmless.
#pragma once

#include <string_view>

namespace pawl::runner {

class Voice {
 public:
  Voice() = default;
  Voice(const Voice&) = delete;
  Voice& operator=(const Voice&) = delete;
  virtual ~Voice() = default;

  virtual void talk(std::string_view text) = 0;
  virtual void error(std::string_view text) = 0;
  // One line that replaces the one before it; "" ends it. Only worth making where shows_progress().
  virtual void progress(std::string_view text) = 0;
  virtual bool shows_progress() const = 0;
};

}  // namespace pawl::runner
