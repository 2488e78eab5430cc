#include "runner/bus_desk.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace pawl::runner {
namespace {

constexpr client::Timeouts timeouts{1'000, 2'000};

}  // namespace

BusDesk::BusDesk(client::Endpoint endpoint)
    : endpoint_(std::move(endpoint)),
      event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { work(); }) {}

BusDesk::~BusDesk() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
  close(event_);
}

void BusDesk::ask(uint64_t tag, client::Command command) {
  {
    const std::lock_guard lock(mutex_);
    questions_.push_back({tag, std::move(command)});
  }
  wake_.notify_one();
}

std::vector<BusDesk::Answer> BusDesk::take() {
  uint64_t count = 0;
  (void)!read(event_, &count, sizeof count);
  const std::lock_guard lock(mutex_);
  return std::exchange(answers_, {});
}

BusDesk::Answer BusDesk::put(const Question& question) {
  Answer answer;
  answer.tag = question.tag;
  if (!client_) {
    Result<client::Client> client = client::Client::connect(endpoint_, timeouts);
    if (!client) {
      // A bus that wants another password is there; that the answer is an error is all that is lost.
      answer.reached = client.error().code == Code::noauth || client.error().code == Code::denied;
      answer.reply = client::Reply::make_error(error_line(client.error()));
      answer.error = client.error().text;
      return answer;
    }
    client_.emplace(std::move(*client));
  }
  Result<client::Reply> reply = client_->call(question.command);
  if (reply) {
    answer.reached = true;
    answer.reply = std::move(*reply);
  } else {
    answer.error = reply.error().text;
    client_.reset();
  }
  return answer;
}

void BusDesk::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return ending_ || !questions_.empty(); });
    if (ending_) return;
    const Question question = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    Answer answer = put(question);
    lock.lock();
    answers_.push_back(std::move(answer));
    const uint64_t one = 1;
    (void)!write(event_, &one, sizeof one);
  }
}

}  // namespace pawl::runner
