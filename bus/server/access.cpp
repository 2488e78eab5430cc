#include "bus/server/access.h"

#include <utility>

#include "bus/base/limits.h"
#include "bus/server/password.h"
#include "bus/server/pipeline.h"

namespace pawl::server {
namespace {

constexpr std::string_view default_user = "default";
constexpr size_t remembered_max = 10'000;

}  // namespace

Access::Access(const core::BusConfig& present, std::string password, std::function<void()> notify,
               CheckPassword check)
    : present_(present),
      notify_(std::move(notify)),
      check_(check ? std::move(check) : CheckPassword(matches_hash)) {
  set_password(std::move(password));
}

void Access::set_password(std::string password) {
  password_mark_ = fingerprint_of("", password);
  forget_secret(password_);
  password_ = std::move(password);
}

// ---- Who a connection is ------------------------------------------------------

const core::UserConfig* Access::find_user(std::string_view name) const {
  const auto found = present_.users.find(name);
  return found == present_.users.end() ? nullptr : &found->second;
}

std::optional<core::Caller> Access::known_caller(const Client& client) const {
  switch (client.known) {
    case Known::nobody:
      break;
    case Known::by_password:
      if (password_.empty() || client.came_with != password_mark_) break;
      return core::Caller(client.id, present_.users.empty() ? client.name : default_user, nullptr);
    case Known::as_user: {
      // Looked up for each command: another pawl.toml may have dropped the user, or his password.
      const core::UserConfig* user = find_user(client.user);
      if (user == nullptr || user->password_hash != client.came_with) break;
      return core::Caller(client.id, user->name, user);
    }
  }
  return std::nullopt;
}

core::Caller Access::stranger(const Client& client) {
  static const core::UserConfig nobody;
  return {client.id, "", &nobody};
}

Error Access::unknown_caller(const Client& client) const {
  if (client.known == Known::by_password) {
    return make_error(Code::noauth, "[bus] password has gone from pawl.toml or is another one; AUTH again");
  }
  if (client.known == Known::as_user) {
    return make_error(Code::noauth,
                      "user " + client.user + " has gone from pawl.toml or has another password; AUTH again");
  }
  return make_error(Code::noauth, present_.users.empty() ? "authenticate first: AUTH password"
                                                         : "authenticate first: AUTH user password");
}

void Access::leave(Client& client) {
  client.known = Known::nobody;
  client.user.clear();
  client.came_with.clear();
}

// ---- Coming in ------------------------------------------------------------------

Access::Entry Access::enter(Client& client, std::string_view user, std::string_view password) {
  const std::optional<CheckedPassword> checked = std::exchange(client.checked, std::nullopt);
  const bool is_default = same_secret(user, default_user);
  if (is_default && !password_.empty()) {
    if (!same_secret(password, password_)) return Entry::wrong;
    leave(client);
    client.known = Known::by_password;
    client.came_with = password_mark_;
    return Entry::let_in;
  }
  if (present_.users.empty()) return Entry::wrong;
  return enter_user(client, user, password, checked);
}

// One who does not exist takes the same way as one who does, with another's hash.
Access::Entry Access::enter_user(Client& client, std::string_view name, std::string_view password,
                                 const std::optional<CheckedPassword>& checked) {
  const core::UserConfig* user = find_user(name);
  const std::string& hash = (user != nullptr ? *user : present_.users.begin()->second).password_hash;
  // No hash was made of a longer one.
  if (password.size() > limits::password_bytes_max) {
    password = password.substr(0, limits::password_bytes_max);
    user = nullptr;
  }
  // Another pawl.toml may have come meanwhile: then the password is checked against its hash.
  const bool is_checked = checked && checked->fingerprint == fingerprint_of(hash, password);
  if (!is_checked && !is_remembered(hash, password)) return ask_worker(client, hash, password);
  if (user == nullptr || (is_checked && !checked->right)) return Entry::wrong;
  client.known = Known::as_user;
  client.user = user->name;
  client.came_with = hash;
  return Entry::let_in;
}

Access::Entry Access::ask_worker(const Client& client, const std::string& hash, std::string_view password) {
  if (queue_.size() >= limits::password_checks_max) return Entry::crowded;
  queue_.push_back({client.id, hash, std::string(password)});
  if (queue_.size() == 1) {
    if (!worker_) worker_.emplace(notify_);
    worker_->run([this, &request = queue_.front()] { right_ = check_(request.hash, request.password); });
  }
  return Entry::waits;
}

bool Access::is_remembered(const std::string& hash, std::string_view password) const {
  const auto found = remembered_.find(hash);
  return found != remembered_.end() && same_secret(fingerprint_of(hash, password), found->second);
}

void Access::poll(Pipeline& pipeline) {
  if (!worker_ || !worker_->take_done()) return;
  Request request = std::move(queue_.front());
  queue_.pop_front();
  if (right_) {
    if (remembered_.size() >= remembered_max) remembered_.clear();
    remembered_.insert_or_assign(request.hash, fingerprint_of(request.hash, request.password));
  }
  tell(pipeline, request, right_);
  forget_secret(request.password);
  begin_next(pipeline);
}

void Access::begin_next(Pipeline& pipeline) {
  while (!queue_.empty()) {
    Request& next = queue_.front();
    const bool gone = pipeline.find(next.client) == nullptr;
    if (!gone && !is_remembered(next.hash, next.password)) {
      worker_->run([this, &next] { right_ = check_(next.hash, next.password); });
      return;
    }
    tell(pipeline, next, true);
    forget_secret(next.password);
    queue_.pop_front();
  }
}

// The command is run again, and finds the answer with its client.
void Access::tell(Pipeline& pipeline, const Request& request, bool right) {
  Client* client = pipeline.find(request.client);
  if (client == nullptr || client->wait != Wait::verify) return;
  client->checked = CheckedPassword{fingerprint_of(request.hash, request.password), right};
  pipeline.run_again(*client);
}

}  // namespace pawl::server
