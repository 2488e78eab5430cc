// What changed between two texts, line by line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pawl::cli {

struct DifferenceLine {
  char mark = ' ';  // '-' only before, '+' only after, ' ' in both
  std::string text;
};

// Lines of both with their marks, removed ones before added ones; equal stretches longer
// than two lines of context become one line "…". Empty when nothing changed. Bounded work:
// above some thousand differing lines the middle is shown as all removed, then all added.
std::vector<DifferenceLine> difference(std::string_view before, std::string_view after);

}  // namespace pawl::cli
