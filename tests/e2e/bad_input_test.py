#!/usr/bin/python3
"""Bad input over the wire: a clear error that begins with its code, nothing happened, and the connection or the bus goes on."""
import random
import unittest

import harness
from wire import Closed, ErrorReply, Wire, as_map, encode

PAYLOAD_MAX = 1 << 20


class BadInput(harness.BusTest):
    def setUp(self):
        super().setUp()
        self.wire = Wire(self.bus.port)
        self.addCleanup(self.wire.close)

    def refused(self, code, *words, saying=""):
        answer = self.wire.call(*words)
        self.assertIsInstance(answer, ErrorReply, f"{words} was taken: {answer!r}")
        self.assertEqual(answer.code, code, f"{words}: {answer}")
        self.assertIn(saying, answer)

    def claimed(self, daemon="worker", role="jobs"):
        """A message of its own, claimed: id and token."""
        message = self.wire.call("PUSH", role, "x")
        claim = as_map(self.wire.call("CLAIM", daemon, role)[0])
        self.assertEqual(claim["id"], message)
        return message, claim["token"]

    def tearDown(self):
        # Whatever a client did, the next one is served and the rows are whole.
        with Wire(self.bus.port) as wire:
            self.assertEqual(wire.call("PING"), "PONG")
            self.assertEqual(as_map(wire.call("VERIFY"))["ok"], 1)

    def test_unknown_verb(self):
        self.refused("ERR", "NOSUCH", "a", saying="unknown command")
        self.refused("ERR", "PUHS", "jobs", "x", saying="PUSH")
        self.refused("ERR", "", saying="unknown command")
        self.refused("ERR", b"\x00\xff\r\n", saying="unknown command")
        self.refused("ERR", "P" * 100_000, saying="unknown command")
        for later in ("BACKUP",):
            self.refused("ERR", later, "x")
        self.assertEqual(self.wire.call("PING"), "PONG")

    def test_wrong_arity(self):
        for words in (["PUSH"], ["PUSH", "jobs"], ["CLAIM", "d"], ["ACK", "1"], ["FAIL", "1", "2", "unknown"], ["MACK", "1"],
                      ["GET"], ["GET", "1", "2"], ["EXTEND", "1"], ["RELEASE", "1"], ["MOVE", "1"], ["LIST", "jobs"], ["ROLES", "x"],
                      ["DEAD", "EDIT", "1"], ["EVENTS"], ["PUBLISH", "c"], ["EXEC", "x"], ["SELECT"], ["ECHO"]):
            self.refused("ERR", *words)
        self.refused("ERR", "MACK", "1", "2", "3")  # half a pair
        self.assertEqual(self.wire.call("ROLES"), [])

    def test_a_number_that_is_none(self):
        for value in ("", "x", "1x", "0x10", "1e3", "1.5", " 1", "1 ", "+1", "--1", "NaN", "1_000", "٣"):
            self.refused("BADARG", "PUSH", "jobs", "x", "DELAY", value, saying="DELAY")
            self.refused("BADARG", "PUSH", "jobs", "x", "PRIORITY", value, saying="PRIORITY")
            self.refused("BADARG", "CLAIM", "d", "jobs", "COUNT", value, saying="COUNT")
        for words in (["PRIORITY", "10"], ["PRIORITY", "-1"], ["MAXATTEMPTS", "0"], ["MAXATTEMPTS", "-3"]):
            self.refused("BADARG", "PUSH", "jobs", "x", *words, saying=words[0])
        self.refused("BADARG", "CLAIM", "d", "jobs", "COUNT", "0", saying="COUNT")
        self.refused("BADARG", "CLAIM", "d", "jobs", "COUNT", "10001", saying="COUNT")
        self.assertEqual(self.wire.call("ROLES"), [])

    def test_negative_durations(self):
        for option in ("DELAY", "AT", "EXPIRE", "LEASE"):
            self.refused("BADARG", "PUSH", "jobs", "x", option, "-1", saying=option)
        self.refused("BADARG", "PUSH", "jobs", "x", "UNIQUE", "k", "UNIQUEFOR", "-5", saying="UNIQUEFOR")
        self.refused("BADARG", "CLAIM", "d", "jobs", "WAIT", "-1", saying="WAIT")
        self.refused("BADARG", "CLAIM", "d", "jobs", "LEASE", "-1", saying="LEASE")
        message, token = self.claimed()
        self.refused("BADARG", "FAIL", message, token, "unknown", "text", "RETRYIN", "-1", saying="RETRYIN")
        self.refused("BADARG", "RELEASE", message, token, "DELAY", "-1", saying="DELAY")
        self.refused("BADARG", "EXTEND", message, token, "LEASE", "-1", saying="LEASE")
        self.assertEqual(self.wire.call("ACK", message, token), "OK")  # refused means that nothing happened

    def test_overflowing_durations(self):
        for value in ("9223372036854775807", "9223372036854775808", "18446744073709551616", "9" * 40, "9" * 100_000):
            for option in ("DELAY", "AT", "EXPIRE", "LEASE"):
                self.refused("BADARG", "PUSH", "jobs", "x", option, value, saying=option)
            self.refused("BADARG", "CLAIM", "d", "jobs", "WAIT", value, saying="WAIT")
        message, token = self.claimed()
        self.refused("BADARG", "FAIL", message, token, "unknown", "text", "RETRYIN", "9" * 19, saying="RETRYIN")
        self.refused("BADARG", "EXTEND", message, token, "LEASE", "9" * 19, saying="LEASE")
        self.refused("BADARG", "ACK", message, token, "TOKENS", "9" * 20, saying="TOKENS")
        self.refused("BADARG", "ACK", message, token, "COST", "-1", saying="COST")
        self.assertEqual(self.wire.call("ACK", message, token), "OK")

    def test_names_outside_the_pattern(self):
        for name in ("", "a b", "a/b", "ü", "a\n", "*", "a,b", "x" * 129, b"\x00", b"\xff\xfe"):
            self.refused("BADARG", "PUSH", name, "x", saying="1 to 128")
            self.refused("BADARG", "CLAIM", name, "jobs")
            self.refused("BADARG", "CLAIM", "worker", name)
            self.refused("BADARG", "PAUSE", name)
        for word in ("COUNT", "wait", "Lease", "NEXT"):
            self.refused("BADARG", "PUSH", word, "x")  # these words end a list of roles
        self.assertEqual(self.wire.call("ROLES"), [])
        self.assertIsInstance(self.wire.call("PUSH", "A-Za:z0.9_" + "x" * 118, "x"), bytes)

    def test_payload_at_and_over_the_limit(self):
        message = self.wire.call("PUSH", "jobs", b"p" * PAYLOAD_MAX)
        self.refused("TOOBIG", "PUSH", "jobs", b"p" * (PAYLOAD_MAX + 1), saying=str(PAYLOAD_MAX))
        self.refused("TOOBIG", "MPUSH", "jobs", "small", b"p" * (PAYLOAD_MAX + 1))
        self.refused("TOOBIG", "PUSH", "jobs", "x", "HEADER", "name", b"h" * (PAYLOAD_MAX + 1))
        claims = self.wire.call("CLAIM", "d", "jobs", "COUNT", "10")
        self.assertEqual(len(claims), 1)
        claim = as_map(claims[0])
        self.assertEqual((claim["id"], claim["payload"]), (message, b"p" * PAYLOAD_MAX))
        self.refused("TOOBIG", "ACK", message, claim["token"], "RESULT", b"r" * (PAYLOAD_MAX + 1))
        self.assertEqual(self.wire.call("ACK", message, claim["token"], "RESULT", b"r" * PAYLOAD_MAX), "OK")
        self.assertEqual(as_map(self.wire.call("RESULT", message))["result"], b"r" * PAYLOAD_MAX)

    def test_command_over_the_limit(self):
        payloads = [b"x" * PAYLOAD_MAX] * 8  # the frame around them takes it over 8 MiB
        try:
            self.refused("TOOBIG", "MPUSH", "jobs", *payloads, saying="8388608")
        except Closed:
            pass  # the rest of the command met a connection that was closed
        with Wire(self.bus.port) as wire:
            answer = wire.call("MPUSH", "jobs", *["x"] * 10_001)
            self.assertIsInstance(answer, ErrorReply)
            self.assertEqual(len(wire.call("MPUSH", "jobs", *["x"] * 10_000)), 10_000)

    def test_resp_lengths_that_lie(self):
        lies = [b"*-1\r\n", b"*-2147483648\r\n", b"*99999999999999999999\r\n", b"*2147483647\r\n", b"*x\r\n", b"*\r\n", b"*01\r\n", b"* 1\r\n",
                b"*1\r\n$-1\r\n", b"*1\r\n$99999999999999999999\r\n", b"*1\r\n$8388609\r\n", b"*1\r\n$x\r\n", b"*1\r\n$\r\n",
                b"*1\r\n$3\r\nPING\r\n", b"*1\r\n$5\r\nPING\r\n+", b"*1\r\n:4\r\n", b"*1\r\n*1\r\n$4\r\nPING\r\n", b"*1\n$4\nPING\n",
                b"*2\r\n$4\r\nECHO\r\n$1\r\nab\r\n", b"*3\r\n$4\r\nPUSH\r\n$4\r\njobs\r\n$2\r\nx\r\n\r\n"]
        for lie in lies:
            with self.subTest(lie=lie), Wire(self.bus.port) as wire:
                wire.send_bytes(lie)
                answer = wire.reply()
                self.assertIsInstance(answer, ErrorReply)
                self.assertIn(answer.code, ("ERR", "TOOBIG"))
                self.assertTrue(wire.ends(), "a stream out of step is closed")
        self.assertEqual(self.wire.call("ROLES"), [])

    def test_random_bytes(self):
        rng = random.Random(2)
        for _ in range(200):
            with Wire(self.bus.port) as wire:
                raw = bytearray(encode("PUSH", "jobs", "payload", "DELAY", "5"))
                for _ in range(rng.randint(1, 4)):
                    raw[rng.randrange(len(raw))] = rng.randrange(256)
                try:
                    wire.send_bytes(bytes(raw))
                except Closed:
                    pass

    def test_frames_cut_at_every_byte(self):
        whole = encode("PUSH", "jobs", b"pay\r\nload", "PRIORITY", "7") + encode("PING")
        for cut in range(1, len(whole)):
            with self.subTest(cut=cut), Wire(self.bus.port) as wire:
                wire.send_bytes(whole[:cut])
                self.assertEqual(self.wire.call("PING"), "PONG")  # the loop has turned over the first half
                wire.send_bytes(whole[cut:])
                self.assertIsInstance(wire.reply(), bytes)
                self.assertEqual(wire.reply(), "PONG")
        ready = as_map(self.wire.call("ROLE", "jobs"))["ready"]
        self.assertEqual(ready, len(whole) - 1)

    def test_connections_cut_at_every_byte(self):
        whole = encode("PUSH", "cut", b"pay\r\nload", "PRIORITY", "7")
        for cut in range(1, len(whole)):
            with Wire(self.bus.port) as wire:
                wire.send_bytes(whole[:cut])
        self.assertEqual(self.wire.call("PUSH", "whole", "x") is None, False)
        self.assertEqual(self.wire.call("LIST", "cut", "ready")[1], [])  # half a command is none

    def test_http_on_the_resp_port(self):
        push = encode("PUSH", "smuggled", "x")
        for verb in (b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE"):
            with self.subTest(verb=verb), Wire(self.bus.port) as wire:
                wire.send_bytes(verb + b" / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(push) + push)
                self.assertTrue(wire.ends())
        with Wire(self.bus.port) as wire:
            wire.send_bytes(b"Host: 127.0.0.1\r\n" + push)
            self.assertTrue(wire.ends())
        self.assertEqual(self.wire.call("ROLES"), [])

    def test_tls_on_the_resp_port(self):
        with Wire(self.bus.port) as wire:
            wire.send_bytes(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100)
            self.assertTrue(wire.ends())

    def test_stale_token(self):
        message, first = self.claimed()
        self.assertEqual(self.wire.call("RELEASE", message, first, "DELAY", "0"), "OK")
        again = as_map(self.wire.call("CLAIM", "worker", "jobs", "WAIT", "10000")[0])
        self.assertEqual(again["id"], message)
        for words in (["ACK", message, first], ["FAIL", message, first, "unknown", "x"], ["EXTEND", message, first],
                      ["RELEASE", message, first], ["ACK", message, first, "NEXT", "jobs"]):
            self.refused("LOST", *words)
        self.assertEqual(self.wire.call("MACK", message, first, message, again["token"]), ["LOST", "OK"])
        self.refused("LOST", "ACK", message, again["token"])  # ended: stale as well

    def test_invented_token(self):
        message, token = self.claimed()
        for invented in ("0", "zzzzzz", "1" * 32, "99"):
            if invented.encode() != token:
                self.refused("LOST", "ACK", message, invented)
        for malformed in ("", "A", "!", "1" * 33, "-1", b"\x00", "ü"):
            self.refused("BADARG", "ACK", message, malformed)
        self.assertEqual(self.wire.call("ACK", message, token), "OK")

    def test_foreign_token(self):
        mine, my_token = self.claimed("me")
        other, other_token = self.claimed("somebody")
        self.refused("LOST", "ACK", mine, other_token)
        self.refused("LOST", "ACK", other, my_token)
        self.assertEqual(self.wire.call("MACK", mine, my_token, other, other_token), ["OK", "OK"])

    def test_unknown_and_malformed_ids(self):
        unknown = b"0000000000g9zzz8"
        for verb in ("GET", "RESULT", "EXPLAIN"):
            self.assertIsNone(self.wire.call(verb, unknown), verb)
        self.assertIsNone(self.wire.call("DEAD", "GET", unknown))
        for words in (["ACK", unknown, "1"], ["FAIL", unknown, "1", "unknown", "x"], ["EXTEND", unknown, "1"], ["RELEASE", unknown, "1"]):
            self.refused("LOST", *words)
        for words in (["CANCEL", unknown], ["MOVE", unknown, "PRIORITY", "3"], ["DEAD", "EDIT", unknown, "x"]):
            self.refused("NOTFOUND", *words)
        for malformed in ("", "A", "../../x", "1" * 33, "0 0", b"\x00"):
            self.refused("BADARG", "GET", malformed)
            self.refused("BADARG", "ACK", malformed, "1")
            self.refused("BADARG", "CANCEL", malformed)

    def test_transactions_gone_wrong(self):
        wire = self.wire
        message, token = self.claimed()
        self.assertEqual(wire.pipeline([["MULTI"], ["PUSH", "after"], ["EXEC"]])[2].code, "EXECABORT")
        self.assertEqual(wire.pipeline([["MULTI"], ["PUSH", "after", "x", "DELAY", "no"], ["EXEC"]])[2].code, "EXECABORT")
        lost = wire.pipeline([["MULTI"], ["PUSH", "after", "x"], ["ACK", message, "0"], ["EXEC"]])[3]
        self.assertEqual(lost.code, "LOST")
        self.assertIn("at=1", lost)
        self.assertEqual(wire.call("LIST", "after", "ready")[1], [])
        self.refused("ERR", "EXEC")
        self.refused("ERR", "DISCARD")
        done = wire.pipeline([["MULTI"], ["ACK", message, token], ["PUSH", "after", "x"], ["EXEC"]])[3]
        self.assertEqual((done[0], len(done)), ("OK", 2))


if __name__ == "__main__":
    unittest.main()
