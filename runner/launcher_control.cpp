// What `pawl ops` asks of a running launcher, over packets on its socket.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "runner/clock.h"
#include "runner/control.h"
#include "runner/launcher_core.h"

namespace pawl::runner {
namespace {

constexpr size_t packet_bytes_max = 4096;
constexpr size_t callers_max = 64;

std::string on_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text;
}

std::string row_of(const Daemon& daemon, const std::string& why, const std::string& log) {
  std::string row;
  const auto add = [&row](const std::string& text) { row += (row.empty() ? "" : "\t") + on_one_line(text); };
  add(daemon.spec.name);
  add(std::string(life_state_name(daemon.state)));
  add(std::to_string(has_process(daemon.state) ? daemon.run.main.pid : 0));
  add(daemon.run.boot.empty() ? "-" : daemon.run.boot);
  add(std::to_string(daemon.run.started_at));
  add(std::to_string(daemon.starts));
  add(why.empty() ? "-" : why);
  add(daemon.note.empty() ? "-" : daemon.note);
  add(log);
  return row;
}

}  // namespace

void Launcher::answer(Caller& caller, const std::string& packet) {
  (void)!::send(caller.fd, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Launcher::take_callers() {
  int fd = -1;
  while ((fd = accept4(control_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
    if (callers_.size() >= callers_max) {
      close(fd);
      continue;
    }
    callers_.push_back({fd, "", "", false});
  }
  std::array<char, packet_bytes_max> buffer;
  for (Caller& caller : callers_) {
    const ssize_t got = recv(caller.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0 && caller.waits_for.empty()) {
      serve(caller, std::string(buffer.data(), static_cast<size_t>(got)));
    } else if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
      caller.done = true;
    }
  }
}

void Launcher::serve(Caller& caller, const std::string& request) {
  const size_t space = std::min(request.find(' '), request.size());
  const std::string verb = request.substr(0, space);
  if (verb == "list") {
    serve_list(caller);
    return;
  }
  if (verb == "reload") {
    const Status read = read_anew();
    answer(caller, read.ok() ? "say pawl up reads it anew too" : "failed " + on_one_line(read.error().text));
    if (read.ok()) answer(caller, "done");
    caller.done = true;
    return;
  }
  const std::string name = space < request.size() ? request.substr(space + 1) : "";
  Daemon* daemon = find(name);
  if (daemon == nullptr) {
    std::string known;
    for (const Daemon& other : daemons_) known += " " + other.spec.name;
    answer(caller, "notfound this launcher keeps no '" + on_one_line(name) + "'; it keeps" + known);
    caller.done = true;
    return;
  }
  if (verb == "restart" || verb == "relaunch") {
    serve_restart(caller, *daemon, verb == "relaunch");
  } else {
    answer(caller, "failed this launcher does not know '" + on_one_line(verb) + "'; restart it: pawl up");
    caller.done = true;
  }
}

void Launcher::serve_list(Caller& caller) {
  for (const Daemon& daemon : daemons_) {
    std::string why = daemon.why;
    if (daemon.state == LifeState::waiting) {
      why = "for";
      for (const size_t other : daemon.after) {
        if (daemons_[other].state != LifeState::ready) why += " " + daemons_[other].spec.name;
      }
    }
    answer(caller, "row " + row_of(daemon, why, folder_.log_path(daemon.spec.name)));
  }
  answer(caller, "done");
  caller.done = true;
}

// Who asks from inside of the daemon would end himself on the way: only somebody outside can do that.
void Launcher::serve_restart(Caller& caller, Daemon& daemon, bool relaunch) {
  ucred peer{};
  socklen_t length = sizeof peer;
  getsockopt(caller.fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
  const std::string& name = daemon.spec.name;
  const bool inside =
      has_process(daemon.state) && daemon.run.keeper.pid != 0 && is_within(peer.pid, daemon.run.keeper.pid);
  std::string command;
  for (const std::string& word : daemon.spec.command) command += (command.empty() ? "" : " ") + word;
  if (relaunch) {
    answer(caller, "say " + name + " is " + on_one_line(command) +
                       (has_process(daemon.state) ? ", pid " + std::to_string(daemon.run.main.pid)
                                                  : ", and does not run") +
                       "; its log: " + folder_.log_path(name));
  }
  if (inside) {
    answer(caller, "failed " + name +
                       " cannot restart itself, and this was asked from inside of it; a person types: " +
                       options_.relaunch + name);
    caller.done = true;
    return;
  }
  if (stopping_) {
    answer(caller, "failed the launcher is stopping");
    caller.done = true;
    return;
  }
  if (relaunch) {
    daemon.history.forget();
    save_failures();
  }
  caller.waits_for = name;
  caller.old_boot = daemon.run.boot;
  apply(daemon, LifeEvent::restart, relaunch ? "relaunched by an operator" : "restarted by an operator");
  settle();
}

void Launcher::serve_waiting() {
  for (Caller& caller : callers_) {
    if (caller.done || caller.waits_for.empty()) continue;
    const Daemon& daemon = *find(caller.waits_for);
    const bool fresh = daemon.run.boot != caller.old_boot;
    if (daemon.state == LifeState::ready && fresh) {
      answer(caller, "say " + daemon.spec.name + ": ready, pid " + std::to_string(daemon.run.main.pid));
      answer(caller, "done");
      caller.done = true;
    } else if (stopping_ || daemon.state == LifeState::failed || daemon.state == LifeState::backoff) {
      answer(caller, "failed " + daemon.spec.name + " did not become ready: " + daemon.end_text + " (" +
                         std::string(life_state_name(daemon.state)) +
                         "); its log: " + folder_.log_path(daemon.spec.name));
      caller.done = true;
    }
  }
  for (const Caller& caller : callers_) {
    if (caller.done) close(caller.fd);
  }
  callers_.erase(std::remove_if(callers_.begin(), callers_.end(), [](const Caller& c) { return c.done; }),
                 callers_.end());
}

}  // namespace pawl::runner
