// passwd: a password in, its hash out, for [user.NAME] of pawl.toml.
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "bus/base/limits.h"
#include "bus/server/password.h"
#include "cli/dispatch.h"

namespace pawl::cli {
namespace {

constexpr std::array<int, 4> ending_signals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

volatile std::sig_atomic_t signalled = 0;
void note_signal(int number) { signalled = number; }

// Keeps a terminal from showing what is typed. Whatever ends the program puts it right first: signals only
// interrupt the wait for a byte, where alone they are let in, and are raised again afterwards.
class QuietTerminal {
 public:
  QuietTerminal() {
    sigprocmask(SIG_BLOCK, nullptr, &mask_before_);
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    struct sigaction action {};
    action.sa_handler = note_signal;
    sigset_t ending;
    sigemptyset(&ending);
    for (const int number : ending_signals) sigaddset(&ending, number);
    sigprocmask(SIG_BLOCK, &ending, &mask_before_);
    for (size_t i = 0; i < ending_signals.size(); ++i) sigaction(ending_signals[i], &action, &handlers_[i]);
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ECHONL;
    is_quiet_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  ~QuietTerminal() {
    if (is_quiet_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    for (size_t i = 0; i < ending_signals.size(); ++i) sigaction(ending_signals[i], &handlers_[i], nullptr);
    if (signalled != 0) raise(signalled);
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

  bool is_quiet() const { return is_quiet_; }
  const sigset_t* mask_before() const { return &mask_before_; }

 private:
  termios before_{};
  sigset_t mask_before_{};
  std::array<struct sigaction, ending_signals.size()> handlers_{};
  bool is_quiet_ = false;
};

// The first line of stdin without its end, byte by byte: what follows is somebody else's.
// `waiting`: the signals that are blocked while it waits; null: those that are.
Result<std::string> read_line(const sigset_t* waiting) {
  std::string line;
  for (;;) {
    char byte = 0;
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const bool ready = ppoll(&input, 1, nullptr, waiting) >= 0;
    const ssize_t got = ready ? read(STDIN_FILENO, &byte, 1) : -1;
    if (got < 0 && errno == EINTR && signalled == 0) continue;
    if (got < 0) return make_error(Code::err, std::string("cannot read stdin: ") + std::strerror(errno));
    if (got == 0 || byte == '\n') break;
    // One byte more than is allowed is enough to be refused.
    if (line.size() <= limits::password_bytes_max) line += byte;
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

Result<std::string> ask_twice() {
  const QuietTerminal terminal;
  if (!terminal.is_quiet()) return make_error(Code::err, "the terminal cannot be kept from showing it");
  std::fputs("Password: ", stderr);
  auto first = read_line(terminal.mask_before());
  if (!first.ok()) return first.error();
  std::fputs("Once more: ", stderr);
  auto again = read_line(terminal.mask_before());
  if (!again.ok()) return again.error();
  const bool same = server::same_secret(*again, *first);
  server::forget_secret(*again);
  if (!same) return make_error(Code::badarg, "the two are not the same; nothing was hashed");
  return first;
}

}  // namespace

int run_passwd(Session* session) {
  auto password = isatty(STDIN_FILENO) != 0 ? ask_twice() : read_line(nullptr);
  if (!password.ok()) return session->fail(exit_code_of(password.error().code), password.error().text);
  const auto hash = server::hash_password(*password);
  server::forget_secret(*password);
  if (!hash.ok()) return session->fail(exit_code_of(hash.error().code), hash.error().text);
  if (session->out.json()) {
    Json document;
    document.set("password", *hash);
    session->out.document(document);
  } else {
    session->out.line(*hash);
  }
  return exit_ok;
}

}  // namespace pawl::cli
