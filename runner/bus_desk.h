// Questions to the bus from a loop that may not wait: a thread of its own asks, the
// answers are taken from a queue. One connection, made anew when it breaks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bus/client/client.h"

namespace pawl::runner {

class BusDesk {
 public:
  struct Answer {
    uint64_t tag = 0;
    bool reached = false;  // else `error` says why the bus could not be asked
    client::Reply reply;   // may be an error of the bus's
    std::string error;
  };

  explicit BusDesk(client::Endpoint endpoint);
  BusDesk(const BusDesk&) = delete;
  BusDesk& operator=(const BusDesk&) = delete;
  ~BusDesk();  // waits for the question that is being asked, two seconds at most

  // Any thread may ask; answers come in the order of the questions.
  void ask(uint64_t tag, client::Command command);
  // Readable while there are answers.
  int fd() const { return event_; }
  std::vector<Answer> take();

 private:
  struct Question {
    uint64_t tag;
    client::Command command;
  };
  void work();
  Answer put(const Question& question);

  const client::Endpoint endpoint_;
  const int event_;
  std::optional<client::Client> client_;  // the thread's
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Question> questions_;
  std::vector<Answer> answers_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace pawl::runner
