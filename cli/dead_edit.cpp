// dead edit: a new payload for a dead letter, from the command line or from an editor.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cli/difference.h"
#include "cli/dispatch.h"
#include "cli/values.h"

extern char** environ;

namespace pawl::cli {
namespace {

// A file of ours alone that goes when this does.
class ScratchFile {
 public:
  ScratchFile() {
    const char* folder = std::getenv("TMPDIR");
    path_ = std::string(folder && *folder ? folder : "/tmp") + "/pawl-edit-XXXXXX";
    const int fd = mkstemp(path_.data());
    file_ = fd < 0 ? nullptr : fdopen(fd, "wb");
    failure_ = errno;
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() {
    if (file_) std::fclose(file_);
    if (created()) unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }
  Status write(const std::string& bytes) {
    const bool written = file_ && std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size();
    const bool closed = file_ && std::fclose(file_) == 0;
    if (file_) written_ = true;
    file_ = nullptr;
    if (written && closed) return {};
    return make_error(Code::err, "cannot write " + path_ + ": " + std::strerror(failure_));
  }

 private:
  bool created() const { return file_ != nullptr || written_; }
  std::string path_;
  std::FILE* file_ = nullptr;
  bool written_ = false;
  int failure_ = 0;
};

// Through the shell, as editors may be given with options ("code --wait").
Status run_editor(const std::string& path) {
  const char* visual = std::getenv("VISUAL");
  const char* editor = visual && *visual ? visual : std::getenv("EDITOR");
  if (!editor || !*editor) {
    return make_error(Code::badarg, "give the new payload (PAYLOAD, - or @FILE), or set EDITOR");
  }
  std::string script = std::string(editor) + " \"$1\"";
  std::string name = "sh";
  std::string option = "-c";
  std::string file = path;
  char* words[] = {name.data(), option.data(), script.data(), name.data(), file.data(), nullptr};
  pid_t pid = 0;
  if (const int failure = posix_spawn(&pid, "/bin/sh", nullptr, nullptr, words, environ); failure != 0) {
    return make_error(Code::err, std::string("cannot run the editor: ") + std::strerror(failure));
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return make_error(Code::err, "the editor '" + std::string(editor) + "' failed; nothing changed");
}

Result<std::string> edited(const std::string& before) {
  ScratchFile scratch;
  if (auto written = scratch.write(before); !written) return written.error();
  if (auto ran = run_editor(scratch.path()); !ran) return ran.error();
  auto after = read_whole(scratch.path());
  // Editors end the last line; the payload had no such end unless it had one before.
  if (after && !after->empty() && after->back() == '\n' && (before.empty() || before.back() != '\n')) {
    after->pop_back();
  }
  return after;
}

}  // namespace

void print_difference(Output* out, std::string_view what, const std::string& before,
                      const std::string& after) {
  if (!is_utf8(before) || !is_utf8(after)) {
    out->line(std::string(what) + " of " + format_count(static_cast<int64_t>(before.size())) +
              " bytes replaced by one of " + format_count(static_cast<int64_t>(after.size())) + " bytes");
    return;
  }
  for (const DifferenceLine& line : difference(before, after)) {
    const Color color = line.mark == '-' ? Color::red : line.mark == '+' ? Color::green : Color::dim;
    out->line(out->paint(color, std::string(1, line.mark) + " " + printable(line.text)));
  }
}

int run_dead_edit(Session* session) {
  const Arguments& arguments = session->arguments;
  const std::string& id = arguments.words[0];
  const auto reply = session->ask({"DEAD", "GET", id});
  if (!reply) return session->exit_code();
  if (reply->is_nil()) return session->fail(exit_nothing, "no dead letter '" + id + "'");
  const std::string before = reply->text_of("payload");
  auto after = arguments.words.size() > 1 ? read_argument(arguments.words[1]) : edited(before);
  if (!after) return session->fail(after.error());
  if (*after == before) {
    session->out.talk("the payload is the same; nothing changed");
    return exit_ok;
  }
  const auto changed = session->ask({"DEAD", "EDIT", id, *after});
  if (!changed) return session->exit_code();
  if (session->out.json()) {
    Json document;
    document.set("id", id);
    document.set("before", before);
    document.set("after", *after);
    session->out.document(document);
  } else {
    print_difference(&session->out, "payload", before, *after);
    session->out.talk("back to work with: pawl dead replay " + id);
  }
  return exit_ok;
}

}  // namespace pawl::cli
