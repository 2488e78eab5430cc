// Who listens to what: broadcast as in Redis, in memory only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "bus/server/client.h"

namespace pawl::server {

// Holds clients by pointer: leave() before one goes away. Thread: the loop's.
class PubSub {
 public:
  // `wrote` is told of each client that got bytes.
  explicit PubSub(std::function<void(Client&)> wrote) : wrote_(std::move(wrote)) {}

  // False: it was subscribed already.
  bool subscribe(Client& client, std::string_view channel);
  bool unsubscribe(Client& client, std::string_view channel);
  bool subscribe_pattern(Client& client, std::string_view pattern);
  bool unsubscribe_pattern(Client& client, std::string_view pattern);
  void leave(Client& client);

  // To everyone who listens, now; the number of receptions. Call between replies only: a
  // subscriber's own reply must not be half written.
  size_t publish(std::string_view channel, std::string_view text);

 private:
  using Listeners = std::unordered_set<Client*>;
  using Index = std::unordered_map<std::string, Listeners>;

  static void drop(Index& index, const std::string& key, Client& client);

  std::function<void(Client&)> wrote_;
  Index channels_;
  Index patterns_;
};

}  // namespace pawl::server
