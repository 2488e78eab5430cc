// What a connection answers by itself: PING to SHUTDOWN.
#include <array>

#include "bus/base/limits.h"
#include "bus/base/parse.h"
#include "bus/protocol/decode_support.h"
#include "bus/protocol/decoders.h"

namespace pawl::protocol {
namespace {

struct SessionName {
  std::string_view verb;
  std::string_view second;
  SessionKind kind;
};
constexpr std::array<SessionName, 25> session_names = {{
    {"PING", "", SessionKind::ping},
    {"ECHO", "", SessionKind::echo},
    {"HELLO", "", SessionKind::hello},
    {"AUTH", "", SessionKind::auth},
    {"SELECT", "", SessionKind::select},
    {"CLIENT", "SETNAME", SessionKind::client_setname},
    {"CLIENT", "GETNAME", SessionKind::client_getname},
    {"CLIENT", "SETINFO", SessionKind::client_setinfo},
    {"CLIENT", "ID", SessionKind::client_id},
    {"COMMAND", "", SessionKind::command},
    {"CONFIG", "GET", SessionKind::config_get},
    {"RESET", "", SessionKind::reset},
    {"QUIT", "", SessionKind::quit},
    {"MULTI", "", SessionKind::multi},
    {"EXEC", "", SessionKind::exec},
    {"DISCARD", "", SessionKind::discard},
    {"SUBSCRIBE", "", SessionKind::subscribe},
    {"UNSUBSCRIBE", "", SessionKind::unsubscribe},
    {"PSUBSCRIBE", "", SessionKind::psubscribe},
    {"PUNSUBSCRIBE", "", SessionKind::punsubscribe},
    {"PUBLISH", "", SessionKind::publish},
    {"COMMITSEQ", "", SessionKind::commitseq},
    {"RELOAD", "", SessionKind::reload},
    {"VERIFY", "", SessionKind::verify},
    {"SHUTDOWN", "", SessionKind::shutdown},
}};

SessionKind kind_of(const Command& command) {
  for (const SessionName& name : session_names) {
    if (name.verb == command.verb && name.second == command.second) return name.kind;
  }
  return SessionKind::ping;
}

constexpr std::string_view own_channels = "pawl.";

// As in redis: no blanks and nothing that breaks a line of a client list.
std::optional<Error> bad_client_name(std::string_view name) {
  for (const char c : name) {
    if (c <= ' ' || c > '~') return badarg("a client's name has no blanks or special characters");
  }
  return bad_length("a client's name", name, 0, limits::name_bytes_max);
}

std::optional<Error> check_channels(Args channels) {
  for (const std::string_view channel : channels) {
    if (auto fault = bad_length("a channel", channel, 1, limits::key_bytes_max)) return fault;
  }
  return too_many_items("channels", channels.size());
}

std::optional<Error> check_session(SessionKind kind, Args args) {
  switch (kind) {
    case SessionKind::hello: {
      const auto hello = decode_hello(args);
      return hello ? std::nullopt : std::optional<Error>(hello.error());
    }
    case SessionKind::select:
      if (args[0] == "0") return std::nullopt;
      return badarg("there is one database, 0; a role is what keeps work apart");
    case SessionKind::client_setname:
      return bad_client_name(args[0]);
    case SessionKind::client_setinfo:
      return bad_length("a value of CLIENT SETINFO", args[1], 0, limits::name_bytes_max);
    case SessionKind::subscribe:
    case SessionKind::unsubscribe:
    case SessionKind::psubscribe:
    case SessionKind::punsubscribe:
      return check_channels(args);
    case SessionKind::publish:
      if (args[0].starts_with(own_channels)) {
        return make_error(Code::denied, "channels that begin with pawl. are the bus's own; use another name");
      }
      return check_channels(args.first(1));
    case SessionKind::ping:
    case SessionKind::echo:
    case SessionKind::auth:
    case SessionKind::client_getname:
    case SessionKind::client_id:
    case SessionKind::command:
    case SessionKind::config_get:
    case SessionKind::reset:
    case SessionKind::quit:
    case SessionKind::multi:
    case SessionKind::exec:
    case SessionKind::discard:
    case SessionKind::commitseq:
    case SessionKind::reload:
    case SessionKind::verify:
    case SessionKind::shutdown:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

Decoded decode_session(const Command& command, Args args) {
  const SessionCommand session{kind_of(command), args.subspan(command.second.empty() ? 1 : 2)};
  if (auto fault = check_session(session.kind, session.args)) return *std::move(fault);
  return session;
}

Result<Hello> decode_hello(Args args) {
  Hello hello;
  if (args.empty()) return hello;
  const auto version = parse_int(args[0]);
  if (version != 2 && version != 3) {
    return badarg("unsupported protocol version " + quoted(args[0]) + "; use HELLO 2 or HELLO 3");
  }
  hello.version = static_cast<int>(*version);
  for (size_t at = 1; at < args.size();) {
    const size_t left = args.size() - at - 1;
    if (same_word(args[at], "AUTH") && left >= 2 && !hello.auth) {
      hello.auth.emplace(args[at + 1], args[at + 2]);
      at += 3;
    } else if (same_word(args[at], "SETNAME") && left >= 1 && !hello.client_name) {
      if (auto fault = bad_client_name(args[at + 1])) return *std::move(fault);
      hello.client_name = args[at + 1];
      at += 2;
    } else {
      return badarg("syntax error in HELLO at " + quoted(args[at]) +
                    "; usage: HELLO [2|3 [AUTH user password] [SETNAME name]]");
    }
  }
  return hello;
}

}  // namespace pawl::protocol
