// kill, clear: the kill switch, with a bus and without one.
#include <algorithm>

#include "bus/base/limits.h"
#include "cli/dispatch.h"
#include "cli/kill_flags.h"
#include "cli/kill_place.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

using core::FreezeKind;
using core::FreezeRecord;
using core::FreezeScope;

constexpr int64_t connect_ms = 2'000;
constexpr int64_t reply_ms = 10'000;

Result<client::Reply> ask_as_operator(Session* session, const client::Command& command,
                                      const client::Timeouts& timeouts) {
  const auto named = session->try_ask({"CLIENT", "SETNAME", operator_name()}, timeouts);
  return named ? session->try_ask(command, timeouts) : named;
}

// Whether what came back means that the bus cannot do it, rather than that it does not want to.
bool cannot_answer(const Result<client::Reply>& reply) {
  if (!reply) return reply.error().code == Code::err;
  if (!reply->is_error()) return false;
  const Code code = reply->error().code;
  return code == Code::readonly || code == Code::notleader || code == Code::busy;
}

std::string why_not(const Result<client::Reply>& reply) {
  return reply ? error_line(reply->error()) : reply.error().text;
}

// For a reply that is no answer: says so.
int fail_with(Session* session, const Result<client::Reply>& reply) {
  return reply ? session->fail(reply->error()) : session->unreachable(reply.error());
}

// What is wrong with --reason or --data, if anything.
std::optional<std::string> wrong_usage(const Session& session) {
  const Arguments& arguments = session.arguments;
  const auto reason = arguments.text("reason");
  const std::string name(arguments.command->name);
  if (!reason || reason->find_first_not_of(" \t\n") == std::string::npos) {
    return name + " needs a reason: --reason TEXT";
  }
  if (reason->size() > limits::reason_bytes_max) {
    return "--reason has at most " + std::to_string(limits::reason_bytes_max) + " bytes";
  }
  return bad_data(session);
}

int print_freeze(Session* session, const Json& freeze) {
  if (session->out.json()) {
    session->out.document(freeze);
  } else {
    print_map(&session->out, freeze);
  }
  return exit_ok;
}

// The flags by our own hand, as any script may.
int kill_by_file(Session* session, const std::string& folder, const FreezeRecord& freeze,
                 const std::string& why) {
  const auto stands = read_kill_flags(folder, wall_now_ms());
  Json document;
  if (stands && stands->kind == FreezeKind::hard && freeze.kind != FreezeKind::hard) {
    session->out.talk(why + "; nothing written: a hard freeze stands already");
    append_freeze(&document, *stands);
  } else {
    if (Status status = write_kill_flags(folder, freeze); !status) {
      return session->fail(exit_failed, why + "; " + status.error().text);
    }
    session->out.talk(why + "; wrote the flag file instead: a bus of " + folder +
                      " is frozen as soon as it looks, before it does anything else");
    append_freeze(&document, freeze);
  }
  document.set("file", folder + (freeze.kind == FreezeKind::hard ? "/KILL_HARD" : "/KILL"));
  return print_freeze(session, document);
}

}  // namespace

int run_kill(Session* session) {
  const Arguments& arguments = session->arguments;
  if (const auto wrong = wrong_usage(*session)) return session->fail(exit_usage, *wrong);
  const bool hard = arguments.has("hard");
  const std::string scope = arguments.text("scope").value_or("all");
  const auto for_ms = arguments.number("for");
  FreezeRecord freeze;
  freeze.kind = hard ? FreezeKind::hard : FreezeKind::soft;
  freeze.scope = core::freeze_scope_from(scope).value_or(FreezeScope::all);
  freeze.reason = *arguments.text("reason");
  if (hard && for_ms) {
    return session->fail(exit_usage,
                         "--hard has no time limit, --for is for a soft freeze: a hard one ends by "
                         "pawl clear --hard only");
  }
  if (hard && freeze.scope != FreezeScope::all) {
    return session->fail(exit_usage, "--hard is of scope all; --scope is for a soft freeze");
  }
  if (for_ms && *for_ms == 0) return session->fail(exit_usage, "--for 0 would be over before it begins");
  client::Command command = {"KILL", hard ? "HARD" : "SET"};
  if (!hard) command.insert(command.end(), {"SCOPE", std::string(core::freeze_scope_name(freeze.scope))});
  if (for_ms) command.insert(command.end(), {"FOR", std::to_string(*for_ms)});
  command.push_back(freeze.reason);

  const client::Timeouts timeouts = quick(*session, connect_ms, reply_ms);
  const auto reply = ask_as_operator(session, command, timeouts);
  if (cannot_answer(reply)) {
    const std::string folder = folder_at_hand(*session);
    if (folder.empty()) return fail_with(session, reply);
    freeze.by = operator_name();
    freeze.since_ms = wall_now_ms();
    if (for_ms) freeze.until_ms = freeze.since_ms + *for_ms;
    return kill_by_file(session, folder, freeze, why_not(reply));
  }
  if (!reply || reply->is_error()) return fail_with(session, reply);
  if (reply->int_of("durable").value_or(1) == 0) {
    session->out.error(
        "the freeze could not be made durable: it holds while this bus runs or the flag file exists");
  }
  if (!hard && reply->text_of("freeze") == "hard") {
    session->out.talk("a hard freeze stands already; nothing changed");
  }
  return print_freeze(session, map_to_json(*reply));
}

namespace {

int clear_by_file(Session* session, const std::string& folder, const std::string& why) {
  const auto removed = remove_kill_flag(folder);
  if (!removed) return session->fail(exit_failed, why + "; " + removed.error().text);
  if (*removed == Removed::hard_stands) {
    return session->fail(exit_frozen, why +
                                          "; the freeze is hard, and only a running bus can end it: start it "
                                          "(pawl serve), then pawl clear --hard --reason TEXT");
  }
  const bool stood = *removed == Removed::soft;
  session->out.talk(why + (stood ? "; removed the flag file instead" : "; there is no flag file either"));
  Json document;
  document.set("freeze", "none");
  document.set("file", folder + "/KILL");
  if (session->out.json()) {
    session->out.document(document);
  } else {
    session->out.line(stood ? "cleared" : "nothing was frozen");
  }
  return exit_ok;
}

}  // namespace

int run_clear(Session* session) {
  const Arguments& arguments = session->arguments;
  if (const auto wrong = wrong_usage(*session)) return session->fail(exit_usage, *wrong);
  const bool hard = arguments.has("hard");
  client::Command command = {"KILL", "CLEAR"};
  if (hard) command.emplace_back("HARD");
  command.push_back(*arguments.text("reason"));
  const client::Timeouts timeouts = quick(*session, connect_ms, reply_ms);
  const auto before = ask_as_operator(session, {"KILL", "STATUS"}, timeouts);
  const auto reply = before ? session->try_ask(command, timeouts) : before;
  if (cannot_answer(reply)) {
    const std::string folder = folder_at_hand(*session);
    if (folder.empty()) return fail_with(session, reply);
    return clear_by_file(session, folder, why_not(reply));
  }
  if (reply && reply->is_error() && reply->error().code == Code::frozen) {
    return session->fail(
        exit_frozen, error_line(reply->error()) + "; on the command line: pawl clear --hard --reason TEXT");
  }
  if (!reply || reply->is_error()) return fail_with(session, reply);
  if (session->out.json()) {
    session->out.document(map_to_json(*reply));
    return exit_ok;
  }
  const FreezeRecord stood = before && !before->is_error() ? freeze_from(*before) : FreezeRecord();
  if (!stood.frozen()) {
    session->out.line("nothing was frozen");
  } else {
    session->out.line("cleared: " + printable(stood.reason) + ", after " +
                      format_span(std::max<int64_t>(0, wall_now_ms() - stood.since_ms)));
  }
  return exit_ok;
}

}  // namespace pawl::cli
