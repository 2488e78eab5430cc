#include "cli/work_place.h"

#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <cstdlib>

#include "cli/kill_flags.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr const char* default_data = "./pawl-data";

}  // namespace

runner::FreezeWatch::ReadFlags flags_of(const client::Endpoint& endpoint) {
  const std::string folder = folder_of(endpoint);
  if (folder.empty()) return nullptr;
  return [folder]() -> std::optional<runner::SeenFreeze> {
    const auto flag = read_kill_flags(folder, wall_now_ms());
    if (!flag) return std::nullopt;
    return runner::SeenFreeze{flag->kind == core::FreezeKind::hard, flag->all(), flag->number, flag->reason};
  };
}

runner::WorkPlace work_place(const client::Endpoint& endpoint, const client::Timeouts& timeouts) {
  const std::string folder = folder_of(endpoint);
  const std::string kill_file = folder.empty() ? "" : folder + "/KILL";
  return {endpoint, timeouts, {endpoint.url(), kill_file}, flags_of(endpoint)};
}

std::string first_said(const std::optional<std::string>& option, const char* variable,
                       const std::string& in_file, const std::string& otherwise) {
  if (option) return *option;
  const char* set = variable ? std::getenv(variable) : nullptr;
  if (set && *set) return set;
  return in_file.empty() ? otherwise : in_file;
}

Result<client::Endpoint> configured_endpoint(const Session& session, const FileConfig& file) {
  const char* url = std::getenv("PAWL_URL");
  const bool said = session.arguments.url || (url && *url);
  if (said || (!file.data && !file.socket && !file.listen)) return session.endpoint();
  const std::string named = file.socket.value_or(file.data.value_or(default_data) + "/pawl.sock");
  const std::string socket = named == "none" ? named : absolute(named);
  if (socket != "none" && access(socket.c_str(), F_OK) == 0) return client::parse_url("unix://" + socket);
  if (file.listen && *file.listen != "none") return client::parse_url("tcp://" + *file.listen);
  if (socket != "none") return client::parse_url("unix://" + socket);
  return session.endpoint();
}

std::string absolute(const std::string& path) {
  if (!path.empty() && path[0] == '/') return path;
  char folder[PATH_MAX];
  if (::getcwd(folder, sizeof folder) == nullptr) return path;
  const std::string plain = path.starts_with("./") ? path.substr(2) : path;
  return std::string(folder) + "/" + plain;
}

std::string data_beside(const client::Endpoint& endpoint, const FileConfig& file) {
  const std::string folder = folder_of(endpoint);
  return folder.empty() ? file.data.value_or(default_data) : folder;
}

int open_signals(bool hang_up) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  if (hang_up) sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int exit_code_of(const runner::WorkEnd& end, const runner::WorkCounts& counts) {
  using Why = runner::WorkEnd::Why;
  switch (end.why) {
    case Why::refused:
    case Why::held:
      return exit_code_of(end.code);
    case Why::frozen:
      return exit_frozen;
    case Why::unreachable:
      return exit_unreachable;
    case Why::failed:
      return exit_failed;
    case Why::finished:
      break;
  }
  if (counts.failed > 0) return exit_failed;
  return counts.handled + counts.cancelled > 0 ? exit_ok : exit_nothing;
}

void print_summary(Session* session, const runner::WorkCounts& counts, int64_t took_ms) {
  if (session->out.json()) {
    Json document;
    document.set("handled", counts.handled);
    document.set("failed", counts.failed);
    document.set("cancelled", counts.cancelled);
    document.set("released", counts.released);
    document.set("unreported", counts.unreported);
    if (counts.spooled > 0) document.set("spooled", counts.spooled);
    return session->out.document(document);
  }
  if (counts.ended() + counts.unreported + counts.spooled == 0) return session->out.talk("nothing came");
  std::string text = format_count(counts.handled) + " handled";
  if (counts.failed > 0) text += ", " + format_count(counts.failed) + " failed";
  if (counts.cancelled > 0) text += ", " + format_count(counts.cancelled) + " cancelled";
  if (counts.released > 0) text += ", " + format_count(counts.released) + " given back";
  if (counts.unreported > 0) text += ", " + format_count(counts.unreported) + " not reported";
  if (counts.spooled > 0) text += ", " + format_count(counts.spooled) + " left in the spool";
  session->out.talk(text + " in " + format_span(took_ms));
}

}  // namespace pawl::cli
