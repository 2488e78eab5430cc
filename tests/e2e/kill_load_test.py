#!/usr/bin/python3
"""The kill switch under load: no push sent after it was set is answered with an id, and nothing is lost or doubled by flips."""
import collections
import os
import threading
import time
import unittest

import harness
from freezing import FreezeTest, is_frozen
from wire import ErrorReply, Wire, as_map, encode

CLIENTS = 32
FLIPS = 1000 if os.environ.get("PAWL_SOAK") else 100
BACKLOG = 2000  # messages; more are not pushed before some are acknowledged
NEWEST = 10  # answers of a kind that must have come before the switch is flipped again

# When a command was sent and answered (nanoseconds of the monotonic clock), and whether it was refused.
Asked = collections.namedtuple("Asked", "sent answered refused")


class Load:
    """Pushers and workers on connections of their own. What was said to whom stays to be judged when all is over."""

    def __init__(self, port, pushers, workers):
        self.port = port
        self.over = threading.Event()
        self.pushes_over = threading.Event()
        self.lock = threading.Lock()
        self.pushed, self.claimed, self.acknowledged = [], [], []  # ids
        self.asked = []  # Asked of everything that a freeze of everything stops
        self.since = 0  # what was sent later is counted in `seen`
        self.seen = {"passed": 0, "refused": 0}
        self.errors = []
        self.pushers = [threading.Thread(target=self.guarded, args=(self.pusher, n)) for n in range(pushers)]
        self.workers = [threading.Thread(target=self.guarded, args=(self.worker, n)) for n in range(workers)]

    def __enter__(self):
        for thread in self.pushers + self.workers:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end()

    def end_pushes(self):
        self.pushes_over.set()
        for thread in self.pushers:
            thread.join()

    def end(self):
        self.end_pushes()
        self.over.set()
        for thread in self.workers:
            thread.join()

    def guarded(self, work, number):
        try:
            with Wire(self.port) as wire:
                work(wire, number)
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(f"{work.__name__} {number}: {error!r}")

    def ask(self, wire, *commands):
        """Sends them in one go; the answers, after they were noted."""
        sent = time.monotonic_ns()
        answers = wire.pipeline(commands)
        answered = time.monotonic_ns()
        with self.lock:
            for words, answer in zip(commands, answers):
                if isinstance(answer, ErrorReply) and not is_frozen(answer):
                    self.errors.append(f"{words}: {answer}")
                elif answer != []:  # an empty claim says nothing
                    self.asked.append(Asked(sent, answered, is_frozen(answer)))
                    self.seen["refused" if is_frozen(answer) else "passed"] += sent > self.since
        return answers

    def pusher(self, wire, number):
        """Every other one sends eight at a time."""
        count = 8 if number % 2 else 1
        n = 0
        while not self.pushes_over.is_set():
            if self.workers and len(self.pushed) > len(self.acknowledged) + BACKLOG:
                time.sleep(0.001)
                continue
            answers = self.ask(wire, *(["PUSH", "jobs", f"{number} {n + k}"] for k in range(count)))
            n += count
            self.pushed += [answer for answer in answers if isinstance(answer, bytes)]
            if is_frozen(answers[-1]):
                time.sleep(0.001)

    def worker(self, wire, number):
        """Acknowledges what it holds until it is told OK: a freeze in between costs it nothing but time."""
        held = []
        while held or not self.over.is_set():
            if not held:
                claims = self.ask(wire, ["CLAIM", f"worker-{number}", "jobs", "COUNT", "20", "LEASE", "600000", "WAIT", "20"])[0]
                held = [] if isinstance(claims, ErrorReply) else [as_map(one) for one in claims]
                self.claimed += [(one["id"], one["delivery"]) for one in held]
            else:
                answers = self.ask(wire, *(["ACK", one["id"], one["token"]] for one in held))
                self.acknowledged += [one["id"] for one, answer in zip(held, answers) if not is_frozen(answer)]
                held = [one for one, answer in zip(held, answers) if is_frozen(answer)]
                if held:
                    time.sleep(0.001)

    def sees(self, kind, count=NEWEST):
        """Waits until so many commands that were sent from now on have passed, or were refused."""
        with self.lock:
            self.since = time.monotonic_ns()
            self.seen = dict.fromkeys(self.seen, 0)
        harness.wait_until(lambda: self.seen[kind] >= count or self.errors, what=f"{count} more commands {kind}")


class KillLoad(FreezeTest):
    def test_touch_under_load_lets_no_later_push_through(self):
        """Flags of both kinds; what was answered before is there afterwards, and nothing else is."""
        with Load(self.bus.port, CLIENTS, 0) as load:
            for n in range(10):
                load.sees("passed", 200)
                self.touch("KILL_HARD" if n % 5 == 4 else "KILL")
                touched = time.monotonic_ns()
                load.sees("refused", 200)
                until = time.monotonic_ns()
                with load.lock:
                    asked = list(load.asked)
                through = [one for one in asked if touched < one.sent and one.answered <= until and not one.refused]
                self.assertEqual(through, [], f"round {n}: let through after touch returned")
                refused = [one for one in asked if touched < one.sent and one.refused]
                self.assertGreater(len(refused), 100, "the load goes on")
                self.assert_passes(self.wire.call("KILL", "CLEAR", "HARD", "next"))
            load.end()
        self.assertEqual(load.errors, [])
        self.everything_answered_is_there(load)

    def everything_answered_is_there(self, load):
        self.assertEqual(len(set(load.pushed)), len(load.pushed))
        self.assertEqual(as_map(self.wire.call("ROLE", "jobs"))["ready"], len(load.pushed), "an error means that nothing happened")
        for start in range(0, len(load.pushed), 500):
            rows = self.wire.pipeline([["GET", message] for message in load.pushed[start:start + 500]])
            self.assertNotIn(None, rows, "answered, and gone")
        self.assertEqual(as_map(self.wire.call("VERIFY"))["ok"], 1)

    def test_touch_in_the_middle_of_a_long_pipeline(self):
        """What is on its way may pass or not, but from the first refusal on nothing passes, and nothing that was sent later."""
        before, after = 15_000, 1000
        raw = [encode("PUSH", "jobs", str(n)) for n in range(before + after)]
        for n in range(3):
            with self.connect() as pusher:
                sender = threading.Thread(target=pusher.send_bytes, args=(b"".join(raw[:before]),))
                sender.start()
                answers = [pusher.reply() for _ in range(2000)]
                self.touch()
                sender.join()  # its last part may leave after touch: nobody can tell
                pusher.send_bytes(b"".join(raw[before:]))
                answers += [pusher.reply() for _ in range(before + after - 2000)]
            refused = [is_frozen(answer) for answer in answers]
            passed = refused.index(True)
            self.assertTrue(all(refused[passed:]), f"round {n}")
            self.assertLessEqual(passed, before, f"round {n}")
            self.assertEqual(as_map(self.wire.call("ROLE", "jobs"))["ready"], passed)
            self.wire.call("KILL", "CLEAR", "next")
            self.wire.call("CANCEL", "FILTER", "jobs", "LIMIT", "10000000")

    # ---- Flips ---------------------------------------------------------------------

    def switches(self):
        """(set, clear): each returns once it is sure to be in force."""
        def kill_set():
            self.assert_passes(self.wire.call("KILL", "SET", "a flip"))

        def kill_clear():
            self.assert_passes(self.wire.call("KILL", "CLEAR", "a flip"))

        sets = [self.touch, kill_set, lambda: self.write_flag("a flip\n")]
        clears = [lambda: os.unlink(self.flag()), kill_clear]
        if self.pawl("kill", "--help").returncode == 0:
            sets.append(lambda: self.pawl("kill", "--reason", "a flip", expect=0))
            clears.append(lambda: self.pawl("clear", "--reason", "a flip", expect=0))
        return sets, clears

    def test_flips_under_load_lose_nothing_and_double_nothing(self):
        sets, clears = self.switches()
        frozen = []  # (since, until): everything sent and answered within must have been refused
        free = []  # and within these, must have passed
        with Load(self.bus.port, 12, 8) as load:
            cleared = time.monotonic_ns()
            for n in range(FLIPS):
                load.sees("passed")
                free.append((cleared, time.monotonic_ns()))
                sets[n % len(sets)]()
                stopped = time.monotonic_ns()
                load.sees("refused")
                frozen.append((stopped, time.monotonic_ns()))
                clears[n // len(sets) % len(clears)]()
                cleared = time.monotonic_ns()
            load.end_pushes()
            harness.wait_until(lambda: load.errors or len(load.acknowledged) >= len(load.pushed), what="the rest of the work")
            load.end()
        self.assertEqual(load.errors, [])
        self.judge(load.asked, frozen, False, "let through while frozen")
        self.judge(load.asked, free, True, "refused while free")
        self.nothing_lost_nothing_twice(load)

    def judge(self, asked, spans, refused, what):
        asked = sorted(asked)
        n = wrong = seen = 0
        for since, until in spans:
            while n < len(asked) and asked[n].sent <= since:
                n += 1
            while n < len(asked) and asked[n].sent < until:
                if asked[n].answered < until:
                    seen += 1
                    wrong += asked[n].refused == refused
                n += 1
        self.assertEqual(wrong, 0, f"{wrong} of {seen} commands {what}")
        self.assertGreater(seen, len(spans) * NEWEST // 2)

    def nothing_lost_nothing_twice(self, load):
        claimed = [message for message, _ in load.claimed]
        self.assertEqual(len(set(load.pushed)), len(load.pushed))
        self.assertEqual(sorted(claimed), sorted(load.pushed), "each pushed one was handed out, once")
        self.assertEqual(sorted(load.acknowledged), sorted(load.pushed), "each one was acknowledged, once")
        self.assertEqual({delivery for _, delivery in load.claimed}, {1})
        role = as_map(self.wire.call("ROLE", "jobs"))
        self.assertEqual([role[state] for state in ("scheduled", "ready", "claimed", "dead")], [0, 0, 0, 0])
        self.assertEqual(as_map(self.wire.call("VERIFY"))["ok"], 1)
        self.each_flip_is_told_once()
        self.assertEqual(self.entries("message"), [], "nothing lapsed, nothing was retried")

    def each_flip_is_told_once(self):
        """But a flag file may be seen when it is there and not yet written: what it says then takes the place of the first."""
        begun = ended = 0
        standing = None  # whose freeze
        for entry in map(as_map, self.entries_all("kill")):
            if entry["kind"] == b"kill.clear":
                self.assertIsNotNone(standing, entry)
                standing = None
                ended += 1
                continue
            self.assertEqual(entry["kind"], b"kill.set")
            if standing is None:
                begun += 1
            else:
                self.assertEqual((standing, entry["by"]), (b"file", b"file"), entry)
            standing = entry["by"]
        self.assertEqual((begun, ended), (FLIPS, FLIPS))

    def entries_all(self, kind):
        entries, after = [], "0"
        while True:
            after, more = self.wire.call("EVENTS", after, "COUNT", "1000", "KIND", kind)
            if not more:
                return entries
            entries += more


if __name__ == "__main__":
    unittest.main()
