"""pawl ops deploy, rollback, versions: what a role runs is kept in the bus, and taken from the next claim on."""
import os
import threading
import unittest

from exec_case import wait_until
from run_case import CALM, RunCase

ECHO = '[role.w]\ncommand = ["sh", "-c", "echo file; cat $PAWL_PROMPT"]\nprompt = "{folder}/prompt.md"\nconcurrency = 4\n'
SAY = ("sh", "-c", 'echo "$0"; test -z "$PAWL_PROMPT" || cat "$PAWL_PROMPT"')


class DeployTest(RunCase):
    roles = ECHO

    def setUp(self):
        super().setUp()
        self.write("prompt.md", "one")

    def deploy(self, *words, command=(), why="a test", expect=0):
        """The version's number and hash."""
        reply = self.json("ops", "deploy", "w", "--reason", why, *words, *(("--", *SAY, *command) if command else ()), expect=expect)
        return reply["version"], reply.get("hash")

    def rollback(self, *words):
        return self.json("ops", "rollback", "w", "--reason", "a test", *words)["version"]

    def result(self, role="w"):
        """Of a message from now on: its result and the version that it ran with."""
        message = self.text("push", role, "x")
        shown = self.wait_state(message)
        return shown.get("result", ""), shown["invocations"][-1]["version"]

    def test_a_command_a_prompt_and_back(self):
        runner = self.runner()
        file_result, file_version = self.result()
        self.assertEqual(file_result, "file\none")
        self.assertEqual(len(file_version), 16)
        number, digest = self.deploy(command=("A",))
        self.assertEqual(number, 1)
        result, version = self.result()
        # What is not deployed is the file's.
        self.assertEqual(result, "A\none")
        self.assertTrue(version.startswith(f"1:{digest}:"), version)
        self.write("two.md", "two")
        self.assertEqual(self.deploy("--prompt", self.path("two.md"))[0], 2)
        self.assertEqual(self.result()[0], "A\ntwo")
        # The file's prompt is nobody's now, the settings still are.
        self.write("prompt.md", "three")
        self.write_roles(ECHO + 'timeout = "9s"\n')
        after = self.result()
        self.assertEqual(after[0], "A\ntwo")
        self.assertTrue(after[1].startswith("2:"))
        self.assertEqual(self.rollback(), 1)
        self.assertEqual(self.result()[0], "A\nthree")
        self.assertEqual(self.rollback(), 0)
        self.assertEqual(self.result()[0], "file\nthree")
        self.assertEqual(self.rollback("--to", "2"), 2)
        self.assertEqual(self.result()[0], "A\ntwo")
        self.assertIn(f"w: version 1:{digest}:", runner.log())
        self.stop(runner)

    def test_a_deploy_under_load(self):
        runner = self.runner()
        numbers = {"file": None}
        pushed = []
        stop = threading.Event()

        def push():
            while not stop.is_set():
                pushed.append(self.text("push", "w", "x"))
        threads = [threading.Thread(target=push) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for name in ("A", "B", "C"):
                number, digest = self.deploy(command=(name,))
                numbers[name] = f"{number}:{digest}:"
                # A message that comes after the answer runs with nothing older.
                self.assertEqual(self.result()[0], f"{name}\none")
            self.assertEqual(self.rollback(), 2)
            self.assertEqual(self.result()[0], "B\none")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertGreater(len(pushed), 5)
        for message in pushed:
            shown = self.wait_state(message)
            said = shown["result"].split("\n")[0]
            version = shown["invocations"][-1]["version"]
            if said == "file":
                self.assertEqual(len(version), 16)
            else:
                self.assertTrue(version.startswith(numbers[said]), (said, version))
            self.assertEqual(len(shown["invocations"]), 1)
        self.stop(runner)

    def test_it_is_kept_through_restarts(self):
        self.deploy(command=("A",))
        runner = self.runner()
        wait_until(lambda: "w: version 1:" in runner.log(), what="the deployed version at the start")
        before = self.result()
        self.assertEqual(before[0], "A\none")
        self.stop(runner)
        self.bus.kill()
        self.bus.start()
        runner = self.runner()
        self.assertEqual(self.result(), before)
        # A bus that dies under a runner that goes on.
        self.bus.kill()
        self.bus.start()
        self.assertEqual(self.result(), before)
        self.deploy(command=("B",))
        self.assertEqual(self.result()[0], "B\none")
        self.stop(runner)

    def test_the_record_of_a_long_one_is_right_while_it_runs(self):
        self.runner()
        self.result()
        wait_until(lambda: self.json("roles", "w")["waiting"] == 1, what="the waiting claim")
        self.pawl("ops", "deploy", "w", "--reason", "t", "--", "sh", "-c", f"until [ -e {self.path('go')} ]; do sleep 0.01; done", expect=0)
        message = self.text("push", "w", "x")
        wait_until(lambda: self.state(message) == "claimed" and self.last_invocation(message)["version"].startswith("1:"), what="the version")
        role = self.json("roles", "w")
        self.assertEqual(role["deployed"], 1)
        self.assertTrue(role["version"].startswith(f"1:{role['deployed_hash']}:"), role)
        self.write("go", "")
        self.wait_state(message)

    def test_one_that_cannot_be_run_here(self):
        runner = self.runner()
        self.deploy(command=("A",))
        good = self.result()
        self.pawl("ops", "deploy", "w", "--reason", "t", "--", self.path("agent"), expect=0)
        # What ran goes on, said once, and seen from outside.
        for _ in range(3):
            self.assertEqual(self.result(), good)
        self.assertEqual(runner.log().count("w: version 2 cannot be run here: cannot run"), 1, runner.log())
        self.assertRegex(self.text("roles"), r"2:[0-9a-f]{8} \(claims: 1:[0-9a-f]{8}\)")
        # At the start there is nothing that could go on: the messages wait, unspent, until the program is there.
        self.stop(runner)
        runner = self.runner()
        message = self.text("push", "w", "x")
        wait_until(lambda: "the role waits for" in runner.log(), what="the complaint")
        shown = self.json("get", message)
        self.assertEqual((shown["state"] in ("scheduled", "ready", "claimed"), shown["spent"]), (True, 0))
        os.chmod(self.write("agent", "#!/bin/sh\necho there\n"), 0o755)
        self.assertEqual(self.wait_state(message)["result"], "there\n")
        self.assertEqual(self.result()[0], "there\n")

    def test_a_rollback_passes_a_freeze(self):
        self.runner()
        self.deploy(command=("A",))
        self.deploy(command=("B",))
        self.pawl("kill", "--reason", "B loses money", expect=0)
        self.assertEqual(self.rollback(), 1)
        self.assertEqual(self.json("ops", "versions", "w")["current"], 1)
        self.pawl("clear", "--reason", "over", expect=0)
        message = self.text("push", "w", "x")
        self.assertEqual(self.wait_state(message)["result"], "A\none")

    def test_versions_tell_who_when_and_why(self):
        self.assertIn("no role 'w'", self.pawl("ops", "versions", "w", expect=4).stderr.decode())
        self.deploy(command=("A",), why="the first")
        self.write("two.md", "line one\nline two")
        self.deploy("--prompt", self.path("two.md"), why="the second")
        self.rollback()
        listed = self.json("ops", "versions", "w")
        self.assertEqual([one["version"] for one in listed["versions"]], [2, 1])
        self.assertEqual([(one["what"], one["before"], one["version"]) for one in listed["history"]],
                         [("rollback", 2, 1), ("deploy", 1, 2), ("deploy", 0, 1)])
        first = listed["versions"][1]
        self.assertEqual((first["reason"], first["current"], first["command"]), ("the first", 1, [*SAY, "A"]))
        self.assertIn("@", first["by"])
        text = self.text("ops", "versions", "w")
        for part in ("the first", "the second", "rollback", "* "):
            self.assertIn(part, text)
        self.assertIn("line one\nline two", self.text("ops", "versions", "w", "2"))
        self.assertEqual(self.json("ops", "versions", "w", "2")["prompt"], "line one\nline two")
        kinds = [(entry["kind"], entry["version"], entry["reason"]) for entry in self.json("events", "--after", "0") if entry["kind"].startswith("role.")]
        self.assertEqual(kinds, [("role.deploy", "1", "the first"), ("role.deploy", "2", "the second"), ("role.rollback", "1", "a test")])
        self.assertIn("1:", self.text("status"))

    def test_what_would_change_is_shown(self):
        words = ("ops", "deploy", "w", "--dry-run", "--", "./a", "--fast")
        done = self.pawl(*words, expect=0)
        self.assertEqual(done.stdout.decode(), '- command what pawl.toml says\n+ command ["./a","--fast"]\n')
        self.assertIn("only shown", done.stderr.decode())
        self.assertEqual(self.json("roles"), [])
        self.deploy("--command", '["./a", "--slow"]')
        self.assertEqual(self.pawl(*words, expect=0).stdout.decode(), '- command ["./a","--slow"]\n+ command ["./a","--fast"]\n')
        self.write("p.md", "think\nact\n")
        self.deploy("--prompt", self.path("p.md"))
        done = self.pawl("ops", "deploy", "w", "--dry-run", "--prompt", "-", data=b"think twice\nact\n", expect=0)
        self.assertEqual(done.stdout.decode(), "  prompt\n- think\n+ think twice\n  act\n")
        done = self.pawl("ops", "deploy", "w", "--reason", "t", "--prompt", self.path("p.md"), expect=0)
        self.assertIn("runs just that already", done.stderr.decode())
        self.assertEqual(self.json("ops", "versions", "w")["current"], 2)

    def test_a_rollback_shows_what_changes(self):
        self.write("p.md", "think\nact\n")
        self.deploy("--prompt", self.path("p.md"), "--command", '["./a"]')
        self.deploy("--command", '["./b"]')
        self.assertEqual(self.text("ops", "rollback", "w", "--reason", "t").split("\n")[:2], ['- command ["./b"]', '+ command ["./a"]'])
        self.assertEqual(self.text("ops", "rollback", "w", "--reason", "t"),
                         '- command ["./a"]\n+ command what pawl.toml says\n  prompt, pawl.toml\'s from now on\n- think\n- act\nfile')
        self.assertEqual(self.text("ops", "rollback", "w", "--to", "0", "--reason", "t"), "file")

    def test_nobody_serves_it(self):
        self.assertIn("no runner serves w", self.pawl("ops", "deploy", "w", "--reason", "t", "--", "true", expect=0).stderr.decode())
        self.runner()
        wait_until(lambda: self.json("roles", "w").get("runners") == 1, what="the runner's beat")
        self.assertNotIn("no runner", self.pawl("ops", "deploy", "w", "--reason", "t", "--", "false", expect=0).stderr.decode())

    def test_bad_input(self):
        self.write("empty.md", "")
        with open(self.path("huge.md"), "wb") as file:
            file.write(b"x" * ((1 << 20) + 1))
        deploy = ("ops", "deploy", "w", "--reason", "t")
        for words, code, part in (((*deploy,), 2, "nothing to deploy"),
                                  (("ops", "deploy", "w", "--", "true"), 2, "needs a reason"),
                                  (("ops", "deploy", "--reason", "t", "--", "true"), 2, "too few arguments"),
                                  ((*deploy, "--prompt", self.path("none.md")), 2, "none.md"),
                                  ((*deploy, "--prompt", self.path("empty.md")), 2, "is empty"),
                                  ((*deploy, "--prompt", self.path("huge.md")), 2, "TOOBIG"),
                                  ((*deploy, "--command", "./agent.sh --fast"), 2, "JSON array"),
                                  ((*deploy, "--command", "[]"), 2, "JSON array"),
                                  ((*deploy, "--command", "[1]"), 2, "JSON array"),
                                  ((*deploy, "--command", '["true"]', "--", "true"), 2, "not both"),
                                  (("ops", "deploy", "w/x", "--reason", "t", "--", "true"), 2, "a role"),
                                  (("ops", "rollback", "w"), 2, "needs a reason"),
                                  (("ops", "rollback", "w", "--reason", "t"), 4, "no role 'w'"),
                                  (("ops", "versions", "w"), 4, "no role 'w'")):
            done = self.pawl(*words, expect=code)
            self.assertIn(part, done.stderr.decode())
        self.text("push", "w", "x")
        self.assertIn("nothing to go back to", self.pawl("ops", "rollback", "w", "--reason", "t", expect=1).stderr.decode())
        self.assertIn("no version 7", self.pawl("ops", "rollback", "w", "--to", "7", "--reason", "t", expect=4).stderr.decode())
        self.assertIn("nothing was deployed", self.text("ops", "versions", "w"))
        self.assertIn("no version 7", self.pawl("ops", "versions", "w", "7", expect=4).stderr.decode())


class StrictTest(RunCase):
    config = CALM + "[bus]\nstrict_roles = true\n[role.known]\n"

    def test_no_such_role(self):
        done = self.pawl("ops", "deploy", "unknown", "--reason", "t", "--", "true", expect=4)
        self.assertIn("not in pawl.toml", done.stderr.decode())
        self.pawl("ops", "deploy", "known", "--reason", "t", "--", "true", expect=0)


if __name__ == "__main__":
    unittest.main()
