#!/usr/bin/python3
"""The kill switch as files: DIR/KILL and DIR/KILL_HARD, made, written and removed by anybody, with the bus up, down and killed."""
import json
import os
import shutil
import socket
import time
import unittest

import harness
from freezing import FreezeTest, is_frozen
from wire import ErrorReply, as_map, encode

ROUNDS = 1000 if os.environ.get("PAWL_SOAK") else 100


class FlagFiles(FreezeTest):
    # ---- Made and removed while the bus runs --------------------------------------

    def test_touch_and_rm(self):
        for _ in range(5):
            self.touch()
            self.assert_frozen(self.push(), "the first command after touch")
            stands = self.status()
            self.assertEqual({name: stands[name] for name in ("freeze", "scope", "by", "durable")},
                             {"freeze": b"soft", "scope": b"all", "by": b"file", "durable": 1})
            self.assertIn(b"KILL", stands["reason"])
            os.unlink(self.flag())
            self.assertIsInstance(self.push(), bytes, "the first command after rm")
        self.assert_free()

    def test_a_flag_is_seen_while_nothing_else_happens(self):
        parked = self.connect()
        for name in ("KILL", "KILL_HARD"):
            parked.send("CLAIM", "worker", "nothing", "WAIT", "600000")
            touched = time.monotonic()
            self.touch(name)
            self.assert_frozen(parked.reply())
            self.assertLess(time.monotonic() - touched, 5)
            if name == "KILL":
                os.unlink(self.flag())
                self.becomes("none")
        self.assertEqual(self.status()["freeze"], b"hard")

    def test_the_bus_writes_the_flags_of_every_freeze(self):
        cases = ((["SET", "SCOPE", "claims", "FOR", "3600000", "two words"], ["KILL"], {"reason": "two words", "scope": "claims"}),
                 (["SET", "line\nscope=intake\nfreeze=0"], ["KILL"], {"scope": "all"}),
                 (["HARD", "the real thing"], ["KILL", "KILL_HARD"], {"reason": "the real thing", "scope": "all"}))
        for words, names, lines in cases:
            with self.subTest(words=words):
                stands = as_map(self.wire.call("KILL", *words))
                there = sorted(name for name in os.listdir(self.bus.data) if "KILL" in name)
                self.assertEqual(there, names, "they are there when KILL is answered, and nothing beside them")
                for name in names:
                    said = self.read_flag(name)
                    self.assertEqual({key: said[key] for key in lines}, lines)
                    self.assertEqual(said.get("until"), str(stands["until"]) if "until" in stands else None)
                    self.assertRegex(said["freeze"], r"^[1-9]\d*$")
        self.assertEqual(as_map(self.wire.call("KILL", "CLEAR", "HARD", "over")), {"freeze": b"none", "durable": 1})
        self.assert_free()

    def cleared(self, remove=None):
        """By removing the file, and by command."""
        if remove is not None:
            remove()
            self.becomes("none")
        else:
            self.assert_passes(self.wire.call("KILL", "CLEAR", "HARD", "over"))
        self.assert_free()

    def test_contents(self):
        """content → scope, what the reason has in it, whether it is hard: nothing that is written is taken for no flag."""
        now = int(time.time() * 1000)
        cases = [
            ("", "all", b"KILL"), ("stop, please\n", "all", b"stop, please"), ("scope=claims\n", "claims", b""),
            ("scope=intake\nreason=too much\n", "intake", b"too much"), ("reason=no newline at the end", "all", b"no newline at the end"),
            ("scope=half\n", "all", b""), ("scope=\n", "all", b""), ("freeze=999999\nreason=of another bus\n", "all", b"of another bus"),
            ("freeze=-1\n", "all", b""), ("freeze=99999999999999999999999\n", "all", b""), ("until=soon\n", "all", b""),
            (f"until={now - 60_000}\nreason=a limit in the past\n", "all", b"a limit in the past"),
            (f"until={now + 3_600_000}\nscope=claims\n", "claims", b""), ("until=99999999999999999999\n", "all", b""),
            ("until=-5\n", "all", b""), (bytes(range(256)) * 4, "all", b"ABCDEFG"), (b"\0" * 100, "all", b"KILL"),
            (b"\xff\xfe\xfd" * 100, "all", b""), (b"m" * (1 << 20), "all", b"m" * 100), ("l\n" * 500_000, "all", b"l"),
            ("=" * 5000, "all", b"="), ("\r\nscope=claims\r\n", "all", b""), ("reason=" + "r" * 4000, "all", b"r" * 100),
        ]
        for hard in (False, True):
            for content, scope, reason in cases:
                with self.subTest(content=content[:40], hard=hard):
                    self.write_flag(content, "KILL_HARD" if hard else "KILL")
                    self.assert_frozen(self.push(), "whatever it says")
                    self.assertEqual(is_frozen(self.wire.call("CLAIM", "worker", "nobody")), hard or scope != "intake")
                    stands = self.status()
                    self.assertEqual(stands["freeze"], b"hard" if hard else b"soft")
                    self.assertEqual(stands["scope"], b"all" if hard else scope.encode())
                    self.assertIn(reason if reason != b"KILL" or not hard else b"KILL_HARD", stands["reason"])
                    self.assertLessEqual(len(stands["reason"]), 1024)
                    self.assertGreater(stands.get("until", now + 1), now)
                    self.assertFalse(hard and "until" in stands, "a hard one has no time limit")
                    self.cleared(None if hard else lambda: os.unlink(self.flag()))
        self.assertEqual(len(self.entries("kill.set")), 2 * len(cases))
        self.assertGreater(len(json.loads(self.pawl("events", "--json", expect=0).stdout)), 10, "JSON whatever a file had in it")

    def test_until_in_a_file_ends_it(self):
        until = int(time.time() * 1000) + 500
        self.write_flag(f"until={until}\nreason=for a moment\n")
        self.assert_frozen(self.push())
        self.assertEqual(self.status()["until"], until)
        harness.wait_until(lambda: not isinstance(self.push(), ErrorReply), what="the end of it")
        self.assertGreaterEqual(time.time() * 1000, until)
        harness.wait_until(lambda: self.flags() == [], what="no flag")
        self.assert_free()

    def test_what_cannot_be_read_counts_as_set(self):
        """Each is made, freezes, and is gone again by command or by whoever made it."""
        path = self.flag()

        def loop():
            os.symlink(path, path)

        def pipe():
            os.mkfifo(path)

        def written_pipe():
            os.mkfifo(path)
            self.addCleanup(os.close, os.open(path, os.O_RDWR | os.O_CLOEXEC))

        def unix_socket():
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path)

        def device():
            os.symlink("/dev/zero", path)

        for make in (loop, pipe, written_pipe, unix_socket, device):
            for remove in (None, lambda: os.unlink(path)):
                with self.subTest(what=make.__name__, how="KILL CLEAR" if remove is None else "unlink"):
                    make()
                    self.assert_frozen(self.push())
                    self.assertEqual((self.status()["freeze"], self.status()["scope"]), (b"soft", b"all"))
                    self.cleared(remove)

    def test_a_folder_as_a_flag(self):
        """It cannot be replaced by a file; whoever made it takes it away, and that clears."""
        os.mkdir(self.flag())
        self.assert_frozen(self.push())
        self.assertEqual((self.status()["freeze"], self.status()["scope"]), (b"soft", b"all"))
        os.rmdir(self.flag())
        self.cleared(lambda: None)

    def test_a_link_to_nowhere_as_a_flag(self):
        os.symlink("/nonexistent/reason", self.flag())
        self.assert_frozen(self.push(), "it is there and cannot be read")
        self.cleared()

    def test_a_flag_over_a_narrower_freeze_widens_it(self):
        """Scope all is what a plain file says; that one of the bus's was there before is no reason to pass it over."""
        self.wire.call("KILL", "SET", "SCOPE", "intake", "only intake")
        self.write_flag("now everything\n")
        self.assert_frozen(self.wire.call("CLAIM", "worker", "nobody"), "claims, after a file of scope all was written")
        self.assertEqual(self.status()["scope"], b"all")

    def test_a_flag_written_over_a_freeze_with_a_limit_outlasts_it(self):
        until = as_map(self.wire.call("KILL", "SET", "FOR", "400", "a short one"))["until"]
        self.write_flag("until somebody says otherwise\n")
        while time.time() * 1000 < until + 300:
            self.assert_frozen(self.push(), "the file is there")
            time.sleep(0.02)
        self.assertEqual(self.flags(), ["KILL"])
        self.assertEqual(self.status()["reason"], b"until somebody says otherwise")

    def test_touch_hard_over_a_soft_freeze(self):
        self.wire.call("KILL", "SET", "SCOPE", "intake", "FOR", "3600000", "soft")
        self.touch("KILL_HARD")
        self.assert_frozen(self.wire.call("CLAIM", "worker", "nobody"))
        self.assertEqual((self.status()["freeze"], self.status()["by"]), (b"hard", b"file"))
        self.assertNotIn("until", self.status())
        self.assert_frozen(self.wire.call("KILL", "CLEAR", "not enough"))
        self.cleared()

    def test_rm_under_a_hard_freeze_brings_the_files_back(self):
        self.wire.call("KILL", "HARD", "the real thing")
        files = self.read_flag("KILL"), self.read_flag("KILL_HARD")
        for names in (["KILL"], ["KILL_HARD"], ["KILL", "KILL_HARD"], ["KILL_HARD", "KILL"]):
            with self.subTest(removed=names):
                for name in names:
                    os.unlink(self.flag(name))
                self.assert_frozen(self.push())
                harness.wait_until(lambda: self.flags() == ["KILL", "KILL_HARD"], what="the files' return")
                self.assertEqual((self.read_flag("KILL"), self.read_flag("KILL_HARD")), files)
                self.assertEqual(self.status()["freeze"], b"hard")
        self.assertEqual(len(self.entries("kill")), 1)
        self.cleared()

    # ---- In quick succession --------------------------------------------------------

    def busy(self):
        """Somebody who makes the bus look at its flags all the time."""
        wire = self.connect()
        wire.send_bytes(b"*1\r\n$4\r\nPING\r\n" * 200)
        return wire

    def test_rm_then_touch_freezes(self):
        """However soon it follows: no command sent after touch returned is let through."""
        passed = []
        for n in range(ROUNDS):
            self.touch()
            harness.wait_until(lambda: is_frozen(self.push()), what="the freeze")
            noise = self.busy()
            os.unlink(self.flag())
            pause(n % 20 * 0.0002)
            self.touch()
            answer = self.push()
            if not is_frozen(answer):
                passed.append((n, answer, self.flags()))
            noise.close()
            self.wire.call("KILL", "CLEAR", "next")
        self.assertEqual(passed, [], f"let through after touch, {len(passed)} of {ROUNDS} rounds")

    def test_touch_then_rm_leaves_no_freeze(self):
        """However soon it follows: whoever removed the file ended the freeze."""
        stuck = []
        for n in range(ROUNDS):
            noise = self.busy()
            self.touch()
            pause(n % 20 * 0.0002)
            os.unlink(self.flag())
            try:
                harness.wait_until(lambda: not is_frozen(self.push()), 2, "the thaw")
            except AssertionError:
                stuck.append((n, self.flags()))
                self.wire.call("KILL", "CLEAR", "next")
            noise.close()
            if len(stuck) == 3:
                break
        self.assertEqual(stuck, [], f"frozen for good after {n + 1} rounds")

    def test_clear_then_touch_freezes(self):
        """A touch after KILL CLEAR was answered is a new one, and is not removed with the old one's file."""
        for n in range(ROUNDS):
            self.wire.call("KILL", "SET", "a drill")
            noise = self.busy()
            self.wire.call("KILL", "CLEAR", "over")
            pause(n % 5 * 0.0002)
            self.touch()
            self.assert_frozen(self.push(), f"round {n}")
            self.assertIn("KILL", self.flags())
            noise.close()
            self.wire.call("KILL", "CLEAR", "next")
        self.assert_free()

    # ---- With the bus down or killed --------------------------------------------------

    def test_a_hard_freeze_survives_kill_9_and_removal_of_the_files(self):
        self.wire.call("CLIENT", "SETNAME", "watchman")
        stands = as_map(self.wire.call("KILL", "HARD", "the real thing"))

        def remove():
            for name in ("KILL", "KILL_HARD"):
                os.unlink(self.flag(name))

        for n, while_down in enumerate((lambda: None, remove, remove, lambda: os.unlink(self.flag("KILL_HARD")))):
            with self.subTest(restart=n):
                self.restart(while_down)
                self.assert_frozen(self.push(), "the first command after a start")
                self.assertEqual(self.status(), stands)
                harness.wait_until(lambda: self.flags() == ["KILL", "KILL_HARD"], what="the files' return")
        remove()
        self.restart()  # removed while it ran, gone with it
        self.assert_frozen(self.push())
        self.assert_frozen(self.wire.call("KILL", "CLEAR", "not enough"))
        self.restart(remove, how=self.bus.stop)
        self.assert_frozen(self.push())
        self.cleared()
        self.restart()
        self.assert_free()
        self.assertEqual([entry["kind"] for entry in self.entries("kill")], [b"kill.set", b"kill.clear"])

    def test_a_hard_freeze_by_file_survives_as_well(self):
        def remove():
            for name in self.flags():
                os.unlink(self.flag(name))

        self.touch("KILL_HARD")
        self.assert_frozen(self.push())
        self.restart(remove)
        self.assert_frozen(self.push())
        self.cleared()
        self.restart(lambda: self.touch("KILL_HARD"))
        self.assert_frozen(self.push())
        self.assertEqual(self.status()["freeze"], b"hard")
        remove()
        self.assert_frozen(self.push())
        self.restart(remove)
        self.assert_frozen(self.push())
        self.cleared()

    def test_a_soft_freeze_survives_kill_9(self):
        for scope in ("intake", "all"):
            stands = as_map(self.wire.call("KILL", "SET", "SCOPE", scope, "a drill"))
            for how in (self.bus.kill, self.bus.stop):
                self.restart(how=how)
                self.assert_frozen(self.push())
                self.assertEqual(self.status(), stands)
                self.assertEqual(is_frozen(self.wire.call("CLAIM", "worker", "nobody")), scope == "all")
        self.cleared()

    def test_removing_the_file_while_the_bus_is_down_clears_a_soft_freeze(self):
        for how in (self.bus.stop, self.bus.kill):
            with self.subTest(how=how.__name__):
                self.wire.call("KILL", "SET", "a drill")
                for verb in ("PAUSE", "RESUME"):  # batches of their own: whatever followed KILL by itself is durable
                    self.wire.call(verb, "jobs")
                self.restart(lambda: os.unlink(self.flag()), how)
                self.cleared(lambda: None)

    def test_removing_the_file_after_kill_9_at_once_clears_a_soft_freeze(self):
        """The flag is known to have been written as soon as KILL is answered, also to the next process."""
        for n in range(15):
            self.wire.call("KILL", "SET", "a drill")
            self.restart(lambda: os.unlink(self.flag()))
            harness.wait_until(lambda: not is_frozen(self.push()), 2, f"round {n}: the end of a freeze whose file was removed")
            self.assert_free()

    def test_a_flag_that_cannot_be_written_ends_no_freeze(self):
        """What never was there was not removed; once it can be written, it is."""
        self.claim("jobs", "LEASE", "600000")
        for words in (["SET"], ["HARD"]):
            with self.subTest(freeze=words):
                for name in ("KILL.new", "KILL_HARD.new"):
                    os.makedirs(self.flag(name), exist_ok=True)
                stands = as_map(self.wire.call("KILL", *words, "a drill"))
                until = time.monotonic() + 1.5
                while time.monotonic() < until:
                    self.assert_frozen(self.push())
                    self.assertEqual(self.wire.call("PAUSE", "jobs"), "OK")  # a batch
                    self.assertEqual(self.status(), stands)
                    time.sleep(0.02)
                for name in ("KILL.new", "KILL_HARD.new"):
                    os.rmdir(self.flag(name))
                harness.wait_until(lambda: "KILL" in self.flags(), what="the flag, once it can be written")
                self.assert_frozen(self.push())
                self.cleared()

    def test_touch_while_the_bus_is_down(self):
        self.restart(self.touch)
        self.assert_frozen(self.push(), "the first command after a start")
        self.assertEqual(self.status()["by"], b"file")
        self.restart(lambda: os.unlink(self.flag()), self.bus.stop)
        self.cleared(lambda: None)
        self.restart(lambda: self.write_flag("scope=claims\nreason=by night\n"))
        self.assert_frozen(self.wire.call("CLAIM", "worker", "nobody"))
        self.assertEqual((self.status()["scope"], self.status()["reason"]), (b"claims", b"by night"))
        self.cleared()

    def test_a_stale_flag_is_removed_at_start(self):
        """A crash between the clear's commit and the removal: made by putting the file back."""
        for words, name in ((["SET"], "KILL"), (["HARD"], "KILL_HARD"), (["SET", "SCOPE", "claims", "FOR", "3600000"], "KILL")):
            with self.subTest(freeze=words):
                self.wire.call("KILL", *words, "a drill")
                away = os.path.join(self.bus.folder, "away")
                shutil.copy2(self.flag(name), away)
                self.wire.call("KILL", "CLEAR", "HARD", "over")
                self.restart(lambda: shutil.copy2(away, self.flag(name)))
                self.assertIsInstance(self.push(), bytes, "a freeze that was cleared stays cleared")
                harness.wait_until(lambda: self.flags() == [], what="the stale flag's removal")
                # And while it runs.
                shutil.copy2(away, self.flag(name))
                self.assertIsInstance(self.push(), bytes)
                harness.wait_until(lambda: self.flags() == [], what="the stale flag's removal")
        self.assertEqual(len(self.entries("kill")), 6)
        # A number that the store never gave is no stale one.
        self.restart(lambda: self.write_flag("reason=of another store\nfreeze=1000\n"))
        self.assert_frozen(self.push())
        self.cleared()

    def test_a_time_limit_that_passes_while_the_bus_is_down(self):
        until = as_map(self.wire.call("KILL", "SET", "FOR", "300", "a short one"))["until"]
        self.restart(lambda: harness.wait_until(lambda: time.time() * 1000 > until, what="the limit"))
        harness.wait_until(lambda: not is_frozen(self.push()), what="the end of it")
        harness.wait_until(lambda: self.flags() == [], what="no flag")
        self.assert_free()

    def test_kill_9_in_the_middle_of_flips(self):
        """Set and cleared until the process is shot: what was answered last, holds; in between, either does."""
        rounds = 40 if os.environ.get("PAWL_SOAK") else 6
        for n in range(rounds):
            with self.subTest(round=n):
                self.wire.send_bytes(b"".join(flips(n)))
                for _ in range(n * 2 + 1):
                    answer = self.wire.reply()
                self.assert_passes(answer)
                self.restart()
                freeze = self.status()["freeze"]
                self.assertEqual(is_frozen(self.push()), freeze != b"none")
                self.assertEqual(self.status()["freeze"], freeze, "and it stays so")
                self.assertEqual(self.flags(), ["KILL"] if freeze == b"soft" else [])
                self.wire.call("KILL", "CLEAR", "next")
                self.assert_free()


def flips(n):
    return [encode("KILL", *(["SET", f"flip {n} {k}"] if k % 2 == 0 else ["CLEAR", f"flip {n} {k}"])) for k in range(200)]


def pause(seconds):
    """Shorter than a sleep can be."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


if __name__ == "__main__":
    unittest.main()
