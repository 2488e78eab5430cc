#include "bus/server/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace pawl::server::log {
namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("pawl", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *instance;
}

void say(spdlog::level::level_enum level, std::string_view text) {
  try {
    logger().log(level, "{}", text);
  } catch (...) {
    // A log that cannot be written must not stop the bus.
  }
}

}  // namespace

void set_level(Level level) {
  switch (level) {
    case Level::debug:
      logger().set_level(spdlog::level::debug);
      break;
    case Level::info:
      logger().set_level(spdlog::level::info);
      break;
    case Level::warn:
      logger().set_level(spdlog::level::warn);
      break;
    case Level::error:
      logger().set_level(spdlog::level::err);
      break;
  }
}

void debug(std::string_view text) { say(spdlog::level::debug, text); }
void info(std::string_view text) { say(spdlog::level::info, text); }
void warn(std::string_view text) { say(spdlog::level::warn, text); }
void error(std::string_view text) { say(spdlog::level::err, text); }

}  // namespace pawl::server::log
