#include "runner/mirror.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "runner/clock.h"

namespace pawl::runner {
namespace {

constexpr int64_t look_every_ms = 1'000;
constexpr int64_t longest_ms = 60'000;
constexpr int64_t farewell_ms = 1'000;

}  // namespace

Mirror::Mirror(MirrorOptions options, client::Endpoint endpoint, client::Timeouts timeouts,
               std::vector<NotifyChannel> channels, MirrorStore* store, Voice* voice, int signal_fd)
    : options_(std::move(options)),
      specs_(std::move(channels)),
      voice_(voice),
      signal_fd_(signal_fd),
      beats_(endpoint, timeouts),
      heartbeat_(options_.name, options_.boot, options_.heartbeat_ms) {
  tools_.endpoint = std::move(endpoint);
  tools_.timeouts = timeouts;
  tools_.http = &http_;
  tools_.store = store;
  tools_.voice = voice;
  tools_.once = options_.once;
  for (const NotifyChannel& spec : specs_) {
    tools_.names.insert(spec.name);
    channels_.push_back(std::make_unique<MirrorChannel>(&spec, &tools_));
  }
}

MirrorEnd Mirror::run() {
  for (const auto& channel : channels_) {
    if (const Status opened = channel->open(); !opened) {
      voice_->error(opened.error().text);
      return {MirrorEnd::Why::failed};
    }
  }
  int64_t now = steady_now_ms();
  look_at_ms_ = now + look_every_ms;
  if (const auto end = connect_first(now)) return *end;
  std::optional<MirrorEnd> end;
  while (!(end = ended())) {
    connect_when_due(now);
    if (!options_.once && !stopping_) beat(now);
    wait(now);
    now = steady_now_ms();
    read_signals();
    beats_.pump(now);
    for (const auto& channel : channels_) channel->pump(now);
    if (!options_.once && !stopping_ && now >= look_at_ms_) look_for_change(now, false);
    watch_link();
  }
  for (const auto& channel : channels_) channel->keep_position();
  if (end->why != MirrorEnd::Why::changed) say_goodbye();
  end->failed = failed();
  for (const auto& channel : channels_) end->posted += channel->posted();
  return *end;
}

// One that is there for good waits for its bus; anybody else wants to know at once.
std::optional<MirrorEnd> Mirror::connect_first(int64_t now) {
  connect_when_due(now);
  if (beats_.up()) return std::nullopt;
  const Error& why = beats_.failure();
  if (why.code != Code::err) {
    voice_->error(why.text);
    return MirrorEnd{MirrorEnd::Why::refused, why.code};
  }
  if (!options_.once) return std::nullopt;
  voice_->error(why.text + "; is it running (pawl serve), and is --url right?");
  return MirrorEnd{MirrorEnd::Why::unreachable, why.code};
}

void Mirror::connect_when_due(int64_t now) {
  if (stopping_) return;
  beats_.connect_when_due(now);
  // Where that fails, it fails for all: nobody waits for each connection's own time-out.
  if (!beats_.up()) return;
  for (const auto& channel : channels_) channel->link().connect_when_due(now);
}

std::optional<MirrorEnd> Mirror::ended() const {
  const auto idle = [](const auto& channel) { return channel->idle(); };
  if (stopping_) {
    if (impatient_ || std::all_of(channels_.begin(), channels_.end(), idle)) return MirrorEnd{*stopping_};
    return std::nullopt;
  }
  for (const auto& channel : channels_) {
    if (channel->refused()) return MirrorEnd{MirrorEnd::Why::refused, channel->refused()->code};
  }
  if (!options_.once) return std::nullopt;
  if (!beats_.up()) return MirrorEnd{MirrorEnd::Why::unreachable};
  bool fell_short = false;
  for (const auto& channel : channels_) {
    if (!channel->finished() || !channel->idle()) return std::nullopt;
    fell_short = fell_short || channel->fell_short();
  }
  return MirrorEnd{fell_short ? MirrorEnd::Why::fell_short : MirrorEnd::Why::done};
}

void Mirror::wait(int64_t now) {
  int64_t wake = now + longest_ms;
  std::vector<pollfd> polls;
  polls.push_back({signal_fd_, POLLIN, 0});
  beats_.add_polls(&polls, &wake);
  for (const auto& channel : channels_) channel->add_polls(&polls, &wake);
  if (options_.changed) wake = std::min(wake, look_at_ms_);
  if (beats_.up() && !options_.once) wake = std::min(wake, heartbeat_.due_at_ms());
  http_.wait(&polls, std::clamp<int64_t>(wake - now, 0, longest_ms));
}

void Mirror::read_signals() {
  signalfd_siginfo info{};
  while (read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGHUP) {
      if (!options_.once && !stopping_) look_for_change(steady_now_ms(), true);
    } else {
      stop(MirrorEnd::Why::stopped);
    }
  }
}

// What is on its way is waited for: broken off, nobody would know whether it had arrived.
void Mirror::stop(MirrorEnd::Why why) {
  impatient_ = stopping_ == MirrorEnd::Why::stopped;
  stopping_ = why;
  for (const auto& channel : channels_) channel->stop();
}

void Mirror::look_for_change(int64_t now, bool forced) {
  look_at_ms_ = now + look_every_ms;
  if (options_.changed && options_.changed(forced)) stop(MirrorEnd::Why::changed);
}

void Mirror::beat(int64_t now) {
  if (!beats_.up() || !heartbeat_.due(now)) return;
  // How far behind the channels are can be said only against the end.
  beats_.ask({"EVENTS", "$", "COUNT", "1"}, 0, now, [this](const client::Reply* reply) {
    const bool shaped = reply && reply->is_array() && !reply->items.empty();
    if (shaped) end_ = reply->items[0].as_int().value_or(end_);
  });
  heartbeat_.set_values(values());
  beats_.ask(heartbeat_.beat(now, failed()), 0, now,
             [this](const client::Reply* reply) { heartbeat_.on_reply(reply, steady_now_ms()); });
}

void Mirror::say_goodbye() {
  if (options_.once || !beats_.up() || heartbeat_.unknown()) return;
  const int64_t begun = steady_now_ms();
  heartbeat_.set_values(values());
  beats_.ask(heartbeat_.farewell(failed()), 0, begun, [](const client::Reply*) {});
  const auto waits = [this] { return beats_.up() && !beats_.idle(); };
  for (int64_t now = begun; waits() && now < begun + farewell_ms; now = steady_now_ms()) {
    int64_t wake = begun + farewell_ms;
    std::vector<pollfd> polls;
    beats_.add_polls(&polls, &wake);
    poll(polls.data(), polls.size(), static_cast<int>(std::clamp<int64_t>(wake - now, 0, farewell_ms)));
    beats_.pump(steady_now_ms());
  }
}

void Mirror::watch_link() {
  if (beats_.up()) {
    if (down_said_) voice_->talk("the bus is back");
    down_said_ = false;
  } else if (!down_said_ && !stopping_) {
    options_.once ? voice_->error(beats_.failure().text)
                  : voice_->talk(beats_.failure().text + "; trying again");
    down_said_ = true;
  }
}

int64_t Mirror::failed() const {
  int64_t failed = options_.failed_before;
  for (const auto& channel : channels_) failed += channel->failed();
  return failed;
}

std::vector<std::pair<std::string, std::string>> Mirror::values() const {
  uint64_t posted = 0;
  uint64_t failed = 0;
  int64_t behind = 0;
  for (const auto& channel : channels_) {
    const auto position = channel->position();
    if (!position) continue;
    posted += position->posted;
    failed += position->failed;
    behind = std::max(behind, end_ - position->seq);
  }
  return {{"posted", std::to_string(posted)},
          {"failed", std::to_string(failed)},
          {"behind", std::to_string(behind)}};
}

}  // namespace pawl::runner
