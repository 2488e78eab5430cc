#include "runner/handler.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

extern char** environ;

namespace pawl::runner {
namespace {

constexpr size_t report_line_bytes_max = size_t{64} << 10;
constexpr size_t first_line_bytes_max = 256;
constexpr size_t read_bytes = size_t{64} << 10;
constexpr size_t reads_per_pump = 64;     // so that one chatty child starves nobody
constexpr int64_t linger_ms = 200;        // for pipes that a grandchild still holds
constexpr int64_t orphans_every_ms = 20;  // looked for, when the reaper was killed

void close_fd(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

// A pipe whose ends stay clear of 0 to 3, the places they are moved to in the child.
struct Pipe {
  int read_end = -1;
  int write_end = -1;

  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_fd(&read_end);
    close_fd(&write_end);
  }
  bool open() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    read_end = lift(ends[0]);
    write_end = lift(ends[1]);
    return read_end >= 0 && write_end >= 0;
  }
  static int take(int* end) {
    const int fd = *end;
    *end = -1;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
  }

 private:
  static int lift(int fd) {
    constexpr int lowest = 10;
    if (fd >= lowest) return fd;
    const int moved = fcntl(fd, F_DUPFD_CLOEXEC, lowest);
    close(fd);
    return moved;
  }
};

std::vector<std::string> merged_environment(const std::vector<std::string>& own) {
  const auto name_of = [](std::string_view entry) { return entry.substr(0, entry.find('=')); };
  std::vector<std::string> all;
  for (char** entry = environ; entry && *entry; ++entry) {
    const bool replaced = std::any_of(
        own.begin(), own.end(), [&](const std::string& mine) { return name_of(mine) == name_of(*entry); });
    if (!replaced) all.emplace_back(*entry);
  }
  for (const std::string& entry : own) {
    if (entry.find('=') != std::string::npos) all.push_back(entry);
  }
  return all;
}

// How often the kernel killed for want of memory since it was started; -1 where it does not say.
int64_t oom_kills() {
  const int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  std::array<char, 16384> text{};
  size_t filled = 0;
  for (ssize_t got = 0; (got = read(fd, text.data() + filled, text.size() - filled)) > 0;) {
    filled += static_cast<size_t>(got);
  }
  close(fd);
  const std::string_view all(text.data(), filled);
  constexpr std::string_view name = "\noom_kill ";
  const size_t at = all.find(name);
  return at == std::string_view::npos ? -1 : std::atoll(text.data() + at + name.size());
}

// Whether it did so again since the last call. The first call only takes note.
bool oom_killed_since() {
  static int64_t known = -1;
  const int64_t before = std::exchange(known, oom_kills());
  return before >= 0 && known > before;
}

// Reads what is there; `sink` gets each piece. True at the end of the stream.
template <typename Sink>
bool drain(int fd, Sink sink) {
  std::array<char, read_bytes> buffer;
  for (size_t i = 0; i < reads_per_pump; ++i) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got > 0) {
      sink(std::string_view(buffer.data(), static_cast<size_t>(got)));
    } else if (got == 0) {
      return true;
    } else if (errno != EINTR) {
      return errno != EAGAIN;
    }
  }
  return false;
}

}  // namespace

std::optional<std::string> find_program(const std::string& program) {
  const auto runnable = [](const std::string& path) { return access(path.c_str(), X_OK) == 0; };
  if (program.empty()) return std::nullopt;
  if (program.find('/') != std::string::npos) {
    return runnable(program) ? std::optional(program) : std::nullopt;
  }
  const char* path = std::getenv("PATH");
  std::string_view rest = path ? path : "/bin:/usr/bin";
  for (;;) {
    const size_t colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    const std::string candidate = (folder.empty() ? "." : std::string(folder)) + "/" + program;
    if (runnable(candidate)) return candidate;
    if (colon == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(colon + 1);
  }
}

Result<std::unique_ptr<Handler>> Handler::start(HandlerSpec spec, int64_t now_ms) {
  PAWL_CHECK(!spec.command.empty());
  static const bool first = (adopt_orphans(), oom_killed_since(), true);
  static_cast<void>(first);
  if (!find_program(spec.command[0])) {
    return make_error(Code::err, "cannot run '" + spec.command[0] + "': no such program");
  }
  Pipe input;
  Pipe output;
  Pipe errors;
  Pipe reports;
  if (!input.open() || !output.open() || !errors.open() || !reports.open()) {
    return make_error(Code::err, std::string("cannot make a pipe: ") + std::strerror(errno));
  }
  std::unique_ptr<Handler> handler(new Handler);
  const std::vector<std::string> environment = merged_environment(spec.environment);
  // One that waited may have been killed meanwhile; a new one has not.
  for (int tries = 0; tries < 3 && handler->reaper_.pid < 0; ++tries) {
    const Reaper reaper = take_reaper();
    if (reaper.pid < 0) break;
    if (order_begin(reaper, {input.read_end, output.write_end, errors.write_end, reports.write_end},
                    spec.command, environment)) {
      handler->reaper_ = reaper;
    } else {
      kill(reaper.pid, SIGKILL);
      end_reaper(reaper);
    }
  }
  if (handler->reaper_.pid < 0) {
    handler->done_ = true;
    return make_error(Code::err, "cannot run '" + spec.command[0] + "': " + std::strerror(errno));
  }
  handler->spec_ = std::move(spec);
  handler->input_ = Pipe::take(&input.write_end);
  handler->output_ = Pipe::take(&output.read_end);
  handler->errors_ = Pipe::take(&errors.read_end);
  handler->reports_ = Pipe::take(&reports.read_end);
  handler->last_pump_ms_ = now_ms;
  handler->feed_input();
  return handler;
}

Handler::~Handler() {
  if (done_) return;
  spec_.on_report = nullptr;  // whom it tells may be gone already
  if (reaper_.pid >= 0) {
    end_reaper(reaper_);
    // It ends only when nobody is left; unless somebody killed it.
    while (spec_.alone && end_orphans()) poll(nullptr, 0, 1);
  }
  close_all();
}

void Handler::add_polls(std::vector<pollfd>* polls, int64_t* wake_ms) const {
  if (done_) return;
  if (input_ >= 0) polls->push_back({input_, POLLOUT, 0});
  for (const int fd : {output_, errors_, reports_}) {
    if (fd >= 0) polls->push_back({fd, POLLIN, 0});
  }
  if (reaper_.pid >= 0) polls->push_back({reaper_.socket, POLLIN, 0});
  if (reaper_lost_) *wake_ms = std::min(*wake_ms, last_pump_ms_ + orphans_every_ms);
  if (exited_) {
    if (!finishing_) *wake_ms = std::min(*wake_ms, exited_at_ms_ + linger_ms);
    return;
  }
  if (kill_at_ms_) *wake_ms = std::min(*wake_ms, *kill_at_ms_);
  if (deadline_runs()) *wake_ms = std::min(*wake_ms, *spec_.deadline_ms);
}

void Handler::pump(int64_t now_ms) {
  if (done_) return;
  last_pump_ms_ = now_ms;
  feed_input();
  // The exit is looked at before the pipes are read: what the child wrote before it
  // ended is then certainly seen below.
  while (take_news(now_ms)) {
  }
  drain_output();
  drain_errors();
  drain_reports();
  if (all_gone_) return finish();
  if (reaper_lost_) {
    all_gone_ = !spec_.alone || !end_orphans();
    return;
  }
  if (exited_) {
    const bool pipes_ended = output_ < 0 && errors_ < 0 && reports_ < 0;
    if (!finishing_ && (pipes_ended || now_ms >= exited_at_ms_ + linger_ms)) {
      finishing_ = true;
      order(Order::finish);
    }
    return;
  }
  if (deadline_runs() && now_ms >= *spec_.deadline_ms) {
    result_.timed_out = true;
    terminate(now_ms);
  }
  if (kill_at_ms_ && now_ms >= *kill_at_ms_) {
    kill_now();
    kill_at_ms_ = now_ms + spec_.kill_after_ms;
  }
}

void Handler::terminate(int64_t now_ms) {
  if (done_ || exited_ || kill_at_ms_) return;
  paused_at_ms_.reset();
  order(Order::terminate);
  kill_at_ms_ = now_ms + spec_.kill_after_ms;
}

void Handler::pause(int64_t now_ms) {
  if (done_ || exited_ || kill_at_ms_ || paused_at_ms_) return;
  order(Order::pause);
  paused_at_ms_ = now_ms;
}

void Handler::resume(int64_t now_ms) {
  if (!paused_at_ms_) return;
  if (spec_.deadline_ms) *spec_.deadline_ms += now_ms - *paused_at_ms_;
  paused_at_ms_.reset();
  if (!done_ && !exited_) order(Order::resume);
}

bool Handler::deadline_runs() const { return spec_.deadline_ms && !kill_at_ms_ && !paused_at_ms_; }

void Handler::kill_now() {
  if (done_ || exited_) return;
  killed_ = true;
  order(Order::kill);
}

void Handler::order(Order what) {
  if (reaper_.pid >= 0) give_order(reaper_, what);
}

bool Handler::take_news(int64_t now_ms) {
  if (reaper_.pid < 0) return false;
  News news;
  const ssize_t got = recv(reaper_.socket, &news, sizeof news, MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return errno == EINTR;
  if (got != sizeof news) {
    // Without its last word: somebody killed it.
    reaper_lost_ = true;
    end_reaper(std::exchange(reaper_, {}));
    if (!exited_) note_exit(true, SIGKILL, now_ms);
    return false;
  }
  switch (news.kind) {
    case News::Kind::begun:
      pid_ = news.number;
      break;
    case News::Kind::not_begun:
      result_.not_begun = "cannot run '" + spec_.command[0] + "': " + std::strerror(news.number);
      exited_ = finishing_ = true;
      break;
    case News::Kind::exited:
    case News::Kind::signalled:
      note_exit(news.kind == News::Kind::signalled, news.number, now_ms);
      break;
    case News::Kind::all_gone:
      all_gone_ = true;
      give_back(std::exchange(reaper_, {}));
      return false;
  }
  return true;
}

void Handler::note_exit(bool signalled, int number, int64_t now_ms) {
  exited_ = true;
  exited_at_ms_ = now_ms;
  result_.signalled = signalled;
  result_.code = number;
  const bool foreign_kill = signalled && number == SIGKILL && !killed_ && !reaper_lost_;
  result_.out_of_memory = foreign_kill && oom_killed_since();
  close_fd(&input_);
}

void Handler::finish() {
  drain_output();
  drain_errors();
  drain_reports();
  deliver_lines(true);
  close_all();
  done_ = true;
}

void Handler::close_all() {
  for (int* fd : {&input_, &output_, &errors_, &reports_}) close_fd(fd);
}

void Handler::feed_input() {
  while (input_ >= 0) {
    if (input_sent_ == spec_.input.size()) {
      close_fd(&input_);
      spec_.input = {};
      input_sent_ = 0;
      return;
    }
    const ssize_t sent = write(input_, spec_.input.data() + input_sent_, spec_.input.size() - input_sent_);
    if (sent >= 0) {
      input_sent_ += static_cast<size_t>(sent);
    } else if (errno != EINTR) {
      // EPIPE: the child does not want the rest; that is its own affair.
      if (errno != EAGAIN) close_fd(&input_);
      return;
    }
  }
}

void Handler::drain_output() {
  if (output_ < 0) return;
  const bool ended = drain(output_, [this](std::string_view piece) {
    result_.output_bytes += piece.size();
    const size_t room = spec_.output_bytes_max - std::min(spec_.output_bytes_max, result_.output.size());
    result_.output.append(piece.substr(0, room));
  });
  if (ended) close_fd(&output_);
}

void Handler::drain_errors() {
  if (errors_ < 0) return;
  const bool ended = drain(errors_, [this](std::string_view piece) {
    if (!first_line_ended_) {
      const size_t end = piece.find('\n');
      result_.error_first_line.append(piece.substr(0, end));
      first_line_ended_ =
          end != std::string_view::npos || result_.error_first_line.size() >= first_line_bytes_max;
      if (result_.error_first_line.size() > first_line_bytes_max) {
        result_.error_first_line.resize(first_line_bytes_max);
      }
    }
    std::string& tail = result_.error_tail;
    tail.append(piece);
    if (tail.size() > spec_.error_tail_bytes_max) tail.erase(0, tail.size() - spec_.error_tail_bytes_max);
  });
  if (ended) close_fd(&errors_);
}

void Handler::drain_reports() {
  if (reports_ < 0) return;
  const bool ended = drain(reports_, [this](std::string_view piece) {
    report_line_.append(piece);
    deliver_lines(false);
  });
  if (ended) close_fd(&reports_);
}

void Handler::deliver_lines(bool at_end) {
  size_t from = 0;
  const auto deliver = [this](std::string_view line) {
    if (!report_line_too_long_ && !line.empty() && spec_.on_report) spec_.on_report(line);
    report_line_too_long_ = false;
  };
  for (size_t end = report_line_.find('\n'); end != std::string::npos; end = report_line_.find('\n', from)) {
    deliver(std::string_view(report_line_).substr(from, end - from));
    from = end + 1;
  }
  report_line_.erase(0, from);
  if (at_end) deliver(report_line_);
  if (report_line_.size() > report_line_bytes_max) {
    report_line_too_long_ = true;  // its rest is dropped with it
    report_line_.clear();
  }
}

}  // namespace pawl::runner
