// The bus. A take is ACK … NEXT: one request ends a claim and takes the next message.
#include <algorithm>
#include <cstdio>

#include "tools/bench/load_figures.h"
#include "tools/bench/load_loop.h"
#include "tools/bench/load_resp.h"

namespace pawl::bench {
namespace {

constexpr std::string_view lease = "3600000";
constexpr size_t claims_at_once = 1000;

class Pawl final : public RespDriver {
 public:
  explicit Pawl(const Plan& plan) : RespDriver(plan), push_(resp_frame({"PUSH", "bench", payload_})) {
    using enum Step;
    if (plan.measure == "push") steps_ = {push};
    if (plan.measure == "claim") steps_ = {claim};
    if (plan.measure == "ack") steps_ = {ack};
    if (plan.measure == "next" || plan.measure == "take") steps_ = {next};
    if (plan.measure == "cycle") steps_ = {push, next};
    if (plan.measure == "batch") steps_ = {push_many, claim_many, ack_many};
    if (plan.measure == "ping") steps_ = {ping};
    if (steps_.empty()) die("pawl knows push, claim, ack, next, take, cycle, batch, drain and ping");
    const std::string many = std::to_string(plan.batch);
    claim_ = resp_frame({"CLAIM", "bench", "bench", "LEASE", lease});
    claim_many_ = resp_frame({"CLAIM", "bench", "bench", "COUNT", many, "LEASE", lease});
    if (plan.measure == "batch") push_many_ = pushes(plan.batch);
  }

  uint64_t prepare() override;
  void append_request(Slot& slot, std::string& out) override;
  Answer take_answer(Slot& slot, std::string_view reply) override;
  void settle(std::vector<Claim> held) override;
  uint64_t weight() const override { return plan_.measure == "batch" ? plan_.batch : 1; }

 private:
  enum class Step { ping, push, claim, ack, next, push_many, claim_many, ack_many };

  std::string pushes(size_t count) const {
    std::string out;
    append_resp_array(out, 2 + count);
    for (const std::string_view word : {"MPUSH", "bench"}) append_resp_word(out, word);
    for (size_t i = 0; i < count; ++i) append_resp_word(out, payload_);
    return out;
  }
  Answer judge(Slot& slot);
  bool collect(std::vector<Claim>& claims, size_t wanted) const;
  Claim next_claim(Slot& slot);

  std::vector<Step> steps_;
  std::string push_;
  std::string claim_;
  std::string push_many_;
  std::string claim_many_;
  std::vector<Claim> pool_;  // claims that no slot holds
};

// Claims of a reply's strings: "id" X … "token" Y … "payload" Z.
void collect_claims(const std::vector<std::string>& words, std::vector<Claim>& claims) {
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "id") {
      claims.emplace_back(words[++i], "");
    } else if (words[i] == "token" && !claims.empty()) {
      claims.back().second = words[++i];
    }
  }
}

std::vector<Claim> take_claims(Socket& socket, size_t count) {
  std::vector<Claim> claims;
  while (claims.size() < count) {
    const size_t before = claims.size();
    const std::string wanted = std::to_string(std::min(claims_at_once, count - before));
    collect_claims(ask_resp(socket, resp_frame({"CLAIM", "bench", "bench", "COUNT", wanted, "LEASE", lease})),
                   claims);
    if (claims.size() == before) die("there are only " + std::to_string(before) + " messages to claim");
  }
  return claims;
}

void append_acks(std::string& out, const std::vector<Claim>& claims) {
  append_resp_array(out, 1 + 2 * claims.size());
  append_resp_word(out, "MACK");
  for (const auto& [id, token] : claims) {
    append_resp_word(out, id);
    append_resp_word(out, token);
  }
}

void ack_all(Socket& socket, const std::vector<Claim>& claims) {
  if (claims.empty()) return;
  std::string request;
  append_acks(request, claims);
  const std::vector<std::string> answers = ask_resp(socket, request);
  const auto acked = std::count(answers.begin(), answers.end(), "OK");
  if (static_cast<size_t>(acked) != claims.size()) die("not every message could be acknowledged");
}

uint64_t Pawl::prepare() {
  const size_t slots = plan_.slots();
  Socket socket(plan_.port);
  if (plan_.measure == "ack") pool_ = take_claims(socket, plan_.ops);
  if (plan_.measure == "cycle") {
    static_cast<void>(ask_resp(socket, pushes(slots)));
  }
  if (plan_.measure == "cycle" || plan_.measure == "next" || plan_.measure == "take") {
    pool_ = take_claims(socket, std::min<uint64_t>(slots, plan_.ops));
  }
  if (plan_.measure == "batch") return std::max<uint64_t>(plan_.ops / plan_.batch, slots);
  // What was claimed beforehand is a part of the messages there are.
  return plan_.measure == "take" ? plan_.ops - pool_.size() : plan_.ops;
}

Claim Pawl::next_claim(Slot& slot) {
  std::vector<Claim>& from = slot.claims.empty() ? pool_ : slot.claims;
  if (from.empty()) die("a claim is lost: see the error before");
  Claim claim = std::move(from.back());
  from.pop_back();
  return claim;
}

void Pawl::append_request(Slot& slot, std::string& out) {
  switch (steps_[slot.step]) {
    case Step::ping:
      out += "*1\r\n$4\r\nPING\r\n";
      return;
    case Step::push:
      out += push_;
      return;
    case Step::claim:
      out += claim_;
      return;
    case Step::push_many:
      out += push_many_;
      return;
    case Step::claim_many:
      out += claim_many_;
      return;
    case Step::ack_many:
      append_acks(out, slot.claims);
      return;
    case Step::ack:
    case Step::next: {
      const bool next = steps_[slot.step] == Step::next;
      const Claim claim = next_claim(slot);
      append_resp_array(out, next ? 7 : 3);
      for (const std::string_view word :
           {std::string_view("ACK"), std::string_view(claim.first), std::string_view(claim.second)}) {
        append_resp_word(out, word);
      }
      if (!next) return;
      for (const std::string_view word :
           {std::string_view("NEXT"), std::string_view("LEASE"), lease, std::string_view("bench")}) {
        append_resp_word(out, word);
      }
      return;
    }
  }
}

bool Pawl::collect(std::vector<Claim>& claims, size_t wanted) const {
  size_t payloads = 0;
  for (size_t i = 0; i + 1 < words_.size(); ++i) {
    if (words_[i] == "id") {
      claims.emplace_back(words_[++i], "");
    } else if (words_[i] == "token" && !claims.empty()) {
      claims.back().second = words_[++i];
    } else if (words_[i] == "payload") {
      payloads += words_[++i].size() == plan_.bytes ? 1 : 0;
    }
  }
  return claims.size() == wanted && payloads == wanted;
}

Answer Pawl::take_answer(Slot& slot, std::string_view reply) {
  if (reply.starts_with('-')) return Answer::wrong;
  const Answer answer = judge(slot);
  return answer == Answer::step && slot.step + 1 == steps_.size() ? Answer::done : answer;
}

Answer Pawl::judge(Slot& slot) {
  const auto fits = [](bool right) { return right ? Answer::step : Answer::wrong; };
  switch (steps_[slot.step]) {
    case Step::ping:
      return Answer::step;
    case Step::push:
      return fits(words_.size() == 1);
    case Step::ack:
      return fits(words_.size() == 1 && words_[0] == "OK");
    case Step::push_many:
      return fits(words_.size() == plan_.batch);
    case Step::claim: {
      std::vector<Claim> taken;
      return fits(collect(taken, 1));
    }
    case Step::next:
      return fits(collect(slot.claims, 1));
    case Step::claim_many:
      return fits(collect(slot.claims, plan_.batch));
    case Step::ack_many: {
      slot.claims.clear();
      const auto acked = std::count(words_.begin(), words_.end(), "OK");
      return fits(static_cast<size_t>(acked) == plan_.batch);
    }
  }
  return Answer::wrong;
}

void Pawl::settle(std::vector<Claim> held) {
  // "next" leaves its last claims as they are: whoever runs it counts on that.
  if (plan_.measure != "take" && plan_.measure != "cycle") return;
  held.insert(held.end(), pool_.begin(), pool_.end());
  Socket socket(plan_.port);
  ack_all(socket, held);
}

}  // namespace

void drain_pawl(const Plan& plan) {
  Socket socket(plan.port);
  Latencies latencies;
  const int64_t began = now_us();
  for (uint64_t done = 0; done < plan.ops;) {
    const int64_t asked = now_us();
    const std::vector<Claim> claims =
        take_claims(socket, std::min<uint64_t>(claims_at_once, plan.ops - done));
    ack_all(socket, claims);
    latencies.record(now_us() - asked);
    done += claims.size();
  }
  const double seconds = static_cast<double>(now_us() - began) / 1e6;
  std::puts(figures(latencies, plan.ops, seconds, 0).c_str());
}

std::unique_ptr<Driver> make_pawl_driver(const Plan& plan) { return std::make_unique<Pawl>(plan); }

}  // namespace pawl::bench
