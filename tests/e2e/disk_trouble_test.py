#!/usr/bin/python3
"""A disk that is full, fails or hangs under a running bus: nothing answered is lost, and the operator's path stays open."""
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from wire import Closed, ErrorReply, Wire, as_map

LIBRARY = os.environ.get("PAWL_DISK_FAULT_LIBRARY", "")
REFUSED = ("BUSY", "READONLY")


class DiskTrouble(unittest.TestCase):
    def setUp(self):
        self.answered = {}  # id → payload
        self.unknown = 0
        self.refusals = 0

    def start(self, folder=None):
        self.bus = harness.Bus(folder=folder)
        self.addCleanup(self.bus.close)
        self.word = os.path.join(self.bus.folder, "fault")
        env = {"LD_PRELOAD": LIBRARY, "PAWL_DISK_FAULT": self.word} if folder is None else {}
        # A sanitizer's runtime minds what is loaded before it.
        self.env = dict(env, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
        if folder is None and not os.path.exists(LIBRARY):
            self.fail("PAWL_DISK_FAULT_LIBRARY names no library: run this through ctest, which builds it")
        self.bus.start(env=self.env)

    def fault(self, word):
        with open(self.word + ".new", "w", encoding="utf-8") as file:
            file.write(word)
        os.rename(self.word + ".new", self.word)

    def no_fault(self):
        os.unlink(self.word)

    def push(self, payload):
        """One push on a connection of its own. True: answered with an id."""
        try:
            with Wire(self.bus.port) as wire:
                answer = wire.call("PUSH", "jobs", payload)
        except Closed:
            self.unknown += 1
            return False
        if isinstance(answer, ErrorReply):
            self.assertIn(answer.code, REFUSED, answer)
            self.refusals += 1
            return False
        self.answered[answer] = payload
        return True

    def operators_path_is_open(self):
        with Wire(self.bus.port) as wire:
            self.assertEqual(wire.call("PING"), "PONG")
            self.assertIn(b"uptime", wire.call("INFO"))
            self.assertIsInstance(wire.call("ROLES"), (list, ErrorReply))

    def serves_again(self):
        harness.wait_until(lambda: self.push(b"after the trouble"), what="an answered push")

    def everything_answered_is_there(self):
        with Wire(self.bus.port) as wire:
            for message, payload in self.answered.items():
                row = wire.call("GET", message)
                self.assertIsNotNone(row, f"{message} was answered and is gone")
                self.assertEqual(as_map(row)["payload"], payload)
            ready = as_map(wire.call("ROLE", "jobs"))["ready"]
            self.assertLessEqual(len(self.answered), ready)
            self.assertLessEqual(ready, len(self.answered) + self.unknown, "an error means that nothing happened")
            self.assertEqual(as_map(wire.call("VERIFY"))["ok"], 1)

    def restart_and_verify(self):
        self.bus.kill()
        verified = subprocess.run([harness.PAWL, "verify", "--data", self.bus.data], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        self.bus.start(env=self.env)
        self.everything_answered_is_there()

    def test_full_disk(self):
        """A file system of its own that really runs full."""
        mount = tempfile.mkdtemp(prefix="pawl-e2e-full-", dir="/tmp")
        self.addCleanup(shutil.rmtree, mount, ignore_errors=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "pawl-e2e", mount], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest("cannot mount a small file system here (needs root): " + done.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "-l", mount], check=False)
        self.start(folder=mount)
        for n in range(8):
            self.assertTrue(self.push(b"%d" % n))
        filler = os.path.join(mount, "filler")
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(b"\0" * (1 << 20)):
                    pass
            except OSError:
                pass
        for n in range(200):
            if not self.push(b"%03d" % n * (300 << 10)):
                break
        self.assertGreater(self.unknown + self.refusals, 0, "the disk ran full and nobody was told")
        self.operators_path_is_open()
        for _ in range(10):
            self.push(b"x" * 5000)
        os.unlink(filler)
        self.serves_again()
        self.everything_answered_is_there()
        self.restart_and_verify()

    def test_no_space_for_writes(self):
        """The same by a library under the program, so that it is tested without root."""
        self.start()
        for n in range(20):
            self.assertTrue(self.push(b"%d" % n))
        self.fault("full")
        self.assertFalse(self.push(b"no room"))
        for _ in range(10):
            self.push(b"no room either")
        self.operators_path_is_open()
        self.no_fault()
        self.serves_again()
        self.everything_answered_is_there()
        self.restart_and_verify()

    def test_failed_fsync(self):
        """No answer, not an error: nobody knows whether the rows are there."""
        self.start()
        for n in range(20):
            self.assertTrue(self.push(b"%d" % n))
        with Wire(self.bus.port) as claimer:
            claim = as_map(claimer.call("CLAIM", "worker", "jobs")[0])
            self.fault("fail")
            with self.assertRaises(Closed):
                claimer.call("ACK", claim["id"], claim["token"])
        self.assertFalse(self.push(b"not durable"))
        self.operators_path_is_open()
        self.no_fault()
        self.serves_again()
        with Wire(self.bus.port) as wire:
            # The acknowledgement was not answered: either way is right, in between is not.
            state = as_map(wire.call("GET", claim["id"]))["state"]
            self.assertIn(state, (b"claimed", b"done"))
            if state == b"claimed":
                self.assertEqual(wire.call("RELEASE", claim["id"], claim["token"], "DELAY", "0"), "OK")
            else:
                del self.answered[claim["id"]]
        self.everything_answered_is_there()
        self.restart_and_verify()

    def test_failed_fsync_keeps_parked_claims(self):
        self.start()
        with Wire(self.bus.port) as parked:
            parked.send("CLAIM", "worker", "other", "WAIT", "60000")
            harness.wait_until(lambda: self.waiting("other") == 1, what="the parked claim")
            self.fault("fail")
            self.assertFalse(self.push(b"not durable"))
            self.no_fault()
            self.serves_again()
            with Wire(self.bus.port) as wire:
                message = wire.call("PUSH", "other", "x")
            self.assertEqual(as_map(parked.reply()[0])["id"], message)

    def waiting(self, role):
        with Wire(self.bus.port) as wire:
            info = wire.call("INFO")
        lines = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
        return int(lines["blocked_clients"]) if role else 0

    def test_fsync_hanging_5_seconds(self):
        self.start()
        self.assertTrue(self.push(b"before"))
        self.fault("hang")
        answers = []
        with Wire(self.bus.port) as pusher, Wire(self.bus.port) as other:
            pusher.send("PUSH", "jobs", "hangs")
            threading.Thread(target=lambda: (time.sleep(5), self.no_fault())).start()
            began = time.monotonic()
            slow = []
            while time.monotonic() - began < 4.5:
                for words in (["PING"], ["ROLES"], ["INFO"]):
                    asked = time.monotonic()
                    answer = other.call(*words)
                    took = time.monotonic() - asked
                    self.assertNotIsInstance(answer, ErrorReply, words)
                    answers.append(took)
                    if took > 0.1:
                        slow.append((words[0], took))
                with Wire(self.bus.port) as fresh:
                    self.assertEqual(fresh.call("PING"), "PONG")
                time.sleep(0.05)
            # One may meet a busy machine; the hanging disk would catch them all.
            self.assertLessEqual(len(slow), 1, slow)
            self.assertGreater(len(answers), 30)
            message = pusher.reply()
            self.assertIsInstance(message, bytes)
            self.assertGreater(time.monotonic() - began, 4.5, "the answer waited for the disk")
        self.answered[message] = b"hangs"
        self.everything_answered_is_there()


if __name__ == "__main__":
    unittest.main()
