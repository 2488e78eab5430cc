"""What the tests of pawl run have in common: a bus, a runner beside it, and one pawl.toml for both."""
import os
import signal
import subprocess
import time

from exec_case import ExecCase, alive, harness
from harness import wait_until

# Failures on purpose are no outage, and what crashes on purpose is no poison.
CALM = '[guards]\nbreaker = "off"\npoison = "off"\n'


class RunCase(ExecCase):
    """`roles` of the class is TOML; {folder} stands for the test's folder."""

    config = CALM
    roles = ""

    def setUp(self):
        super().setUp()
        self.logs = 0
        self.write_roles(self.roles)

    def write_roles(self, roles):
        """A pawl.toml for the runner; the bus keeps the one that it was started with."""
        self.write("run.toml", roles.replace("{folder}", self.bus.folder))

    def write(self, name, text):
        path = self.path(name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)
        return path

    def read(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def run_words(self, *words):
        return [harness.PAWL, "run", "--config", self.path("run.toml"), "-v", *words]

    def runner(self, *words, name="r", ready=True):
        """A runner in the background, with its own log; once it serves its roles."""
        self.logs += 1
        log_name = f"run.{self.logs}.log"
        with open(self.path(log_name), "w", encoding="utf-8") as log:
            process = subprocess.Popen(self.run_words("--name", name, *words), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env=dict(os.environ, PAWL_URL=self.bus.url))
        self.addCleanup(self.end, process)
        process.log = lambda: self.read(log_name)
        if ready:
            wait_until(lambda: "at a time" in process.log() or process.poll() is not None, what="the runner")
        return process

    def run_fails(self, *words, code):
        """Its complaint."""
        done = subprocess.run(self.run_words(*words), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
                              env=dict(os.environ, PAWL_URL=self.bus.url))
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr.decode()

    def drain(self, *words, code=0):
        done = self.run_fails("--name", "r", "--drain", *words, code=code)
        return done

    def stop(self, process, code=0):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), code, process.log())

    def state(self, message):
        return self.json("get", message)["state"]

    def wait_state(self, message, state="done"):
        return wait_until(lambda: self.json("get", message) if self.state(message) == state else None, what=f"{message} {state}")

    def last_invocation(self, message):
        return self.json("get", message)["invocations"][-1]

    def spooled(self, name="r"):
        folder = os.path.join(self.bus.data, "spool", name)
        return [entry for entry in os.listdir(folder) if entry.endswith(".outcome")]

    @staticmethod
    def all_gone(pids):
        wait_until(lambda: not any(alive(pid) for pid in pids), what=f"the end of {pids}")

    def settle(self):
        """Two writes within one tick of the kernel's clock look alike: the runner knows, but tests of that are elsewhere."""
        time.sleep(0.06)
