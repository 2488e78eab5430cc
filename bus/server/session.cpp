#include "bus/server/session.h"

#include <utility>
#include <vector>

#include "bus/base/parse.h"
#include "bus/protocol/help.h"
#include "bus/server/info.h"
#include "bus/server/pipeline.h"
#include "bus/server/verifier.h"

namespace pawl::server {
namespace {

using protocol::RespVersion;
using protocol::RespWriter;
using protocol::SessionKind;

// Takes as long whatever the first different byte is.
bool same_secret(std::string_view given, std::string_view secret) {
  auto difference = static_cast<unsigned>(given.size() != secret.size());
  for (size_t i = 0; i < given.size(); ++i) {
    difference |=
        static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(secret[i % secret.size()]);
  }
  return difference == 0;
}

}  // namespace

Session::Session(Pipeline& pipeline, Verifier& verifier, SessionOptions options)
    : pipeline_(pipeline), verifier_(verifier), options_(std::move(options)) {}

bool Session::allowed_in_multi(const protocol::Command& command) {
  constexpr std::string_view verbs[] = {"EXEC", "DISCARD", "MULTI", "RESET", "QUIT"};
  for (const std::string_view verb : verbs) {
    if (command.verb == verb) return true;
  }
  return false;
}

bool Session::run(Client& client, const protocol::SessionCommand& command) {
  const Args args = command.args;
  switch (command.kind) {
    case SessionKind::multi:
      multi(client);
      break;
    case SessionKind::exec:
      return exec(client);
    case SessionKind::discard:
      discard(client);
      break;
    case SessionKind::subscribe:
      subscribe(client, args, false);
      break;
    case SessionKind::psubscribe:
      subscribe(client, args, true);
      break;
    case SessionKind::unsubscribe:
      unsubscribe(client, args, false);
      break;
    case SessionKind::punsubscribe:
      unsubscribe(client, args, true);
      break;
    case SessionKind::publish:
      publish(client, args);
      break;
    case SessionKind::reload:
      return pipeline_.reload(client);
    case SessionKind::verify:
      return verify(client);
    case SessionKind::shutdown:
      ok(client);
      options_.shutdown();
      break;
    case SessionKind::ping:
    case SessionKind::echo:
    case SessionKind::hello:
    case SessionKind::auth:
    case SessionKind::select:
    case SessionKind::client_setname:
    case SessionKind::client_getname:
    case SessionKind::client_setinfo:
    case SessionKind::client_id:
    case SessionKind::command:
    case SessionKind::config_get:
    case SessionKind::reset:
    case SessionKind::quit:
    case SessionKind::commitseq:
      about_connection(client, command);
      break;
  }
  return true;
}

void Session::about_connection(Client& client, const protocol::SessionCommand& command) {
  const Args args = command.args;
  const auto say = [&](const auto& write) { pipeline_.answer(client, write); };
  switch (command.kind) {
    case SessionKind::ping:
      return ping(client, args);
    case SessionKind::echo:
      return say([&](RespWriter& writer) { writer.bulk(args[0]); });
    case SessionKind::hello:
      return hello(client, args);
    case SessionKind::auth:
      return auth(client, args);
    case SessionKind::client_setname:
      client.name = std::string(args[0]);
      return ok(client);
    case SessionKind::client_getname:
      return say([&](RespWriter& writer) { writer.bulk(client.name); });
    case SessionKind::client_setinfo:
      if (same_word(args[0], "LIB-NAME")) client.library = std::string(args[1]);
      return ok(client);
    case SessionKind::client_id:
      return say([&](RespWriter& writer) { writer.integer(static_cast<int64_t>(client.id)); });
    case SessionKind::command:
      return say([&](RespWriter& writer) { protocol::write_command_reply(writer, args); });
    case SessionKind::config_get:
      // Nothing of redis's configuration exists here; stock clients take that for an answer.
      return say([](RespWriter& writer) { writer.map(0); });
    case SessionKind::reset:
      return reset(client);
    case SessionKind::quit:
      client.close_after_replies = true;
      return ok(client);
    case SessionKind::commitseq:
      return say([&](RespWriter& writer) {
        writer.array(2);
        writer.integer(static_cast<int64_t>(client.last_sequence));
        writer.integer(client.last_position);
      });
    case SessionKind::select:
    case SessionKind::multi:
    case SessionKind::exec:
    case SessionKind::discard:
    case SessionKind::subscribe:
    case SessionKind::psubscribe:
    case SessionKind::unsubscribe:
    case SessionKind::punsubscribe:
    case SessionKind::publish:
    case SessionKind::reload:
    case SessionKind::verify:
    case SessionKind::shutdown:
      return ok(client);
  }
}

void Session::ok(Client& client) {
  pipeline_.answer(client, [](RespWriter& writer) { writer.simple("OK"); });
}

// ---- Connection ------------------------------------------------------------------

void Session::ping(Client& client, Args args) {
  pipeline_.answer(client, [&](RespWriter& writer) {
    if (client.subscribed() && client.version == RespVersion::two) {
      writer.array(2);
      writer.bulk("pong");
      writer.bulk(args.empty() ? std::string_view{} : args[0]);
    } else if (args.empty()) {
      writer.simple("PONG");
    } else {
      writer.bulk(args[0]);
    }
  });
}

bool Session::let_in(Client& client, std::string_view user, std::string_view password) {
  // Both are looked at whatever the other is.
  const bool right_password = same_secret(password, options_.password);
  const bool right_user = same_secret(user, "default");
  if (!right_user || !right_password) {
    pipeline_.answer_error(client, make_error(Code::noauth, "wrong user or password; the user is 'default'"));
    return false;
  }
  client.authenticated = true;
  client.parser.set_limits(protocol::FrameLimits::full());
  return true;
}

void Session::auth(Client& client, Args args) {
  if (!needs_password()) {
    pipeline_.answer_error(
        client, make_error(Code::err, "no password is set; leave AUTH out, or set [bus] password"));
    return;
  }
  const std::string_view user = args.size() == 2 ? args[0] : "default";
  if (let_in(client, user, args.back())) ok(client);
}

void Session::hello(Client& client, Args args) {
  const Result<protocol::Hello> hello = protocol::decode_hello(args);
  if (!hello.ok()) return pipeline_.answer_error(client, hello.error());
  if (hello->auth && needs_password() && !let_in(client, hello->auth->first, hello->auth->second)) return;
  if (!client.authenticated) {
    const Error error =
        make_error(Code::noauth, "authenticate first: HELLO 3 AUTH default password, or AUTH password");
    return pipeline_.answer_error(client, error);
  }
  if (hello->version) client.version = *hello->version == 3 ? RespVersion::three : RespVersion::two;
  if (hello->client_name) client.name = std::string(*hello->client_name);
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
  client.authenticated = !needs_password();
  if (!client.authenticated) client.parser.set_limits(protocol::FrameLimits::unauthenticated());
  pipeline_.answer(client, [](RespWriter& writer) { writer.simple("RESET"); });
}

// ---- Transactions -------------------------------------------------------------------

void Session::multi(Client& client) {
  if (client.in_multi) {
    client.multi_malformed = true;
    return pipeline_.answer_error(client, make_error(Code::err, "MULTI calls cannot be nested"));
  }
  client.leave_multi();
  client.in_multi = true;
  ok(client);
}

bool Session::exec(Client& client) {
  if (!client.in_multi) {
    pipeline_.answer_error(client, make_error(Code::err, "EXEC without MULTI"));
    return true;
  }
  if (client.multi_malformed) {
    client.leave_multi();
    const Error error = make_error(Code::execabort, "nothing was done: a command before was malformed");
    pipeline_.answer_error(client, error);
    return true;
  }
  if (client.queued.empty()) {
    client.leave_multi();
    pipeline_.answer(client, [](RespWriter& writer) { writer.array(0); });
    return true;
  }
  core::op::Transaction transaction;
  std::vector<std::string_view> words;
  for (const std::vector<std::string>& queued : client.queued) {
    words.assign(queued.begin(), queued.end());
    auto item = protocol::decode_transaction_item(words);
    PAWL_CHECK(item.ok());  // it was when it was queued
    transaction.items.push_back(std::move(item.value()));
  }
  if (!pipeline_.serve(client, protocol::flag_write, std::move(transaction))) return false;
  client.leave_multi();
  return true;
}

void Session::discard(Client& client) {
  if (!client.in_multi) return pipeline_.answer_error(client, make_error(Code::err, "DISCARD without MULTI"));
  client.leave_multi();
  ok(client);
}

// ---- Broadcast ---------------------------------------------------------------------

void Session::subscribe(Client& client, Args names, bool pattern) {
  for (const std::string_view name : names) {
    if (client.channels.size() + client.patterns.size() >= limits::items_per_command_max) {
      const std::string most = std::to_string(limits::items_per_command_max);
      return pipeline_.answer_error(
          client, make_error(Code::toobig, "a connection has at most " + most + " subscriptions"));
    }
    if (pattern) {
      pipeline_.hub().subscribe_pattern(client, name);
    } else {
      pipeline_.hub().subscribe(client, name);
    }
    pipeline_.answer(client, [&](RespWriter& writer) {
      writer.push(3);
      writer.bulk(pattern ? "psubscribe" : "subscribe");
      writer.bulk(name);
      writer.integer(static_cast<int64_t>(client.channels.size() + client.patterns.size()));
    });
  }
}

void Session::unsubscribe(Client& client, Args names, bool pattern) {
  const auto say = [&](const std::string* name) {
    pipeline_.answer(client, [&](RespWriter& writer) {
      writer.push(3);
      writer.bulk(pattern ? "punsubscribe" : "unsubscribe");
      if (name == nullptr) {
        writer.nil();
      } else {
        writer.bulk(*name);
      }
      writer.integer(static_cast<int64_t>(client.channels.size() + client.patterns.size()));
    });
  };
  std::vector<std::string> gone(names.begin(), names.end());
  if (names.empty()) {
    const auto& all = pattern ? client.patterns : client.channels;
    gone.assign(all.begin(), all.end());
    if (gone.empty()) say(nullptr);
  }
  for (const std::string& name : gone) {
    if (pattern) {
      pipeline_.hub().unsubscribe_pattern(client, name);
    } else {
      pipeline_.hub().unsubscribe(client, name);
    }
    say(&name);
  }
}

void Session::publish(Client& client, Args args) {
  const size_t receptions = pipeline_.hub().publish(args[0], args[1]);
  pipeline_.answer(client, [&](RespWriter& writer) { writer.integer(static_cast<int64_t>(receptions)); });
}

// ---- Operations ---------------------------------------------------------------------

void Session::configured(const NewConfig& config) { options_.password = config.password; }

bool Session::verify(Client& client) {
  const std::shared_ptr<store::Store> store = pipeline_.engine().store();
  if (!store) {
    const Error error = make_error(Code::readonly, "the store is not open: " + pipeline_.engine().reason());
    pipeline_.answer_error(client, error);
    return true;
  }
  pipeline_.wait_for_verify(client);
  verifier_.request(client.id, store);
  return false;
}

void Session::info(Client& client, Args sections) {
  InfoFacts facts;
  facts.tcp_port = options_.tcp_port;
  facts.now = pipeline_.now();
  facts.clients = pipeline_.client_count();
  facts.commands = pipeline_.commands();
  facts.totals = pipeline_.totals();
  const Engine& engine = pipeline_.engine();
  facts.mode = engine.mode();
  facts.reason = engine.reason();
  facts.durable = engine.durable();
  facts.commits = engine.commits();
  facts.in_flight = engine.in_flight() != 0;
  facts.last_commit_us = engine.last_commit_us();
  facts.waiting = pipeline_.parked();
  const std::string text = info_text(facts, sections);
  pipeline_.answer(client, [&](RespWriter& writer) { writer.bulk(text); });
}

}  // namespace pawl::server
