// Redis lists, the usual reliable queue: LPUSH, LMOVE to a list of what is being worked on, RPOP of that.
#include "tools/bench/load_resp.h"

namespace pawl::bench {
namespace {

class Redis final : public RespDriver {
 public:
  explicit Redis(const Plan& plan) : RespDriver(plan) {
    const std::string push = resp_frame({"LPUSH", "bench", payload_});
    const std::string take = resp_frame({"LMOVE", "bench", "bench:taken", "RIGHT", "LEFT"});
    const std::string end = resp_frame({"RPOP", "bench:taken"});
    if (plan.measure == "push") steps_ = {push};
    if (plan.measure == "take") steps_ = {take, end};
    if (plan.measure == "cycle") steps_ = {push, take, end};
    if (plan.measure == "ping") steps_ = {resp_frame({"PING"})};
    if (steps_.empty()) die("redis knows push, take, cycle and ping");
  }

  uint64_t prepare() override { return plan_.ops; }
  void append_request(Slot& slot, std::string& out) override { out += steps_[slot.step]; }
  Answer take_answer(Slot& slot, std::string_view reply) override {
    if (reply.starts_with('-')) return Answer::wrong;
    const bool last = slot.step + 1 == steps_.size();
    const bool wants_payload = plan_.measure == "take" || slot.step > 0;
    if (wants_payload && words_.empty() && !last) return Answer::empty;
    if (wants_payload && (words_.size() != 1 || words_[0].size() != plan_.bytes)) return Answer::wrong;
    return last ? Answer::done : Answer::step;
  }

 private:
  std::vector<std::string> steps_;
};

}  // namespace

std::unique_ptr<Driver> make_redis_driver(const Plan& plan) { return std::make_unique<Redis>(plan); }

}  // namespace pawl::bench
