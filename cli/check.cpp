// check: whether the fleet is frozen, for scripts; with a bus and without one.
#include <ctime>

#include "cli/dispatch.h"
#include "cli/kill_flags.h"
#include "cli/kill_place.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

using core::FreezeKind;
using core::FreezeRecord;
using core::FreezeScope;

// A check stands in front of other work: it is quick, or goes by the files.
constexpr int64_t connect_ms = 500;
constexpr int64_t reply_ms = 1'000;
constexpr int64_t agree_ms = 400;  // the bus looks at the files every 100 ms
constexpr int64_t agree_step_ms = 20;

struct Standing {
  FreezeRecord freeze;
  const char* source = "bus";  // who says so: the bus, or the flag file
};

void wait_ms(int64_t ms) {
  timespec span{0, static_cast<long>(ms * 1'000'000)};
  nanosleep(&span, nullptr);
}

// Whether the bus has seen what the files say.
bool agree(const FreezeRecord& bus, const std::optional<FreezeRecord>& flag) {
  // A hard freeze does not go with its file.
  if (!flag) return bus.kind != FreezeKind::soft;
  return bus.frozen() && bus.kind >= flag->kind && bus.scope >= flag->scope;
}

// What stands, or what to exit with.
Result<Standing> look(Session* session) {
  const client::Timeouts timeouts = quick(*session, connect_ms, reply_ms);
  const int64_t until = steady_now_ms() + agree_ms;
  const std::string own = folder_of_bus(*session);
  for (;;) {
    const auto status = session->try_ask({"KILL", "STATUS"}, timeouts);
    if (!status || status->is_error()) {
      const std::string folder = folder_at_hand(*session);
      if (folder.empty()) return status ? status->error() : status.error();
      return Standing{read_kill_flags(folder, wall_now_ms()).value_or(FreezeRecord()), "file"};
    }
    const FreezeRecord freeze = freeze_from(*status);
    if (own.empty()) return Standing{freeze, "bus"};
    // A flag made or removed a moment ago: the bus is about to see it, before it does anything else.
    const auto flag = read_kill_flags(own, wall_now_ms());
    if (agree(freeze, flag)) return Standing{freeze, "bus"};
    if (steady_now_ms() >= until) return flag ? Standing{*flag, "file"} : Standing{freeze, "bus"};
    wait_ms(agree_step_ms);
  }
}

}  // namespace

int run_check(Session* session) {
  if (const auto wrong = bad_data(*session)) return session->fail(exit_usage, *wrong);
  const auto asked = core::freeze_scope_from(session->arguments.text("scope").value_or("intake"))
                         .value_or(FreezeScope::intake);
  const auto standing = look(session);
  if (!standing) return session->unreachable(standing.error());
  const FreezeRecord& freeze = standing->freeze;
  const bool frozen = freeze.frozen() && freeze.scope >= asked;
  if (session->out.json()) {
    Json document;
    document.set("frozen", frozen);
    append_freeze(&document, freeze);
    document.set("source", standing->source);
    session->out.document(document);
  } else if (!session->out.quiet()) {
    const std::string stands = freeze.frozen() ? printable(core::freeze_text(freeze)) : "";
    if (frozen) {
      session->out.line("frozen: " + stands);
    } else {
      session->out.line(stands.empty() ? "clear" : "clear: only " + stands);
    }
  }
  return frozen ? exit_frozen : exit_ok;
}

}  // namespace pawl::cli
