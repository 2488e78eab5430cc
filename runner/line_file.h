// Lines at the end of a file that others read, move away and delete as they like.
#pragma once

#include <string>
#include <string_view>

#include "bus/base/result.h"

namespace pawl::runner {

// Appends `line` and its end; durable once it returns. A line that stands there already as the last one is
// not written again, and a beginning of it, left by a writer that was killed, is completed: a process that
// repeats its last line when it is started anew writes it once. The file is made with mode 0640 where it is
// not there. ERR with the path and why: the file is as it was.
Status append_line(const std::string& path, std::string_view line);

}  // namespace pawl::runner
