"""pawl run while something that a role needs is out: its limp command, and the way back."""
import os
import unittest

from exec_case import harness
from harness import wait_until
from run_case import RunCase

ROLES = """
[role.mail]
command = ["sh", "-c", "test -e {folder}/up || { echo 'slack: refused' >&2; exit 69; }; echo full$PAWL_LIMP"]
limp    = ["sh", "-c", "cat; echo ' lite' $PAWL_LIMP"]
needs   = ["slack"]
backoff = { base = "200ms", max = "200ms" }
[role.post]
command = ["sh", "-c", "echo post"]
needs   = ["slack"]
"""


class LimpTest(RunCase):
    roles = ROLES
    config = '[guards]\noutage_messages = 2\ncooldown = "3s"\ncooldown_max = "3s"\n' + ROLES

    def limp_events(self):
        return [event for event in self.json("events", "--kind", "role.limp") if event["role"] == "mail"]

    def open_circuit(self):
        """Two messages that blame it are enough."""
        for _ in range(2):
            self.text("push", "mail", "early")
        for _ in range(20):
            if self.breaker() == "open":
                return
            self.pawl("exec", "mail", "--once", "--wait", "5s", "--", "sh", "-c", "echo slack: gone >&2; exit 69", expect=1)
        self.fail("the circuit does not open")

    def breaker(self):
        return self.json("roles", "mail")["breaker"]

    def test_the_limp_command_runs_until_a_probe_has_closed_the_circuit(self):
        runner = self.runner()
        # At once: one alone might be out of attempts before the other is there.
        first, other = self.pawl("push", "mail", "--lines", data=b"one\nother\n", expect=0).stdout.decode().split()
        self.wait_state(first)
        shown = self.wait_state(other)
        self.assertEqual(self.text("result", first), "one lite slack")
        self.assertEqual(self.text("result", other), "other lite slack")
        *_, tried, limped = shown["invocations"]
        self.assertEqual((tried["error_class"], limped["outcome"], limped["limp"]), ("dependency_down", "done", "slack"))
        self.assertNotIn("limp", tried)
        self.assertNotEqual(tried["version"], limped["version"])
        self.assertEqual(self.json("roles", "mail")["limp"], "slack")
        self.assertIn("mail without slack", self.text("status"))
        self.assertIn("limps without slack", self.text("roles"))
        # Who has no limp command is held. Left there it would be the next probe.
        held = self.text("push", "post", "x", "--delay", "1h")
        self.assertIn("breaker", [one["guard"] for one in self.json("why", held)])

        # A probe that fails: its message goes on without afterwards, and nobody leaves limp mode.
        wait_until(lambda: self.breaker() == "half_open", what="the first half-open circuit")
        second = self.text("push", "mail", "two")
        shown = self.wait_state(second)
        self.assertEqual([one.get("limp") for one in shown["invocations"]], [None, "slack"])
        self.assertEqual(shown["spent"], 0)
        self.assertEqual([event["state"] for event in self.limp_events()], ["begin"])

        # One that goes well closes it.
        self.write("up", "")
        wait_until(lambda: self.breaker() == "half_open", what="the second half-open circuit")
        third = self.text("push", "mail", "three")
        self.assertNotIn("limp", self.wait_state(third)["invocations"][-1])
        self.assertEqual(self.text("result", third), "full")
        self.assertEqual([one["guard"] for one in self.json("why", held)], ["delay"])
        begin, end = self.limp_events()
        self.assertEqual((begin["state"], begin["without"], end["state"], end["without"]), ("begin", "slack", "end", "slack"))
        self.assertIn("circuit needs:slack is open", begin["reason"])
        self.assertEqual(end["reason"], "circuit needs:slack is closed")
        self.assertGreaterEqual(int(end["lasted_ms"]), 1000)
        self.assertNotIn("limp", self.json("roles", "mail"))
        log = runner.log()
        self.assertIn("mail: without slack, its limp command runs", log)
        self.assertIn("mail: its own command again, with everything it needs", log)
        self.stop(runner)

    def test_exec_has_one_command_and_tells_it(self):
        self.open_circuit()
        message = self.text("push", "mail", "y", "--priority", "9")
        done = harness.subprocess.run([harness.PAWL, "exec", "mail", "--once", "--", "sh", "-c", "echo without $PAWL_LIMP"], check=False,
                                      capture_output=True, timeout=60, env=dict(os.environ, PAWL_URL=self.bus.url, PAWL_LIMP="inherited"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.text("result", message), "without slack")

    def test_limp_without_needs_or_without_its_program_is_a_mistake(self):
        self.write_roles('[role.a]\ncommand = ["sh"]\nlimp = ["sh"]\n')
        self.assertIn("run.toml:3: role.a.limp is the command for when something in needs is out, and there is no needs", self.run_fails(code=2))
        self.write_roles('[role.a]\ncommand = ["sh"]\nneeds = ["x"]\nlimp = ["no-such-program"]\n')
        self.assertIn("run.toml:4: role.a.limp: cannot run 'no-such-program'", self.run_fails(code=2))


if __name__ == "__main__":
    unittest.main()
