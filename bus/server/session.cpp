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

}  // namespace

Session::Session(Pipeline& pipeline, Verifier& verifier, Access& access, SessionOptions options)
    : pipeline_(pipeline), verifier_(verifier), access_(access), options_(std::move(options)) {}

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
    case SessionKind::hello:
      return hello(client, args);
    case SessionKind::auth:
      return auth(client, args);
    case SessionKind::shutdown:
      ok(client);
      options_.shutdown();
      break;
    case SessionKind::ping:
    case SessionKind::echo:
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
    case SessionKind::hello:
    case SessionKind::auth:
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
    if (const auto denied = may_listen(name, pattern)) return pipeline_.answer_error(client, *denied);
  }
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

void Session::configured(const NewConfig& config) {
  access_.set_password(config.password);
  if (options_.limit_disk) options_.limit_disk(config.disk);
}

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
