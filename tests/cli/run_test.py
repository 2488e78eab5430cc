"""pawl run: roles of pawl.toml, their commands, and what can be wrong with them."""
import os
import signal
import unittest

from exec_case import alive, harness
from harness import wait_until
from run_case import RunCase


class RolesTest(RunCase):
    roles = """
[role.a]
command     = ["sh", "-c", "cat; echo; cat $PAWL_PROMPT; echo $PAWL_ROLE $PAWL_ATTEMPT $PAWL_HEADERS; test -n \\"$PAWL_KILL_FILE\\" -a -n \\"$PAWL_CLAIM\\""]
prompt      = "{folder}/prompt.md"
concurrency = 2
[role.shell]
command = ["tr a-z A-Z | sed s/X/$1/", "y"]
shell   = true
[role.nobody]
lease = "1m"
"""

    def setUp(self):
        super().setUp()
        self.write("prompt.md", "Be brief.\n")

    def test_each_role_runs_its_own_command(self):
        one = self.text("push", "a", "work", "--header", "k=v")
        two = self.text("push", "shell", "x marks")
        three = self.text("push", "nobody", "waits")
        said = self.drain()
        self.assertIn("2 handled", said)
        self.assertEqual(self.text("result", one), 'work\nBe brief.\na 1 {"k":"v"}')
        self.assertEqual(self.text("result", two), "y MARKS")
        self.assertEqual(self.state(three), "ready")
        last = self.last_invocation(one)
        self.assertRegex(last["version"], "^[0-9a-f]{16}$")
        self.assertRegex(last["daemon"], "^r@[0-9a-v]{12}$")
        self.assertNotEqual(last["version"], self.last_invocation(two)["version"])
        self.assertEqual(os.listdir(os.path.join(self.bus.data, "spool/r/prompts")), [])

    def test_a_bus_that_the_file_names_by_a_relative_path(self):
        message = self.text("push", "shell", "x")
        self.write_roles('[bus]\ndata = "./data"\n[role.shell]\ncommand = ["true"]\n')
        environment = {name: value for name, value in os.environ.items() if name != "PAWL_URL"}
        done = harness.subprocess.run(self.run_words("--name", "r", "--drain"), cwd=self.bus.folder, env=environment, capture_output=True, check=False,
                                      timeout=60, stdin=harness.subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.state(message), "done")

    def test_only_the_roles_that_are_named(self):
        one = self.text("push", "a", "x")
        two = self.text("push", "shell", "x")
        self.drain("shell")
        self.assertEqual((self.state(one), self.state(two)), ("ready", "done"))

    def test_its_name_and_boot_may_come_from_whoever_starts_it(self):
        self.write_roles('[role.shell]\ncommand = ["echo $PAWL_DAEMON$PAWL_BOOT$NOTIFY_SOCKET$PAWL_PROMPT."]\nshell = true\n')
        message = self.text("push", "shell", "x")
        done = harness.subprocess.run(self.run_words("--drain"), capture_output=True, check=False, timeout=60, stdin=harness.subprocess.DEVNULL,
                                      env=dict(os.environ, PAWL_URL=self.bus.url, PAWL_DAEMON="fleet-runner", PAWL_BOOT="b7", PAWL_PROMPT="old",
                                               NOTIFY_SOCKET="@x"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.last_invocation(message)["daemon"], "fleet-runner@b7")
        self.assertEqual(self.text("result", message), ".")

    def test_two_runners_share_the_work(self):
        messages = [self.text("push", "shell", "x") for _ in range(20)]
        runners = [self.runner(name=name) for name in ("one", "two")]
        for message in messages:
            self.wait_state(message)
            self.assertEqual(self.json("get", message)["deliveries"], 1)
        for runner in runners:
            self.stop(runner)

    def test_told_to_stop_it_gives_work_back_and_says_so(self):
        self.write_roles(f'[role.w]\ncommand = ["sh", "-c", "echo $$ >{self.path("child")}; sleep 300"]\n')
        message = self.text("push", "w", "x")
        runner = self.runner()
        pid = self.pid_in("child")
        self.stop(runner)
        self.all_gone([pid])
        self.assertIn("1 given back", runner.log())
        shown = self.json("get", message)
        self.assertEqual((shown["state"], shown["attempt"]), ("ready", 1))

    def test_concurrency_is_a_number_of_this_process(self):
        self.write_roles(f"""[role.w]
concurrency = 3
command = ["sh", "-c", "echo $$ >>{self.path('begun')}; while [ ! -e {self.path('go')} ]; do sleep 0.01; done"]
""")
        for _ in range(6):
            self.text("push", "w", "x")
        self.runner()
        wait_until(lambda: os.path.exists(self.path("begun")) and len(self.read("begun").split()) == 3, what="three of them")
        role = self.json("roles", "w")
        self.assertEqual((role["claimed"], role["ready"]), (3, 3))
        self.write("go", "")
        wait_until(lambda: self.json("roles", "w")["done"] == 6, what="all six")

    def test_a_cancelled_message_ends_its_handler(self):
        self.write_roles(f'[role.w]\ncommand = ["sh", "-c", "echo $$ >{self.path("child")}; sleep 300 & wait"]\n')
        message = self.text("push", "w", "x", "--lease", "300ms")
        self.runner()
        pid = self.pid_in("child")
        self.text("cancel", message)
        self.wait_state(message, "cancelled")
        self.all_gone([pid])


class MistakesTest(RunCase):
    def fails(self, roles, *texts, words=(), code=2):
        self.write_roles(roles)
        said = self.run_fails(*words, code=code)
        for text in texts:
            self.assertIn(text, said)

    def test_mistakes_in_the_file_have_their_place(self):
        toml = self.path("run.toml")
        self.fails("[role.a]\n", f"{toml}: no role has a command")
        self.fails("[role.a]\n", f"{toml}:1: [role.a] has no command", words=["a"])
        self.fails('[role.a]\ncommand = ["true"]\n', f"{toml}: there is no [role.b]", words=["b"])
        self.fails('[role.a]\n\ncommand = ["./no/such.sh"]\n', f"{toml}:3: role.a.command: cannot run './no/such.sh'")
        self.fails('[role.a]\ncommand = ["true"]\nprompt = "/no/prompt.md"\n', f"{toml}:3: role.a.prompt: cannot read /no/prompt.md")
        self.fails('[role.a]\ncommand = ["no-such-program"]\n[role.b]\ncommand = ["true"]\nprompt = "/no/prompt.md"\n', f"{toml}:2: ", f"{toml}:5: ")
        self.fails('[role.a]\ncommnd = ["true"]\n', f"{toml}:2: unknown key 'commnd'", "did you mean 'command'?")
        os.unlink(toml)
        self.assertIn(f"cannot read {toml}", self.run_fails(code=2))

    def test_a_spool_that_cannot_be_written(self):
        blocked = self.write("blocked", "")
        self.fails('[role.a]\ncommand = ["true"]\n', "the spool cannot be used", "[run] spool or --spool", words=["--spool", blocked + "/spool"], code=1)
        self.fails(f'[run]\nspool = "/proc/spool"\n[role.a]\ncommand = ["true"]\n', "the spool cannot be used", "/proc/spool", code=1)

    def test_two_runners_of_one_name(self):
        self.write_roles('[role.a]\ncommand = ["true"]\n')
        first = self.runner()
        said = self.run_fails("--name", "r", code=1)
        self.assertIn(f"is in use by process {first.pid}", said)
        self.assertIn("--name", said)

    def test_a_name_that_is_none(self):
        self.write_roles('[role.a]\ncommand = ["true"]\n')
        self.assertIn("a daemon's name is", self.run_fails("--name", "a b", code=2))

    def test_a_program_that_goes_away_costs_no_attempt(self):
        script = self.write("agent", "#!/bin/sh\necho done\n")
        os.chmod(script, 0o755)
        self.write_roles(f'[role.a]\ncommand = ["{script}"]\n[role.b]\ncommand = ["true"]\n')
        runner = self.runner()
        os.rename(script, script + ".away")
        one = self.text("push", "a", "x")
        two = self.text("push", "b", "x")
        wait_until(lambda: "no such program; given back" in runner.log(), what="the complaint")
        self.wait_state(two)
        os.rename(script + ".away", script)
        shown = self.wait_state(one)
        self.assertEqual((shown["result"], shown["attempt"]), ("done\n", 1))

    def test_no_bus_yet_is_waited_for(self):
        self.bus.kill()
        self.write_roles('[role.a]\ncommand = ["true"]\n')
        runner = self.runner()
        wait_until(lambda: "trying again" in runner.log(), what="the complaint")
        self.bus.start()
        message = self.text("push", "a", "x")
        self.wait_state(message)
        self.assertEqual(runner.log().count("trying again"), 1)
        self.stop(runner)


class KilledTest(RunCase):
    roles = """
[role.w]
command = ["sh", "-c", "setsid sh -c 'echo $$ >{folder}/far; exec sleep 300' & sleep 300 & echo $! >{folder}/near; echo $$ >{folder}/child; wait"]
"""

    def test_killed_it_leaves_nobody(self):
        self.text("push", "w", "x")
        runner = self.runner()
        pids = [self.pid_in(name) for name in ("child", "near", "far")]
        with open(f"/proc/{pids[0]}/stat", encoding="utf-8") as file:
            pids.append(int(file.read().rsplit(")", 1)[1].split()[1]))  # the reaper
        self.assertTrue(all(alive(pid) for pid in pids))
        self.assertEqual(len(set(pids)), 4)
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        self.all_gone(pids)

    def test_its_handler_and_reaper_killed_it_goes_on(self):
        message = self.text("push", "w", "x", "--max-attempts", "1")
        runner = self.runner()
        pids = [self.pid_in(name) for name in ("child", "near", "far")]
        with open(f"/proc/{pids[0]}/stat", encoding="utf-8") as file:
            os.kill(int(file.read().rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
        shown = self.wait_state(message, "dead")
        self.assertEqual(shown["error_class"], "crash")
        self.assertFalse(any(alive(pid) for pid in pids))
        self.stop(runner)


if __name__ == "__main__":
    unittest.main()
