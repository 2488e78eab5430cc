// What the ops layer is offered.
#include "bus/core/ops_desk.h"

#include <utility>

namespace pawl::core {
namespace {

// An office whose answers to its own entries never end is broken.
constexpr int note_rounds_max = 16;

// One reply, of which only the error is wanted.
class ErrorOnly final : public ReplyWriter {
 public:
  Status status;
  void nil() override {}
  void integer(int64_t /*value*/) override {}
  void bulk(std::string_view /*bytes*/) override {}
  void simple(std::string_view /*text*/) override {}
  void error(const Error& error) override { status = error; }
  void array(size_t /*count*/) override {}
  void map(size_t /*pairs*/) override {}
};

// What a change says to all goes the way of what the office publishes.
class Publisher final : public Outbox {
 public:
  explicit Publisher(OfficeDesk& desk) : desk_(desk) {}
  ReplyWriter& reply_to(ClientId /*client*/) override { return writer_; }
  void carries_claim(ClientId /*client*/, const BirthKey& /*message*/, uint64_t /*token*/) override {}
  void publish(std::string_view topic, std::string_view text) override { desk_.publish(topic, text); }

 private:
  OfficeDesk& desk_;
  ErrorOnly writer_;
};

}  // namespace

void Machine::OpsDesk::deliver_notes() {
  for (int round = 0; !notes_.empty() && round < note_rounds_max; ++round) {
    const std::vector<EventRecord> told = std::exchange(notes_, {});
    for (const EventRecord& event : told) office_.noted(event, *this);
  }
}

void Machine::OpsDesk::settle(Outbox& outbox) {
  if (!notes_.empty()) deliver_notes();
  if (published_.empty()) return;
  for (const auto& [topic, text] : std::exchange(published_, {})) outbox.publish(topic, text);
}

std::vector<std::string> Machine::zones() const { return ops_ ? ops_->zones() : std::vector<std::string>(); }

// ---- Knowledge ------------------------------------------------------------------

void Machine::OpsDesk::each_claim(const std::function<void(const ClaimFacts&)>& visit) const {
  for (const auto& [deadline_ms, sequence] : m_.leases_) {
    const auto found = m_.claims_.find(sequence);
    if (found == m_.claims_.end()) continue;
    const LiveClaim& claim = found->second;
    const LifeRecord& life = claim.life;
    ClaimFacts facts;
    facts.message = claim.key;
    facts.role = m_.role_by_number(life.role).record.name;
    facts.daemon = life.daemon;
    facts.delivery = life.deliveries;
    facts.spent = life.spent;
    facts.claimed_at_ms = life.claimed_at_ms;
    facts.deadline_ms = deadline_ms;
    facts.lease_ms = life.lease_ms;
    facts.cancel_asked = life.cancel;
    visit(facts);
  }
}

std::optional<int64_t> Machine::OpsDesk::oldest_ready_ms(std::string_view role) {
  RoleState* found = m_.find_role(role);
  return found == nullptr ? std::nullopt : m_.oldest_ready_ms(*found);
}

bool Machine::OpsDesk::each_dead(uint64_t& next, size_t rows,
                                 const std::function<void(const DeadFacts&)>& visit) {
  return m_.scan_dead(next, rows, [&](uint64_t number, const DeadRecord& record) {
    const std::string_view role = m_.role_by_number(record.role).record.name;
    visit({number, record.key, role, record.error_class, record.fingerprint, record.at_ms});
    return true;
  });
}

bool Machine::OpsDesk::each_event(uint64_t& next, size_t rows,
                                  const std::function<void(uint64_t, const EventRecord&)>& visit) const {
  std::vector<std::pair<uint64_t, EventRecord>> found;
  m_.view_.scan(Table::chronicle, keys::number(std::max(next, m_.head_.first_event)), "",
                [&](std::string_view key, std::string_view value) {
                  auto event = decode<EventRecord>(value);
                  if (!event) {
                    m_.damage("an entry of the chronicle");
                    return false;
                  }
                  found.emplace_back(keys::read_be(key, 0, 8), std::move(*event));
                  return found.size() < rows;
                });
  for (const auto& [number, event] : found) {
    next = number + 1;
    visit(number, event);
  }
  return found.size() == rows;
}

// ---- Effects --------------------------------------------------------------------

Result<std::string> Machine::OpsDesk::push(const op::Push& push, std::string_view by) {
  const Caller caller(0, by, nullptr);
  const Answer answer = m_.gate_.admit(Operation(push), caller, *m_.desk_);
  if (!answer.allowed()) {
    const Verdict verdict = answer.verdict();
    m_.gate_.refused(verdict, *m_.desk_);
    return m_.refusal(verdict);
  }
  const Result<RoleState*> role = m_.role_for_write(push.role);
  if (!role) return role.error();
  if (push.unique) {
    if (const auto holder = m_.unique_holder(**role, *push.unique)) return encode_id(*holder);
  }
  return encode_id(m_.push_message(**role, push));
}

Status Machine::OpsDesk::pause(std::string_view role, std::string_view reason) {
  if (m_.find_role(role) == nullptr) {
    return make_error(Code::notfound, "no role '" + std::string(role) + "'");
  }
  ErrorOnly writer;
  Publisher outbox(*this);
  m_.apply_pause({role, reason}, writer, outbox);
  return writer.status;
}

Status Machine::OpsDesk::resume(std::string_view role) {
  ErrorOnly writer;
  Publisher outbox(*this);
  m_.apply_resume({role}, writer, outbox);
  return writer.status;
}

size_t Machine::OpsDesk::release_claims(std::string_view role, std::string_view by) {
  constexpr size_t released_max = 256;
  if (m_.freeze_.all()) return 0;
  std::vector<uint64_t> found;
  for (const auto& [deadline_ms, sequence] : m_.leases_) {  // an order that does not depend on the process
    if (found.size() == released_max) break;
    const LiveClaim& claim = m_.claims_.at(sequence);
    if (m_.role_by_number(claim.life.role).record.name == role) found.push_back(sequence);
  }
  for (const uint64_t sequence : found) m_.release_claim(m_.claims_.at(sequence), 0);
  if (!found.empty()) {
    chronicle(
        "role.released",
        {{"role", std::string(role)}, {"by", std::string(by)}, {"claims", std::to_string(found.size())}});
  }
  return found.size();
}

}  // namespace pawl::core
