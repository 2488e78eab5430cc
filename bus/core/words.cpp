#include "bus/core/words.h"

#include "bus/base/parse.h"
#include "bus/core/freeze.h"

namespace pawl::core {

std::optional<MessageState> state_from(std::string_view word) {
  for (size_t i = 0; i < state_count; ++i) {
    if (same_word(word, state_names[i])) return static_cast<MessageState>(i);
  }
  return std::nullopt;
}

std::optional<ErrorClass> class_from(std::string_view word) {
  for (size_t i = 0; i < class_count; ++i) {
    if (same_word(word, class_names[i])) return static_cast<ErrorClass>(i);
  }
  return std::nullopt;
}

std::optional<FreezeScope> freeze_scope_from(std::string_view word) {
  for (size_t i = 0; i < freeze_scope_names.size(); ++i) {
    if (same_word(word, freeze_scope_names[i])) return static_cast<FreezeScope>(i);
  }
  return std::nullopt;
}

}  // namespace pawl::core
