#include "runner/deployed.h"

namespace pawl::runner {

DeployedVersion deployed_in(const client::Reply& answer) {
  DeployedVersion version;
  version.number = answer.int_of("version").value_or(0);
  version.hash = answer.text_of("hash");
  if (const client::Reply* command = answer.field("command")) {
    for (const client::Reply& word : command->items) version.command.push_back(word.as_text());
  }
  if (const client::Reply* prompt = answer.field("prompt")) version.prompt = prompt->as_text();
  return version;
}

void DeployedWatch::want(const std::string& role, int64_t number) { wanted_[role] = number; }

void DeployedWatch::turn(Link* link, const std::function<std::vector<std::string>()>& roles, int64_t now_ms) {
  if (!link->up()) {
    asked_all_ = false;
    return;
  }
  if (!asked_all_ && !unknown_) {
    for (const std::string& role : roles()) ask(link, role, 0, now_ms);
  }
  asked_all_ = true;
  std::map<std::string, int64_t> wanted;
  wanted.swap(wanted_);
  for (const auto& [role, number] : wanted) ask(link, role, number, now_ms);
}

void DeployedWatch::ask(Link* link, const std::string& role, int64_t number, int64_t now_ms) {
  client::Command command = {"DEPLOY", "GET", role};
  if (number != 0) command.push_back(std::to_string(number));
  link->ask(command, 0, now_ms,
            [this, role, number](const client::Reply* reply) { on_answer(role, number, reply); });
}

void DeployedWatch::on_answer(const std::string& role, int64_t number, const client::Reply* reply) {
  if (!reply) {
    // Once the bus is back; the present version of every role is asked for then anyway.
    if (number != 0) want(role, number);
    return;
  }
  if (!reply->is_error()) {
    on_version_(role, reply->is_nil() ? std::nullopt : std::optional(deployed_in(*reply)));
    return;
  }
  const Error error = reply->error();
  if (number == 0) {
    unknown_ = error.code == Code::err && error.text.find("unknown command") != std::string::npos;
    return;
  }
  DeployedVersion version;
  version.number = number;
  version.fault = error_line(error);
  on_version_(role, std::move(version));
}

}  // namespace pawl::runner
