#!/usr/bin/python3
"""The set-up tools in trouble: one clear line each, and nothing done. apt and dpkg are stand-ins that fail as the real ones do."""
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

import harness

NO_NETWORK = """Err:1 http://mirror bookworm InRelease
  Temporary failure resolving 'mirror'
E: Failed to fetch http://mirror/dists/bookworm/InRelease  Temporary failure resolving 'mirror'
"""
BUSY = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 4711 (apt-get)\n"
UNKNOWN = "E: Unable to locate package librocksdb-dev\n"


class ToolsTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="pawl-tools-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        shutil.copytree(os.path.join(harness.ROOT, "tools"), os.path.join(self.root, "tools"), ignore=shutil.ignore_patterns("__pycache__"))
        os.mkdir(os.path.join(self.root, "bin"))
        os.chmod(self.root, 0o755)
        self.stand_in("dpkg-query", "exit 1")  # nothing is installed
        # Whoever runs this is root to the tools: sudo is asked only by others, and then does as it is told.
        self.stand_in("sudo", '[ "$1" = -n ] && shift; exec "$@"')
        self.stand_in("tee", "cat >/dev/null")  # and no switch is written on this machine
        self.stand_in("chmod", "exit 0")
        self.stand_in("rm", "exit 0")

    def stand_in(self, name, text):
        path = os.path.join(self.root, "bin", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text + "\n")
        os.chmod(path, 0o755)

    def apt_says(self, text, code=100):
        self.stand_in("apt-get", f"cat <<'END'\n{text}END\nexit {code}")

    def run_tool(self, *words, prefix=(), **env):
        log_free = dict(os.environ, PATH=os.path.join(self.root, "bin") + ":" + os.environ["PATH"], TMPDIR=self.root, **env)
        tool, *rest = words
        done = subprocess.run([*prefix, os.path.join(self.root, "tools", tool), *rest], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env=log_free, timeout=120)
        return done

    def last_line_of_failure(self, done):
        self.assertNotEqual(done.returncode, 0, done.stdout + done.stderr)
        lines = done.stderr.splitlines()
        self.assertLessEqual(len(lines), 2, done.stderr)  # what it would install, and why not
        return lines[-1]

    def test_no_network(self):
        self.apt_says(NO_NETWORK)
        for tool in (("install", "build"), ("test",), ("quickstart", "--listen", "none")):
            self.assertIn("no network", self.last_line_of_failure(self.run_tool(*tool)))

    def test_busy_apt(self):
        self.apt_says(BUSY)
        self.assertIn("another apt or dpkg is at work", self.last_line_of_failure(self.run_tool("install", "build")))

    def test_unknown_package(self):
        self.apt_says(UNKNOWN)
        self.assertIn("Unable to locate package librocksdb-dev", self.last_line_of_failure(self.run_tool("install", "build")))

    def test_no_root(self):
        self.apt_says("", 0)
        self.stand_in("sudo", "exit 1")
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        line = self.last_line_of_failure(self.run_tool("install", "build", prefix=prefix))
        self.assertIn("not root", line)
        self.assertIn("apt-get install", line)

    def test_nothing_missing_asks_nobody(self):
        self.apt_says("asked\n")
        self.stand_in("dpkg-query", 'shift 2; for name; do echo "installed $name"; done')
        done = self.run_tool("install", "build", "test")
        self.assertEqual((done.returncode, done.stderr), (0, "everything of build test is installed\n"))

    def test_busy_port(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            done = self.run_tool("quickstart", "--listen", address)
            self.assertEqual(self.last_line_of_failure(done),
                             f"tools/quickstart: {address} is taken by another program; end that, or choose: "
                             "tools/quickstart --listen 127.0.0.1:PORT (or none)")

    def test_wrong_words(self):
        for words in (("quickstart", "--limit", "none"), ("quickstart", "--listen", "nowhere"), ("install", "nonsense")):
            self.assertNotEqual(self.run_tool(*words).returncode, 0, words)


if __name__ == "__main__":
    unittest.main()
