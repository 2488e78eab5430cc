#include "tests/runner/fake_bus.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "bus/base/result.h"

namespace pawl::test {
namespace {

// One command off the front of `bytes`; nothing when it is not whole yet.
bool take_command(std::string& bytes, FakeBus::Words& words) {
  size_t at = 0;
  const auto number = [&](char mark, size_t& value) {
    const size_t end = bytes.find("\r\n", at);
    if (end == std::string::npos || bytes[at] != mark) return false;
    value = std::stoul(bytes.substr(at + 1, end - at - 1));
    at = end + 2;
    return true;
  };
  size_t count = 0;
  words.clear();
  if (bytes.empty() || !number('*', count)) return false;
  for (size_t i = 0; i < count; ++i) {
    size_t length = 0;
    if (at >= bytes.size() || !number('$', length) || bytes.size() < at + length + 2) return false;
    words.push_back(bytes.substr(at, length));
    at += length + 2;
  }
  bytes.erase(0, at);
  return true;
}

}  // namespace

std::string map_reply(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string text = "*" + std::to_string(fields.size() * 2) + "\r\n";
  for (const auto& [name, value] : fields) {
    for (const std::string& word : {name, value}) {
      text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    }
  }
  return text;
}

FakeBus::FakeBus(std::string path, Answer answer) : path_(std::move(path)), answer_(std::move(answer)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  PAWL_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  PAWL_CHECK(listen(listener_, 8) == 0 && pipe(wake_) == 0);
  thread_ = std::thread([this] { serve(); });
}

FakeBus::~FakeBus() {
  close(wake_[1]);
  thread_.join();
  close(wake_[0]);
  close(listener_);
  unlink(path_.c_str());
}

int FakeBus::asked(const Words& words) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(asked_.begin(), asked_.end(), [&](const Words& other) {
    return other.size() >= words.size() && std::equal(words.begin(), words.end(), other.begin());
  }));
}

void FakeBus::serve() {
  for (;;) {
    std::array<pollfd, 2> polls = {{{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}}};
    poll(polls.data(), polls.size(), -1);
    if (polls[0].revents != 0) return;
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    talk(connection);
    close(connection);
  }
}

void FakeBus::talk(int connection) {
  std::string bytes;
  for (;;) {
    std::array<pollfd, 2> polls = {{{wake_[0], POLLIN, 0}, {connection, POLLIN, 0}}};
    poll(polls.data(), polls.size(), -1);
    if (polls[0].revents != 0) return;
    std::array<char, 4096> buffer;
    const ssize_t got = read(connection, buffer.data(), buffer.size());
    if (got <= 0) return;
    bytes.append(buffer.data(), static_cast<size_t>(got));
    for (Words words; take_command(bytes, words);) {
      {
        const std::lock_guard lock(mutex_);
        asked_.push_back(words);
      }
      const std::string reply = answer_(words);
      if (send(connection, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) return;
    }
  }
}

}  // namespace pawl::test
