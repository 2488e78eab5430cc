// ops …: what operators do to a running bus.
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {

int run_ops_reload(Session* session) {
  const auto reply = session->ask({"RELOAD"});
  if (!reply) return session->exit_code();
  if (session->out.json()) {
    session->out.document(to_json(*reply));
    return exit_ok;
  }
  for (const client::Reply& change : reply->items) session->out.line(printable(change.as_text()));
  if (reply->items.empty()) session->out.talk("nothing has changed");
  return exit_ok;
}

}  // namespace pawl::cli
