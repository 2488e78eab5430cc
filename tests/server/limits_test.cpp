// Bounds of the server at their edges, through real sockets.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/server/fixture.h"

namespace pawl::test {
namespace {

bool begins(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

std::string temporary_folder() {
  char name[] = "/tmp/pawl-server-XXXXXX";
  REQUIRE(mkdtemp(name) != nullptr);
  return name;
}

TEST_CASE("limit: connections, the one over is told and closed") {
  server::ServerOptions options;
  options.connections_max = 2;
  ServerFixture server(options);
  RawClient one = server.client();
  CHECK(one.ask({"PING"}) == "+PONG");
  {
    RawClient two = server.client();
    CHECK(two.ask({"PING"}) == "+PONG");
    RawClient three = server.client();
    CHECK(three.read() == "-ERR max number of clients reached");
    CHECK(three.read() == "(closed)");
    CHECK(two.ask({"QUIT"}) == "+OK");
    CHECK(two.read() == "(closed)");
  }
  RawClient again = server.client();
  CHECK(again.ask({"PING"}) == "+PONG");
}

TEST_CASE("limit: payload at and over the bound") {
  core::BusConfig config;
  config.payload_max = 1000;
  ServerFixture server({}, config);
  RawClient client = server.client();
  CHECK(client.ask({"PUSH", "r", std::string(1000, 'x')}).size() == 16);
  CHECK(begins(client.ask({"PUSH", "r", std::string(1001, 'x')}),
               "-TOOBIG payload: 1001 bytes, the limit is 1000"));
  CHECK(client.ask({"PING"}) == "+PONG");
}

TEST_CASE("limit: arguments of a command") {
  ServerFixture server;
  const size_t most = protocol::FrameLimits::full().args_max;
  RawClient client = server.client();
  client.send("*" + std::to_string(most + 1) + "\r\n");
  CHECK(begins(client.read(), "-TOOBIG"));
  CHECK(client.read() == "(closed)");
}

TEST_CASE("limit: who has not said who he is gets little memory") {
  server::ServerOptions options;
  options.password = "secret";
  ServerFixture server(options);
  SECTION("arguments") {
    RawClient client = server.client();
    client.send("*10\r\n$1\r\nX\r\n");
    CHECK(client.silent(20));
    RawClient over = server.client();
    over.send("*11\r\n");
    CHECK(begins(over.read(), "-NOAUTH"));
    CHECK(over.read() == "(closed)");
  }
  SECTION("bytes") {
    RawClient client = server.client();
    client.send("*2\r\n$4\r\nAUTH\r\n$16000\r\n");
    CHECK(client.silent(20));
    RawClient over = server.client();
    over.send("*2\r\n$4\r\nAUTH\r\n$16384\r\n");
    CHECK(begins(over.read(), "-NOAUTH"));
    CHECK(over.read() == "(closed)");
  }
  SECTION("time") {
    server::ServerOptions quick = options;
    quick.handshake_deadline_ms = 40;
    ServerFixture strict(quick);
    RawClient friend_of = strict.client();
    CHECK(friend_of.ask({"AUTH", "secret"}) == "+OK");
    RawClient stranger = strict.client();
    CHECK(begins(stranger.read(), "-NOAUTH"));
    CHECK(stranger.read() == "(closed)");
    CHECK(friend_of.ask({"PING"}) == "+PONG");
  }
}

TEST_CASE("limit: a half-sent request has a deadline, an idle connection has none") {
  server::ServerOptions options;
  options.request_deadline_ms = 60;
  ServerFixture server(options);
  RawClient idle = server.client();
  CHECK(idle.ask({"PING"}) == "+PONG");
  RawClient parked = server.client();
  parked.command({"CLAIM", "d", "r", "WAIT", "60000"});
  for (const char* half : {"*", "*1\r\n$4\r\nPI", "PIN"}) {
    INFO(half);
    RawClient client = server.client();
    client.send(half);
    CHECK(begins(client.read(), "-ERR the rest of the command"));
    CHECK(client.read() == "(closed)");
  }
  CHECK(idle.ask({"PING"}) == "+PONG");
  CHECK(parked.silent(1));
}

TEST_CASE("limit: a client that never reads is closed at the hard cap") {
  server::ServerOptions options;
  options.output_soft_bytes = size_t{256} << 10;
  options.output_hard_bytes = size_t{1} << 20;
  ServerFixture server(options);
  RawClient deaf = server.client();
  REQUIRE(deaf.ask({"SUBSCRIBE", "c"}) == "[subscribe, c, :1]");
  RawClient speaker = server.client();
  const std::string text(100'000, 'x');
  int heard = 0;
  while (heard < 1000 && speaker.ask({"PUBLISH", "c", text}) == ":1") ++heard;
  // More than the cap, since the kernel buffers some; far less than it would take without one.
  CHECK(heard > 10);
  CHECK(heard < 200);
}

TEST_CASE("limit: a client that reads late is only slowed down, and gets every byte") {
  server::ServerOptions options;
  options.output_soft_bytes = size_t{64} << 10;
  ServerFixture server(options);
  RawClient late = server.client();
  const std::string text(50'000, 'x');
  constexpr int count = 400;
  std::thread sender([&] {
    for (int i = 0; i < count; ++i) late.command({"ECHO", text + std::to_string(i)});
  });
  RawClient other = server.client();
  CHECK(other.ask({"PING"}) == "+PONG");
  int right = 0;
  for (int i = 0; i < count; ++i) right += late.read() == text + std::to_string(i) ? 1 : 0;
  sender.join();
  CHECK(right == count);
}

TEST_CASE("limit: HTTP, lying lengths and garbage end the connection with a reason") {
  ServerFixture server;
  for (const char* bytes :
       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /x HTTP/1.1\r\n", "*1\r\n$99999999999999999999\r\n",
        "*-5\r\n", "*1\r\n$-2\r\n", "*1\r\n:5\r\n", "*1\r\n$4\r\nPINGxx"}) {
    INFO(bytes);
    RawClient client = server.client();
    client.send(bytes);
    CHECK(begins(client.read(), "-"));
    CHECK(client.read() == "(closed)");
  }
}

TEST_CASE("limit: a command cut at every byte is the same command") {
  ServerFixture server;
  RawClient client = server.client();
  const std::string bytes = RawClient::encode({"ECHO", "a\r\nb"});
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    client.send(bytes.substr(0, cut));
    client.send(bytes.substr(cut));
    REQUIRE(client.read() == "a\r\nb");
  }
}

TEST_CASE("start: a TCP address that others reach needs a password") {
  Disk disk;
  for (const char* host : {"0.0.0.0", "::"}) {
    server::ServerOptions options;
    options.tcp = server::Address{host, 0};
    const auto refused = server::Server::open(options, {}, disk.opener());
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().text.find("password") != std::string::npos);
    options.password = "secret";
    CHECK(server::Server::open(options, {}, disk.opener()).ok());
  }
}

TEST_CASE("start: a busy port is one clear line") {
  ServerFixture first;
  Disk disk;
  server::ServerOptions options;
  options.tcp = server::Address{"127.0.0.1", first.port()};
  const auto second = server::Server::open(options, {}, disk.opener());
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().text.find("something listens there already") != std::string::npos);
  CHECK(second.error().text.find(std::to_string(first.port())) != std::string::npos);
}

TEST_CASE("start: the Unix socket, its mode and what may be in its way") {
  const std::string folder = temporary_folder();
  const std::string path = folder + "/pawl.sock";
  Disk disk;
  server::ServerOptions options;
  options.unix_path = path;

  SECTION("works, is 0660 and goes away") {
    {
      ServerFixture server(options);
      struct stat there {};
      REQUIRE(stat(path.c_str(), &there) == 0);
      CHECK((there.st_mode & 0777) == 0660);
      RawClient client = RawClient::unix_socket(path);
      CHECK(client.ask({"PING"}) == "+PONG");
      // Somebody listens: a second one must not take it away.
      const auto second = server::Server::open(options, {}, disk.opener());
      REQUIRE_FALSE(second.ok());
      CHECK(second.error().text.find("something listens there already") != std::string::npos);
      CHECK(client.ask({"PING"}) == "+PONG");
    }
    struct stat there {};
    CHECK(stat(path.c_str(), &there) != 0);
  }
  SECTION("a socket that a dead process left is replaced") {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    ::close(socket);
    ServerFixture server(options);
    CHECK(RawClient::unix_socket(path).ask({"PING"}) == "+PONG");
  }
  SECTION("another file is left alone") {
    ::close(::open(path.c_str(), O_CREAT | O_WRONLY, 0600));
    const auto refused = server::Server::open(options, {}, disk.opener());
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().text.find("no socket") != std::string::npos);
    ::unlink(path.c_str());
  }
  ::rmdir(folder.c_str());
}

TEST_CASE("start: an IPv6 address") {
  Disk disk;
  server::ServerOptions options;
  options.tcp = server::Address{"::1", 0};
  const auto server = server::Server::open(options, {}, disk.opener());
  if (server.ok()) CHECK(server.value()->tcp_port() != 0);  // not every machine has it
}

TEST_CASE("limit: out of file descriptors, a connection is turned away and the bus lives on") {
  ServerFixture server;
  RawClient before = server.client();
  CHECK(before.ask({"PING"}) == "+PONG");
  RawClient unlucky(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit old{};
  getrlimit(RLIMIT_NOFILE, &old);
  // Every descriptor below the limit is taken, so that only the server's accept needs another.
  rlimit tight = old;
  tight.rlim_cur = static_cast<rlim_t>(unlucky.socket()) + 1;
  std::vector<int> fill;
  setrlimit(RLIMIT_NOFILE, &tight);
  for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) fill.push_back(fd);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // Looked at once there are descriptors again: a sanitizer needs some to look at anything.
  const int connected = ::connect(unlucky.socket(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const std::string refusal = unlucky.read();
  const std::string pong = before.ask({"PING"});
  for (const int fd : fill) ::close(fd);
  setrlimit(RLIMIT_NOFILE, &old);
  CHECK(connected == 0);
  CHECK(begins(refusal, "-ERR the bus has no file descriptors left"));
  CHECK(pong == "+PONG");
  CHECK(server.client().ask({"PING"}) == "+PONG");
}

}  // namespace
}  // namespace pawl::test
