#!/usr/bin/python3
"""tools/bench/peers works from end to end; how fast anything is, is not judged here."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import harness

PEERS = os.path.join(harness.ROOT, "tools/bench/peers")
BUILD = os.path.dirname(harness.PAWL)
# Only built ones: a test must not start a build in the folder that it runs from.
LOAD, ROCKS = (os.environ.get("PAWL_" + name.upper(), os.path.join(BUILD, name)) for name in ("bench_load", "bench_rocks"))


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed (tools/install bench)")
@unittest.skipUnless(os.path.exists(LOAD) and os.path.exists(ROCKS), f"{LOAD} or {ROCKS} is not built")
class Peers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pawl-bench-test-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.page = os.path.join(self.folder, "page.md")
        self.env = dict(os.environ, PAWL_BENCH_LOAD=LOAD, PAWL_BENCH_ROCKS=ROCKS)

    def start(self, *words):
        return subprocess.Popen([PEERS, "--folder", self.folder, "--scale", "0.01", "--rounds", "1", "--out", self.page, *words],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env)

    def servers(self):
        """Programs that work in our folder; Redis and PostgreSQL rewrite their command lines."""
        found = []
        for number in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{number}/comm", encoding="utf-8") as file:
                    name = file.read().strip()
                with open(f"/proc/{number}/cmdline", encoding="utf-8", errors="replace") as file:
                    line = file.read()
                if os.readlink(f"/proc/{number}/cwd").startswith(self.folder) or (name == "pawl" and self.folder in line):
                    found.append(name)
            except OSError:
                continue
        return found

    def left(self):
        return self.servers() + [name for name in os.listdir(self.folder) if name.startswith("pawl-peers-")]

    def test_tables_in_a_page(self):
        document = os.path.join(self.folder, "figures.json")
        with open(self.page, "w", encoding="utf-8") as file:
            file.write("# Page\n\n<!-- peers:begin -->\nold\n<!-- peers:end -->\n\nby hand\n")
        peers = self.start("--only", "pawl,redis,limit", "--json", document)
        _, said = peers.communicate(timeout=200)
        with open(self.page, encoding="utf-8") as file:
            text = file.read()
        missed = re.findall(r"^MISSED: ", said, re.M)
        self.assertEqual(peers.returncode, 1 if missed else 0, said)
        self.assertIn("`tools/bench/peers --only pawl,redis,limit --scale 0.01 --rounds 1`", text)
        for wanted in ("by hand", "| Redis lists ", "appendfsync always", "256 B, 64 connections, 16 requests in flight",
                       "full cycle, 64 × 1, to Redis lists", "RocksDB alone", "fdatasync of the "):
            self.assertIn(wanted, text)
        self.assertNotIn("\nold\n", text)
        self.assertEqual(text.count("MISSED"), len(missed))
        with open(document, encoding="utf-8") as file:
            figures = json.load(file)
        cycles = figures["results"]["redis 256 64 1"]["cycle"]
        self.assertEqual([cycle["errors"] for cycle in cycles], [0])
        self.assertEqual(self.left(), [])

    def test_an_interrupt_leaves_nothing(self):
        peers = self.start("--only", "pawl,redis")
        harness.wait_until(lambda: "redis-server" in self.servers(), seconds=60, what="a running redis-server")
        peers.send_signal(signal.SIGTERM)
        peers.communicate(timeout=60)
        self.assertEqual(peers.returncode, 143)
        self.assertEqual(self.left(), [])

    def test_what_cannot_start_says_why(self):
        peers = self.start("--only", "redis,nothing")
        self.assertIn("there is no peer nothing", peers.communicate(timeout=60)[1])
        self.assertEqual(peers.returncode, 2)
        self.env["PAWL_BENCH_LOAD"] = "/bin/false"
        peers = self.start("--only", "redis")
        said = peers.communicate(timeout=60)[1].splitlines()
        self.assertEqual((peers.returncode, len(said)), (2, 1), said)
        self.assertIn("tools/bench/peers: redis push 1×1 ended with 1", said[0])
        self.assertEqual(self.left(), [])


if __name__ == "__main__":
    unittest.main()
