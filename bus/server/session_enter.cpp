// Coming in: HELLO, AUTH, RESET, and what a user may do beside operations.
#include <utility>

#include "bus/base/limits.h"
#include "bus/server/info.h"
#include "bus/server/pipeline.h"
#include "bus/server/session.h"

namespace pawl::server {

using protocol::RespVersion;
using protocol::RespWriter;

Access::Entry Session::enter(Client& client, std::string_view user, std::string_view password) {
  const Access::Entry entry = access_.enter(client, user, password);
  switch (entry) {
    case Access::Entry::let_in:
      client.wrong_passwords = 0;
      client.parser.set_limits(protocol::FrameLimits::full());
      break;
    case Access::Entry::waits:
      pipeline_.wait_for_verify(client);
      break;
    case Access::Entry::wrong:
      pipeline_.answer_error(client,
                             make_error(Code::noauth, "wrong user or password; users stand in pawl.toml"));
      // Whoever guesses has to connect again.
      if (++client.wrong_passwords >= limits::wrong_passwords_max) client.close_after_replies = true;
      break;
    case Access::Entry::crowded: {
      Error error = make_error(Code::busy, "too many are authenticating; try again");
      error.retry_after_ms = 1000;
      pipeline_.answer_error(client, error);
      break;
    }
  }
  return entry;
}

bool Session::auth(Client& client, Args args) {
  if (!access_.asks()) {
    pipeline_.answer_error(client, make_error(Code::err,
                                              "nobody has to authenticate here; leave AUTH out, or set [bus] "
                                              "password or [user.NAME] in pawl.toml"));
    return true;
  }
  const std::string_view user = args.size() == 2 ? args[0] : "default";
  const Access::Entry entry = enter(client, user, args.back());
  if (entry == Access::Entry::let_in) ok(client);
  return entry != Access::Entry::waits;
}

bool Session::hello(Client& client, Args args) {
  const Result<protocol::Hello> hello = protocol::decode_hello(args);
  if (!hello.ok()) {
    pipeline_.answer_error(client, hello.error());
    return true;
  }
  if (hello->auth && access_.asks()) {
    const Access::Entry entry = enter(client, hello->auth->first, hello->auth->second);
    if (entry != Access::Entry::let_in) return entry != Access::Entry::waits;
  }
  if (!access_.caller_of(client)) {
    const Error error =
        make_error(Code::noauth, "authenticate first: HELLO 3 AUTH user password, or AUTH user password");
    pipeline_.answer_error(client, error);
    return true;
  }
  welcome(client, *hello);
  return true;
}

void Session::welcome(Client& client, const protocol::Hello& hello) {
  if (hello.version) client.version = *hello.version == 3 ? RespVersion::three : RespVersion::two;
  if (hello.client_name) client.name = std::string(*hello.client_name);
  pipeline_.answer(client, [&](RespWriter& writer) {
    writer.map(8);
    writer.bulk("server");
    writer.bulk("pawl");
    writer.bulk("version");
    writer.bulk(redis_version);
    writer.bulk("proto");
    writer.integer(client.version == RespVersion::three ? 3 : 2);
    writer.bulk("id");
    writer.integer(static_cast<int64_t>(client.id));
    writer.bulk("mode");
    writer.bulk("standalone");
    writer.bulk("role");
    writer.bulk("master");
    writer.bulk("modules");
    writer.array(0);
    writer.bulk("pawl_version");
    writer.bulk(program_version());
  });
}

void Session::reset(Client& client) {
  client.leave_multi();
  pipeline_.hub().leave(client);
  client.version = RespVersion::two;
  client.name.clear();
  Access::leave(client);
  if (access_.asks()) client.parser.set_limits(protocol::FrameLimits::unauthenticated());
  pipeline_.answer(client, [](RespWriter& writer) { writer.simple("RESET"); });
}

// ---- What no guard sees ------------------------------------------------------------

bool Session::may_administer(const core::Caller& caller) {
  return caller.user == nullptr || caller.user->admin;
}

Error Session::needs_admin(const core::Caller& caller, const protocol::Command& command) {
  return make_error(Code::denied, "user " + std::string(caller.name) + ": " + command.name() +
                                      " needs the right admin; add \"admin\" to its rights in pawl.toml");
}

// A user with role prefixes hears of his roles; what a pattern could match counts.
std::optional<Error> Session::may_listen(std::string_view name, bool pattern) const {
  constexpr std::string_view of_roles = "pawl.role.";
  const core::UserConfig* user = pipeline_.caller().user;
  if (user == nullptr || user->roles.empty()) return std::nullopt;
  std::string_view literal = name;
  if (pattern) literal = name.substr(0, name.find_first_of("*?[\\"));
  if (literal.starts_with(of_roles)) {
    if (user->covers(literal.substr(of_roles.size()))) return std::nullopt;
  } else if (!pattern || !of_roles.starts_with(literal)) {
    return std::nullopt;
  }
  std::string allowed;
  for (const std::string& prefix : user->roles) ((allowed += ' ') += of_roles) += prefix + "*";
  return make_error(Code::denied, "user " + user->name + ": " + std::string(name) +
                                      " is about roles that are not among its own; it may listen to" +
                                      allowed);
}

}  // namespace pawl::server
