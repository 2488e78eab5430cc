// The composition root of `pawl serve`: configuration → store → journal → bus → server.
#include "cli/serve.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "bus/journal/local_journal.h"
#include "bus/server/log.h"
#include "bus/server/server.h"
#include "bus/store/rocks_store.h"
#include "cli/config.h"
#include "cli/config_changes.h"
#include "cli/exit_codes.h"

namespace pawl::cli {
namespace {

constexpr std::string_view default_data = "./pawl-data";
constexpr std::string_view default_listen = "127.0.0.1:7295";
constexpr std::string_view default_http = "127.0.0.1:7296";
constexpr std::string_view none = "none";

// What the options, the file and the defaults come to.
struct Plan {
  FileConfig file;
  std::string data;
  // Only a start looks at these four: HOST:PORT or a path, or "none".
  std::string listen;
  std::string socket;
  std::string http;
  server::ServerOptions server;
  std::vector<std::string> notices;
};

int complain(const std::string& text, int code) {
  std::fprintf(stderr, "pawl: %s\n", text.c_str());
  return code;
}

std::string first_of(const std::optional<std::string>& option, const std::optional<std::string>& file,
                     std::string_view otherwise) {
  if (option) return *option;
  return file.value_or(std::string(otherwise));
}

Result<Plan> make_plan(const ServeOptions& options) {
  FileConfig file;
  if (options.config) {
    Result<FileConfig> loaded = load_config(*options.config);
    if (!loaded.ok()) return loaded.error();
    file = std::move(loaded.value());
  }
  Plan plan;
  plan.notices = file.notices;
  plan.data = first_of(options.data, file.data, default_data);
  if (plan.data.empty()) return make_error(Code::badarg, "--data is empty; name a directory");
  plan.listen = first_of(options.listen, file.listen, default_listen);
  if (plan.listen != none) {
    Result<server::Address> address = server::parse_address(plan.listen);
    if (!address.ok()) return make_error(Code::badarg, "--listen: " + address.error().text + ", or none");
    plan.server.tcp = std::move(address.value());
  }
  plan.socket = first_of(options.socket, file.socket, plan.data + "/pawl.sock");
  if (plan.socket != none) plan.server.unix_path = plan.socket;
  if (!plan.server.tcp && !plan.server.unix_path) {
    return make_error(Code::badarg, "--listen none and --socket none leave no way in; give one of them");
  }
  if (options.http && *options.http != none)
    plan.notices.emplace_back("--http: not built yet, nothing listens there");
  plan.server.password = file.password.value_or("");
  plan.server.disk.low_bytes = file.disk_low;
  plan.server.disk.critical_bytes = file.disk_critical;
  plan.server.handle_signals = true;
  plan.server.data_directory = plan.data;
  plan.http = first_of(options.http, file.http, default_http);
  plan.file = std::move(file);
  if (const Status status = server::check_options(plan.server, plan.file.bus); !status.ok())
    return status.error();
  return plan;
}

// What a start alone can change, and does differ; empty: nothing.
std::string needs_restart(const Plan& running, const Plan& next) {
  struct Key {
    std::string_view name;
    const std::string& now;
    const std::string& then;
  };
  const Key keys[] = {{"data", running.data, next.data},
                      {"listen", running.listen, next.listen},
                      {"socket", running.socket, next.socket},
                      {"http", running.http, next.http}};
  std::string text;
  for (const Key& key : keys) {
    if (key.now == key.then) continue;
    text += (text.empty() ? "bus." : ", bus.") + std::string(key.name) + " (" + key.now +
            " runs, the file has " + key.then + ")";
  }
  return text;
}

// A complaint a line is for a terminal; a reply has one line.
std::string on_one_line(const std::string& text) {
  std::string line;
  for (const char c : text) line += c == '\n' ? std::string(" | ") : std::string(1, c);
  return line;
}

// RELOAD and SIGHUP: the file that the bus was started with, against what it said the last time.
server::LoadConfig make_loader(const ServeOptions& options, const Plan& plan) {
  if (!options.config) return {};
  return [options, running = plan]() mutable -> Result<server::NewConfig> {
    Result<Plan> next = make_plan(options);
    if (!next.ok()) {
      const bool unreadable = next.error().code == Code::notfound;
      return make_error(unreadable ? Code::err : Code::badarg, on_one_line(next.error().text));
    }
    if (const std::string keys = needs_restart(running, *next); !keys.empty()) {
      return make_error(Code::state, *options.config + ": needs a restart: " + keys +
                                         "; nothing of the file was applied: restart the bus, or put the old "
                                         "value back");
    }
    server::NewConfig config;
    config.bus = next->file.bus;
    config.password = next->server.password;
    config.disk = next->server.disk;
    config.changes = config_changes(running.file, next->file);
    running = std::move(*next);
    return config;
  };
}

// Ten thousand connections are no use with the usual thousand descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  std::string why = std::strerror(errno);
  if (errno == ENOENT) why = "the directory above it does not exist; create it first";
  return make_error(Code::err, "cannot create " + path + ": " + why);
}

server::OpenBackend rocks_backend(const std::string& data) {
  return [data](bool read_only) -> Result<server::Backend> {
    store::RocksOptions rocks;
    rocks.directory = data;
    rocks.read_only = read_only;
    rocks.on_repair = [](const std::string& note) { server::log::warn(note); };
    Result<std::unique_ptr<store::Store>> opened = store::open_rocks_store(rocks);
    if (!opened.ok()) return opened.error();
    server::Backend backend;
    backend.store = std::move(opened.value());
    if (!read_only) backend.journal = std::make_unique<journal::LocalJournal>(*backend.store);
    return backend;
  };
}

std::string ready_line(const server::ServerOptions& options, uint16_t port) {
  std::string where;
  if (options.tcp) where = server::to_text({options.tcp->host, port});
  if (options.unix_path) where += (where.empty() ? "" : " and ") + *options.unix_path;
  return "pawl: ready on " + where;
}

}  // namespace

int run_serve(const ServeOptions& options) {
  Result<Plan> plan = make_plan(options);
  if (!plan.ok()) {
    // A file's faults are a line each and name their places themselves.
    const bool of_file = options.config && plan.error().text.starts_with(*options.config + ":");
    std::fprintf(stderr, "%s%s\n", of_file ? "" : "pawl: ", plan.error().text.c_str());
    return exit_usage;
  }
  if (!options.quiet) {
    for (const std::string& notice : plan->notices) std::fprintf(stderr, "%s\n", notice.c_str());
  }
  if (options.check) {
    if (!options.quiet) std::fprintf(stderr, "pawl: the configuration is fine\n");
    return exit_ok;
  }
  if (options.quiet) server::log::set_level(server::log::Level::warn);
  raise_descriptor_limit();
  if (const Status status = make_directory(plan->data); !status.ok()) {
    return complain(status.error().text, exit_failed);
  }
  plan->server.load_config = make_loader(options, *plan);
  Result<std::unique_ptr<server::Server>> server =
      server::Server::open(plan->server, plan->file.bus, rocks_backend(plan->data));
  if (!server.ok()) {
    return complain(server.error().text, server.error().code == Code::badarg ? exit_usage : exit_failed);
  }
  if (!options.quiet) {
    std::fprintf(stderr, "%s\n", ready_line(plan->server, server.value()->tcp_port()).c_str());
    std::fflush(stderr);
  }
  server.value()->run();
  return exit_ok;
}

}  // namespace pawl::cli
