#include "cli/difference.h"

#include <algorithm>
#include <cstdint>

namespace pawl::cli {
namespace {

constexpr size_t context_lines = 2;
constexpr size_t table_cells_max = 4'000'000;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

void add(char mark, std::string_view text, std::vector<DifferenceLine>* out) {
  out->push_back({mark, std::string(text)});
}

// The longest common subsequence of what is left between equal ends.
void middle(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b,
            std::vector<DifferenceLine>* out) {
  const size_t columns = b.size() + 1;
  if ((a.size() + 1) * columns > table_cells_max) {
    for (const auto line : a) add('-', line, out);
    for (const auto line : b) add('+', line, out);
    return;
  }
  std::vector<uint32_t> longest((a.size() + 1) * columns, 0);
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      longest[i * columns + j] = a[i] == b[j]
                                     ? longest[(i + 1) * columns + j + 1] + 1
                                     : std::max(longest[(i + 1) * columns + j], longest[i * columns + j + 1]);
    }
  }
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      add(' ', a[i], out);
      ++i;
      ++j;
    } else if (i < a.size() &&
               (j == b.size() || longest[(i + 1) * columns + j] >= longest[i * columns + j + 1])) {
      add('-', a[i++], out);
    } else {
      add('+', b[j++], out);
    }
  }
}

// Cuts equal stretches down to their context.
std::vector<DifferenceLine> with_context(const std::vector<DifferenceLine>& all) {
  std::vector<bool> kept(all.size(), false);
  bool changed = false;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].mark == ' ') continue;
    changed = true;
    const size_t from = i > context_lines ? i - context_lines : 0;
    const size_t to = std::min(all.size(), i + context_lines + 1);
    std::fill(kept.begin() + static_cast<std::ptrdiff_t>(from),
              kept.begin() + static_cast<std::ptrdiff_t>(to), true);
  }
  std::vector<DifferenceLine> shown;
  if (!changed) return shown;
  for (size_t i = 0; i < all.size(); ++i) {
    if (kept[i]) {
      shown.push_back(all[i]);
    } else if (i == 0 || kept[i - 1]) {
      shown.push_back({' ', "…"});
    }
  }
  return shown;
}

}  // namespace

std::vector<DifferenceLine> difference(std::string_view before, std::string_view after) {
  std::vector<std::string_view> a = lines_of(before);
  std::vector<std::string_view> b = lines_of(after);
  size_t head = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  size_t tail = 0;
  while (tail < a.size() - head && tail < b.size() - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
    ++tail;
  const auto at = [](size_t n) { return static_cast<std::ptrdiff_t>(n); };
  std::vector<DifferenceLine> all;
  for (size_t i = 0; i < head; ++i) add(' ', a[i], &all);
  middle(std::vector(a.begin() + at(head), a.end() - at(tail)),
         std::vector(b.begin() + at(head), b.end() - at(tail)), &all);
  for (size_t i = a.size() - tail; i < a.size(); ++i) add(' ', a[i], &all);
  return with_context(all);
}

}  // namespace pawl::cli
