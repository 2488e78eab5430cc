#!/usr/bin/python3
"""The kill switch on a disk that is low, full, failing or hanging: it acts all the same, and work in flight can end."""
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from freezing import is_frozen, touch
from wire import Closed, ErrorReply, Wire, as_map

LIBRARY = os.environ.get("PAWL_DISK_FAULT_LIBRARY", "")
MIB = 1 << 20
SIZE = 96 * MIB
LOW, CRITICAL, BALLAST = SIZE // 20, SIZE // 40, SIZE // 64
# What else a push may be told, or nothing, while the disk keeps it from being one.
TROUBLE = ("BUSY", "READONLY", "FROZEN")


class KillDisk(unittest.TestCase):
    def setUp(self):
        self.pushed = []

    def start(self, folder=None):
        self.bus = harness.Bus(folder=folder)
        self.addCleanup(self.bus.close)
        self.bus.start(env=self.env if folder is None else {})

    def start_on_a_small_disk(self):
        self.mount = tempfile.mkdtemp(prefix="pawl-e2e-kill-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.mount, ignore_errors=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "pawl-e2e", self.mount], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest("cannot mount a small file system here (needs root): " + done.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "-l", self.mount], check=False)
        self.start(folder=self.mount)

    def start_on_a_faulty_disk(self):
        if not os.path.exists(LIBRARY):
            self.fail("PAWL_DISK_FAULT_LIBRARY names no library: run this through ctest, which builds it")
        self.word = os.path.join(tempfile.mkdtemp(prefix="pawl-e2e-fault-", dir="/tmp"), "fault")
        self.addCleanup(shutil.rmtree, os.path.dirname(self.word), ignore_errors=True)
        # A sanitizer's runtime minds what is loaded before it.
        self.env = {"LD_PRELOAD": LIBRARY, "PAWL_DISK_FAULT": self.word,
                    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        self.start()

    def fault(self, word):
        with open(self.word + ".new", "w", encoding="utf-8") as file:
            file.write(word)
        os.rename(self.word + ".new", self.word)

    def no_fault(self):
        os.unlink(self.word)

    # ---- On connections of their own: an unanswerable one is closed ---------------

    def call(self, *words):
        with Wire(self.bus.port) as wire:
            return wire.call(*words)

    def push(self):
        """True: answered with an id."""
        try:
            answer = self.call("PUSH", "jobs", "x")
        except Closed:
            return False
        if isinstance(answer, ErrorReply):
            self.assertIn(answer.code, TROUBLE, answer)
            return False
        self.pushed.append(answer)
        return True

    def frozen(self):
        """A push is told so, by a bus that serves again."""
        try:
            answer = self.call("PUSH", "jobs", "x")
        except Closed:
            return False
        self.assertIsInstance(answer, ErrorReply, "let through under a freeze")
        return is_frozen(answer)

    def status(self):
        return as_map(self.call("KILL", "STATUS"))

    def claims(self, count):
        for _ in range(count):
            self.assertTrue(self.push())
        rows = self.call("CLAIM", "worker", "jobs", "COUNT", str(count), "LEASE", "600000")
        self.assertEqual(len(rows), count)
        return [(one["id"], one["token"]) for one in map(as_map, rows)]

    def flags(self):
        return [name for name in ("KILL", "KILL_HARD") if os.path.lexists(os.path.join(self.bus.data, name))]

    def everything_answered_is_there(self):
        with Wire(self.bus.port) as wire:
            for message in self.pushed:
                self.assertIsNotNone(wire.call("GET", message), f"{message} was answered and is gone")
            self.assertEqual(as_map(wire.call("VERIFY"))["ok"], 1)

    # ---- A file system that fills up ----------------------------------------------

    def free(self):
        disk = os.statvfs(self.mount)
        return disk.f_bavail * disk.f_frsize

    def filler(self):
        return os.path.join(self.mount, "filler")

    def fill_to(self, goal):
        """Leaves so many bytes free, whatever the bus takes or gives back meanwhile."""
        with open(self.filler(), "ab") as file:
            size = max(0, os.fstat(file.fileno()).st_size + self.free() - goal)
            os.ftruncate(file.fileno(), size)
            if size:
                os.posix_fallocate(file.fileno(), 0, size)

    def fill_up(self):
        """Until nothing can be written, not by the bus either: what it had reserved is used up as well."""
        with open(self.filler(), "ab", buffering=0) as file:
            try:
                while file.write(b"\0" * 65536):
                    pass
            except OSError:
                pass
        for _ in range(400):
            try:
                answer = self.call("PUSH", "jobs", b"f" * (300 << 10))
            except Closed:
                return
            if isinstance(answer, ErrorReply):
                self.assertIn(answer.code, TROUBLE, answer)
                return
            self.pushed.append(answer)
        self.fail("the disk does not run full")

    def make_room(self):
        os.unlink(self.filler())

    def mark(self):
        """The newest mark that the bus told of."""
        return (re.findall(r"disk: \w+ -> (\w+)", self.bus.log()) or ["ample"])[-1]

    def becomes(self, mark, goal):
        """Fills up to `goal` until the bus has seen it."""
        def seen():
            self.fill_to(goal)
            return self.mark() == mark
        harness.wait_until(seen, 15, f"the mark {mark}")

    def full_disk(self, kill, kind):
        """`kill` on a full disk: nothing passes from then on, also not once there is room, until it is cleared."""
        self.start_on_a_small_disk()
        held = self.claims(4)
        self.fill_up()
        kill()
        for _ in range(20):
            self.assertFalse(self.push(), "let through after the switch was set")
        self.make_room()
        harness.wait_until(self.frozen, what="a bus that serves again")
        for _ in range(50):
            self.assertTrue(self.frozen())
            self.assertTrue(is_frozen(self.call("ACK", *held[0])))
        harness.wait_until(lambda: self.status()["durable"] == 1, what="a durable freeze")
        self.assertEqual(self.status()["freeze"], kind)
        self.bus.kill()
        self.bus.start()
        self.assertTrue(self.frozen())
        self.assertEqual(as_map(self.call("KILL", "CLEAR", "HARD", "over")), {"freeze": b"none", "durable": 1})
        self.assertEqual(self.flags(), [])
        for message, token in held:
            self.assertEqual(self.call("ACK", message, token), "OK")
        self.assertTrue(self.push())
        self.everything_answered_is_there()

    def kill_by_command(self, *words):
        began = time.monotonic()
        answer = self.call("KILL", *words)
        self.assertNotIsInstance(answer, ErrorReply, "a full disk does not stop a KILL")
        said = as_map(answer)
        self.assertIn(said["durable"], (0, 1))
        self.assertEqual((said["freeze"], said["scope"]), (b"hard" if words[0] == "HARD" else b"soft", b"all"))
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(self.status(), said)

    def test_kill_set_on_a_full_disk(self):
        self.full_disk(lambda: self.kill_by_command("SET", "a drill"), b"soft")

    def test_kill_hard_on_a_full_disk(self):
        self.full_disk(lambda: self.kill_by_command("HARD", "the real thing"), b"hard")

    def test_touch_kill_on_a_full_disk(self):
        self.full_disk(lambda: touch(os.path.join(self.bus.data, "KILL")), b"soft")

    def test_a_kill_is_cleared_on_a_full_disk_once_there_is_room(self):
        self.start_on_a_small_disk()
        self.fill_up()
        self.kill_by_command("SET", "a drill")
        try:
            cleared = self.call("KILL", "CLEAR", "no room for it")
        except Closed:
            cleared = None
        self.make_room()
        if cleared is None or isinstance(cleared, ErrorReply):
            harness.wait_until(self.frozen, what="a bus that serves again")
            self.assertEqual(as_map(self.call("KILL", "CLEAR", "over"))["freeze"], b"none")
        harness.wait_until(self.push, what="an answered push")
        self.assertEqual(self.flags(), [])
        self.everything_answered_is_there()

    def test_what_is_claimed_can_end_at_each_mark(self):
        """ACK and its kind pass at `low` and at `critical`, and so does the kill switch."""
        self.start_on_a_small_disk()
        ballast = os.path.join(self.bus.data, "BALLAST")
        harness.wait_until(lambda: os.path.exists(ballast), what="the ballast")
        self.assertAlmostEqual(os.path.getsize(ballast), BALLAST, delta=4096)
        held = {mark: self.claims(8) for mark in ("low", "critical")}
        for mark, goal in (("low", (LOW + CRITICAL) // 2), ("critical", CRITICAL // 2)):
            with self.subTest(mark=mark):
                self.becomes(mark, goal)
                if mark == "critical":
                    harness.wait_until(lambda: not os.path.exists(ballast), what="the ballast let go")
                self.ends_pass(held[mark])
                said = as_map(self.call("KILL", "SET", "at " + mark))
                self.assertEqual((said["freeze"], said["durable"]), (b"soft", 1))
                self.assertEqual(self.flags(), ["KILL"])
                self.assertFalse(self.push())
                self.assertEqual(as_map(self.call("KILL", "CLEAR", "over")), {"freeze": b"none", "durable": 1})
                self.assertEqual(self.flags(), [])
                self.assertEqual(self.mark(), mark, "it stood all the while")
        self.make_room()
        harness.wait_until(lambda: self.mark() == "ample", what="the mark ample")
        harness.wait_until(lambda: os.path.exists(ballast), what="the ballast's return")
        harness.wait_until(self.push, what="an answered push")
        self.everything_answered_is_there()

    def ends_pass(self, held):
        held = iter(held)
        self.assertEqual(self.call("ACK", *next(held)), "OK")
        self.assertEqual(self.call("ACK", *next(held), "RESULT", "r" * 1000), "OK")
        self.assertEqual(self.call("MACK", *next(held), *next(held)), ["OK", "OK"])
        self.assertIn("deadline", as_map(self.call("EXTEND", *next(held), "LEASE", "600000")))
        self.assertEqual(as_map(self.call("FAIL", *next(held), "bad_input", "text"))["state"], b"dead")
        self.assertEqual(self.call("RELEASE", *next(held), "DELAY", "600000"), "OK")
        self.assertEqual(self.call("CANCEL", next(held)[0]), b"claimed")

    def test_pushes_and_claims_are_refused_at_low(self):
        self.start_on_a_small_disk()
        self.assertTrue(self.push())
        self.becomes("low", (LOW + CRITICAL) // 2)
        for words in (["PUSH", "jobs", "x"], ["MPUSH", "jobs", "x", "y"], ["CLAIM", "worker", "jobs"]):
            with self.subTest(command=words[0]):
                answer = self.call(*words)
                self.assertIsInstance(answer, ErrorReply)
                self.assertRegex(answer, r"^BUSY .*retry-after-ms=\d+$")
        self.make_room()
        harness.wait_until(lambda: self.mark() == "ample", what="the mark ample")
        self.assertTrue(self.push())

    # ---- A disk that fails, hangs, has no room: by a library under the program ------

    def faulty_disk(self, word, *kill):
        self.start_on_a_faulty_disk()
        held = self.claims(2)
        self.fault(word)
        self.assertFalse(self.push())
        began = time.monotonic()
        said = as_map(self.call("KILL", *kill, "a drill"))
        self.assertLess(time.monotonic() - began, 10, "an operator knows within seconds")
        self.assertEqual((said["freeze"], said["durable"]), (b"hard" if kill[0] == "HARD" else b"soft", 0))
        self.assertEqual(self.status()["durable"], 0)
        return held

    def then_it_holds(self, held, kind):
        """The disk is well again: the freeze stands before anything else runs."""
        harness.wait_until(self.frozen, what="a bus that serves again")
        self.assertTrue(is_frozen(self.call("ACK", *held[0])))
        harness.wait_until(lambda: self.status()["durable"] == 1, what="a durable freeze")
        self.assertEqual(self.status()["freeze"], kind)
        self.bus.kill()
        self.bus.start(env=self.env)
        self.assertTrue(self.frozen())
        self.assertEqual(as_map(self.call("KILL", "CLEAR", "HARD", "over"))["freeze"], b"none")
        for message, token in held:
            self.assertEqual(self.call("ACK", message, token), "OK")
        self.everything_answered_is_there()

    def test_kill_while_syncs_fail(self):
        for words, kind in ((["SET"], b"soft"), (["HARD"], b"hard")):
            held = self.faulty_disk("fail", *words)
            for _ in range(10):
                self.assertFalse(self.push())
            self.no_fault()
            self.then_it_holds(held, kind)

    def test_a_hard_freeze_stays_hard_while_nothing_can_be_written(self):
        self.start_on_a_faulty_disk()
        self.assertTrue(self.push())
        stands = as_map(self.call("KILL", "HARD", "the real thing"))
        self.fault("full")
        with self.assertRaises(Closed):
            self.call("PAUSE", "jobs")
        self.assertEqual(as_map(self.call("KILL", "SET", "softer"))["freeze"], b"hard", "a soft one changes nothing")
        self.assertEqual(self.status()["freeze"], b"hard")
        self.assertIsInstance(self.call("KILL", "CLEAR", "not enough"), ErrorReply)
        self.assertEqual(self.flags(), ["KILL", "KILL_HARD"])
        self.no_fault()
        harness.wait_until(self.frozen, what="a bus that serves again")
        self.assertEqual(self.status(), stands)

    def test_kill_while_there_is_no_room(self):
        held = self.faulty_disk("full", "HARD")
        for _ in range(10):
            self.assertFalse(self.push())
        self.no_fault()
        self.then_it_holds(held, b"hard")

    def test_kill_that_a_disk_could_not_keep_leaves_a_flag(self):
        """What a KILL cannot commit acts through the flag file as well: an empty file will do, and one that was not synced."""
        for word in ("full", "fail"):
            with self.subTest(fault=word):
                self.faulty_disk(word, "HARD")
                self.bus.kill()
                self.no_fault()
                self.bus.start(env=self.env)
                self.assertTrue(self.frozen())
                self.assertEqual(self.status()["freeze"], b"hard")
                self.bus.close()

    def test_kill_on_a_full_disk_leaves_a_flag(self):
        self.start_on_a_small_disk()
        self.fill_up()
        self.kill_by_command("HARD", "the real thing")
        self.bus.kill()
        self.make_room()
        self.bus.start()
        self.assertTrue(self.frozen())
        self.assertEqual(self.status()["freeze"], b"hard")

    def hanging_disk(self, *kill):
        """KILL behind a commit that hangs: answered, and nothing that comes later passes when the disk goes on."""
        self.start_on_a_faulty_disk()
        held = self.claims(2)
        self.fault("hang")
        with Wire(self.bus.port) as before, Wire(self.bus.port) as killer, Wire(self.bus.port) as after:
            before.send("PUSH", "jobs", "before")
            time.sleep(0.1)  # so that it is what hangs
            began = time.monotonic()
            killer.send("KILL", *kill, "a drill")
            try:
                with Wire(self.bus.port, timeout=5) as other:
                    for _ in range(10):
                        self.assertEqual(other.call("PING"), "PONG", "others are served")
                        self.assertIn(b"uptime", other.call("INFO"))
                        time.sleep(0.02)
                said = as_map(killer.reply())
                self.assertLess(time.monotonic() - began, 10)
                self.assertEqual((said["freeze"], said["durable"]), (b"hard" if kill[0] == "HARD" else b"soft", 0))
                after.send("PUSH", "jobs", "after")
                self.assertEqual(self.call("PING"), "PONG")
            finally:
                self.no_fault()
            self.pushed.append(before.reply())
            self.assertIsInstance(self.pushed[-1], bytes)
            self.assertTrue(is_frozen(after.reply()))
        self.then_it_holds(held, b"hard" if kill[0] == "HARD" else b"soft")

    def test_kill_set_while_the_disk_hangs(self):
        self.hanging_disk("SET")

    def test_kill_hard_while_the_disk_hangs(self):
        self.hanging_disk("HARD")

    def test_status_tells_of_a_kill_that_hangs(self):
        """Whoever was told durable 0 is not told later that nothing stands."""
        self.start_on_a_faulty_disk()
        self.assertTrue(self.push())
        self.fault("hang")
        try:
            said = as_map(self.call("KILL", "SET", "a drill"))
            self.assertEqual((said["freeze"], said["durable"]), (b"soft", 0))
            self.assertEqual(self.status(), said)
        finally:
            self.no_fault()
        harness.wait_until(lambda: self.status()["durable"] == 1, what="a durable freeze")
        self.assertEqual(self.status()["freeze"], b"soft")

    def test_touch_while_the_disk_hangs(self):
        self.start_on_a_faulty_disk()
        held = self.claims(2)
        self.fault("hang")
        with Wire(self.bus.port) as before, Wire(self.bus.port) as after:
            before.send("PUSH", "jobs", "before")
            time.sleep(0.1)
            touch(os.path.join(self.bus.data, "KILL"))
            after.send("PUSH", "jobs", "after")
            threading.Timer(0.5, self.no_fault).start()
            self.pushed.append(before.reply())
            self.assertTrue(is_frozen(after.reply()))
        self.then_it_holds(held, b"soft")

    def test_a_kill_answered_while_a_commit_hangs_holds_when_it_fails(self):
        """It was told durable 0: it holds while this process lives, and that is what it does."""
        self.start_on_a_faulty_disk()
        held = self.claims(2)
        self.fault("hang")
        with Wire(self.bus.port) as pusher:
            pusher.send("PUSH", "jobs", "hangs")
            time.sleep(0.1)  # so that the switch comes into the batch behind it
            said = as_map(self.call("KILL", "SET", "a drill"))
            self.assertEqual((said["freeze"], said["durable"]), (b"soft", 0))
            self.fault("fail")
            with self.assertRaises(Closed):
                pusher.reply()
        self.no_fault()
        self.then_it_holds(held, b"soft")

    def test_what_was_parked_meets_a_kill_that_came_while_nothing_could_commit(self):
        """Its message was taken in a batch that is lost, so that it is there again when the store is: the freeze comes first."""
        for n in range(3):
            self.start_on_a_faulty_disk()
            self.assertTrue(self.push())
            with Wire(self.bus.port) as pusher, Wire(self.bus.port) as taker, Wire(self.bus.port) as parked:
                parked.send("PING")
                parked.reply()
                self.fault("hang")
                pusher.send("PUSH", "jobs", "hangs")
                time.sleep(0.1)  # so that the claims come into the batch behind it
                taker.send("CLAIM", "taker", "jobs", "COUNT", "2")
                time.sleep(0.1)
                parked.send("CLAIM", "parked", "jobs", "WAIT", "5000")
                parked.send("PUSH", "jobs", "behind it")
                time.sleep(0.1)
                self.fault("fail")
                for wire in (pusher, taker):
                    with self.assertRaises(Closed):
                        wire.reply()
                self.assertEqual(as_map(self.call("KILL", "SET", "a drill"))["durable"], 0)
                self.no_fault()
                answers = [parked.reply(), parked.reply()]
            for answer in answers:
                self.assertTrue(is_frozen(answer), f"round {n}: {answer} after KILL was answered")
            harness.wait_until(self.frozen, what="a bus that serves again")
            self.assertEqual(as_map(self.call("GET", self.pushed[-1]))["state"], b"ready")
            self.bus.close()


if __name__ == "__main__":
    unittest.main()
