// What a service manager hears from the launcher, as sd_notify(3) sends it: one datagram.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pawl::runner {

class ServiceManager {
 public:
  // From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which it takes out of the environment: a second call
  // knows of no manager.
  static ServiceManager from_environment();

  void tell(std::string_view lines) const;  // "READY=1"; nothing when nobody listens
  // How often WATCHDOG=1 is due, half of what the manager waits; nothing: no watchdog.
  std::optional<int64_t> watchdog_ms() const { return watchdog_ms_; }

 private:
  std::string socket_;
  std::optional<int64_t> watchdog_ms_;
};

}  // namespace pawl::runner
