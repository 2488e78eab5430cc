// Data to stdout, talk to stderr; what goes to people is made harmless for terminals.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"
#include "cli/arguments.h"
#include "cli/json.h"

namespace pawl::cli {

enum class Color : uint8_t { none, bold, dim, red, green, yellow };

class Output {
 public:
  explicit Output(const Arguments& arguments);

  bool json() const { return json_; }
  bool quiet() const { return quiet_; }
  bool stdout_is_terminal() const { return stdout_is_terminal_; }
  bool stderr_is_terminal() const { return stderr_is_terminal_; }
  int columns() const;  // of the terminal on stdout, or 100

  // stdout, as it is.
  void raw(std::string_view bytes);
  // stdout, one line; the caller has made it printable.
  void line(std::string_view text);
  void document(const Json& value) { line(dump(value)); }
  // stderr, "pawl: …"; not with --quiet.
  void talk(std::string_view text);
  // stderr, "pawl: …", always.
  void error(std::string_view text);
  // stderr, over the same line again, on a terminal only; "" ends it.
  void progress(std::string_view text);

  // Wrapped in colour where stdout takes it.
  std::string paint(Color color, std::string_view text) const;

  // Flushes. False: stdout took not everything (a full disk; a closed pipe is no failure).
  bool finish();
  // Somebody closed our stdout (pawl list | head): no use in going on.
  bool closed() const { return closed_; }

 private:
  bool json_ = false;
  bool quiet_ = false;
  bool color_ = false;
  bool stdout_is_terminal_ = false;
  bool stderr_is_terminal_ = false;
  bool progress_shown_ = false;
  bool closed_ = false;
  bool failed_ = false;
};

// A table with aligned columns; numbers (columns whose header begins with '>') to the right.
// Cells must be printable and may not hold colour.
void print_table(Output* out, const std::vector<std::string>& headers,
                 const std::vector<std::vector<std::string>>& rows);

// A map as "name  value" lines: times, leases and costs in readable form, nested maps and
// lists of maps indented below.
void print_map(Output* out, const Json& map, const std::string& indent = "");

// One value of a map by its name, for a table's cell or a line.
std::string cell_text(std::string_view name, const Json& value);
// The same of a field that may be missing.
std::string cell_of(const Json& map, std::string_view name);
// Cut to `width` columns with an ellipsis.
std::string shortened(std::string_view text, size_t width);

}  // namespace pawl::cli
