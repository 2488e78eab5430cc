// hiredis against the bus whose port is given: connect, push, claim with wait, ack, pipeline, transaction,
// subscribe.
#include <hiredis/hiredis.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace {

struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, FreeContext>;
using Reply = std::unique_ptr<redisReply, FreeReply>;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "hiredis_client: %s\n", what);
  std::exit(1);
}

Context connect_to(int port) {
  Context context(redisConnectWithTimeout("127.0.0.1", port, timeval{10, 0}));
  expect(context && context->err == 0, "connect");
  redisSetTimeout(context.get(), timeval{30, 0});
  return context;
}

Reply next(redisContext* context) {
  void* reply = nullptr;
  expect(redisGetReply(context, &reply) == REDIS_OK, "a reply");
  return Reply(static_cast<redisReply*>(reply));
}

template <typename... Words>
Reply call(redisContext* context, const char* format, Words... words) {
  expect(redisAppendCommand(context, format, words...) == REDIS_OK, format);
  return next(context);
}

std::string text_of(const redisReply* reply) { return {reply->str, reply->len}; }

std::string field(const redisReply* map, const std::string& name) {
  for (size_t i = 0; i + 1 < map->elements; i += 2) {
    if (text_of(map->element[i]) == name) return text_of(map->element[i + 1]);
  }
  return "";
}

bool is_status(const Reply& reply, const std::string& text) {
  return reply->type == REDIS_REPLY_STATUS && text_of(reply.get()) == text;
}

void claim_waits_for_a_push(int port) {
  const Context worker = connect_to(port);
  const Context client = connect_to(port);
  int written = 0;
  redisAppendCommand(worker.get(), "CLAIM worker jobs WAIT 30000");
  while (written == 0) expect(redisBufferWrite(worker.get(), &written) == REDIS_OK, "the claim is written");
  const std::string binary("a\0b\r\n", 5);
  const Reply pushed = call(client.get(), "PUSH jobs %b", binary.data(), binary.size());
  expect(pushed->type == REDIS_REPLY_STRING, "PUSH answers an id");
  const Reply claims = next(worker.get());
  expect(claims->type == REDIS_REPLY_ARRAY && claims->elements == 1, "one claim");
  const redisReply* claim = claims->element[0];
  expect(field(claim, "id") == text_of(pushed.get()) && field(claim, "payload") == binary, "id and payload");
  const std::string id = field(claim, "id");
  const std::string token = field(claim, "token");
  expect(is_status(call(worker.get(), "ACK %s %s", id.c_str(), token.c_str()), "OK"), "ACK");
  const Reply again = call(worker.get(), "ACK %s %s", id.c_str(), token.c_str());
  expect(again->type == REDIS_REPLY_ERROR && text_of(again.get()).starts_with("LOST "),
         "a second ACK is LOST");
}

void pipeline(int port) {
  constexpr size_t count = 500;
  const Context client = connect_to(port);
  for (size_t i = 0; i < count; ++i) redisAppendCommand(client.get(), "PUSH many %d", static_cast<int>(i));
  std::set<std::string> ids;
  for (size_t i = 0; i < count; ++i) ids.insert(text_of(next(client.get()).get()));
  expect(ids.size() == count, "500 ids");
  const Reply claims = call(client.get(), "CLAIM worker many COUNT 500");
  expect(claims->elements == count, "500 claims");
}

void transaction(int port) {
  const Context client = connect_to(port);
  static_cast<void>(call(client.get(), "PUSH steps first"));
  const Reply claims = call(client.get(), "CLAIM worker steps");
  const std::string id = field(claims->element[0], "id");
  const std::string token = field(claims->element[0], "token");
  expect(is_status(call(client.get(), "MULTI"), "OK"), "MULTI");
  expect(is_status(call(client.get(), "ACK %s %s", id.c_str(), token.c_str()), "QUEUED"), "QUEUED");
  expect(is_status(call(client.get(), "PUSH steps second"), "QUEUED"), "QUEUED");
  const Reply done = call(client.get(), "EXEC");
  expect(done->type == REDIS_REPLY_ARRAY && done->elements == 2, "EXEC answers both");
}

void subscribe(int port) {
  const Context listener = connect_to(port);
  const Context client = connect_to(port);
  static_cast<void>(call(listener.get(), "SUBSCRIBE news"));
  const Reply heard = call(client.get(), "PUBLISH news hello");
  expect(heard->type == REDIS_REPLY_INTEGER && heard->integer == 1, "one listener");
  const Reply message = next(listener.get());
  expect(message->elements == 3 && text_of(message->element[2]) == "hello", "the text arrives");
}

}  // namespace

int main(int argc, char** argv) {
  expect(argc == 2, "usage: hiredis_client PORT");
  const int port = std::atoi(argv[1]);
  claim_waits_for_a_push(port);
  pipeline(port);
  transaction(port);
  subscribe(port);
  std::puts("fine");
}
