#include "bus/client/client.h"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace pawl::client {

struct Client::Wire {
  redisContext* context = nullptr;
  Timeouts timeouts;
  std::string where;
  std::optional<Error> broken;
  bool unsent = false;

  ~Wire() {
    if (context) redisFree(context);
  }
  Error fail(const std::string& what) {
    if (!broken) broken = pawl::make_error(Code::err, "cannot reach the bus at " + where + ": " + what);
    return *broken;
  }
  Error fail_of_context() {
    if (context->err == REDIS_ERR_EOF) return fail("it closed the connection");
    if (context->err == REDIS_ERR_PROTOCOL)
      return fail(std::string("no bus answers there: ") + context->errstr);
    return fail(context->errstr[0] != '\0' ? context->errstr : std::strerror(errno));
  }
  Status write_some();
  Status read_some();
  Status wait_for(short events, int64_t deadline);
};

namespace {

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Reply convert(const redisReply& raw) {
  switch (raw.type) {
    case REDIS_REPLY_INTEGER:
      return Reply::make_integer(raw.integer);
    case REDIS_REPLY_STRING:
      return Reply::make_text(std::string(raw.str, raw.len));
    case REDIS_REPLY_STATUS:
      return Reply::make_simple(std::string(raw.str, raw.len));
    case REDIS_REPLY_ERROR:
      return Reply::make_error(std::string(raw.str, raw.len));
    case REDIS_REPLY_ARRAY: {
      std::vector<Reply> items;
      items.reserve(raw.elements);
      for (size_t i = 0; i < raw.elements; ++i) items.push_back(convert(*raw.element[i]));
      return Reply::make_array(std::move(items));
    }
    default:
      return Reply::make_nil();
  }
}

timeval to_timeval(int64_t ms) {
  timeval tv{};
  tv.tv_sec = ms / 1000;
  tv.tv_usec = (ms % 1000) * 1000;
  return tv;
}

}  // namespace

Status Client::Wire::write_some() {
  int done = 1;
  if (redisBufferWrite(context, &done) == REDIS_OK) {
    unsent = done == 0;
    return {};
  }
  // What the bus answered before it closed still counts: take it in first.
  const Error failure = fail_of_context();
  context->err = 0;
  while (redisBufferRead(context) == REDIS_OK) {
    pollfd item{context->fd, POLLIN, 0};
    if (poll(&item, 1, 0) <= 0) break;
  }
  return failure;
}

Status Client::Wire::read_some() {
  if (redisBufferRead(context) != REDIS_OK) return fail_of_context();
  return {};
}

Status Client::Wire::wait_for(short events, int64_t deadline) {
  for (;;) {
    const int64_t left = std::max<int64_t>(0, deadline - now_ms());
    pollfd item{context->fd, events, 0};
    const int ready = poll(&item, 1, static_cast<int>(std::min<int64_t>(left, 3'600'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail(std::strerror(errno));
    if (now_ms() >= deadline) return fail("no answer in time");
  }
}

Client::Client(std::unique_ptr<Wire> wire) : wire_(std::move(wire)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(const Endpoint& endpoint, const Timeouts& timeouts) {
  auto wire = std::make_unique<Wire>();
  wire->timeouts = timeouts;
  wire->where = endpoint.text();
  const timeval limit = to_timeval(std::max<int64_t>(1, timeouts.connect_ms));
  wire->context = endpoint.is_unix() ? redisConnectUnixWithTimeout(endpoint.path.c_str(), limit)
                                     : redisConnectWithTimeout(endpoint.host.c_str(), endpoint.port, limit);
  if (!wire->context) return wire->fail("out of memory");
  if (wire->context->err != 0) return wire->fail_of_context();
  // From here on this class does the waiting: hiredis's blocking mode has neither a
  // deadline for a whole reply nor a way not to block in a write.
  const int fd = wire->context->fd;
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return wire->fail(std::strerror(errno));
  }
  wire->context->flags &= ~REDIS_BLOCK;
  Client client(std::move(wire));
  if (!endpoint.password.empty()) {
    const Command auth = endpoint.user.empty() ? Command{"AUTH", endpoint.password}
                                               : Command{"AUTH", endpoint.user, endpoint.password};
    auto reply = client.call(auth);
    if (!reply) return reply.error();
    if (reply->is_error()) {
      Error refused = reply->error();
      if (refused.code == Code::err) refused.code = Code::noauth;
      return refused;
    }
  }
  return client;
}

Result<Reply> Client::call(const Command& command, int64_t wait_ms) {
  append(command);
  return read(wait_ms);
}

void Client::append(const Command& command) {
  std::vector<std::string_view> parts(command.begin(), command.end());
  append(parts.data(), parts.size());
}

void Client::append(const std::string_view* parts, size_t count) {
  if (wire_->broken) return;
  std::vector<const char*> words(count);
  std::vector<size_t> lengths(count);
  for (size_t i = 0; i < count; ++i) {
    words[i] = parts[i].data();
    lengths[i] = parts[i].size();
  }
  if (redisAppendCommandArgv(wire_->context, static_cast<int>(count), words.data(), lengths.data()) !=
      REDIS_OK) {
    wire_->fail_of_context();
  }
  wire_->unsent = true;
}

Status Client::flush() {
  int64_t deadline = now_ms() + wire_->timeouts.reply_ms;
  for (;;) {
    if (wire_->broken) return *wire_->broken;
    if (!wire_->unsent) return {};
    if (auto sent = wire_->write_some(); !sent) return sent;
    if (!wire_->unsent) return {};
    if (auto ready = wire_->wait_for(POLLIN | POLLOUT, deadline); !ready) return ready;
    if (auto got = wire_->read_some(); !got) return got;
  }
}

Result<Reply> Client::read(int64_t wait_ms) {
  if (auto sent = flush(); !sent) return take_or(sent.error());
  const int64_t deadline = now_ms() + wire_->timeouts.reply_ms + wait_ms;
  for (;;) {
    auto next = take();
    if (!next) return next.error();
    if (next->has_value()) return std::move(**next);
    if (auto ready = wire_->wait_for(POLLIN, deadline); !ready) return ready.error();
    if (auto got = wire_->read_some(); !got) return got.error();
  }
}

// A reply that arrived before the connection broke, else the failure.
Result<Reply> Client::take_or(const Error& failure) {
  auto next = take();
  if (next && next->has_value()) return std::move(**next);
  return failure;
}

int Client::fd() const { return wire_->context->fd; }

bool Client::wants_write() const { return wire_->unsent; }

Status Client::pump() {
  if (wire_->broken) return *wire_->broken;
  if (wire_->unsent) {
    if (auto sent = wire_->write_some(); !sent) return sent;
  }
  return wire_->read_some();
}

Result<std::optional<Reply>> Client::take() {
  void* raw = nullptr;
  if (redisGetReplyFromReader(wire_->context, &raw) != REDIS_OK) return wire_->fail_of_context();
  if (!raw) {
    if (wire_->broken) return *wire_->broken;
    return std::optional<Reply>();
  }
  std::optional<Reply> reply = convert(*static_cast<redisReply*>(raw));
  freeReplyObject(raw);
  return reply;
}

void Client::end_writing() { ::shutdown(wire_->context->fd, SHUT_WR); }

}  // namespace pawl::client
