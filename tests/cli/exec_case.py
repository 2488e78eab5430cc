"""What the tests of pawl exec have in common: a bus, a pawl exec beside it, and a look at its handlers."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness  # noqa: E402
from harness import wait_until  # noqa: E402


def state_of(pid):
    """The letter of /proc: R, S, T (stopped), Z …; "" when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid):
    """Runs, and is not merely a zombie that nobody reaped."""
    return state_of(pid) not in ("", "Z")


class ExecCase(harness.BusTest):
    socket_in_data = True
    config = "\n".join(f'[role.{role}]\nbackoff = {{ base = "1ms", max = "2ms" }}\nmax_attempts = 3\n' for role in ("quick", "w"))

    def text(self, *words, data=None, expect=0):
        return self.pawl(*words, data=data, expect=expect).stdout.decode().strip()

    def json(self, *words, expect=0):
        return json.loads(self.pawl("--json", *words, expect=expect).stdout)

    def start(self, *words):
        process = subprocess.Popen([harness.PAWL, "exec", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=dict(os.environ, PAWL_URL=self.bus.url))
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def path(self, name):
        return os.path.join(self.bus.folder, name)

    def pid_in(self, name):
        """The number that a handler writes into a file, once it is there."""
        def read():
            try:
                with open(self.path(name), encoding="utf-8") as file:
                    text = file.read()
            except FileNotFoundError:
                return None
            return int(text) if text.endswith("\n") else None
        return wait_until(read, what=f"file {name}")

    def waiting_script(self, *, then="echo result"):
        """A handler that writes its pid into the file "child", its child's into "grandchild", and waits for go(). It waits in
        a read and starts nothing meanwhile: one that stands between fork and exec shows as D when it is stopped, not as T."""
        self.fifos = [self.path(name) for name in ("go.1", "go.2")]
        for fifo in self.fifos:
            os.mkfifo(fifo)
        return f"cd {self.bus.folder}; sh -c 'echo $$ >grandchild; read x <go.2' & echo $$ >child; read x <go.1; wait; {then}"

    def go(self):
        for fifo in self.fifos:
            fd = os.open(fifo, os.O_RDWR)
            os.write(fd, b"go\n")
            self.addCleanup(os.close, fd)
