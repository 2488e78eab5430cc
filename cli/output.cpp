#include "cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "bus/base/parse.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr size_t shown_payload_bytes_max = 2048;
constexpr int64_t smallest_time_ms = 100'000'000'000;  // 1973; anything less is no time of ours

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_time_name(std::string_view name) {
  return is_one_of(name, {"at", "due", "deadline", "start", "end", "first", "last", "next", "until", "since",
                          "time", "retry_at", "frees_at"}) ||
         (name.size() > 3 && name.substr(name.size() - 3) == "_at");
}

bool is_duration_name(std::string_view name) {
  return name == "lease" || (name.size() > 3 && name.substr(name.size() - 3) == "_ms");
}

std::string time_text(int64_t at) {
  const int64_t away = at - wall_now_ms();
  const std::string span = format_span(away < 0 ? -away : away);
  return format_time(at) + " (" + (away < 0 ? span + " ago" : "in " + span) + ")";
}

void print_bytes(Output* out, const std::string& indent, std::string_view name, const std::string& bytes) {
  const bool cut = bytes.size() > shown_payload_bytes_max;
  const std::string_view shown = std::string_view(bytes).substr(0, shown_payload_bytes_max);
  std::string text = printable(shown);
  if (cut) text += "… (" + format_count(static_cast<int64_t>(bytes.size())) + " bytes; --json shows all)";
  out->line(indent + std::string(name) + text);
}

}  // namespace

Output::Output(const Arguments& arguments)
    : json_(arguments.json),
      quiet_(arguments.quiet),
      stdout_is_terminal_(isatty(STDOUT_FILENO) == 1),
      stderr_is_terminal_(isatty(STDERR_FILENO) == 1) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  color_ = stdout_is_terminal_ && !json_ && !arguments.no_color && !(no_color && *no_color) &&
           !(term && std::string_view(term) == "dumb");
}

int Output::columns() const {
  winsize size{};
  if (stdout_is_terminal_ && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
    return size.ws_col;
  return 100;
}

void Output::raw(std::string_view bytes) {
  if (closed_ || failed_) return;
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size()) return;
  (errno == EPIPE ? closed_ : failed_) = true;
}

void Output::line(std::string_view text) {
  raw(text);
  raw("\n");
}

void Output::talk(std::string_view text) {
  if (!quiet_) error(text);
}

void Output::error(std::string_view text) {
  progress("");
  const std::string message = "pawl: " + printable_lines(text) + "\n";
  std::fflush(stdout);
  std::fwrite(message.data(), 1, message.size(), stderr);
}

void Output::progress(std::string_view text) {
  if (!stderr_is_terminal_ || quiet_ || (text.empty() && !progress_shown_)) return;
  const std::string message = "\r\x1b[K" + std::string(text);
  std::fwrite(message.data(), 1, message.size(), stderr);
  std::fflush(stderr);
  progress_shown_ = !text.empty();
}

std::string Output::paint(Color color, std::string_view text) const {
  if (!color_ || color == Color::none) return std::string(text);
  const char* code = "0";
  switch (color) {
    case Color::none:
      break;
    case Color::bold:
      code = "1";
      break;
    case Color::dim:
      code = "2";
      break;
    case Color::red:
      code = "31";
      break;
    case Color::green:
      code = "32";
      break;
    case Color::yellow:
      code = "33";
      break;
  }
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

bool Output::finish() {
  progress("");
  if (std::fflush(stdout) != 0) (errno == EPIPE ? closed_ : failed_) = true;
  return !failed_;
}

std::string shortened(std::string_view text, size_t width) {
  if (width_of(text) <= width || width == 0) return std::string(text);
  size_t columns = 0;
  size_t at = 0;
  while (at < text.size()) {
    const bool starts = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
    if (starts && ++columns == width) break;
    ++at;
  }
  return std::string(text.substr(0, at)) + "…";
}

void print_table(Output* out, const std::vector<std::string>& headers,
                 const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const std::string& header : headers) widths.push_back(width_of(header) - (header[0] == '>' ? 1 : 0));
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  const auto print = [&](const std::vector<std::string>& cells, bool is_header) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      const bool right = headers[i][0] == '>';
      const std::string_view cell = is_header && right ? std::string_view(cells[i]).substr(1) : cells[i];
      const std::string gap(widths[i] - width_of(cell), ' ');
      if (i > 0) text += "  ";
      text += right ? gap + std::string(cell) : std::string(cell) + gap;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out->line(is_header ? out->paint(Color::bold, text) : text);
  };
  print(headers, true);
  for (const auto& row : rows) print(row, false);
}

std::string cell_text(std::string_view name, const Json& value) {
  if (const int64_t* number = value.as_int()) {
    if (is_time_name(name) && *number >= smallest_time_ms) return time_text(*number);
    if (is_duration_name(name)) return format_span(*number);
    if (name == "cost") return format_cost(*number);
    return std::to_string(*number);
  }
  if (const std::string* text = value.as_string()) return printable(*text);
  if (value.is_null()) return "-";
  return dump(value);
}

std::string cell_of(const Json& map, std::string_view name) {
  const Json* value = map.field(name);
  return value ? cell_text(name, *value) : "";
}

void print_map(Output* out, const Json& map, const std::string& indent) {
  const Json::Object* fields = map.as_object();
  if (!fields) {
    out->line(indent + cell_text("", map));
    return;
  }
  size_t width = 0;
  for (const auto& [name, value] : *fields) width = std::max(width, width_of(printable(name)));
  for (const auto& [name, value] : *fields) {
    std::string label = printable(name);
    label.append(width - width_of(label) + 2, ' ');
    const Json::Array* items = value.as_array();
    const bool nested = value.as_object() || (items && !items->empty() && items->front().as_object());
    if (nested && (items || !value.as_object()->empty())) {
      out->line(indent + printable(name));
      if (!items) {
        print_map(out, value, indent + "  ");
      } else {
        for (const Json& item : *items) {
          print_map(out, item, indent + "  ");
          if (&item != &items->back()) out->line("");
        }
      }
    } else if (nested || (items && items->empty())) {
      out->line(indent + label + "-");
    } else if (value.as_string()) {
      print_bytes(out, indent, label, *value.as_string());
    } else {
      out->line(indent + label + cell_text(name, value));
    }
  }
}

}  // namespace pawl::cli
