#!/usr/bin/python3
"""tools/bench/policy: learning is worth what issue 6 asks for, and the same seeds give the same numbers."""
import json
import os
import subprocess
import tempfile
import unittest

import harness

BENCH = os.path.join(harness.ROOT, "tools/bench/policy")
# Only a built one: a test must not start a build in the folder that it runs from.
PROGRAM = os.environ.get("PAWL_BENCH_POLICY", os.path.join(os.path.dirname(harness.PAWL), "bench_policy"))


@unittest.skipUnless(os.path.exists(PROGRAM), f"{PROGRAM} is not built")
class Policy(unittest.TestCase):
    def run_bench(self, *words):
        return subprocess.run([BENCH, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              env=dict(os.environ, PAWL_BENCH_POLICY=PROGRAM), timeout=200)

    def test_the_goals(self):
        with tempfile.TemporaryDirectory(prefix="pawl-bench-test-", dir="/tmp") as folder:
            document = os.path.join(folder, "figures.json")
            done = self.run_bench("--seeds", "30", "--json", document)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            with open(document, encoding="utf-8") as file:
                fleets = json.load(file)["fleets"]
        self.assertLessEqual(fleets["mixed"]["change_percent"], -20)
        self.assertLessEqual(fleets["mixed"]["possible_percent"], fleets["mixed"]["change_percent"])
        for name in ("default_best", "default_good"):
            self.assertLessEqual(fleets[name]["change_percent"], 5)

    def test_the_same_seeds_give_the_same_numbers(self):
        words = ("--seeds", "3", "--incidents", "100")
        once = self.run_bench(*words)
        self.assertEqual(once.stdout, self.run_bench(*words).stdout)
        self.assertNotEqual(once.stdout, self.run_bench(*words, "--first-seed", "50").stdout)

    def test_what_cannot_be_run_says_why(self):
        done = self.run_bench("--seeds", "0")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("usage: bench_policy", done.stderr)


if __name__ == "__main__":
    unittest.main()
