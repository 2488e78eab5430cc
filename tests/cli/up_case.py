"""A launcher of its own for each test: `pawl up` with a file of the test's, in a folder that is gone afterwards."""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness  # noqa: E402

CGROUP = "/sys/fs/cgroup/unified"
BUS = '[bus]\ndata = "./d"\nlisten = "none"\n'


def start_time(pid):
    """The process's start, or nothing where it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def marked(mark):
    """Living processes that have `mark` among their words or in their environment."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        pid = int(path[6:])
        try:
            with open(path + "/cmdline", "rb") as file:
                text = file.read()
            with open(path + "/environ", "rb") as file:
                text += file.read()
        except OSError:
            continue
        if mark.encode() in text and start_time(pid) is not None and pid != os.getpid():
            found.append(pid)
    return found


class UpTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pawl-up-", dir="/tmp")
        self.processes = []
        self.addCleanup(self.clean_up)

    def clean_up(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # Whatever a test that failed left behind: every daemon knows the folder from its PAWL_UP.
        for pid in marked(self.folder):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def read(self, *names):
        with open(self.path(*names), encoding="utf-8", errors="replace") as file:
            return file.read()

    def write(self, text, name="pawl.toml"):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def up(self, text=None, *options, env=None):
        """Starts it; the process."""
        if text is not None:
            self.write(BUS + text)
        with open(self.path("up.err"), "ab") as errors:
            process = subprocess.Popen([harness.PAWL, "up", *options], cwd=self.folder, stdin=subprocess.DEVNULL, stderr=errors,
                                       stdout=subprocess.DEVNULL, env=dict(os.environ, **(env or {})))
        self.processes.append(process)
        return process

    def refused(self, text, *words):
        """What a `pawl up` says that does not begin."""
        self.write(text)
        done = subprocess.run([harness.PAWL, "up", *words], cwd=self.folder, capture_output=True, timeout=60, check=False, text=True)
        self.assertNotEqual(done.returncode, 0, done.stderr)
        return done.returncode, done.stderr

    def pawl(self, *words, expect=None, env=None):
        done = subprocess.run([harness.PAWL, *words], cwd=self.folder, capture_output=True, timeout=120, check=False, text=True,
                              env=dict(os.environ, PAWL_URL="unix://" + self.path("d", "pawl.sock"), **(env or {})))
        if expect is not None:
            self.assertEqual(done.returncode, expect, f"pawl {' '.join(words)}: {done.stdout!r} {done.stderr!r}")
        return done

    def said(self):
        return self.read("up.err")

    def log(self, name):
        return self.read("d", "up", "log", name + ".log")

    def steps(self):
        """Every change of state so far: [(daemon, state), …]."""
        try:
            return [(entry["daemon"], entry["to"]) for entry in self.entries()]
        except OSError:
            return []

    def entries(self):
        return [json.loads(line) for line in self.log("launcher").splitlines()]

    def list(self):
        return {row["name"]: row for row in json.loads(self.pawl("ops", "list", "--json", expect=0).stdout)}

    def state(self, name):
        states = [state for daemon, state in self.steps() if daemon == name]
        return states[-1] if states else None

    def wait_for(self, name, state, times=1, seconds=60):
        def seen():
            return self.steps().count((name, state)) >= times
        try:
            harness.wait_until(seen, seconds, f"{name} {state} ({times})")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None

    def wait_said(self, text, seconds=60):
        harness.wait_until(lambda: text in self.said(), seconds, text)

    def read_pid(self, name):
        """The number that a daemon has written into a file of this name."""
        def there():
            try:
                with open(self.path(name), encoding="utf-8") as file:
                    return int(file.read() or 0)
            except OSError:
                return 0
        return harness.wait_until(there, what=name)

    def wait_gone(self, pid, seconds=30):
        harness.wait_until(lambda: start_time(pid) is None, seconds, f"the end of {pid}")

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 0, self.said())

    def nobody_left(self):
        self.assertEqual(marked(self.folder), [], self.said())
        if os.path.isdir(CGROUP):
            boots = {entry["boot"] for entry in self.entries() if entry["boot"]}
            left = [boot for boot in boots if os.path.exists(f"{CGROUP}/pawl-{boot}")]
            self.assertEqual(left, [])


def main():
    unittest.main()


__all__ = ["BUS", "CGROUP", "UpTest", "harness", "main", "marked", "start_time", "time"]
