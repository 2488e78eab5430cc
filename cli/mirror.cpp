// `pawl mirror`: the composition root of the mirror.
#include "cli/mirror.h"

#include <unistd.h>

#include <algorithm>

#include "bus/base/ids.h"
#include "cli/dispatch.h"
#include "cli/values.h"
#include "cli/work_place.h"
#include "runner/file_stamp.h"
#include "runner/handler.h"
#include "runner/http_post.h"
#include "runner/mirror.h"

namespace pawl::cli {
namespace {

constexpr const char* default_config = "pawl.toml";

using Channels = std::vector<runner::NotifyChannel>;

Result<Channels> load_channels(const FileConfig& file, const std::vector<std::string>& names) {
  if (const Status there = check_notify(file); !there) return there.error();
  return chosen_channels(file, names);
}

// The file's channels as it changes. A file that cannot be used changes nothing, and is said once.
class ChannelWatch {
 public:
  ChannelWatch(std::string path, std::vector<std::string> names, Channels channels, runner::Voice* voice)
      : path_(std::move(path)),
        names_(std::move(names)),
        stamp_(runner::stamp_of(path_)),
        channels_(std::move(channels)),
        voice_(voice) {}

  const Channels& channels() const { return channels_; }

  bool changed(bool forced) {
    const runner::FileStamp now = runner::stamp_of(path_);
    if (!forced && !stamp_.fresh && stamp_.same_as(now)) return false;
    stamp_ = now;
    const auto file = load_config(path_);
    auto anew = file ? load_channels(*file, names_) : Result<Channels>(file.error());
    if (!anew) {
      if (complaint_ != anew.error().text) {
        voice_->error(anew.error().text + "\nwhat was there before stays in use");
      }
      complaint_ = anew.error().text;
      return false;
    }
    complaint_.clear();
    if (*anew == channels_) return false;
    channels_ = std::move(*anew);
    return true;
  }

 private:
  const std::string path_;
  const std::vector<std::string> names_;
  runner::FileStamp stamp_;
  Channels channels_;
  std::string complaint_;
  runner::Voice* voice_;
};

int exit_code_of_end(const runner::MirrorEnd& end) {
  using Why = runner::MirrorEnd::Why;
  switch (end.why) {
    case Why::stopped:
    case Why::changed:
    case Why::done:
      return exit_ok;
    case Why::unreachable:
      return exit_unreachable;
    case Why::refused:
      return exit_code_of(end.code);
    case Why::fell_short:
    case Why::failed:
      return exit_failed;
  }
  return exit_failed;
}

// One way to run at a time.
std::string fault_of_options(const Arguments& arguments) {
  const int ways =
      (arguments.has("once") ? 1 : 0) + (arguments.has("test") ? 1 : 0) + (arguments.has("dry-run") ? 1 : 0);
  if (ways > 1) return "--once, --test and --dry-run exclude each other";
  if (arguments.number("after") && !arguments.has("dry-run")) {
    return "--after goes with --dry-run; what is posted goes by the positions alone";
  }
  return "";
}

int keep_posting(Session* session, runner::MirrorOptions options, const client::Endpoint& endpoint,
                 runner::MirrorStore* store, ChannelWatch* watch, runner::Voice* voice) {
  const int signals = open_signals(true);
  if (signals < 0) return session->fail(exit_failed, "cannot listen for signals");
  if (!options.once) options.changed = [watch](bool forced) { return watch->changed(forced); };
  runner::MirrorEnd end;
  do {
    runner::Mirror mirror(options, endpoint, session->timeouts(), watch->channels(), store, voice, signals);
    end = mirror.run();
    options.failed_before = end.failed;
  } while (end.why == runner::MirrorEnd::Why::changed);
  close(signals);
  const bool summary = options.once && end.why != runner::MirrorEnd::Why::unreachable;
  if (summary) {
    voice->talk(end.posted + end.failed == 0
                    ? "nothing posted"
                    : format_count(end.posted) + " posted" +
                          (end.failed > 0 ? ", " + format_count(end.failed) + " failed" : ""));
  }
  return exit_code_of_end(end);
}

}  // namespace

Status check_notify(const FileConfig& file) {
  std::string faults = file.notify_faults;
  const bool posts = std::any_of(file.notify.begin(), file.notify.end(),
                                 [](const runner::NotifyChannel& channel) { return channel.uses_url(); });
  const Status http = posts ? runner::http_at_hand() : Status();
  if (!http) faults += (faults.empty() ? "" : "\n") + http.error().text;
  for (const runner::NotifyChannel& channel : file.notify) {
    if (channel.command.empty() || runner::find_program(channel.command[0])) continue;
    faults += (faults.empty() ? "" : "\n") + channel.place + ": notify '" + channel.name +
              "': there is no program '" + channel.command[0] +
              "' that may be run; check the path and its mode";
  }
  if (!faults.empty()) return make_error(Code::badarg, faults);
  return {};
}

Result<Channels> chosen_channels(const FileConfig& file, const std::vector<std::string>& names) {
  if (names.empty()) {
    if (!file.notify.empty()) return file.notify;
    return make_error(Code::badarg,
                      file.path +
                          ": there is no [[notify]], so there is nothing to post; write one with "
                          "to = \"slack\" and url = { env = \"SLACK_WEBHOOK_URL\" }");
  }
  Channels chosen;
  for (const std::string& name : names) {
    const auto found = std::find_if(file.notify.begin(), file.notify.end(),
                                    [&](const runner::NotifyChannel& one) { return one.name == name; });
    if (found == file.notify.end()) {
      std::string all;
      for (const runner::NotifyChannel& one : file.notify) all += " " + one.name;
      return make_error(Code::badarg, file.path + ": no [[notify]] is called '" + printable(name) +
                                          "'; there are:" + (all.empty() ? " none" : all));
    }
    chosen.push_back(*found);
  }
  return chosen;
}

int run_mirror(Session* session) {
  const Arguments& arguments = session->arguments;
  if (const std::string fault = fault_of_options(arguments); !fault.empty()) {
    return session->fail(exit_usage, fault);
  }
  const std::string config = arguments.text("config").value_or(default_config);
  const auto file = load_config(config);
  if (!file) return session->fail(exit_usage, file.error().text);
  auto channels = load_channels(*file, arguments.words);
  if (!channels) return session->fail(exit_usage, channels.error().text);
  if (arguments.has("test")) return test_channels(session, *channels);
  const auto where = configured_endpoint(*session, *file);
  if (!where) return session->fail(where.error());
  const std::string folder =
      first_said(arguments.text("spool"), nullptr, "", data_beside(*where, *file) + "/mirror");
  if (arguments.has("dry-run")) return show_posts(session, *channels, *where, folder);
  runner::MirrorOptions options;
  options.name = first_said(arguments.text("name"), "PAWL_DAEMON", "", "mirror-" + own_host_name());
  options.boot = first_said(std::nullopt, "PAWL_BOOT", "", runner::fresh_boot_id());
  options.once = arguments.has("once");
  if (!well_formed_name(options.name) || !well_formed_daemon(options.name + "@" + options.boot)) {
    return session->fail(exit_usage, "a daemon's name is 1 to 128 of A-Z a-z 0-9 . _ : -, not '" +
                                         printable(options.name) + "'");
  }
  auto store = runner::MirrorStore::open(folder);
  if (!store) return session->fail(exit_failed, store.error().text);
  OutputVoice voice(&session->out);
  ChannelWatch watch(config, arguments.words, std::move(*channels), &voice);
  return keep_posting(session, std::move(options), *where, &*store, &watch, &voice);
}

}  // namespace pawl::cli
