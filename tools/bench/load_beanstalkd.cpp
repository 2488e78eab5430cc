// beanstalkd's text protocol: put, reserve, delete.
#include <charconv>

#include "tools/bench/load_driver.h"

namespace pawl::bench {
namespace {

class Beanstalkd final : public Driver {
 public:
  explicit Beanstalkd(const Plan& plan) : plan_(plan) {
    using enum Step;
    if (plan.measure == "push") steps_ = {put};
    if (plan.measure == "take") steps_ = {reserve, end};
    if (plan.measure == "cycle") steps_ = {put, reserve, end};
    if (steps_.empty()) die("beanstalkd knows push, take and cycle");
    // Priority, delay, seconds to run.
    put_ = "put 1024 0 3600 " + std::to_string(plan.bytes) + "\r\n" + std::string(plan.bytes, 'x') + "\r\n";
  }

  uint64_t prepare() override { return plan_.ops; }
  void append_request(Slot& slot, std::string& out) override {
    switch (steps_[slot.step]) {
      case Step::put:
        out += put_;
        return;
      case Step::reserve:
        out += "reserve\r\n";
        return;
      case Step::end:
        out += "delete " + slot.claims.back().first + "\r\n";
        slot.claims.clear();
        return;
    }
  }

  size_t reply_size(std::string_view unread) override {
    const size_t end = unread.find("\r\n");
    if (end == std::string_view::npos) return 0;
    line_ = unread.substr(0, end);
    const size_t head = end + 2;
    if (!line_.starts_with("RESERVED ")) return head;
    const size_t size = head + last_number() + 2;
    return unread.size() < size ? 0 : size;
  }

  Answer take_answer(Slot& slot, std::string_view /*reply*/) override {
    const auto fits = [&](bool right) {
      if (!right) return Answer::wrong;
      return slot.step + 1 == steps_.size() ? Answer::done : Answer::step;
    };
    switch (steps_[slot.step]) {
      case Step::put:
        return fits(line_.starts_with("INSERTED "));
      case Step::end:
        return fits(line_ == "DELETED");
      case Step::reserve: {
        if (!line_.starts_with("RESERVED ") || last_number() != plan_.bytes) return Answer::wrong;
        constexpr size_t before_id = std::string_view("RESERVED ").size();
        slot.claims.assign(1, {std::string(line_.substr(before_id, line_.rfind(' ') - before_id)), ""});
        return fits(true);
      }
    }
    return Answer::wrong;
  }

 private:
  enum class Step { put, reserve, end };

  size_t last_number() const {
    size_t value = 0;
    std::from_chars(line_.data() + line_.rfind(' ') + 1, line_.data() + line_.size(), value);
    return value;
  }

  const Plan& plan_;
  std::vector<Step> steps_;
  std::string put_;
  std::string_view line_;  // the first one of the reply that take_answer() looks at
};

}  // namespace

std::unique_ptr<Driver> make_beanstalkd_driver(const Plan& plan) {
  return std::make_unique<Beanstalkd>(plan);
}

}  // namespace pawl::bench
