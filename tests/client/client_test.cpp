// The client against a scripted peer on a socket: answers of every kind, in pieces, and
// every way to go away.
#include "bus/client/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <thread>

using pawl::client::Client;
using pawl::client::Endpoint;
using pawl::client::Reply;
using pawl::client::Timeouts;

namespace {

// Listens on a free port, accepts one connection, runs `script` with it, closes it.
class Peer {
 public:
  explicit Peer(std::function<void(int)> script) {
    std::signal(SIGPIPE, SIG_IGN);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(listener_, 1) == 0);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    endpoint.host = "127.0.0.1";
    endpoint.port = ntohs(address.sin_port);
    thread_ = std::thread([this, script = std::move(script)] {
      const int connection = accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      script(connection);
      close(connection);
    });
  }
  ~Peer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  Endpoint endpoint;

 private:
  int listener_ = -1;
  std::thread thread_;
};

void say(int fd, std::string_view bytes) {
  REQUIRE(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

// Reads until `count` bytes came, or the end; what came.
std::string hear(int fd, size_t count) {
  std::string bytes(count, '\0');
  size_t have = 0;
  while (have < count) {
    const ssize_t got = recv(fd, bytes.data() + have, count - have, 0);
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

constexpr std::string_view ping = "*1\r\n$4\r\nPING\r\n";

}  // namespace

TEST_CASE("client: every kind of reply, also byte by byte") {
  const std::string script =
      "+PONG\r\n:-5\r\n$-1\r\n$3\r\na\r\n\r\n-LOST gone\r\n*2\r\n$1\r\nx\r\n*2\r\n:1\r\n$-1\r\n*0\r\n";
  for (const bool in_pieces : {false, true}) {
    Peer peer([&](int fd) {
      hear(fd, ping.size() * 7);
      if (!in_pieces) return say(fd, script);
      for (const char c : script) say(fd, std::string_view(&c, 1));
    });
    auto client = Client::connect(peer.endpoint);
    REQUIRE(client.ok());
    for (int i = 0; i < 7; ++i) client->append({"PING"});
    std::vector<Reply> replies;
    for (int i = 0; i < 7; ++i) {
      auto reply = client->read();
      REQUIRE(reply.ok());
      replies.push_back(std::move(*reply));
    }
    CHECK(replies[0].kind == Reply::Kind::simple);
    CHECK(replies[0].bytes == "PONG");
    CHECK(replies[1].number == -5);
    CHECK(replies[2].is_nil());
    CHECK(replies[3].bytes == "a\r\n");
    CHECK(replies[4].error().code == pawl::Code::lost);
    REQUIRE(replies[5].items.size() == 2);
    CHECK(replies[5].items[1].items[0].number == 1);
    CHECK(replies[6].is_array());
    // The peer closes now; that is no reply.
    auto after = client->read();
    REQUIRE_FALSE(after.ok());
    CHECK(after.error().text.find("closed") != std::string::npos);
    CHECK_FALSE(client->call({"PING"}).ok());  // and it stays broken
  }
}

TEST_CASE("client: arguments arrive as they are") {
  std::string heard;
  const std::string odd("\0\r\n\xff[,", 6);
  const std::string expected = "*2\r\n$4\r\nECHO\r\n$6\r\n" + odd + "\r\n";
  {
    Peer peer([&](int fd) {
      heard = hear(fd, expected.size());
      say(fd, "+OK\r\n");
    });
    auto client = Client::connect(peer.endpoint);
    REQUIRE(client.ok());
    REQUIRE(client->call({"ECHO", odd}).ok());
  }
  CHECK(heard == expected);
}

TEST_CASE("client: a deadline for a reply that does not come") {
  Peer peer([](int fd) {
    hear(fd, ping.size());
    say(fd, "$10\r\nhalf");
    hear(fd, 1);  // until the client goes
  });
  Timeouts timeouts;
  timeouts.reply_ms = 30;
  auto client = Client::connect(peer.endpoint, timeouts);
  REQUIRE(client.ok());
  auto reply = client->call({"PING"});
  REQUIRE_FALSE(reply.ok());
  CHECK(reply.error().text.find("no answer in time") != std::string::npos);
}

TEST_CASE("client: what was answered before the end still counts") {
  Peer peer([](int fd) {
    hear(fd, ping.size());
    say(fd, "+ONE\r\n+TWO\r\n");
  });
  auto client = Client::connect(peer.endpoint);
  REQUIRE(client.ok());
  for (int i = 0; i < 3; ++i) client->append({"PING"});
  auto one = client->read();
  REQUIRE(one.ok());
  CHECK(one->bytes == "ONE");
  auto two = client->read();
  REQUIRE(two.ok());
  CHECK(two->bytes == "TWO");
  CHECK_FALSE(client->read().ok());
}

TEST_CASE("client: a peer that is no bus") {
  Peer peer([](int fd) { say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n"); });
  auto client = Client::connect(peer.endpoint);
  REQUIRE(client.ok());
  auto reply = client->call({"PING"});
  REQUIRE_FALSE(reply.ok());
  CHECK(reply.error().code == pawl::Code::err);
}

TEST_CASE("client: more than the sockets hold, both ways, without standing still") {
  constexpr int count = 200;
  const std::string payload(64 * 1024, 'x');
  Peer peer([&](int fd) {
    const std::string bulk = "$65536\r\n" + payload + "\r\n";
    const std::string command = "*2\r\n$4\r\nECHO\r\n" + bulk;
    for (int i = 0; i < count; ++i) {
      if (hear(fd, command.size()).size() != command.size()) return;
      say(fd, bulk);
    }
  });
  auto client = Client::connect(peer.endpoint);
  REQUIRE(client.ok());
  for (int i = 0; i < count; ++i) client->append({"ECHO", payload});
  for (int i = 0; i < count; ++i) {
    auto reply = client->read();
    REQUIRE(reply.ok());
    REQUIRE(reply->bytes.size() == payload.size());
  }
}

TEST_CASE("client: a password is sent first, and its refusal is told apart") {
  struct Row {
    const char* user;
    const char* answer;
    bool ok;
    pawl::Code code;
  };
  const Row rows[] = {{"", "+OK\r\n", true, pawl::Code::err},
                      {"ann", "+OK\r\n", true, pawl::Code::err},
                      {"", "-NOAUTH wrong password\r\n", false, pawl::Code::noauth},
                      {"ann", "-DENIED not you\r\n", false, pawl::Code::denied},
                      {"", "-WRONGPASS no\r\n", false, pawl::Code::noauth}};
  for (const Row& row : rows) {
    std::string heard;
    const bool named = row.user[0] != '\0';
    const std::string expected =
        named ? "*3\r\n$4\r\nAUTH\r\n$3\r\nann\r\n$2\r\npw\r\n" : "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n";
    {
      Peer peer([&](int fd) {
        heard = hear(fd, expected.size());
        say(fd, row.answer);
      });
      Endpoint endpoint = peer.endpoint;
      endpoint.user = row.user;
      endpoint.password = "pw";
      auto client = Client::connect(endpoint);
      CHECK(client.ok() == row.ok);
      if (!client.ok()) CHECK(client.error().code == row.code);
    }
    CHECK(heard == expected);
  }
}

TEST_CASE("client: half-closing still reads what was written") {
  Peer peer([](int fd) {
    hear(fd, ping.size() + 1);  // the end of the client's side
    say(fd, "+LATE\r\n");
  });
  auto client = Client::connect(peer.endpoint);
  REQUIRE(client.ok());
  client->append({"PING"});
  REQUIRE(client->flush().ok());
  client->end_writing();
  auto reply = client->read();
  REQUIRE(reply.ok());
  CHECK(reply->bytes == "LATE");
}

TEST_CASE("client: nobody there") {
  Endpoint tcp;
  tcp.host = "127.0.0.1";
  tcp.port = 1;
  auto refused = Client::connect(tcp);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == pawl::Code::err);
  CHECK(refused.error().text.find("tcp://127.0.0.1:1") != std::string::npos);
  Endpoint file;
  file.path = "/nonexistent/pawl.sock";
  CHECK_FALSE(Client::connect(file).ok());
}
