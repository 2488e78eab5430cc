"""pawl up: order, readiness, restarts, stops. Real processes, each test in a folder of its own."""
import os
import signal
import subprocess
import unittest

from up_case import UpTest, harness, start_time, time


class OrderTest(UpTest):
    def test_starts_in_order_and_stops_in_reverse(self):
        launcher = self.up('''
[daemon.top]
command = ["sh", "-c", "echo top > top; exec sleep 300"]
after = ["middle"]
[daemon.middle]
command = ["sh", "-c", "cat base > middle; echo >&$PAWL_NOTIFY_FD; exec sleep 300"]
ready = "notify"
after = ["base"]
[daemon.base]
command = ["sh", "-c", "sleep 0.3; echo base > base; exec sleep 300"]
ready = "command"
ready_command = ["test", "-s", "base"]
after = ["bus"]
''')
        self.wait_said("everything is ready")
        ready = [daemon for daemon, state in self.steps() if state == "ready"]
        self.assertEqual(ready, ["bus", "base", "middle", "top"])
        # Nobody started before the one in front of him was ready.
        steps = self.steps()
        for before, after in [("bus", "base"), ("base", "middle"), ("middle", "top")]:
            self.assertLess(steps.index((before, "ready")), steps.index((after, "starting")))
        self.assertEqual(self.read("middle"), "base\n")
        self.stop(launcher)
        gone = [daemon for daemon, state in self.steps() if state == "stopped"]
        self.assertEqual(gone, ["top", "middle", "base", "bus"])
        steps = self.steps()
        for before, after in [("top", "middle"), ("middle", "base"), ("base", "bus")]:
            self.assertLess(steps.index((before, "stopped")), steps.index((after, "stopping")))
        self.nobody_left()

    def test_ready_by_a_datagram_of_sd_notify(self):
        script = ('import os, socket, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); a = os.environ["NOTIFY_SOCKET"]; '
                  's.connect("\\\\0" + a[1:] if a[0] == "@" else a); s.send(b"STATUS=warming up"); open("warm", "w").write(str(os.getpid()))\n'
                  'while not os.path.exists("go"): time.sleep(0.01)\n'
                  's.send(b"STATUS=at work\\\\nREADY=1\\\\n"); time.sleep(300)')
        self.write(script.replace("\\\\", "\\"), "service.py")
        self.up('[daemon.slow]\ncommand = ["/usr/bin/python3", "service.py"]\nready = "notify"\n')
        self.read_pid("warm")
        harness.wait_until(lambda: self.list()["slow"].get("note") == "warming up")
        self.assertEqual(self.list()["slow"]["state"], "starting")
        self.write("", "go")
        self.wait_for("slow", "ready")
        harness.wait_until(lambda: self.list()["slow"].get("note") == "at work")

    def test_never_ready_is_a_failed_start(self):
        self.up('''
[daemon.mute]
command = ["sh", "-c", "echo $$ >> pids; exec sleep 300"]
ready = "notify"
ready_within = "200ms"
backoff = { base = "50ms", max = "100ms" }
restarts = { max = 1, per = "1m" }
[daemon.behind]
command = ["sleep", "300"]
after = ["mute"]
''')
        self.wait_for("mute", "failed")
        self.wait_said("not ready within 200ms: neither READY=1 at NOTIFY_SOCKET nor a byte at PAWL_NOTIFY_FD came")
        self.assertEqual(self.steps().count(("mute", "starting")), 2)
        self.assertNotIn(("behind", "starting"), self.steps())
        self.wait_said("up, but failed: mute")  # nothing more will become ready
        self.assertEqual((self.list()["behind"]["state"], self.list()["behind"]["why"]), ("waiting", "for mute"))
        for pid in self.read("pids").split():
            self.wait_gone(int(pid))

    def test_what_a_daemon_is_given(self):
        os.mkdir(self.path("sub"))
        self.up('''
[daemon.look]
command = ["sh", "-c", "env > ../env.new; pwd > ../pwd; ls /proc/self/fd > ../fds; mv ../env.new ../env; exec sleep 300"]
dir = "sub"
env = { COLOUR = "blue", EMPTY = "" }
''', env={"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000000", "PAWL_BOOT": "of another"})
        harness.wait_until(lambda: os.path.exists(self.path("env")))
        lines = self.read("env").splitlines()
        values = dict(line.split("=", 1) for line in lines if "=" in line)
        self.assertEqual(values["COLOUR"], "blue")
        self.assertEqual(values["EMPTY"], "")
        self.assertEqual(values["PAWL_DAEMON"], "look")
        self.assertRegex(values["PAWL_BOOT"], "^[0-9a-v]{13}$")
        self.assertEqual(values["PAWL_URL"], "unix://" + self.path("d", "pawl.sock"))
        self.assertEqual(values["PAWL_UP"], self.path("d", "up"))
        self.assertNotIn("WATCHDOG_USEC", values)
        self.assertNotIn("NOTIFY_SOCKET", values)
        self.assertEqual(self.read("pwd").strip(), self.path("sub"))
        fds = self.read("fds").split()
        self.assertEqual(fds, ["0", "1", "2", "3"])  # the last one is that of ls


class RestartTest(UpTest):
    def test_a_killed_daemon_comes_back_with_a_fresh_boot(self):
        self.up('[daemon.a]\ncommand = ["sh", "-c", "echo $$ > pid; exec sleep 300"]\nbackoff = { base = "50ms", max = "1s" }\n')
        self.wait_for("a", "ready")
        first = self.list()["a"]
        os.kill(first["pid"], signal.SIGKILL)
        self.wait_for("a", "ready", times=2)
        second = self.list()["a"]
        self.assertNotEqual(first["boot"], second["boot"])
        self.assertEqual(second["starts"], 2)
        self.assertEqual([state for daemon, state in self.steps() if daemon == "a"][3:],
                         ["ending", "backoff", "waiting", "starting", "ready"])
        self.wait_said("a: ending (signal 9)")

    def test_backoff_doubles_and_the_bound_holds(self):
        self.up('''
[daemon.sick]
command = ["sh", "-c", "date +%s%N >> times; exit 3"]
backoff = { base = "100ms", max = "400ms" }
restarts = { max = 4, per = "1m" }
''')
        self.wait_for("sick", "failed")
        times = [int(line) / 1e6 for line in self.read("times").split()]
        self.assertEqual(len(times), 5)
        gaps = [after - before for before, after in zip(times, times[1:])]
        for gap, least in zip(gaps, [100, 200, 400, 400]):
            self.assertGreaterEqual(gap, least - 5)
        self.wait_said(f"pawl ops relaunch --data {self.path('d')} sick")  # what it says comes after its log
        said = self.said()
        self.assertIn("5 failures within 1m, the last: exit 3", said)
        self.assertIn(self.path("d", "up", "log", "sick.log"), said)
        # It stays down, and the others stay up.
        self.assertEqual(self.list()["bus"]["state"], "ready")
        time.sleep(0.5)
        self.assertEqual(self.list()["sick"]["starts"], 5)

    def test_relaunch_brings_a_failed_one_back(self):
        self.up('''
[daemon.sick]
command = ["sh", "-c", "test -e well || exit 3; exec sleep 300"]
restarts = { max = 0, per = "1m" }
ready = "command"
ready_command = ["test", "-e", "well"]
''')
        self.wait_for("sick", "failed")
        done = self.pawl("ops", "relaunch", "sick", expect=1)
        self.assertIn("sick did not become ready: exit 3 (failed)", done.stderr)
        self.write("", "well")
        done = self.pawl("ops", "relaunch", "sick", expect=0)
        self.assertIn("sick is sh -c test -e well", done.stderr)
        self.assertRegex(done.stderr, r"sick: ready, pid \d+")
        self.assertEqual(self.list()["sick"]["state"], "ready")

    def test_one_that_ends_while_its_ready_command_runs_takes_nobody_along(self):
        self.up('''
[daemon.sick]
command = ["sh", "-c", "while ! test -e asked; do sleep 0.01; done; exit 3"]
restarts = { max = 0, per = "1m" }
ready = "command"
ready_command = ["sh", "-c", "touch asked; exec sleep 300"]
''')
        self.wait_for("sick", "failed")
        self.assertEqual([state for name, state in self.steps() if name == "bus"], ["waiting", "starting", "ready"])

    def test_restart_is_no_failure(self):
        self.up('[daemon.a]\ncommand = ["sleep", "300"]\nrestarts = { max = 0, per = "1m" }\n')
        self.wait_for("a", "ready")
        first = self.list()["a"]
        for _ in range(3):
            self.assertRegex(self.pawl("ops", "restart", "a", expect=0).stderr, r"a: ready, pid \d+")
        second = self.list()["a"]
        self.assertEqual(second["starts"], 4)
        self.assertIsNone(start_time(first["pid"]))

    def test_nobody_restarts_himself(self):
        # However deep below, and in whatever session, the asker is.
        self.write('#!/bin/sh\n"$PAWL" ops "$1" me 2> "said.$1"\necho $? > "code.$1"\n', "ask.sh")
        self.write("#!/bin/sh\necho >&$PAWL_NOTIFY_FD\nsetsid -f sh ask.sh restart\nsetsid -f sh ask.sh relaunch\nexec sleep 300\n", "me.sh")
        self.up('[daemon.me]\ncommand = ["sh", "me.sh"]\nready = "notify"\n', env={"PAWL": harness.PAWL})
        for verb in ("restart", "relaunch"):
            harness.wait_until(lambda verb=verb: os.path.exists(self.path("code." + verb)))
            harness.wait_until(lambda verb=verb: self.read("code." + verb) == "1\n")
            said = self.read("said." + verb)
            self.assertIn(f"me cannot restart itself, and this was asked from inside of it; a person types: "
                          f"pawl ops relaunch --data {self.path('d')} me", said)
        self.assertIn("me is sh me.sh, pid", said)
        self.assertEqual(self.list()["me"]["starts"], 1)
        self.pawl("ops", "restart", "me", expect=0)

    def test_exit_78_is_final(self):
        self.up('[daemon.a]\ncommand = ["sh", "-c", "exit 78"]\n')
        self.wait_for("a", "failed")
        self.assertEqual(self.steps().count(("a", "starting")), 1)
        self.wait_said("its configuration is wrong")

    def test_the_bus_is_killed_and_the_others_live_on(self):
        self.up('[daemon.a]\ncommand = ["sleep", "300"]\n[daemon.b]\ncommand = ["sleep", "300"]\nneeds = ["bus"]\n')
        self.wait_for("b", "ready")
        before = self.list()
        self.pawl("push", "r", "kept", expect=0)
        os.kill(before["bus"]["pid"], signal.SIGKILL)
        self.wait_for("bus", "ready", times=2)
        self.wait_for("b", "ready", times=2)
        after = self.list()
        self.assertEqual(before["a"]["pid"], after["a"]["pid"])
        self.assertNotEqual(before["b"]["pid"], after["b"]["pid"])
        self.wait_said("b: restarting (it needs bus)")
        steps = self.steps()
        again = len(steps) - 1 - steps[::-1].index(("bus", "ready"))
        self.assertGreater(len(steps) - 1 - steps[::-1].index(("b", "starting")), again)
        self.assertIn("kept", self.pawl("claim", "r", expect=0).stdout)

    def test_a_chain_comes_back_in_order_each_step_ready_before_the_next(self):
        def link(name, *after):
            return (f'[daemon.{name}]\ncommand = ["sh", "-c", "sleep 0.1; echo >&$PAWL_NOTIFY_FD; exec sleep 300"]\nready = "notify"\n'
                    f'needs = {list(after)}\nbackoff = {{ base = "50ms", max = "1s" }}\n'.replace("'", '"'))
        self.up(link("one", "bus") + link("two", "one") + link("three", "two"))
        self.wait_for("three", "ready")
        os.kill(self.list()["one"]["pid"], signal.SIGKILL)
        self.wait_for("three", "ready", times=2)
        steps = self.steps()
        rest = steps[steps.index(("three", "ready")) + 1:]
        order = [step for step in rest if step[1] in ("starting", "ready")]
        self.assertEqual(order, [(name, state) for name in ("one", "two", "three") for state in ("starting", "ready")])


class EndTest(UpTest):
    def test_a_daemon_that_ignores_term_is_killed(self):
        launcher = self.up('''
[daemon.deaf]
command = ["sh", "-c", "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done"]
stop_within = "300ms"
''')
        pid = self.read_pid("pid")
        began = time.monotonic()
        self.stop(launcher)
        self.assertGreaterEqual(time.monotonic() - began, 0.3)
        self.assertIsNone(start_time(pid))
        self.nobody_left()

    def test_a_stopped_process_ends_all_the_same(self):
        launcher = self.up('[daemon.a]\ncommand = ["sh", "-c", "echo $$ > pid; exec sleep 300"]\nstop_within = "20s"\n')
        pid = self.read_pid("pid")
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        self.stop(launcher)
        self.assertLess(time.monotonic() - began, 15)

    def hide(self):
        """A daemon whose grandchild has a session of its own, no parent, and an empty environment."""
        self.write('#!/bin/sh\nsetsid env -i sh -c "setsid env -i sleep 301 & echo \\$! > hidden; exec sleep 302" &\n'
                   'sleep 0.2\necho $$ > main\nexec sleep 300\n', "hide.sh")
        os.chmod(self.path("hide.sh"), 0o755)
        return '[daemon.hide]\ncommand = ["./hide.sh"]\nbackoff = { base = "50ms", max = "1s" }\n'

    def test_no_grandchild_hides_from_a_stop(self):
        launcher = self.up(self.hide())
        hidden, _ = self.read_pid("hidden"), self.read_pid("main")
        self.stop(launcher)
        self.assertIsNone(start_time(hidden))
        self.nobody_left()

    def test_no_grandchild_lives_on_beside_the_next_incarnation(self):
        self.up(self.hide())
        hidden, main = self.read_pid("hidden"), self.read_pid("main")
        os.unlink(self.path("main"))
        os.kill(main, signal.SIGKILL)
        self.read_pid("main")  # the next one has begun, so by then …
        self.assertIsNone(start_time(hidden))

    def test_a_keeper_that_is_killed_leaves_nobody(self):
        launcher = self.up(self.hide())
        hidden, main = self.read_pid("hidden"), self.read_pid("main")
        os.unlink(self.path("main"))
        with open(f"/proc/{main}/stat", encoding="utf-8") as file:
            keeper = int(file.read().rsplit(")", 1)[1].split()[1])
        os.kill(keeper, signal.SIGKILL)
        self.read_pid("main")
        self.assertIsNone(start_time(hidden))
        self.assertIsNone(start_time(main))
        self.stop(launcher)
        self.nobody_left()

    def test_the_second_signal_kills(self):
        launcher = self.up('[daemon.deaf]\ncommand = ["sh", "-c", "trap \'\' TERM; echo $$ > pid; while :; do sleep 0.1; done"]\nstop_within = "5m"\n')
        self.read_pid("pid")
        launcher.send_signal(signal.SIGTERM)
        self.wait_for("deaf", "stopping")
        self.stop(launcher)
        self.nobody_left()


class OutputTest(UpTest):
    def test_a_flood_neither_blocks_the_daemon_nor_fills_the_disk(self):
        self.up('''
[daemon.loud]
command = ["sh", "-c", "head -c 50000000 /dev/zero | tr '\\\\0' 'x' | fold -w 99; echo $$ > through; exec sleep 300"]
log = { size = "64KiB", files = 3, rate = "128KiB" }
''')
        self.read_pid("through")
        folder = self.path("d", "up", "log")
        sizes = [os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder) if name.startswith("loud.log")]
        self.assertLessEqual(len(sizes), 3)
        self.assertLessEqual(sum(sizes), 3 * 64 * 1024)
        harness.wait_until(lambda: "bytes a second" in self.log("loud"))


class TroubleTest(UpTest):
    def test_a_command_that_goes_missing_later(self):
        self.write("#!/bin/sh\nexec sleep 300\n", "service")
        os.chmod(self.path("service"), 0o755)
        self.up('[daemon.a]\ncommand = ["./service"]\nbackoff = { base = "50ms", max = "50ms" }\nrestarts = { max = 1, per = "1m" }\n')
        self.wait_for("a", "ready")
        os.unlink(self.path("service"))
        os.kill(self.list()["a"]["pid"], signal.SIGKILL)
        self.wait_for("a", "failed")
        self.wait_said("cannot run './service': No such file or directory")

    def test_faults_of_the_file(self):
        def one(text, *expected):
            code, said = self.refused(text)
            self.assertEqual(code, 2, said)
            for part in expected:
                self.assertIn(part, said)
        sleep = 'command = ["sleep", "300"]\n'
        one(f'[daemon.a]\n{sleep}after = ["b"]\n[daemon.b]\n{sleep}after = ["a"]\n', "pawl.toml:4: daemon.b.after closes a circle: a after b after a")
        one(f'[daemon.a]\n{sleep}after = ["bux"]\n', 'pawl.toml:1: daemon.a.after names "bux"', 'did you mean "bus"')
        one('[daemon.a]\nheartbeat = "5s"\n', "pawl.toml:1: daemon.a has no command")
        one('[daemon.a]\ncommand = ["./nowhere"]\n', "pawl.toml:1: daemon.a.command: there is no program './nowhere'")
        one(f'[daemon.a]\n{sleep}dir = "nowhere"\n', "pawl.toml:1: daemon.a.dir is nowhere, which is no folder")
        one(f'[daemon.bus]\n{sleep}', "pawl.toml:1: daemon 'bus': pawl up starts its own of this name")
        one(f'[daemon.a]\n{sleep}redy = "notify"\n', "pawl.toml:3: unknown key 'redy' in [daemon.a]; did you mean 'ready'?")
        one(f'[daemon.a]\n{sleep}ready = "soon"\n', 'pawl.toml:3: daemon.a.ready is "soon"; it is one of')
        one(f'[daemon.a]\n{sleep}ready = "command"\n', "there is no ready_command")
        one(f'[daemon.a]\n{sleep}restarts = {{ most = 3 }}\n', "unknown key 'most'")
        one(f'[daemon.a]\n{sleep}backoff = {{ base = "1m", max = "1s" }}\n', "starts above its max")
        one(f'[daemon.a]\n{sleep}env = {{ PAWL_URL = "x" }}\n', "is set by the launcher")
        one('[role.a]\ncommand = ["./no-such"]\n', "pawl.toml:2: role.a.command: there is no program './no-such' that may be run")
        one('[role.a]\ncommand = ["true"]\nprompt = "no.md"\n', "pawl.toml:3: role.a.prompt: cannot read no.md: No such file or directory")

    def test_a_folder_for_logs_that_cannot_be_made(self):
        os.makedirs(self.path("d", "up"))
        self.write("in the way", os.path.join("d", "up", "log"))
        code, said = self.refused('[bus]\ndata = "./d"\nlisten = "none"\n')
        self.assertEqual(code, 1)
        self.assertIn(self.path("d", "up", "log"), said)
        self.assertIn("check the folder, its owner and its mode", said)

    def test_no_file(self):
        done = subprocess.run([harness.PAWL, "up"], cwd=self.folder, capture_output=True, timeout=60, check=False, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot read pawl.toml: No such file or directory", done.stderr)

    def test_check_only_looks(self):
        self.write('[bus]\ndata = "./d"\n[daemon.a]\ncommand = ["sleep", "300"]\n')
        done = self.pawl("up", "--check", expect=0)
        self.assertIn("the configuration is fine", done.stderr)
        self.assertFalse(os.path.exists(self.path("d")))

    def test_nobody_to_talk_to(self):
        self.write('[bus]\ndata = "./d"\n')
        done = self.pawl("ops", "restart", "a", expect=7)
        self.assertIn("no launcher answers at " + self.path("d", "up"), done.stderr)
        self.up("")
        self.wait_for("bus", "ready")
        done = self.pawl("ops", "restart", "a", expect=4)
        self.assertIn("this launcher keeps no 'a'; it keeps bus", done.stderr)


if __name__ == "__main__":
    unittest.main()
