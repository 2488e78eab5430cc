// `pawl mirror`: all channels of [[notify]] and the beats, in one poll loop of one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runner/heartbeat.h"
#include "runner/mirror_channel.h"
#include "runner/run_config.h"

namespace pawl::runner {

struct MirrorOptions {
  std::string name;
  std::string boot;
  int64_t heartbeat_ms = heartbeat_ms_default;
  bool once = false;          // what is there, then end
  int64_t failed_before = 0;  // posts that this process has given up, before these channels
  // Whether there are other channels now; asked every second, with true after SIGHUP. Null: never.
  std::function<bool(bool)> changed;
};

struct MirrorEnd {
  enum class Why : uint8_t {
    stopped,      // told to
    changed,      // there are other channels now
    done,         // once: all of it
    fell_short,   // once: something is left, or has failed
    unreachable,  // once: there is no bus
    refused,      // the bus does not let us; `code`
    failed,       // a position cannot be used
  };
  Why why = Why::stopped;
  Code code = Code::err;
  int64_t posted = 0;  // by these channels
  int64_t failed = 0;  // posts given up since the process began
};

class Mirror {
 public:
  // What is pointed to outlives it. `signal_fd` is a signalfd of SIGINT, SIGTERM and SIGHUP.
  Mirror(MirrorOptions options, client::Endpoint endpoint, client::Timeouts timeouts,
         std::vector<NotifyChannel> channels, MirrorStore* store, Voice* voice, int signal_fd);

  MirrorEnd run();

 private:
  std::optional<MirrorEnd> connect_first(int64_t now_ms);
  std::optional<MirrorEnd> ended() const;
  void connect_when_due(int64_t now_ms);
  void wait(int64_t now_ms);
  void read_signals();
  void stop(MirrorEnd::Why why);
  void look_for_change(int64_t now_ms, bool forced);
  void beat(int64_t now_ms);
  void say_goodbye();
  void watch_link();
  int64_t failed() const;
  std::vector<std::pair<std::string, std::string>> values() const;

  const MirrorOptions options_;
  const std::vector<NotifyChannel> specs_;
  HttpPost http_;
  MirrorTools tools_;
  std::vector<std::unique_ptr<MirrorChannel>> channels_;
  Voice* voice_;
  const int signal_fd_;
  Link beats_;
  Heartbeat heartbeat_;
  std::optional<MirrorEnd::Why> stopping_;
  bool impatient_ = false;
  bool down_said_ = false;
  int64_t end_ = 0;  // of the chronicle, as far as known
  int64_t look_at_ms_ = 0;
};

}  // namespace pawl::runner
