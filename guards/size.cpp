#include "guards/size.h"

#include <optional>
#include <string>

#include "bus/core/faults.h"

namespace pawl::guards {
namespace {

struct Excess {
  std::string_view what;
  size_t bytes = 0;
  size_t number = 0;  // of a payload among several; 0: there is one
};

// The first thing in an operation that is over the limit.
struct Measure {
  size_t limit;

  std::optional<Excess> over(std::string_view what, size_t bytes, size_t number = 0) const {
    if (bytes <= limit) return std::nullopt;
    return Excess{what, bytes, number};
  }

  std::optional<Excess> operator()(const core::op::Push& push) const {
    if (auto excess = over("payload", push.payload.size())) return excess;
    size_t headers = 0;
    for (const auto& [name, value] : push.headers) headers += name.size() + value.size();
    return over("all headers together", headers);
  }
  std::optional<Excess> operator()(const core::op::MultiPush& push) const {
    for (size_t i = 0; i < push.payloads.size(); ++i) {
      if (auto excess = over("payload", push.payloads[i].size(), i + 1)) return excess;
    }
    return std::nullopt;
  }
  std::optional<Excess> operator()(const core::op::Ack& ack) const {
    return PAWL_FAULT(size_of_results_not_asked) ? std::nullopt : over("result", ack.result.size());
  }
  std::optional<Excess> operator()(const core::op::DeploySet& set) const {
    return over("prompt", set.prompt.value_or("").size());
  }
  std::optional<Excess> operator()(const core::op::DeadEdit& edit) const {
    return over("payload", edit.payload.size());
  }
  std::optional<Excess> operator()(const core::op::CronSet& cron) const {
    return over("payload", cron.payload.size());
  }
  template <typename Other>
  std::optional<Excess> operator()(const Other& /*operation*/) const {
    return std::nullopt;
  }
};

}  // namespace

Answer Size::admit(const core::Operation& operation, const core::Caller& /*caller*/,
                   const core::Desk& desk) const {
  const size_t payload_max = desk.config().payload_max;
  const std::optional<Excess> excess = std::visit(Measure{payload_max}, operation);
  if (!excess) return allow();
  const std::string which = excess->number == 0 ? "" : " " + std::to_string(excess->number);
  core::Verdict verdict =
      refuse(Code::toobig, core::Scope::message,
             std::string(excess->what) + which + ": " + std::to_string(excess->bytes) +
                 " bytes, the limit is " + std::to_string(payload_max) +
                 "; store the data elsewhere and send where it is, or raise [bus] payload_max");
  verdict.value = static_cast<int64_t>(excess->bytes);
  verdict.limit = static_cast<int64_t>(payload_max);
  return verdict;
}

}  // namespace pawl::guards
