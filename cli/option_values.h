// One value of an option, checked by its kind.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bus/base/result.h"
#include "cli/commands.h"

namespace pawl::cli {

// The number that `value` stands for, or nothing for a kind that is text. BADARG with
// one line that names the option and says what it takes.
Result<std::optional<int64_t>> check_option_value(const OptionSpec& option, const std::string& value);

// The closed word lists of contract section 1.
std::string state_list();
std::string error_class_list();
std::string freeze_scope_list();
std::string on_freeze_list();

}  // namespace pawl::cli
