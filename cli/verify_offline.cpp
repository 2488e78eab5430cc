#include "cli/verify_offline.h"

#include <sys/stat.h>

#include <cstdio>
#include <utility>

#include "bus/core/verify.h"
#include "bus/store/rocks_store.h"
#include "cli/exit_codes.h"
#include "cli/json.h"

namespace pawl::cli {
namespace {

Json to_json(const core::VerifyReport& report) {
  Json::Array problems(report.problems.begin(), report.problems.end());
  return Json::Object{{"ok", report.ok},
                      {"messages", static_cast<int64_t>(report.messages)},
                      {"rows", static_cast<int64_t>(report.rows)},
                      {"problems", std::move(problems)}};
}

void print_text(const core::VerifyReport& report) {
  for (const std::string& problem : report.problems) std::printf("%s\n", problem.c_str());
  std::printf("%s: %llu messages, %llu rows, %zu problems\n", report.ok ? "whole" : "damaged",
              static_cast<unsigned long long>(report.messages), static_cast<unsigned long long>(report.rows),
              report.problems.size());
}

}  // namespace

int run_verify_offline(const std::string& dir, bool json) {
  struct stat there {};
  if (::stat(dir.c_str(), &there) != 0 || !S_ISDIR(there.st_mode)) {
    std::fprintf(stderr, "pawl: %s is no directory; --data names that of a bus\n", dir.c_str());
    return exit_usage;
  }
  store::RocksOptions options;
  options.directory = dir;
  options.read_only = true;
  const Result<std::unique_ptr<store::Store>> store = store::open_rocks_store(options);
  if (!store.ok()) {
    std::fprintf(stderr, "pawl: %s\n", store.error().text.c_str());
    return exit_failed;
  }
  const core::VerifyReport report = core::verify(*store.value());
  if (json) {
    std::printf("%s\n", dump(to_json(report)).c_str());
  } else {
    print_text(report);
  }
  return report.ok ? exit_ok : exit_failed;
}

}  // namespace pawl::cli
