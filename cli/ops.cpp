// ops …: what operators do to a running bus.
#include "cli/dispatch.h"
#include "cli/kill_flags.h"
#include "cli/shapes.h"
#include "cli/values.h"
#include "runner/control.h"

namespace pawl::cli {
namespace {

// The launcher of this bus, where its folder is at hand: it has daemons to read of.
int reload_launcher(Session* session) {
  const auto where = session->endpoint();
  const std::string folder = where ? folder_of(*where) : "";
  if (folder.empty()) return exit_ok;
  const Status done = runner::ask_launcher(
      folder + "/up", "reload",
      [session](std::string_view, std::string_view text) { session->out.talk(printable(text)); });
  const bool nobody = !done.ok() && done.error().code == Code::notleader;
  return done.ok() || nobody ? exit_ok : session->fail(exit_failed, done.error().text);
}

}  // namespace

int run_ops_reload(Session* session) {
  const auto reply = session->ask({"RELOAD"});
  if (!reply) return session->exit_code();
  if (session->out.json()) {
    session->out.document(to_json(*reply));
  } else {
    for (const client::Reply& change : reply->items) session->out.line(printable(change.as_text()));
    if (reply->items.empty()) {
      session->out.talk("nothing has changed for the bus; pawl run takes commands and prompts by itself");
    }
  }
  return reload_launcher(session);
}

}  // namespace pawl::cli
