#include "bus/server/pubsub.h"

#include "bus/server/glob.h"

namespace pawl::server {

bool PubSub::subscribe(Client& client, std::string_view channel) {
  if (!client.channels.emplace(channel).second) return false;
  channels_[std::string(channel)].insert(&client);
  return true;
}

bool PubSub::subscribe_pattern(Client& client, std::string_view pattern) {
  if (!client.patterns.emplace(pattern).second) return false;
  patterns_[std::string(pattern)].insert(&client);
  return true;
}

void PubSub::drop(Index& index, const std::string& key, Client& client) {
  const auto found = index.find(key);
  if (found == index.end()) return;
  found->second.erase(&client);
  if (found->second.empty()) index.erase(found);
}

bool PubSub::unsubscribe(Client& client, std::string_view channel) {
  const auto found = client.channels.find(channel);
  if (found == client.channels.end()) return false;
  drop(channels_, *found, client);
  client.channels.erase(found);
  return true;
}

bool PubSub::unsubscribe_pattern(Client& client, std::string_view pattern) {
  const auto found = client.patterns.find(pattern);
  if (found == client.patterns.end()) return false;
  drop(patterns_, *found, client);
  client.patterns.erase(found);
  return true;
}

void PubSub::leave(Client& client) {
  for (const std::string& channel : client.channels) drop(channels_, channel, client);
  for (const std::string& pattern : client.patterns) drop(patterns_, pattern, client);
  client.channels.clear();
  client.patterns.clear();
}

size_t PubSub::publish(std::string_view channel, std::string_view text) {
  size_t receptions = 0;
  const auto deliver = [&](Client& client, const std::string* pattern) {
    protocol::RespWriter writer(client.replies.buffer(), client.version);
    if (pattern == nullptr) {
      writer.message(channel, text);
    } else {
      writer.pattern_message(*pattern, channel, text);
    }
    client.replies.end_reply(0);
    wrote_(client);
    ++receptions;
  };
  if (const auto found = channels_.find(std::string(channel)); found != channels_.end()) {
    for (Client* client : found->second) deliver(*client, nullptr);
  }
  for (const auto& [pattern, listeners] : patterns_) {
    if (!glob_match(pattern, channel)) continue;
    for (Client* client : listeners) deliver(*client, &pattern);
  }
  return receptions;
}

}  // namespace pawl::server
