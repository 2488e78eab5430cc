"""A bus of its own for each test: a real process on port 0 with a temporary folder, gone when the test ends.

    class PushTest(harness.BusTest):
        def test_push(self):
            self.assertEqual(self.pawl("push", "r", "x").returncode, 0)
"""
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
PAWL = os.environ.get("PAWL", os.path.join(ROOT, "build/release/pawl"))
# Where tools/test has put ioredis and node-redis.
NODE = os.environ.get("PAWL_NODE", os.path.join(ROOT, "build/node"))
START_SECONDS = 60  # a sanitizer build on a busy machine


class Bus:
    """One data folder, and the process that serves it: start, stop, kill, start again."""

    def __init__(self, folder=None, config=None):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="pawl-e2e-", dir="/tmp")
        self.data = os.path.join(self.folder, "data")
        self.socket = os.path.join(self.folder, "pawl.sock")
        self.log_path = os.path.join(self.folder, "serve.log")
        self.config = config
        self.process = None
        self.port = None

    @property
    def url(self):
        return "unix://" + self.socket

    def command(self, *options):
        words = [PAWL, "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--socket", self.socket]
        if self.config is not None:
            path = os.path.join(self.folder, "pawl.toml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.config)
            words += ["--config", path]
        return words + list(options)

    def start(self, *options, wrapper=(), env=None):
        """Returns once it is ready; raises with its log when it ends instead. `wrapper` goes before, like faketime."""
        before = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*wrapper, *self.command(*options)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=dict(os.environ, **(env or {})), start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            said = self.log()[before:]
            ready = re.search(r"^pawl: ready on (?:127\.0\.0\.1:(\d+))?.*\n", said, re.M)
            if ready:
                self.port = int(ready.group(1)) if ready.group(1) else None
                return self
            if self.process.poll() is not None:
                raise RuntimeError(f"pawl serve ended with {self.process.returncode}:\n{said}")
            time.sleep(0.01)
        raise RuntimeError(f"pawl serve was not ready within {START_SECONDS} s:\n{self.log()}")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        """SIGTERM; the exit code."""
        return self.end(signal.SIGTERM)

    def kill(self):
        """SIGKILL: nothing is written any more."""
        return self.end(signal.SIGKILL)

    def end(self, how):
        if self.process is None:
            return None
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise RuntimeError(f"pawl serve did not end:\n{self.log()}") from None
        self.process = None
        return code

    def close(self):
        self.kill()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def wait_until(true, seconds=30, what="the condition"):
    """Polls for what another process does; a test that passes never waits long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = true()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def readable(stream, seconds):
    return bool(select.select([stream], [], [], seconds)[0])


class BusTest(unittest.TestCase):
    """Starts a bus before each test; `config` of the class is its pawl.toml."""

    config = None
    socket_in_data = False  # where serve puts it by default: clients know the folder by it

    def setUp(self):
        self.bus = Bus(config=self.config)
        if self.socket_in_data:
            self.bus.socket = os.path.join(self.bus.data, "pawl.sock")
        self.addCleanup(self.bus.close)
        self.bus.start()

    def pawl(self, *words, data=None, expect=None, env=None):
        """Runs pawl against this bus; bytes in and out. `expect`: the exit code that it must have."""
        done = subprocess.run([PAWL, *words], input=data if data is not None else b"", capture_output=True, timeout=120, check=False,
                              env=dict(os.environ, PAWL_URL=self.bus.url, **(env or {})))
        if expect is not None:
            self.assertEqual(done.returncode, expect, f"pawl {' '.join(words)}: {done.stdout!r} {done.stderr!r}")
        return done
