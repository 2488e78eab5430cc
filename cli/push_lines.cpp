// `pawl push ROLE --lines`: a stream of any length in bounded memory, a window of pushes
// in flight.
#include <csignal>
#include <deque>

#include "bus/base/limits.h"
#include "cli/dispatch.h"
#include "cli/line_reader.h"
#include "cli/push_command.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr size_t window_lines_max = 512;
constexpr size_t window_bytes_max = size_t{4} << 20;
constexpr size_t failures_listed_max = 20;
constexpr int64_t progress_every_ms = 100;

volatile std::sig_atomic_t stop_asked = 0;
void ask_to_stop(int) { stop_asked = 1; }

struct InFlight {
  uint64_t line = 0;
  size_t bytes = 0;
};

class LinePusher {
 public:
  LinePusher(Session* session, LineReader* reader, client::Client* bus)
      : session_(session), reader_(reader), bus_(bus), options_(push_options(session->arguments)) {}

  int run() {
    const bool as_json = session_->out.json() && !session_->out.quiet();
    if (as_json) session_->out.raw("[");
    push_all();
    if (as_json) session_->out.raw("]\n");
    session_->out.progress("");
    return report();
  }

 private:
  void push_all() {
    std::string line;
    while (!stop_asked && refused_lines_.empty() && !input_error_ && !session_->out.closed()) {
      auto got = reader_->next(&line);
      if (!got) {
        input_error_ = got.error();
        break;
      }
      if (!*got) {
        complete_ = !stop_asked;
        break;
      }
      if (line.empty()) {
        ++skipped_;
        continue;
      }
      send(line);
      while (window_.size() >= window_lines_max || window_bytes_ >= window_bytes_max) {
        if (!settle_one()) return;
      }
    }
    while (!window_.empty()) {
      if (!settle_one()) return;
    }
  }

  void send(const std::string& line) {
    parts_.assign({"PUSH", session_->arguments.words[0], line});
    for (const std::string& word : options_) parts_.push_back(word);
    bus_->append(parts_.data(), parts_.size());
    window_.push_back({reader_->line_number(), line.size()});
    window_bytes_ += line.size();
  }

  // False: the connection is gone.
  bool settle_one() {
    auto reply = bus_->read();
    if (!reply) {
      lost_ = reply.error();
      return false;
    }
    const InFlight sent = window_.front();
    window_.pop_front();
    window_bytes_ -= sent.bytes;
    if (reply->is_error()) {
      if (refused_lines_.empty()) refusal_ = reply->error();
      refused_lines_.push_back(sent.line);
      return true;
    }
    ++pushed_;
    if (!session_->out.quiet()) print_id(reply->as_text());
    show_progress();
    return true;
  }

  void print_id(const std::string& id) {
    if (!session_->out.json()) return session_->out.line(id);
    session_->out.raw((pushed_ > 1 ? "," : "") + dump(Json(id)));
  }

  void show_progress() {
    const int64_t now = steady_now_ms();
    if (!session_->out.stderr_is_terminal() || now < next_progress_ms_) return;
    next_progress_ms_ = now + progress_every_ms;
    const int64_t rate = pushed_ * 1000 / std::max<int64_t>(1, now - started_ms_);
    std::string text = format_count(pushed_) + " pushed, " + format_count(rate) + "/s";
    if (const uint64_t size = reader_->size(); size > 0) {
      constexpr size_t bar_columns = 30;
      const uint64_t done = std::min(size, reader_->bytes_read());
      const auto filled = static_cast<size_t>(done * bar_columns / size);
      text = "[" + std::string(filled, '#') + std::string(bar_columns - filled, '.') + "] " +
             std::to_string(done * 100 / size) + "%  " + text;
    }
    session_->out.progress(text);
  }

  int report() {
    const std::string so_far = format_count(pushed_) + (pushed_ == 1 ? " message" : " messages") + " pushed";
    if (lost_) {
      std::string text = lost_->text + "; " + so_far;
      if (!window_.empty()) {
        text += "; lines " + std::to_string(window_.front().line) + " to " +
                std::to_string(window_.back().line) +
                " were sent but not answered and may or may not be there";
      }
      return session_->fail(exit_unreachable, text);
    }
    if (!refused_lines_.empty()) return report_refusals(so_far);
    if (input_error_)
      return session_->fail(exit_code_of(input_error_->code), input_error_->text + "; " + so_far);
    if (!complete_) {
      return session_->fail(
          exit_failed, "interrupted; " + so_far + ", up to line " + std::to_string(reader_->line_number()));
    }
    const int64_t took = steady_now_ms() - started_ms_;
    std::string text = so_far + " in " + format_span(took);
    if (skipped_ > 0) text += "; " + format_count(skipped_) + " empty lines skipped";
    session_->out.talk(text);
    return exit_ok;
  }

  int report_refusals(const std::string& so_far) {
    std::string lines;
    for (size_t i = 0; i < refused_lines_.size() && i < failures_listed_max; ++i) {
      lines += (i > 0 ? ", " : "") + std::to_string(refused_lines_[i]);
    }
    if (refused_lines_.size() > failures_listed_max) {
      lines += ", … to " + std::to_string(refused_lines_.back());
    }
    return session_->fail(exit_code_of(refusal_.code),
                          error_line(refusal_) + "; " + so_far + "; not pushed: line " + lines +
                              " and everything after line " + std::to_string(reader_->line_number()));
  }

  Session* session_;
  LineReader* reader_;
  client::Client* bus_;
  client::Command options_;
  std::vector<std::string_view> parts_;
  std::deque<InFlight> window_;
  size_t window_bytes_ = 0;
  int64_t pushed_ = 0;
  int64_t skipped_ = 0;
  bool complete_ = false;
  std::vector<uint64_t> refused_lines_;
  Error refusal_;
  std::optional<Error> lost_;
  std::optional<Error> input_error_;
  const int64_t started_ms_ = steady_now_ms();
  int64_t next_progress_ms_ = 0;
};

}  // namespace

int run_push_lines(Session* session) {
  const Arguments& arguments = session->arguments;
  if (arguments.has("unique")) {
    return session->fail(exit_usage,
                         "--unique with --lines would push the first line only; push them one by one");
  }
  auto reader =
      LineReader::open(arguments.words.size() > 1 ? arguments.words[1] : "-", limits::payload_bytes_ceiling);
  if (!reader) return session->fail(reader.error());
  client::Client* bus = session->bus();
  if (!bus) return session->exit_code();
  struct sigaction action {};
  action.sa_handler = ask_to_stop;  // without SA_RESTART: a read that waits ends
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  reader->stop_on(&stop_asked);
  return LinePusher(session, &*reader, bus).run();
}

}  // namespace pawl::cli
