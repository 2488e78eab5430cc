// Text as Graphviz takes it.
#pragma once

#include <string>
#include <string_view>

namespace pawl::ops {

// A quoted string: drawn as a label, it is the text. Control characters become blanks, bytes that are no
// UTF-8 question marks (one of them would have the whole drawing read as Latin-1).
std::string dot_quoted(std::string_view text);

}  // namespace pawl::ops
