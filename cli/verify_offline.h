// `pawl verify --data DIR`: checks the files of a bus that does not run.
#pragma once

#include <string>

namespace pawl::cli {

// Prints what it found to stdout (one JSON document when `json`), returns the exit
// code: 0 whole, 1 something is wrong, 2 no such directory.
int run_verify_offline(const std::string& dir, bool json);

}  // namespace pawl::cli
