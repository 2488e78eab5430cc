// PostgreSQL's wire protocol 3.0: prepared statements, one Bind, Execute and Sync a request, so that every
// request is a transaction of its own. User and database "postgres", which must be let in without a password.
#include "tools/bench/load_driver.h"

namespace pawl::bench {
namespace {

constexpr std::string_view push_sql = "INSERT INTO bench (payload) VALUES ($1)";
constexpr std::string_view take_sql =
    "UPDATE bench SET state = 1, claimed_at = now() WHERE id = "
    "(SELECT id FROM bench WHERE state = 0 ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id, payload";
constexpr std::string_view end_sql = "DELETE FROM bench WHERE id = $1";

void append_int(std::string& out, size_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>((value >> (8 * i)) & 0xff);
}

size_t read_int(std::string_view bytes) {
  size_t value = 0;
  for (const char c : bytes) value = (value << 8) | static_cast<uint8_t>(c);
  return value;
}

void append_text(std::string& out, std::string_view text) {
  out += text;
  out += '\0';
}

// A message: its kind, its length (which counts itself), its body.
std::string message(char kind, std::string_view body) {
  std::string out(1, kind);
  append_int(out, body.size() + 4, 4);
  out += body;
  return out;
}

std::string parse_message(std::string_view name, std::string_view sql) {
  std::string body;
  append_text(body, name);
  append_text(body, sql);
  append_int(body, 0, 2);  // types of the parameters: as the statement says
  return message('P', body);
}

// Bind, Execute, Sync; the parameter, if any, and the results in binary.
std::string call_of(std::string_view name, const std::string* parameter) {
  std::string body;
  append_text(body, "");
  append_text(body, name);
  append_int(body, 1, 2);
  append_int(body, 1, 2);
  append_int(body, parameter == nullptr ? 0 : 1, 2);
  if (parameter != nullptr) {
    append_int(body, parameter->size(), 4);
    body += *parameter;
  }
  append_int(body, 1, 2);
  append_int(body, 1, 2);
  const std::string execute("\0\0\0\0\0", 5);  // the nameless portal, every row
  return message('B', body) + message('E', execute) + message('S', "");
}

class Postgres final : public Driver {
 public:
  explicit Postgres(const Plan& plan) : plan_(plan) {
    using enum Step;
    if (plan.measure == "push") steps_ = {insert};
    if (plan.measure == "take") steps_ = {claim, end};
    if (plan.measure == "cycle") steps_ = {insert, claim, end};
    if (steps_.empty()) die("postgres knows push, take and cycle");
    const std::string payload(plan.bytes, 'x');
    insert_ = call_of("push", &payload);
    claim_ = call_of("take", nullptr);
  }

  uint64_t prepare() override { return plan_.ops; }
  void greet(Socket& socket) override;
  void append_request(Slot& slot, std::string& out) override {
    switch (steps_[slot.step]) {
      case Step::insert:
        out += insert_;
        return;
      case Step::claim:
        out += claim_;
        return;
      case Step::end:
        out += call_of("end", &slot.claims.back().first);
        slot.claims.clear();
        return;
    }
  }
  size_t reply_size(std::string_view unread) override;
  Answer take_answer(Slot& slot, std::string_view reply) override;

 private:
  enum class Step { insert, claim, end };

  void await_ready(Socket& socket);

  const Plan& plan_;
  std::vector<Step> steps_;
  std::string insert_;
  std::string claim_;
  // Of the reply that take_answer() looks at: up to ReadyForQuery.
  bool error_ = false;
  std::string_view tag_;
  std::string_view row_;
};

void Postgres::greet(Socket& socket) {
  std::string body;
  append_int(body, 196608, 4);  // version 3.0
  for (const std::string_view word : {"user", "postgres", "database", "postgres", ""})
    append_text(body, word);
  std::string hello;
  append_int(hello, body.size() + 4, 4);
  socket.write_all(hello + body);
  await_ready(socket);
  socket.write_all(parse_message("push", push_sql) + parse_message("take", take_sql) +
                   parse_message("end", end_sql) + message('S', ""));
  await_ready(socket);
}

void Postgres::await_ready(Socket& socket) {
  size_t size = 0;
  while ((size = reply_size(socket.unread())) == 0) socket.read_some();
  if (error_) die("PostgreSQL: " + std::string(socket.unread().substr(0, size)));
  socket.consume(size);
}

size_t Postgres::reply_size(std::string_view unread) {
  error_ = false;
  tag_ = row_ = {};
  for (size_t at = 0; unread.size() >= at + 5;) {
    const char kind = unread[at];
    const size_t length = read_int(unread.substr(at + 1, 4));
    if (unread.size() < at + 1 + length) return 0;
    const std::string_view body = unread.substr(at + 5, length - 4);
    if (kind == 'E') error_ = true;
    if (kind == 'C') tag_ = body.substr(0, body.size() - 1);
    if (kind == 'D') row_ = body;
    at += 1 + length;
    if (kind == 'Z') return at;
  }
  return 0;
}

Answer Postgres::take_answer(Slot& slot, std::string_view /*reply*/) {
  if (error_) return Answer::wrong;
  const auto fits = [&](bool right) {
    if (!right) return Answer::wrong;
    return slot.step + 1 == steps_.size() ? Answer::done : Answer::step;
  };
  switch (steps_[slot.step]) {
    case Step::insert:
      return fits(tag_ == "INSERT 0 1");
    case Step::end:
      return fits(tag_ == "DELETE 1");
    case Step::claim: {
      if (tag_ == "UPDATE 0") return Answer::empty;
      // Two columns: id (length 8), payload.
      constexpr size_t id_at = 6;
      constexpr size_t payload_length_at = id_at + 8;
      if (tag_ != "UPDATE 1" || row_.size() < payload_length_at + 4) return Answer::wrong;
      slot.claims.assign(1, {std::string(row_.substr(id_at, 8)), ""});
      return fits(read_int(row_.substr(payload_length_at, 4)) == plan_.bytes);
    }
  }
  return Answer::wrong;
}

}  // namespace

std::unique_ptr<Driver> make_postgres_driver(const Plan& plan) { return std::make_unique<Postgres>(plan); }

}  // namespace pawl::bench
