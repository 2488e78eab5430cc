#include "tests/scenario/scenario.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <set>

#include "bus/base/ids.h"
#include "bus/base/parse.h"
#include "bus/core/bus.h"
#include "bus/core/verify.h"
#include "tests/scenario/pause_gate.h"
#include "tests/scenario/scenario_line.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/reply_tree.h"

namespace pawl::core {
namespace {

using test::Value;

enum class Mode { plain, restarting, lagging };
constexpr const char* mode_names[] = {"as it stands", "restarting", "with late commits"};

// Compares replies with what a table expects of them, and learns the names of new messages on the way.
class Matcher {
 public:
  explicit Matcher(ScenarioNames& names) : names_(names) {}

  bool matches(const Value& value, const std::vector<std::string>& expected, int64_t now_ms) {
    now_ms_ = now_ms;
    if (expected.empty()) return true;
    switch (value.kind) {
      case Value::Kind::map:
        return std::all_of(expected.begin(), expected.end(),
                           [&](const std::string& word) { return field_matches(value, word); });
      case Value::Kind::array:
        if (value.items.empty()) return expected.size() == 1 && expected[0] == "none";
        if (expected[0][0] == '*') return expected[0] == "*" + std::to_string(value.items.size());
        if (value.items.size() != expected.size()) return false;
        for (size_t i = 0; i < expected.size(); ++i) {
          if (!item_matches(value.items[i], expected[i])) return false;
        }
        return true;
      case Value::Kind::error:
        if (expected[0] != "!" + std::string(code_name(value.code))) return false;
        return std::all_of(expected.begin() + 1, expected.end(), [&](const std::string& word) {
          return value.text.find(word) != std::string::npos;
        });
      case Value::Kind::nil:
      case Value::Kind::integer:
      case Value::Kind::bulk:
      case Value::Kind::simple:
        break;
    }
    return expected.size() == 1 && item_matches(value, expected[0]);
  }

  // A reply with names in the place of ids.
  std::string show(const Value& value) const {
    if (value.kind == Value::Kind::array) {
      std::string out;
      for (const Value& item : value.items) out += (out.empty() ? "" : " ") + item_text(item);
      return out.empty() ? "none" : out;
    }
    return value.kind == Value::Kind::bulk ? names_.name_of(value.text) : test::to_text(value);
  }

 private:
  std::string item_text(const Value& item) const {
    if (item.kind == Value::Kind::nil) return "nil";
    if (item.kind == Value::Kind::integer) return std::to_string(item.number);
    if (item.kind != Value::Kind::map) return names_.name_of(item.text);
    for (const char* name : {"kind", "guard", "id", "name", "channel"}) {
      if (const Value* field = item.field(name)) return names_.name_of(field->text);
    }
    if (const Value* count = item.field("count")) return std::to_string(count->number);
    const Value* state = item.field(item.field("state") != nullptr ? "state" : "role");
    return state != nullptr ? state->text : test::to_text(item);
  }

  bool item_matches(const Value& item, const std::string& expected) {
    const bool text = item.kind == Value::Kind::bulk;
    if (text && !names_.knows(expected) && decode_id(item.text) && names_.name_of(item.text) == item.text) {
      names_.bind(expected, item.text);
      return true;
    }
    // What a schedule pushed is met for the first time in somebody's hands.
    const Value* id = item.kind == Value::Kind::map ? item.field("id") : nullptr;
    if (id != nullptr && !names_.knows(expected) && decode_id(id->text) &&
        names_.name_of(id->text) == id->text) {
      names_.bind(expected, id->text);
      return true;
    }
    return item_text(item) == expected;
  }

  bool field_matches(const Value& map, const std::string& word) const {
    if (word[0] == '-') return map.field(word.substr(1)) == nullptr;
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::string wanted = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (name == "outcomes") return of_invocations(map, "outcome") == wanted;
    if (name == "limped") return of_invocations(map, "limp") == wanted;
    const Value* field = map.field(name);
    if (field == nullptr) return false;
    if (field->kind == Value::Kind::integer) return number_matches(field->number, wanted);
    if (field->kind == Value::Kind::array) return std::to_string(field->items.size()) == wanted;
    return names_.name_of(field->text) == wanted;
  }

  // One field of each, with commas; "no" where an invocation has none.
  static std::string of_invocations(const Value& map, std::string_view name) {
    std::string out;
    if (const Value* invocations = map.field("invocations")) {
      for (const Value& item : invocations->items) {
        const Value* field = item.field(name);
        out += (out.empty() ? "" : ",") + (field != nullptr ? field->text : "no");
      }
    }
    return out;
  }

  bool number_matches(int64_t number, std::string wanted) const {
    if (wanted.empty()) return false;
    const int64_t base = wanted[0] == '+' || wanted[0] == '-' ? now_ms_ : 0;
    if (wanted[0] == '+') wanted.erase(0, 1);
    const size_t dots = wanted.find("..");
    const auto low = parse_int(wanted.substr(0, dots));
    const auto high = dots == std::string::npos ? low : parse_int(wanted.substr(dots + 2));
    return low && high && base + *low <= number && number <= base + *high;
  }

  ScenarioNames& names_;
  int64_t now_ms_ = 0;
};

class Player {
 public:
  Player(const BusConfig& config, const MakeGate& make_gate, const MakeOffice& make_office, Mode mode)
      : config_(config), make_gate_(make_gate), make_office_(make_office), mode_(mode), matcher_(names_) {
    open();
  }

  std::string play(const std::vector<ScenarioLine>& lines) {
    for (size_t i = 0; i < lines.size() && error_.empty(); ++i) {
      const bool more_in_turn = i + 1 < lines.size() && lines[i + 1].same_turn;
      step(lines[i], more_in_turn);
      if (!error_.empty()) return where(lines[i]) + error_;
    }
    hold_ = false;
    settle();
    flush();
    reopen();
    check_rows();
    return error_.empty() ? ""
                          : "at the end, " + std::string(mode_names[static_cast<int>(mode_)]) + ": " + error_;
  }

 private:
  std::string where(const ScenarioLine& line) const {
    return "line " + std::to_string(line.number) + " (" + mode_names[static_cast<int>(mode_)] +
           "): " + line.text + "\n  got: ";
  }
  void fail(const std::string& what) {
    if (error_.empty()) error_ = what;
  }

  // ---- the bus and its turns, as bus.h says
  void open() {
    gate_ = make_gate_ ? make_gate_() : std::make_unique<PauseGate>();
    if (make_office_) office_ = make_office_();
    auto opened = Bus::open(store_, config_, *gate_, office_.get());
    if (!opened) return fail("the bus does not open: " + error_line(opened.error()));
    bus_ = std::move(*opened);
    begin_turn();
    end_turn();
  }
  void reopen() {
    bus_.reset();
    in_flight_.reset();
    pending_.clear();
    turn_open_ = false;
    open();
  }
  void begin_turn() {
    if (turn_open_) return;
    turn_open_ = true;
    wall_ms_ = std::max(wall_ms_, clock_.now().wall_ms);
    bus_->begin_turn(clock_.now());
  }
  void end_turn() {
    bus_->tick(outbox_);
    turn_open_ = false;
    collect();
    if (bus_->failed()) return fail("the bus says that a row is damaged or a read failed");
    if (!hold_) seal();
  }
  void commit() {
    if (!in_flight_) return;
    if (!store_.write(*in_flight_)) fail("the store refused a batch");
    in_flight_.reset();
    bus_->committed();
  }
  void seal() {
    commit();
    if (!bus_->has_changes()) return;
    in_flight_ = bus_->seal();
    unsaved_time_ = false;
    if (mode_ != Mode::lagging) commit();
  }
  void flush() {
    if (hold_) return;
    for (int i = 0; i < 3; ++i) seal();
    commit();
  }
  bool wants_a_turn() const {
    const auto wakeup = bus_->next_wakeup_ms();
    return bus_->more_work() || (wakeup && *wakeup <= clock_.now().mono_ms);
  }
  // Turns until the bus has nothing left to do now.
  void settle() {
    constexpr int turns_max = 3000;
    for (int i = 0; error_.empty() && wants_a_turn(); ++i) {
      if (hold_ && tolerant_ && i == 3) return;
      if (i == turns_max) return fail("the bus asks for another turn for ever");
      begin_turn();
      end_turn();
    }
  }
  void advance(int64_t ms) {
    const int64_t end = clock_.now().mono_ms + ms;
    while (error_.empty() && clock_.now().mono_ms < end) {
      constexpr int64_t step_ms = 5000;
      int64_t next = std::min(end, clock_.now().mono_ms + step_ms);
      if (const auto wakeup = bus_->next_wakeup_ms()) next = std::min(next, *wakeup);
      pass(std::max(next, clock_.now().mono_ms + 1) - clock_.now().mono_ms);
    }
  }
  void pass(int64_t ms) {
    clock_.advance(ms);
    unsaved_time_ = true;
    begin_turn();
    end_turn();
    settle();
  }
  void collect() {
    for (test::Reply& reply : outbox_.take()) {
      pending_.erase(reply.client);
      learn_tokens(reply);
      inbox_[reply.client].push_back(std::move(reply.value));
    }
  }
  void learn_tokens(const test::Reply& reply) {
    if (reply.value.kind != Value::Kind::array) return;
    if (reply.claims.size() != reply.value.items.size() && !reply.claims.empty())
      fail("not every claim is announced");
    for (const Value& item : reply.value.items) {
      const Value* token = item.field("token");
      if (token != nullptr)
        names_.bind_token(item.field("id")->text, item.field("delivery")->number, token->text);
    }
  }
  void check_rows() {
    if (in_flight_ || bus_->has_changes()) return;
    const VerifyReport report = verify(store_);
    if (!report.ok) fail("verify: " + report.problems.front());
  }

  // ---- lines
  void step(ScenarioLine line, bool more_in_turn) {
    if (control(line)) return;
    if (line.verb == "role" || line.verb == "roles") flush();
    const ClientId client = client_of(line);
    if (pending_.count(client) != 0) return fail("the table uses a client that still waits");
    Value reply;
    std::string cursor = line.verb == "list" || line.verb == "deadlist" ? "0" : "";
    for (int page = 0; page < 1000; ++page) {
      if (!ask(line, client, cursor, more_in_turn)) return;
      auto& replies = inbox_[client];
      if (line.verb == "unclaim") break;
      if (replies.empty()) {
        pending_.insert(client);
        if (line.expected != std::vector<std::string>{"parked"}) fail("no reply");
        return;
      }
      Value part = std::move(replies.front());
      replies.pop_front();
      if (!add_page(line, std::move(part), reply, cursor)) break;
    }
    check(line, reply);
    if (!more_in_turn) after_line();
  }
  void after_line() {
    if (hold_ || !error_.empty()) return;
    check_rows();
    if (mode_ != Mode::restarting || !pending_.empty() || unsaved_time_) return;
    flush();
    reopen();
  }
  bool ask(const ScenarioLine& line, ClientId client, const std::string& cursor, bool more_in_turn) {
    const std::vector<ScenarioLine> parts =
        line.verb == "exec" ? split_exec(line) : std::vector<ScenarioLine>{};
    begin_turn();
    auto operation = make_operation(line, names_, clock_.now().wall_ms, cursor);
    if (!operation) {
      fail("the table has no verb " + line.verb);
      return false;
    }
    for (const ScenarioLine& part : parts) {
      auto item = make_operation(part, names_, clock_.now().wall_ms, "");
      auto& items = std::get<op::Transaction>(*operation).items;
      if (auto* push = std::get_if<op::Push>(&*item)) items.emplace_back(*push);
      if (auto* ack = std::get_if<op::Ack>(&*item)) items.emplace_back(*ack);
      if (auto* failed = std::get_if<op::Fail>(&*item)) items.emplace_back(*failed);
    }
    bus_->apply(client, *operation, outbox_);
    collect();
    if (!more_in_turn) {
      end_turn();
      settle();
    }
    return error_.empty();
  }
  // Returns whether there is another page to ask for.
  bool add_page(ScenarioLine& line, Value part, Value& whole, std::string& cursor) const {
    if (line.verb == "claim" && part.kind == Value::Kind::array)
      return add_claims(line, std::move(part), whole);
    const bool list =
        line.verb == "list" || line.verb == "deadlist" || line.verb == "events" || line.verb == "incidents";
    if (!list || part.kind != Value::Kind::array || part.items.size() != 2) {
      whole = std::move(part);
      return false;
    }
    whole.kind = Value::Kind::array;
    Value& items = part.items[1];
    const bool empty = items.items.empty();
    const bool gap = !empty && items.items[0].field("from") != nullptr;
    whole.items.insert(whole.items.end(), items.items.begin(), items.items.end());
    if (line.verb == "events") {
      cursor = std::to_string(part.items[0].number);
      return line.flag("n") && !empty && !gap && !line.flag("wait");
    }
    if (line.verb == "incidents") return false;
    cursor = part.items[0].text;
    return cursor != "0";
  }
  // COUNT is an upper bound: where windows are tiny, a claim ends at their edge and is asked for the rest.
  bool add_claims(ScenarioLine& line, Value part, Value& whole) const {
    constexpr size_t tiny_rows = 16;
    whole.kind = Value::Kind::array;
    whole.items.insert(whole.items.end(), part.items.begin(), part.items.end());
    const int64_t wanted = line.number_of("n").value_or(1) - static_cast<int64_t>(part.items.size());
    line.options["n"] = std::to_string(wanted);
    return config_.refill_rows_per_step < tiny_rows && !line.flag("wait") && !part.items.empty() &&
           wanted > 0;
  }
  bool control(const ScenarioLine& line) {
    if (line.verb[0] == '+') {
      advance(*parse_duration_ms(line.verb.substr(1)));
    } else if (line.verb == "later") {
      clock_.advance(*parse_duration_ms(line.args.at(0)));
      unsaved_time_ = true;
    } else if (line.verb == "jump") {
      pass(*parse_duration_ms(line.args.at(0)));
    } else if (line.verb == "wall") {
      const std::string& by = line.args.at(0);
      const int64_t ms = *parse_duration_ms(by.substr(1));
      clock_.jump_wall(by[0] == '-' ? -ms : ms);
      pass(1);
    } else if (line.verb == "restart") {
      flush();
      if (line.flag("down")) clock_.advance(*parse_duration_ms(*line.word("down")));
      reopen();
    } else if (line.verb == "hold") {
      flush();
      hold_ = true;
      tolerant_ = line.args.empty();
    } else if (line.verb == "flow") {
      hold_ = false;
      flush();
    } else if (line.verb == "gone") {
      bus_->disconnected(client_named(line.args.at(0)));
      pending_.erase(client_named(line.args.at(0)));
    } else if (line.verb == "files") {
      begin_turn();
      bus_->apply(0, *make_operation(line, names_, clock_.now().wall_ms, ""), outbox_);
      collect();
      end_turn();
      settle();
    } else if (line.verb == "silent") {
      auto& replies = inbox_[client_named(line.args.at(0))];
      if (!replies.empty()) fail(matcher_.show(replies.front()));
    } else if (line.verb == "reply") {
      auto& replies = inbox_[client_named(line.args.at(0))];
      if (replies.empty()) {
        fail("no reply yet");
      } else {
        // Of events, the entries; the cursor before them has tables of its own.
        Value& reply = replies.front();
        const bool events = reply.kind == Value::Kind::array && reply.items.size() == 2 &&
                            reply.items[0].kind == Value::Kind::integer;
        check(line, events ? reply.items[1] : reply);
        replies.pop_front();
      }
    } else {
      return false;
    }
    if (!hold_ && error_.empty()) check_rows();
    return true;
  }
  void check(const ScenarioLine& line, const Value& reply) {
    if (!error_.empty() || matcher_.matches(reply, line.expected, wall_ms_)) return;
    fail(matcher_.show(reply) + (reply.kind == Value::Kind::array ? "\n  " + test::to_text(reply) : ""));
  }
  ClientId client_of(const ScenarioLine& line) {
    return line.flag("as") ? client_named(std::string(*line.word("as"))) : next_client_++;
  }
  ClientId client_named(const std::string& name) {
    const auto [at, fresh] = clients_.emplace(name, next_client_);
    if (fresh) ++next_client_;
    return at->second;
  }

  const BusConfig config_;
  const MakeGate make_gate_;
  const MakeOffice make_office_;
  const Mode mode_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<Office> office_;
  test::MemoryStore store_;
  test::FakeClock clock_;
  test::RecordingOutbox outbox_;
  ScenarioNames names_;
  Matcher matcher_;
  std::unique_ptr<Bus> bus_;
  std::optional<Batch> in_flight_;
  bool turn_open_ = false;
  bool hold_ = false;
  bool tolerant_ = false;
  bool unsaved_time_ = false;
  int64_t wall_ms_ = 0;
  ClientId next_client_ = 1;
  std::map<std::string, ClientId> clients_;
  std::map<ClientId, std::deque<Value>> inbox_;
  std::set<ClientId> pending_;
  std::string error_;
};

}  // namespace

std::string play(const std::string& table, const BusConfig& config, const MakeGate& make_gate,
                 const MakeOffice& make_office) {
  const std::vector<ScenarioLine> lines = read_table(table);
  std::string errors;
  for (const Mode mode : {Mode::plain, Mode::restarting, Mode::lagging}) {
    const std::string error = Player(config, make_gate, make_office, mode).play(lines);
    if (!error.empty()) errors += error + "\n";
  }
  return errors;
}

BusConfig tiny_windows() {
  BusConfig config;
  config.window_entries_min = 1;
  config.window_entries_max = 3;
  config.window_entries_total_max = 8;
  config.refill_rows_per_step = 2;
  config.home_cache_bytes = 2000;  // a few rows
  config.job_rows_per_step = 2;
  return config;
}

}  // namespace pawl::core
