"""The recovery policy with real processes: a service of `pawl up` goes silent, is restarted because the policy asked for it, and that is explained and replayed."""
import json
import unittest

from up_case import UpTest, harness

# Beats until there is a file "mute" with its boot: then it hangs, and nobody but the bus can tell.
SERVICE = '''
import os, socket, time

def command(*words):
    return b"*%d\\r\\n" % len(words) + b"".join(b"$%d\\r\\n%s\\r\\n" % (len(w), w) for w in (x.encode() for x in words))

boot = os.environ["PAWL_BOOT"]
bus = socket.socket(socket.AF_UNIX)
bus.connect(os.environ["PAWL_URL"].removeprefix("unix://"))
while True:
    try:
        with open("mute", encoding="utf-8") as file:
            mute = file.read() == boot
    except OSError:
        mute = False
    if not mute:
        bus.send(command("BEAT", os.environ["PAWL_DAEMON"], "boot", boot, "interval", "200"))
        bus.recv(65536)
    time.sleep(0.2)
'''
FILE = '''
[daemon.slack]
command = ["/usr/bin/python3", "service.py"]
after   = ["bus"]
[daemon.bridge]
command = ["sleep", "1000"]
after   = ["slack"]
'''
CHAIN = '''
[[policy]]
name = "chain"
when = { daemon = "slack" }
try  = ["restart_chain", "escalate"]
'''


class PolicyTest(UpTest):
    def events(self, kind):
        return json.loads(self.pawl("events", "--json", "--count", "10000", "--kind", kind, expect=0).stdout)

    def wait_events(self, kind, many):
        def there():
            found = self.events(kind)
            return found if len(found) >= many else None
        try:
            return harness.wait_until(there, what=f"{many} {kind}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}\n{self.events('policy')}") from None

    def fall_silent(self):
        """Until the bus is asked to have it restarted and it is well again; the boots before and after."""
        before = self.list()
        # It has to have beaten before it can be missed.
        harness.wait_until(lambda: "slack" in self.pawl("daemons", expect=0).stdout, what="the first beat")
        many = len(self.events("policy.outcome"))
        self.write(before["slack"]["boot"], "mute")
        outcome = self.wait_events("policy.outcome", many + 1)[-1]
        self.assertEqual((outcome["subject"], outcome["helped"]), ("slack", "1"))
        self.wait_for("slack", "ready", times=2 + many)
        return before, self.list()

    def test_a_silent_daemon_is_restarted_and_the_chronicle_says_why(self):
        self.write(SERVICE, "service.py")
        launcher = self.up(FILE)
        self.wait_said("everything is ready")
        before, after = self.fall_silent()
        self.assertNotEqual(before["slack"]["boot"], after["slack"]["boot"])
        self.assertEqual(before["bridge"]["boot"], after["bridge"]["boot"])
        self.assertIn("slack: restarting (restarted by the policy, for incident i1)", self.said())
        restarts = self.events("policy.restart")
        self.assertEqual([(e["daemon"], e["chain"], e["incident"]) for e in restarts], [("slack", "0", "i1")])

        # Once: it is not asked again, and another launcher does not follow it again.
        self.stop(launcher)
        launcher = self.up()
        harness.wait_until(lambda: self.said().count("everything is ready") == 2, what="the second start")
        boot = self.list()["slack"]["boot"]
        self.pawl("events", "--kind", "x", expect=0)
        self.check_words()
        self.assertEqual(self.list()["slack"]["boot"], boot)
        self.stop(launcher)
        self.nobody_left()

    def check_words(self):
        told = self.pawl("policy", "explain", "i1", expect=0).stdout
        for text in ("d1 of incident i1", "rule: 'dependency-down'", "chosen: open_breaker", "not done: open_circuit",
                     "chosen: restart_daemon (place 2 of the rule)", "excluded: open_breaker", "decided: restart_daemon on slack", "outcome: it helped after"):
            if text == "not done: open_circuit":
                text = "not done: there is no circuit 'needs:slack'"
            self.assertIn(text, told)
        one = json.loads(self.pawl("policy", "explain", "d2", "--json", expect=0).stdout)
        self.assertEqual([(e["decision"], e["incident"], e["rule"], e["action"], e["subject"]) for e in one],
                         [("d2", "i1", "dependency-down", "restart_daemon", "slack")])
        self.assertIn("no decision of d99", self.pawl("policy", "explain", "d99", expect=4).stderr)
        self.assertIn("no incident (i3) and of no decision (d7)", self.pawl("policy", "explain", "7", expect=2).stderr)

        same = self.pawl("policy", "replay", expect=0)
        self.assertRegex(same.stdout, r"^2 decisions, 2 the same with table [0-9a-f]{16}\n$")
        self.assertEqual(self.pawl("policy", "replay", "--since", "2020-01-01", expect=0).stdout, same.stdout)
        self.assertTrue(self.pawl("policy", "replay", "--since", "1ms", expect=0).stdout.startswith("0 decisions"))
        self.write(CHAIN, "other.toml")
        other = self.pawl("policy", "replay", "--config", "other.toml", expect=1)
        self.assertIn("rule: 'dependency-down' -> 'chain'", other.stdout)
        self.assertIn("decided: open_breaker on slack -> restart_chain on slack", other.stdout)
        self.assertIn("2 decisions, 0 the same", other.stdout)
        self.assertIn("2 of them were made with another table", other.stderr)
        document = json.loads(self.pawl("policy", "replay", "--config", "other.toml", "--json", expect=1).stdout)
        self.assertEqual((document["decisions"], document["same"], document["other_table"]), (2, 0, 2))
        self.assertEqual([e["decision"] for e in document["differences"]], ["d1", "d2"])
        self.write("[[policy]]\ntry = []\n", "broken.toml")
        self.assertIn("broken.toml:2: policy[0].try is empty", self.pawl("policy", "replay", "--config", "broken.toml", expect=1).stderr)

    def test_a_chain_takes_along_what_comes_after(self):
        self.write(SERVICE, "service.py")
        launcher = self.up(FILE + CHAIN)
        self.wait_said("everything is ready")
        before, _ = self.fall_silent()
        harness.wait_until(lambda: self.list()["bridge"]["boot"] not in ("-", before["bridge"]["boot"]), what="the bridge again")
        self.assertEqual([e["chain"] for e in self.events("policy.restart")], ["1"])
        self.assertIn("0 the same", self.pawl("policy", "replay", expect=1).stdout)
        self.assertIn("1 decision, 1 the same", self.pawl("policy", "replay", "--config", "pawl.toml", expect=0).stdout)
        self.stop(launcher)
        self.nobody_left()

    def test_observed_it_only_decides(self):
        self.write(SERVICE, "service.py")
        launcher = self.up(FILE + '[ops]\npolicy = "observe"\n')
        self.wait_said("everything is ready")
        boot = self.list()["slack"]["boot"]
        harness.wait_until(lambda: "slack" in self.pawl("daemons", expect=0).stdout, what="the first beat")
        self.write(boot, "mute")
        self.wait_events("policy.decision", 1)
        self.assertIn("mode observe: nothing was done", self.pawl("policy", "explain", "i1", expect=0).stdout)
        self.assertEqual(self.events("policy.restart"), [])
        self.assertEqual(self.list()["slack"]["boot"], boot)
        self.stop(launcher)
        self.nobody_left()


if __name__ == "__main__":
    unittest.main()
