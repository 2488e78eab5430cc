#!/usr/bin/python3
"""Clocks that jump and time that passes without the bus, on the real program under libfaketime."""
import glob
import os
import signal
import time
import unittest

import harness
from wire import ErrorReply, Wire, as_map

HOUR_MS = 3_600_000


def faketime_library():
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        raise AssertionError("libfaketime is missing: apt-get install faketime")
    return found[0]


class TimeTrouble(unittest.TestCase):
    def setUp(self):
        self.bus = harness.Bus()
        self.addCleanup(self.bus.close)
        self.offset = os.path.join(self.bus.folder, "offset")

    def start(self, hours=0, monotonic_too=False):
        """A bus whose wall clock is `hours` away; jump() moves it while it runs."""
        self.jump(hours)
        env = {"LD_PRELOAD": faketime_library(), "FAKETIME_TIMESTAMP_FILE": self.offset, "FAKETIME_NO_CACHE": "1",
               "FAKETIME_DONT_FAKE_MONOTONIC": "0" if monotonic_too else "1",
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        self.bus.start(env=env)
        self.wire = Wire(self.bus.port)
        self.addCleanup(self.wire.close)

    def jump(self, hours):
        with open(self.offset + ".new", "w", encoding="utf-8") as file:
            file.write(f"{hours * 3600:+d}s\n")
        os.rename(self.offset + ".new", self.offset)

    def message(self, message):
        return as_map(self.wire.call("GET", message))

    def becomes(self, message, state, seconds=10):
        harness.wait_until(lambda: self.message(message)["state"] == state, seconds, f"{message} {state.decode()}")

    def test_wall_clock_jumps_of_hours(self):
        self.start()
        wall_ms = int(time.time() * 1000)
        held = self.wire.call("PUSH", "held", "x")
        claim = as_map(self.wire.call("CLAIM", "worker", "held", "LEASE", "600000")[0])
        at = self.wire.call("PUSH", "at", "x", "AT", str(wall_ms + 3 * HOUR_MS))
        delayed = self.wire.call("PUSH", "delayed", "x", "DELAY", str(2 * HOUR_MS))
        expiring = self.wire.call("PUSH", "expiring", "x", "EXPIRE", str(4 * HOUR_MS))
        first = self.wire.call("PUSH", "unique", "x", "UNIQUE", "key", "UNIQUEFOR", str(4 * HOUR_MS))
        self.assertEqual(self.wire.call("PUSH", "unique", "x", "UNIQUE", "key"), first)

        self.jump(+5)
        # Wall time: AT, EXPIRE and UNIQUEFOR see the jump.
        self.becomes(at, b"ready")
        self.becomes(expiring, b"expired")
        self.assertNotEqual(self.wire.call("PUSH", "unique", "x", "UNIQUE", "key"), first)
        # Bus time and lease time: DELAY and leases do not.
        self.assertEqual(self.message(delayed)["state"], b"scheduled")
        self.assertEqual(self.message(held)["state"], b"claimed")
        self.assertIn("deadline", as_map(self.wire.call("EXTEND", held, claim["token"], "LEASE", "600000")))
        late = self.message(self.wire.call("PUSH", "stamps", "x"))["pushed_at"]
        self.assertGreaterEqual(late, wall_ms + 5 * HOUR_MS)

        self.jump(-3)
        # Never backwards inside, and nothing waits for the clock to catch up.
        after = self.wire.call("PUSH", "stamps", "x")
        self.assertGreaterEqual(self.message(after)["pushed_at"], late)
        soon = self.wire.call("PUSH", "soon", "x", "DELAY", "200")
        claims = self.wire.call("CLAIM", "worker", "soon", "WAIT", "20000")
        self.assertEqual(as_map(claims[0])["id"], soon)
        self.assertEqual(self.wire.call("RELEASE", soon, as_map(claims[0])["token"], "DELAY", "100"), "OK")
        self.assertEqual(len(self.wire.call("CLAIM", "worker", "soon", "WAIT", "20000")), 1)
        short = self.wire.call("PUSH", "short", "x")
        self.assertEqual(len(self.wire.call("CLAIM", "worker", "short", "LEASE", "200")), 1)
        harness.wait_until(lambda: self.message(short)["state"] != b"claimed", what="the lapse of a short lease")

        self.bus.kill()
        self.start(hours=-8)  # and a restart with a clock that is behind everything it wrote
        self.assertEqual(self.message(held)["state"], b"claimed")
        self.assertEqual(self.message(delayed)["state"], b"scheduled")
        self.assertGreaterEqual(self.message(self.wire.call("PUSH", "stamps", "x"))["pushed_at"], late)
        self.assertEqual(self.wire.call("ACK", held, claim["token"]), "OK")
        self.assertEqual(as_map(self.wire.call("VERIFY"))["ok"], 1)

    def down_for_an_hour(self, end):
        """Claims with a lease of 2 s, an hour without a bus: the claim is still there, and its rest of a lease runs on."""
        self.start()
        message = self.wire.call("PUSH", "jobs", "x")
        kept = self.wire.call("PUSH", "jobs", "y")
        claims = {one["id"]: one["token"] for one in map(as_map, self.wire.call("CLAIM", "worker", "jobs", "COUNT", "2", "LEASE", "2000"))}
        delayed = self.wire.call("PUSH", "later", "x", "DELAY", str(HOUR_MS // 2))
        self.assertIn("deadline", as_map(self.wire.call("EXTEND", kept, claims[kept], "LEASE", "2000")))
        end()
        self.start(hours=1, monotonic_too=True)
        self.assertEqual(self.wire.call("CLAIM", "thief", "jobs"), [], "re-delivered for an absence of the bus")
        self.assertEqual(self.wire.call("ACK", kept, claims[kept]), "OK")
        self.assertEqual(self.message(delayed)["state"], b"scheduled", "DELAY counts bus time")
        # The other one's lease was not made endless by it.
        again = as_map(self.wire.call("CLAIM", "thief", "jobs", "WAIT", "20000")[0])
        self.assertEqual((again["id"], again["delivery"]), (message, 2))
        self.assertTrue(self.wire.call("ACK", message, claims[message]).startswith("LOST "))

    def test_bus_down_for_longer_than_a_lease(self):
        self.down_for_an_hour(lambda: self.bus.stop())

    def test_bus_killed_and_down_for_longer_than_a_lease(self):
        self.down_for_an_hour(lambda: self.bus.kill())

    def stopped(self):
        states = []
        for path in glob.glob(f"/proc/{self.bus.process.pid}/task/*/stat"):
            with open(path, encoding="ascii") as file:
                states.append(file.read().rsplit(")", 1)[1].split()[0])
        return set(states) == {"T"}

    def test_a_hang_of_the_process_lapses_nobody_who_extends(self):
        """What has arrived is applied before leases are swept, also when the poll was cut short by the stop signal."""
        self.start()
        message = self.wire.call("PUSH", "jobs", "x")
        claim = as_map(self.wire.call("CLAIM", "worker", "jobs", "LEASE", "500")[0])
        os.kill(self.bus.process.pid, signal.SIGSTOP)
        harness.wait_until(self.stopped, what="the stop")
        self.wire.send("EXTEND", message, claim["token"], "LEASE", "60000")
        time.sleep(1.0)  # longer than the lease; a stopped process offers nothing to poll
        os.kill(self.bus.process.pid, signal.SIGCONT)
        answer = self.wire.reply()
        self.assertNotIsInstance(answer, ErrorReply, answer)
        self.assertEqual(self.wire.call("ACK", message, claim["token"]), "OK")


if __name__ == "__main__":
    unittest.main()
