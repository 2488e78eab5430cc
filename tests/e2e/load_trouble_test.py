#!/usr/bin/python3
"""Clients and signals in bulk: slow readers, full tables of descriptors, storms of connections, the end of the process."""
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
from wire import Closed, ErrorReply, Wire, as_map, encode

MIB = 1 << 20


class LoadTrouble(unittest.TestCase):
    def setUp(self):
        self.bus = harness.Bus()
        self.addCleanup(self.bus.close)

    def connect(self):
        wire = Wire(self.bus.port)
        self.addCleanup(wire.close)
        return wire

    def resident(self):
        with open(f"/proc/{self.bus.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.bus.process.pid}/fd"))

    def test_a_client_that_never_reads(self):
        """Its replies are held up to the soft bound, then it is read no more; the others go on, and so does it once it reads."""
        self.bus.start()
        other = self.connect()
        message = other.call("PUSH", "jobs", b"p" * MIB)
        before = self.resident()
        deaf = self.connect()
        deaf.send_bytes(encode("GET", message) * 100)  # 100 MiB of replies
        for _ in range(50):
            self.assertEqual(other.call("PING"), "PONG")
            self.assertIsInstance(other.call("PUSH", "jobs", "x"), bytes)
        self.assertLess(self.resident() - before, 64 * MIB)
        for _ in range(100):
            self.assertEqual(as_map(deaf.reply())["id"], message)

    def test_a_subscriber_that_never_reads(self):
        """What it did not ask for one by one cannot be held back: it is closed at the hard bound."""
        self.bus.start()
        deaf, other, listener = self.connect(), self.connect(), self.connect()
        deaf.call("SUBSCRIBE", "news")
        listener.call("SUBSCRIBE", "news")
        text = b"n" * MIB
        told = 2
        for _ in range(200):
            told = other.call("PUBLISH", "news", text)
            self.assertEqual(listener.reply()[2], text)
            if told == 1:
                break
        self.assertEqual(told, 1, "the deaf one is gone, the other still listens")
        self.assertTrue(deaf.ends())

    def test_one_pipelining_client_does_not_starve_the_rest(self):
        self.bus.start()
        greedy, other = self.connect(), self.connect()
        count = 60_000
        raw = encode("PUSH", "jobs", "x" * 100) * count
        sender = threading.Thread(target=greedy.send_bytes, args=(raw,))
        reader = threading.Thread(target=lambda: [greedy.reply() for _ in range(count)])
        sender.start()
        reader.start()
        waits = []
        while reader.is_alive() and len(waits) < 2000:
            began = time.monotonic()
            self.assertEqual(other.call("PING"), "PONG")
            waits.append(time.monotonic() - began)
        sender.join()
        reader.join()
        waits.sort()
        self.assertLess(waits[len(waits) // 2], 0.25)
        self.assertEqual(as_map(other.call("ROLE", "jobs"))["ready"], count)

    def test_busy_port(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            words = [word.replace("127.0.0.1:0", f"127.0.0.1:{port}") for word in self.bus.command()]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(f"127.0.0.1:{port}", done.stderr)
        self.assertRegex(done.stderr, "listens there already")
        self.bus.start()  # nothing was left behind that is in the way

    def test_address_that_is_none(self):
        for address in ("nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:-1", ":", "0.0.0.0:0"):
            words = [word.replace("127.0.0.1:0", address) for word in self.bus.command()]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, (address, done.stderr))

    def test_sigterm_drains_and_exits_0(self):
        self.bus.start()
        parked = self.connect()
        parked.send("CLAIM", "worker", "nothing", "WAIT", "60000")
        pushers = [self.connect() for _ in range(8)]
        for n, wire in enumerate(pushers):
            self.assertIsInstance(wire.call("PUSH", "jobs", f"first {n}"), bytes)
            wire.send_bytes(b"".join(encode("PUSH", "jobs", f"{n} {k}") for k in range(200)))
        process = self.bus.process
        os.kill(process.pid, signal.SIGTERM)
        answered = [self.replies_until_closed(wire) for wire in pushers]
        self.assertTrue(parked.ends())
        self.assertEqual(process.wait(timeout=30), 0, self.bus.log())
        self.assertFalse(os.path.exists(self.bus.socket), "its socket file is gone")
        with self.assertRaises(ConnectionRefusedError):
            Wire(self.bus.port)
        # What had arrived before the signal was run and answered; what was not answered was not done.
        self.bus.start()
        with Wire(self.bus.port) as wire:
            self.assertGreaterEqual(as_map(wire.call("ROLE", "jobs"))["ready"], sum(answered) + len(pushers))
            self.assertEqual(as_map(wire.call("VERIFY"))["ok"], 1)
        self.assertEqual(self.bus.stop(), 0)

    def replies_until_closed(self, wire):
        count = 0
        try:
            while True:
                if isinstance(wire.reply(), bytes):
                    count += 1
        except Closed:
            return count

    def test_shutdown_command(self):
        self.bus.start()
        wire = self.connect()
        self.assertIsInstance(wire.call("PUSH", "jobs", "x"), bytes)
        wire.send("SHUTDOWN")
        self.assertTrue(wire.ends())
        self.assertEqual(self.bus.process.wait(timeout=30), 0, self.bus.log())

    def test_two_signals_end_at_once(self):
        self.bus.start()
        process = self.bus.process
        os.kill(process.pid, signal.SIGSTOP)
        os.kill(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGINT)
        os.kill(process.pid, signal.SIGCONT)
        self.assertIn(process.wait(timeout=30), (0, 1))

    def test_out_of_descriptors(self):
        """EMFILE: new ones are turned away, those that are there go on, and it recovers by itself."""
        if os.environ.get("PAWL_SANITIZE"):
            self.skipTest("the sanitizer opens descriptors of its own to look at memory")
        self.bus.start(wrapper=["/bin/sh", "-c", 'ulimit -n 90; exec "$@"', "sh"])
        first = self.connect()
        self.assertIsInstance(first.call("PUSH", "jobs", "x"), bytes)
        crowd = [self.connect() for _ in range(150)]
        answers = {"PONG": 0, "refused": 0}
        for wire in crowd:
            try:
                answer = wire.call("PING")
                answers["refused" if isinstance(answer, ErrorReply) else "PONG"] += 1
            except Closed:
                answers["refused"] += 1
        self.assertGreater(answers["PONG"], 10, answers)
        self.assertGreater(answers["refused"], 10, answers)
        self.assertIsInstance(first.call("PUSH", "jobs", "y"), bytes)
        for wire in crowd:
            wire.close()

        def served():
            try:
                with Wire(self.bus.port) as wire:
                    return wire.call("PING") == "PONG"
            except (Closed, OSError):
                return False
        harness.wait_until(served, what="a new connection")
        self.assertEqual(as_map(first.call("ROLE", "jobs"))["ready"], 2)

    def test_accept_storm(self):
        self.bus.start()
        steady = self.connect()
        self.assertEqual(steady.call("PING"), "PONG")  # it is accepted: the count below holds it
        before = self.descriptors()
        failures = []

        def storm():
            try:
                for _ in range(300):
                    with Wire(self.bus.port) as wire:
                        if wire.call("PING") != "PONG":
                            failures.append("no PONG")
            except (Closed, OSError) as error:
                failures.append(repr(error))
        threads = [threading.Thread(target=storm) for _ in range(8)]
        for thread in threads:
            thread.start()
        slowest = 0.0
        while any(thread.is_alive() for thread in threads):
            began = time.monotonic()
            self.assertEqual(steady.call("PING"), "PONG")
            slowest = max(slowest, time.monotonic() - began)
        self.assertEqual(failures, [])
        self.assertLess(slowest, 5)
        # And a wave that connects, says nothing and goes.
        for _ in range(3):
            for wire in [Wire(self.bus.port) for _ in range(300)]:
                wire.close()
        harness.wait_until(lambda: self.descriptors() <= before, what="the last descriptor's closing")

    def test_a_client_that_dies_with_a_claim_on_the_way(self):
        """A claim whose connection closed before its reply was written is released, not spent."""
        self.bus.start()
        wire = self.connect()
        for _ in range(30):
            parked = Wire(self.bus.port)
            parked.send("CLAIM", "worker", "jobs", "WAIT", "60000")
            parked.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            parked.close()  # a reset
        message = wire.call("PUSH", "jobs", "x")
        claims = wire.call("CLAIM", "worker", "jobs", "WAIT", "20000")
        claim = as_map(claims[0])
        self.assertEqual((claim["id"], claim["attempt"]), (message, 1))
        self.assertEqual(wire.call("ACK", message, claim["token"]), "OK")


if __name__ == "__main__":
    unittest.main()
