"""pawl run: what changes while it runs is taken for the next message."""
import os
import signal
import unittest

from exec_case import wait_until
from run_case import RunCase

ECHO = '[role.w]\ncommand = ["sh", "-c", "cat $PAWL_PROMPT"]\nprompt = "{folder}/prompt.md"\n'


class ReloadTest(RunCase):
    roles = ECHO

    def setUp(self):
        super().setUp()
        self.write("prompt.md", "one")

    def result(self, role="w"):
        """Of a message from now on: its result and the version that it ran with."""
        message = self.text("push", role, "x")
        shown = self.wait_state(message)
        return shown.get("result", ""), shown["invocations"][-1]["version"]

    def test_a_prompt(self):
        runner = self.runner()
        seen = []
        for text in ("one", "two", "two more", "one"):
            self.write("prompt.md", text)
            result, version = self.result()
            self.assertEqual(result, text)
            seen.append(version)
        # The same prompt is the same version again.
        self.assertEqual(len(set(seen)), 3)
        self.assertEqual(seen[0], seen[3])
        self.assertIn(f"w: version {seen[1]} from the next claim on (was {seen[0]})", runner.log())
        self.stop(runner)

    def test_a_prompt_that_is_written_in_place(self):
        self.runner()
        for number in range(30):
            # The same size, within one tick of the kernel's clock, the same file.
            with open(self.path("prompt.md"), "r+", encoding="utf-8") as file:
                file.write(f"{number:03}")
            self.assertEqual(self.result()[0], f"{number:03}")

    def test_what_runs_keeps_the_prompt_that_it_began_with(self):
        self.write_roles(ECHO.replace("cat $PAWL_PROMPT", "echo $$ >{folder}/child; while [ ! -e {folder}/go ]; do sleep 0.01; done; cat $PAWL_PROMPT")
                         + "concurrency = 2\n")
        self.runner()
        old = self.text("push", "w", "x")
        self.pid_in("child")
        self.write("prompt.md", "two")
        self.write("go", "")
        new = self.text("push", "w", "x")
        self.assertEqual((self.wait_state(old)["result"], self.wait_state(new)["result"]), ("one", "two"))
        # The old copy goes with the last that needs it.
        wait_until(lambda: len(os.listdir(os.path.join(self.bus.data, "spool/r/prompts"))) == 1, what="one copy")

    def test_a_command_and_a_setting(self):
        self.runner()
        first = self.result()
        self.write_roles('[role.w]\ncommand = ["sh", "-c", "echo new"]\n')
        second = self.result()
        self.assertEqual(second[0], "new\n")
        self.write_roles('[role.w]\ncommand = ["sh", "-c", "echo new"]\ntimeout = "9s"\n')
        third = self.result()
        self.assertEqual(len({first[1], second[1], third[1]}), 3)
        # What does not concern how a message is run is no other version.
        self.write_roles('[role.w]\ncommand = ["sh", "-c", "echo new"]\ntimeout = "9s"\nconcurrency = 3\n')
        self.assertEqual(self.result()[1], third[1])

    def test_a_claim_that_waits_already(self):
        # The claim said the old version; what runs is the new one, and so says the record.
        self.runner()
        version = self.result()[1]
        wait_until(lambda: self.json("roles", "w")["waiting"] == 1, what="the waiting claim")
        self.write("prompt.md", "two")
        result, other = self.result()
        self.assertEqual(result, "two")
        self.assertNotEqual(other, version)

    def test_roles_come_and_go(self):
        runner = self.runner()
        self.write_roles(ECHO + '[role.new]\ncommand = ["echo", "hello"]\n')
        self.assertEqual(self.result("new")[0], "hello\n")
        self.write_roles('[role.new]\ncommand = ["echo", "hello"]\n')
        wait_until(lambda: "w: not handled any more" in runner.log(), what="the end of w")
        message = self.text("push", "w", "x")
        self.assertEqual(self.result("new")[0], "hello\n")
        self.assertEqual(self.state(message), "ready")
        self.write_roles(ECHO)
        self.wait_state(message)
        self.stop(runner)

    def test_a_role_goes_while_it_runs(self):
        self.write_roles('[role.w]\ncommand = ["sh", "-c", "echo $$ >{folder}/child; while [ ! -e {folder}/go ]; do sleep 0.01; done; echo done"]\n'
                         '[role.other]\ncommand = ["true"]\n')
        runner = self.runner()
        message = self.text("push", "w", "x")
        self.pid_in("child")
        self.write_roles('[role.other]\ncommand = ["true"]\n')
        wait_until(lambda: "w: not handled any more" in runner.log(), what="the end of w")
        self.write("go", "")
        self.assertEqual(self.wait_state(message)["result"], "done\n")
        self.stop(runner)

    def test_more_and_fewer_at_a_time(self):
        work = '[role.w]\ncommand = ["sh", "-c", "while [ ! -e {folder}/go ]; do sleep 0.01; done"]\n'
        self.write_roles(work + "concurrency = 1\n")
        self.runner()
        for _ in range(8):
            self.text("push", "w", "x")
        claimed = lambda: self.json("roles", "w")["claimed"]  # noqa: E731
        wait_until(lambda: claimed() == 1, what="one")
        self.write_roles(work + "concurrency = 3\n")
        wait_until(lambda: claimed() == 3, what="three")
        self.write_roles(work + "concurrency = 2\n")
        self.write("go", "")
        wait_until(lambda: self.json("roles", "w")["done"] == 8, what="all")

    def test_a_bad_file_changes_nothing_and_is_said_once(self):
        runner = self.runner()
        good = self.result()
        for text, complaint in (("[role.w\n", "run.toml:1: "),
                                (ECHO + "timeot = 5\n", "unknown key 'timeot'"),
                                ('[role.w]\ncommand = ["no-such-program"]\n', "cannot run 'no-such-program'"),
                                ('[role.w]\n', "no role has a command")):
            self.write_roles(text)
            runner.send_signal(signal.SIGHUP)
            wait_until(lambda complaint=complaint: complaint in runner.log(), what=complaint)
            for _ in range(3):
                self.assertEqual(self.result(), good)
            self.assertEqual(runner.log().count(complaint), 1, runner.log())
        self.write_roles(ECHO)
        self.assertEqual(self.result(), good)
        os.rename(self.path("prompt.md"), self.path("away.md"))
        runner.send_signal(signal.SIGHUP)
        wait_until(lambda: "prompt.md: No such file" in runner.log(), what="the complaint")
        self.assertEqual(self.result(), good)
        self.assertEqual(runner.log().count("prompt.md: No such file"), 1)
        # A second of the kind is said again once the first was mended.
        os.rename(self.path("away.md"), self.path("prompt.md"))
        self.assertEqual(self.result(), good)
        os.rename(self.path("prompt.md"), self.path("away.md"))
        wait_until(lambda: runner.log().count("prompt.md: No such file") == 2, what="the second complaint")
        self.stop(runner)

    def test_one_bad_role_does_not_hold_up_the_others(self):
        self.runner()
        self.write_roles(ECHO.replace('"sh"', '"no-such-program"') + '[role.new]\ncommand = ["echo", "hello"]\n')
        self.assertEqual(self.result("new")[0], "hello\n")
        self.assertEqual(self.result("w")[0], "one")

    def test_a_prompt_s_copy_cannot_be_written_to(self):
        self.write_roles(ECHO.replace("cat $PAWL_PROMPT", "stat -c %a $PAWL_PROMPT; echo $PAWL_PROMPT"))
        self.runner()
        mode, path = self.result()[0].split()
        self.assertEqual(mode, "400")
        self.assertTrue(path.startswith(os.path.realpath(self.bus.data)) and path.endswith("-prompt.md"), path)


if __name__ == "__main__":
    unittest.main()
