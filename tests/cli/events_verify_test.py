#!/usr/bin/python3
"""pawl events verify: the hashes by hand, and what it says of a bus whose chronicle somebody worked on."""
import copy
import hashlib
import os
import re
import socketserver
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness  # noqa: E402
from wire import Wire, as_map  # noqa: E402


def netstring(value):
    raw = value if isinstance(value, bytes) else str(value).encode()
    return b"%d:%s," % (len(raw), raw)


def hash_of(before, entry):
    """`entry`: names and values in a row, the hash last."""
    words = [entry[1], entry[3], entry[5], *entry[6:-2]]
    return hashlib.sha256(netstring(before) + b"".join(map(netstring, words))).hexdigest().encode()


def frame(value):
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(frame, value))
    if isinstance(value, int):
        return b":%d\r\n" % value
    return b"$%d\r\n%s\r\n" % (len(value), value)


class Altered(socketserver.ThreadingTCPServer):
    """Answers every EVENTS with `entries` behind the number asked for, as somebody might who worked on the store."""
    daemon_threads = True

    def __init__(self, entries):
        super().__init__(("127.0.0.1", 0), Altered.Handler)
        self.entries = entries
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(socketserver.StreamRequestHandler):
        def words(self):
            line = self.rfile.readline()
            return [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))] if line else []

        def handle(self):
            while words := self.words():
                if words[0] != b"EVENTS":
                    self.wfile.write(b"+OK\r\n")
                    continue
                entries = self.server.entries
                page = [entry for entry in entries[1:] if entry[1] > int(words[1])]
                self.wfile.write(frame([page[-1][1] if page else int(words[1]), [entries[0], *page]]))


class EventsVerify(harness.BusTest):
    def setUp(self):
        super().setUp()
        self.wire = Wire(self.bus.port)
        self.addCleanup(self.wire.close)
        for n in range(5):
            self.wire.call("PAUSE", f"role-{n}", f"reason {n}")

    def verify(self, *words, port=None):
        url = f"tcp://127.0.0.1:{port or self.bus.port}"
        return subprocess.run([harness.PAWL, "--url", url, "events", "verify", *words], capture_output=True, text=True, timeout=60, check=False)

    def entries(self):
        return self.wire.call("EVENTS", "0", "COUNT", "1000", "HASHES")[1]

    def test_the_hashes_are_those_of_the_page(self):
        chain, *entries = self.entries()
        before = b""
        for entry in entries:
            self.assertEqual(entry[-2], b"sha256")
            self.assertEqual(hash_of(before, entry), entry[-1])
            before = entry[-1]
        self.assertEqual(as_map(chain)["sha256"], before)
        done = self.verify()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.splitlines()[-1], f"{entries[-1][1]}:{before.decode()}")
        self.assertEqual(self.wire.call("VERIFY")[:2], [b"ok", 1])

    def test_what_was_printed_once_is_proven_later(self):
        known = self.verify().stdout.splitlines()[-1]
        self.wire.call("PAUSE", "one-more", "reason")
        self.bus.kill()
        self.bus.start()
        self.assertEqual(self.verify("--expect", known).returncode, 0)
        number, digits = known.split(":")
        other = self.verify("--expect", f"{number}:{digits[::-1]}")
        self.assertEqual(other.returncode, 1)
        self.assertIn(f"entry {number}: its hash is not the one expected", other.stderr)
        ahead = self.verify("--expect", f"{int(number) + 100}:{digits}")
        self.assertEqual(ahead.returncode, 1)
        self.assertIn("the entry expected is not there", ahead.stderr)
        for bad in ("", "7", "x:" + digits, f"0:{digits}", f"7:{digits[1:]}", f"7:{digits.upper()}"):
            self.assertEqual(self.verify("--expect", bad).returncode, 2, bad)

    def test_what_somebody_did_to_it_is_seen(self):
        def drop_first(all_of_it):
            del all_of_it[1]

        def drop_middle(all_of_it):
            del all_of_it[3]

        def drop_newest(all_of_it):
            del all_of_it[-1]

        def change_field(all_of_it):
            at = all_of_it[3].index(b"reason")
            all_of_it[3][at + 1] = b"another"

        def change_time(all_of_it):
            all_of_it[3][3] += 1

        def rewrite_newest(all_of_it):
            all_of_it[-1][5] = b"role.resume"
            all_of_it[-1][-1] = hash_of(all_of_it[-2][-1], all_of_it[-1])

        def close_the_hole(all_of_it):  # numbers and hashes anew; the newest hash on record is the bus's
            del all_of_it[3]
            for before, entry in zip(all_of_it[2:], all_of_it[3:]):
                entry[1] = before[1] + 1
                entry[-1] = hash_of(before[-1], entry)
            all_of_it[0][all_of_it[0].index(b"to") + 1] -= 1

        sound = self.entries()
        with Altered(sound) as server:
            self.assertEqual(self.verify(port=server.server_address[1]).returncode, 0)
            server.shutdown()
        for work, said in ((drop_first, "entry 2: entries before it are missing"), (drop_middle, "entry 4: entries before it are missing"),
                           (drop_newest, "the newest entry is missing"), (change_field, "entry 3: its hash does not follow"),
                           (change_time, "entry 3: its hash does not follow"), (rewrite_newest, "the bus has another hash for it on record"),
                           (close_the_hole, "the bus has another hash for it on record")):
            with self.subTest(work.__name__):
                entries = copy.deepcopy(sound)
                work(entries)
                with Altered(entries) as server:
                    done = self.verify(port=server.server_address[1])
                    server.shutdown()
                self.assertEqual(done.returncode, 1, done)
                self.assertTrue(re.search(said, done.stderr), done.stderr)

    def test_whoever_rewrites_it_all_is_caught_by_what_was_kept(self):
        sound = self.entries()
        known = f"{sound[-1][1]}:{sound[-1][-1].decode()}"
        entries = copy.deepcopy(sound)
        entries[3][5] = b"role.resume"
        before = entries[2][-1]
        for entry in entries[3:]:
            before = entry[-1] = hash_of(before, entry)
        entries[0][entries[0].index(b"sha256") + 1] = before
        with Altered(entries) as server:
            self.assertEqual(self.verify(port=server.server_address[1]).returncode, 0)
            self.assertEqual(self.verify("--expect", known, port=server.server_address[1]).returncode, 1)
            server.shutdown()


if __name__ == "__main__":
    unittest.main()
