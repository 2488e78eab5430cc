// A blocking client that sees the bytes: what a stock client hides is what these tests are about.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pawl::test {

class RawClient {
 public:
  static RawClient tcp(uint16_t port);
  static RawClient unix_socket(const std::string& path);
  explicit RawClient(int socket) : socket_(socket) {}
  RawClient(RawClient&& other) noexcept;
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { close(); }

  void send(std::string_view bytes);
  void command(const std::vector<std::string>& words) { send(encode(words)); }
  // One reply as text: +simple -error :integer, bulk as it is, (nil), [array, …], {name: value, …},
  // >[push, …]; "(closed)" at the end of the connection, "(silent)" when nothing whole came in time.
  std::string read(int timeout_ms = 5000);
  std::string ask(const std::vector<std::string>& words) {
    command(words);
    return read();
  }
  // Whether there is nothing to read for that long.
  bool silent(int ms) { return read(ms) == "(silent)"; }
  void half_close();
  void close();
  int socket() const { return socket_; }

  static std::string encode(const std::vector<std::string>& words);

 private:
  bool fill(int timeout_ms);
  bool parse(size_t& at, std::string& out) const;

  int socket_ = -1;
  std::string in_;
  bool ended_ = false;
};

// The text of a field in a reply as read() shows it; empty when it is not there.
std::string field(const std::string& reply, const std::string& name);

}  // namespace pawl::test
