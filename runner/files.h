// Small files, written so that they are whole or not there.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"

namespace pawl::runner {

// All of a file of at most `bytes_max` bytes; ERR with the path and why.
Result<std::string> read_file(const std::string& path, size_t bytes_max);

// Through a temporary file beside it (its name begins with a dot), fsync and rename; `durable` also syncs the
// folder. ERR with the path and why.
Status write_file(const std::string& path, std::string_view bytes, mode_t mode, bool durable);

// Makes a folder and those above it, 0700.
Status make_folders(const std::string& path);

Status sync_folder(const std::string& path);

// The names in a folder, sorted, without "." and ".."; empty when it cannot be read.
std::vector<std::string> names_in(const std::string& folder);

}  // namespace pawl::runner
