#include "bus/base/result.h"

#include <cstdio>
#include <cstdlib>

namespace pawl {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::err:
      return "ERR";
    case Code::frozen:
      return "FROZEN";
    case Code::quota:
      return "QUOTA";
    case Code::paused:
      return "PAUSED";
    case Code::open:
      return "OPEN";
    case Code::busy:
      return "BUSY";
    case Code::lost:
      return "LOST";
    case Code::state:
      return "STATE";
    case Code::notfound:
      return "NOTFOUND";
    case Code::badarg:
      return "BADARG";
    case Code::toobig:
      return "TOOBIG";
    case Code::noauth:
      return "NOAUTH";
    case Code::denied:
      return "DENIED";
    case Code::readonly:
      return "READONLY";
    case Code::notleader:
      return "NOTLEADER";
    case Code::execabort:
      return "EXECABORT";
  }
  return "ERR";
}

std::string error_line(const Error& error) {
  std::string line(code_name(error.code));
  line += ' ';
  // One line by the protocol's rule, whatever a name or text brought in.
  for (const char c : error.text) line += (c == '\r' || c == '\n') ? ' ' : c;
  if (error.retry_after_ms) line += " retry-after-ms=" + std::to_string(*error.retry_after_ms);
  return line;
}

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "pawl: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace pawl
