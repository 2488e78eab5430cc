"""The judge of tools/crash/run on histories made by hand with a real bus: what it must let pass, and what it must not."""
import os
import sys
import time
import unittest

import harness
from wire import Wire, as_map

sys.path.insert(0, os.path.join(harness.ROOT, "tools/crash"))
from judge import Judge  # noqa: E402  pylint: disable=wrong-import-position
from load import LEASE_MS, UNKNOWN, payload_of  # noqa: E402  pylint: disable=wrong-import-position

CUT_PUSH = {"kind": "push", "serial": "r1.1", "key": "k", "answer": UNKNOWN}
CUT_CLAIM = {"kind": "claim", "answer": UNKNOWN}
EMPTY_CLAIM = {"kind": "claim", "answer": [], "claims": []}


class JudgeTest(harness.BusTest):
    def faults_after(self, *rounds):
        """A push under a unique key and a claim of it, neither of them answered to anybody, then kill -9; the clients' ledgers
        say `rounds` of it. In the round after, a push under the same key is answered with that id."""
        with Wire(self.bus.port) as wire:
            wire.call("PUSH", "alpha", payload_of("r1.1", "k"), "UNIQUE", "k")
            wire.call("CLAIM", "nobody", "alpha", "LEASE", LEASE_MS)
        self.bus.kill()
        self.bus.start()
        judge = Judge(1)
        for entries in rounds:
            judge.add([list(map(dict, entries))])
        with Wire(self.bus.port) as wire:
            answer = wire.call("PUSH", "alpha", payload_of("r2.1", "k"), "UNIQUE", "k")
            self.assertEqual(as_map(wire.call("GET", answer))["state"], b"claimed")
            judge.add([[{"kind": "push", "serial": "r2.1", "key": "k", "answer": answer, "sent": time.monotonic()}]])
            judge.check(wire)
        return judge.faults

    def test_push_and_claim_cut_off_in_one_round(self):
        self.assertEqual(self.faults_after([CUT_PUSH, CUT_CLAIM]), [])

    def test_push_cut_off_in_a_round_before_the_claim(self):
        self.assertEqual(self.faults_after([CUT_PUSH, EMPTY_CLAIM], [CUT_CLAIM]), [])

    def test_no_claim_was_ever_cut_off(self):
        self.assertIn("every claim of the round was answered", str(self.faults_after([CUT_PUSH, EMPTY_CLAIM])))

    def test_the_claim_was_cut_off_before_the_push(self):
        self.assertIn("every claim of the round was answered", str(self.faults_after([CUT_CLAIM], [CUT_PUSH, EMPTY_CLAIM])))


if __name__ == "__main__":
    unittest.main()
