"""sweep: the report, its exit codes, and as the handler of role monitor; against a real bus."""
import json
import os
import subprocess
import unittest

from run_case import RunCase, harness
from harness import wait_until

CALM = '[guards]\nbreaker = "off"\npoison = "off"\n'


class SweepTest(RunCase):
    config = CALM + "[monitor]\nrole = \"off\"\ndead_growth = 3\n[role.r]\nmax_attempts = 1\n"

    def sweep(self, *words, expect):
        return json.loads(self.pawl("--json", "sweep", *words, expect=expect).stdout)

    def die(self, count):
        """So many messages of role r become dead letters; each says something else, for what dies alike is an incident by itself."""
        self.died = getattr(self, "died", 0)
        for _ in range(count):
            self.died += 1
            self.pawl("push", "r", "x", expect=0)
            claim = self.json("claim", "r")[0]
            self.pawl("fail", claim["id"], claim["token"], "--class", "bad_input", "--text", "no answer" + " at all" * self.died, expect=0)

    def test_nominal_concern_ultra_and_back(self):
        report = self.sweep(expect=0)
        self.assertEqual((report["result"], report["number"], report["findings"]), ("nominal", 1, []))
        self.assertNotIn("since", report)
        self.die(5)
        report = self.sweep(expect=1)
        self.assertEqual(report["result"], "concern")
        findings = {finding["kind"]: finding for finding in report["findings"]}
        self.assertEqual(set(findings), {"errors", "dead"}, findings)
        errors = findings["errors"]
        self.assertEqual((errors["subject"], errors["evidence"]["class"], errors["evidence"]["failures"],
                          errors["evidence"]["ended"], errors["evidence"]["text"][:9]), ("r", "bad_input", 5, 5, "no answer"))
        self.assertEqual(self.json("incident", "show", errors["incident"])["fingerprint"], "monitor:errors:r:bad_input")
        # The command that it names works.
        for finding in report["findings"]:
            self.pawl(*finding["look"].split()[1:], expect=0)
        self.pawl("incident", "open", "--tier", "ultra", "--title", "drill", expect=0)
        text = self.pawl("sweep", expect=2).stdout.decode()
        self.assertTrue(text.startswith("ultra: sweep 3, of the last "), text)
        self.assertIn("ULTRA    open for ", text)
        self.assertIn("look: pawl incident show i3", text)
        self.assertEqual(self.text("events", "--kind", "monitor").count("monitor.sweep"), 3)

    def test_a_freeze_lets_it_pass(self):
        self.sweep(expect=0)
        self.pawl("kill", "--hard", "--reason", "drill", expect=0)
        report = self.sweep(expect=2)
        self.assertEqual([finding["kind"] for finding in report["findings"]], ["freeze"])
        self.pawl("clear", "--hard", "--reason", "over", expect=0)
        self.assertEqual(self.sweep(expect=0)["number"], 3)

    def test_a_restart_forgets_nothing(self):
        self.die(2)
        self.sweep(expect=0)
        self.die(2)
        self.bus.kill()
        self.bus.start()
        self.die(2)
        report = self.sweep(expect=1)
        self.assertEqual(report["number"], 2)
        self.assertEqual([(one["kind"], one["evidence"].get("died")) for one in report["findings"]], [("dead", 4)])
        # From before the first sweep on.
        report = self.sweep("--since", "1h", expect=1)
        self.assertNotIn("since", report)
        self.assertEqual({one["kind"]: one["evidence"].get("died") for one in report["findings"]}, {"errors": None, "dead": 6})

    def test_when_it_cannot_tell(self):
        self.assertIn(b"did you mean '--since'?", self.pawl("sweep", "--sinc", "2h", expect=3).stderr)
        self.assertIn(b"takes a duration", self.pawl("sweep", "--since", "soon", expect=3).stderr)
        self.bus.kill()
        for extra in ({}, {"PAWL_CLAIM": "t"}):
            done = subprocess.run([harness.PAWL, "sweep"], capture_output=True, timeout=60, check=False,
                                  env=dict(os.environ, PAWL_URL=self.bus.url, **extra))
            self.assertEqual((done.returncode, done.stdout), (3, b""), done.stderr)
            self.assertEqual(done.stderr.count(b"is it running"), 1, done.stderr)

    def test_a_full_disk_under_the_report(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([harness.PAWL, "sweep"], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
                                  env=dict(os.environ, PAWL_URL=self.bus.url))
        self.assertEqual(done.returncode, 3, done.stderr)

    def test_as_a_handler(self):
        self.die(5)
        message = self.text("push", "monitor", "{}")
        self.pawl("exec", "monitor", "--once", "--", harness.PAWL, "--json", "sweep", expect=0)
        self.assertEqual(json.loads(self.text("result", message))["result"], "concern")
        self.assertEqual(self.json("get", message)["state"], "done")


class ScheduleTest(RunCase):
    config = CALM + "[monitor]\nevery = \"1m\"\n"
    roles = CALM + '[role.monitor]\ncommand = ["PAWL", "sweep"]\n'

    def write_roles(self, roles):
        super().write_roles(roles.replace("PAWL", harness.PAWL))

    def test_the_handler_of_the_role(self):
        crons = self.json("cron", "list")
        self.assertEqual([(cron["name"], cron["schedule"], cron["role"], cron["owner"]) for cron in crons],
                         [("monitor", "@every 1m", "monitor", "file")])
        self.pawl("cron", "drop", "monitor", expect=1)
        self.runner("monitor")
        # What the schedule pushes: here by hand, for the minute is long.
        message = self.text("push", "monitor", "{}")
        wait_until(lambda: self.json("get", message)["state"] == "done", what="the sweep")
        self.assertIn("nominal: sweep 1, nothing found", self.text("result", message))
        with open(os.path.join(self.bus.folder, "pawl.toml"), "w", encoding="utf-8") as file:
            file.write(CALM)
        changes = self.pawl("ops", "reload", expect=0).stdout.decode()
        self.assertIn("monitor.every 1m -> none\n", changes)
        self.assertEqual(self.json("cron", "list"), [])


if __name__ == "__main__":
    unittest.main()
