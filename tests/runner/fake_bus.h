// A bus that is only a socket and a table of answers, for what a launcher asks of one.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace pawl::test {

class FakeBus {
 public:
  using Words = std::vector<std::string>;
  // Answers a command in RESP ("+OK\r\n"); called on the bus's thread.
  using Answer = std::function<std::string(const Words&)>;

  FakeBus(std::string path, Answer answer);
  FakeBus(const FakeBus&) = delete;
  FakeBus& operator=(const FakeBus&) = delete;
  ~FakeBus();

  // How often a command was asked that begins with these words.
  int asked(const Words& words) const;

 private:
  void serve();
  void talk(int connection);

  const std::string path_;
  const Answer answer_;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  mutable std::mutex mutex_;
  std::vector<Words> asked_;
  std::thread thread_;
};

// A map as RESP2 has it.
std::string map_reply(const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace pawl::test
