"""A launcher that is killed, and the one after it; two at a time; what a service manager hears."""
import os
import signal
import socket
import subprocess
import unittest

from up_case import BUS, CGROUP, UpTest, harness, start_time, time

SLEEP = '[daemon.a]\ncommand = ["sh", "-c", "echo started; exec sleep 300"]\nbackoff = { base = "50ms", max = "1s" }\n'


class KilledTest(UpTest):
    def killed(self, text, *options):
        launcher = self.up(text, *options)
        self.wait_said("everything is ready")
        rows = self.list()
        launcher.kill()
        launcher.wait()
        return rows

    def test_the_next_one_adopts_what_runs(self):
        before = self.killed(SLEEP)
        launcher = self.up()
        self.wait_said("a: ready (adopted)")
        self.wait_said("bus: ready (adopted)")
        after = self.list()
        for name in ("bus", "a"):
            self.assertEqual(before[name]["pid"], after[name]["pid"])
            self.assertEqual(before[name]["boot"], after[name]["boot"])
        # Adopted children are kept as its own: their deaths are seen, with their codes.
        os.kill(after["a"]["pid"], signal.SIGKILL)
        self.wait_said("a: ending (signal 9; it said: started)")
        harness.wait_until(lambda: self.list()["a"]["state"] == "ready")
        self.assertEqual(self.log("a"), "started\nstarted\n")
        self.stop(launcher)
        self.nobody_left()

    def test_a_death_while_nobody_looked(self):
        before = self.killed(SLEEP)
        os.kill(before["a"]["pid"], signal.SIGKILL)
        self.wait_gone(before["a"]["pid"])
        self.up()
        self.wait_said("a: ending (signal 9; it said: started)")
        harness.wait_until(lambda: self.list()["a"]["state"] == "ready")

    def test_keepers_that_died_with_it(self):
        before = self.killed(SLEEP)
        with open(f"/proc/{before['a']['pid']}/stat", encoding="utf-8") as file:
            keeper = int(file.read().rsplit(")", 1)[1].split()[1])
        os.kill(keeper, signal.SIGKILL)
        launcher = self.up()
        self.wait_said("left by an earlier launcher, without its keeper")
        harness.wait_until(lambda: self.list()["a"]["state"] == "ready")
        self.assertIsNone(start_time(before["a"]["pid"]))
        self.stop(launcher)
        self.nobody_left()

    def test_what_is_no_longer_in_the_file_is_ended(self):
        before = self.killed(SLEEP + '[daemon.old]\ncommand = ["sleep", "300"]\n')
        launcher = self.up(SLEEP)
        self.wait_for("old", "stopped")
        self.assertIsNone(start_time(before["old"]["pid"]))
        self.assertEqual(self.list()["a"]["pid"], before["a"]["pid"])
        self.stop(launcher)
        self.nobody_left()

    def test_what_has_changed_in_the_file_is_restarted(self):
        before = self.killed(SLEEP)
        self.up(SLEEP + 'env = { COLOUR = "red" }\n')
        self.wait_said("a: restarting (its configuration has changed)")
        harness.wait_until(lambda: self.list()["a"]["state"] == "ready")
        after = self.list()
        self.assertNotEqual(before["a"]["pid"], after["a"]["pid"])
        self.assertEqual(before["bus"]["pid"], after["bus"]["pid"])

    def test_without_a_next_one_they_end(self):
        before = self.killed(SLEEP, "--alone", "300ms")
        for name in ("a", "bus"):
            self.wait_gone(before[name]["pid"])
        harness.wait_until(lambda: not self.alive_of_this_folder())

    def alive_of_this_folder(self):
        from up_case import marked
        return marked(self.folder)

    def test_a_number_given_again_is_nobody_of_ours(self):
        before = self.killed(SLEEP)
        with open(f"/proc/{before['a']['pid']}/stat", encoding="utf-8") as file:
            keeper = int(file.read().rsplit(")", 1)[1].split()[1])
        os.kill(keeper, signal.SIGKILL)
        self.wait_gone(before["a"]["pid"])
        # The record now names this test's own child: right number, wrong start time.
        bystander = subprocess.Popen(["sleep", "300"], start_new_session=True)
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        path = self.path("d", "up", "run", "a")
        text = self.read("d", "up", "run", "a")
        with open(path, "w", encoding="utf-8") as file:
            for line in text.splitlines():
                word = line.split(" ")[0]
                file.write(f"{word} {bystander.pid} 1\n" if word in ("keeper", "main") else line + "\n")
        self.up()
        harness.wait_until(lambda: self.state("a") == "ready" and "without its keeper" in self.said())
        self.assertIsNone(bystander.poll())

    def test_killed_again_and_again(self):
        self.up(SLEEP)
        self.wait_said("everything is ready")
        for _ in range(5):
            self.processes[-1].kill()
            self.processes[-1].wait()
            self.up()
        harness.wait_until(lambda: "a" in self.said() and self.reachable())
        harness.wait_until(lambda: {row["state"] for row in self.list().values()} == {"ready"})
        self.stop(self.processes[-1])
        self.nobody_left()

    def reachable(self):
        return self.pawl("ops", "list").returncode == 0


class ReloadTest(UpTest):
    def test_the_file_is_read_anew(self):
        launcher = self.up(SLEEP + '[daemon.same]\ncommand = ["sleep", "300"]\n[daemon.old]\ncommand = ["sleep", "300"]\n')
        self.wait_said("everything is ready")
        before = self.list()
        self.write(BUS + SLEEP + 'env = { COLOUR = "red" }\n[daemon.same]\ncommand = ["sleep", "300"]\n'
                   '[daemon.fresh]\ncommand = ["sleep", "300"]\n[role.r]\nbacklog = 3\n')
        launcher.send_signal(signal.SIGHUP)
        self.wait_for("fresh", "ready")
        self.wait_for("old", "stopped")
        self.wait_said("bus: role.r added")
        self.wait_said("a: restarting (its configuration has changed)")
        harness.wait_until(lambda: self.list()["a"]["state"] == "ready")
        after = self.list()
        self.assertEqual((before["bus"]["pid"], before["same"]["pid"]), (after["bus"]["pid"], after["same"]["pid"]))
        self.assertNotEqual(before["a"]["pid"], after["a"]["pid"])
        self.assertIsNone(start_time(before["old"]["pid"]))
        self.assertIsNone(launcher.poll())
        self.stop(launcher)
        self.nobody_left()

    def test_ops_reload_reaches_bus_and_launcher(self):
        self.up(SLEEP)
        self.wait_said("everything is ready")
        self.write(BUS + SLEEP + '[daemon.fresh]\ncommand = ["sleep", "300"]\n[role.r]\nbacklog = 3\n')
        done = self.pawl("ops", "reload")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("role.r added", done.stdout)
        self.assertIn("pawl up reads it anew too", done.stderr)
        self.wait_for("fresh", "ready")
        self.write(BUS.replace("./d", "./e") + SLEEP)
        done = self.pawl("ops", "reload")
        self.assertEqual(done.returncode, 1, done)

    def test_a_faulty_file_changes_nothing(self):
        launcher = self.up(SLEEP)
        self.wait_said("everything is ready")
        before = self.list()
        for text, said in ((BUS + SLEEP + "colour = 3\n", "unknown key 'colour'"), (BUS.replace("./d", "./e"), "needs a restart of pawl up")):
            self.write(text)
            launcher.send_signal(signal.SIGHUP)
            self.wait_said(said)
        self.write(BUS + SLEEP)
        self.assertEqual(before, self.list())


class BoundTest(UpTest):
    SICK = ('[daemon.sick]\ncommand = ["sh", "-c", "echo >> began; exit 3"]\nbackoff = { base = "10ms", max = "10ms" }\n'
            'restarts = { max = 2, per = "10m" }\n')

    def test_the_bound_on_restarts_holds_through_kills_of_the_launcher(self):
        launcher = self.up(self.SICK)
        self.wait_for("sick", "failed")
        for again in range(2, 4):
            launcher.kill()
            launcher.wait()
            launcher = self.up()
            self.wait_for("sick", "failed", times=again)
        self.wait_said("it had failed too often before this launcher began")
        self.assertEqual(self.read("began"), "\n" * 3)
        # Somebody has looked: an ordered stop forgets, and so does a relaunch.
        self.pawl("ops", "relaunch", "sick")
        harness.wait_until(lambda: self.read("began").count("\n") == 6)
        self.wait_for("sick", "failed", times=4)
        self.stop(launcher)
        self.up()
        harness.wait_until(lambda: self.read("began").count("\n") == 9)


class TwoTest(UpTest):
    def test_the_second_one_says_who_holds_the_lock(self):
        launcher = self.up(SLEEP)
        self.wait_for("a", "ready")
        second = subprocess.run([harness.PAWL, "up"], cwd=self.folder, capture_output=True, timeout=60, check=False, text=True)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"another launcher (pid {launcher.pid}) holds {self.path('d', 'up')}", second.stderr)
        self.assertEqual(self.list()["a"]["starts"], 1)

    def test_a_bus_that_somebody_else_runs(self):
        self.write('[bus]\ndata = "./d"\nlisten = "none"\n')
        other = subprocess.Popen([harness.PAWL, "serve", "--config", "pawl.toml"], cwd=self.folder, stderr=subprocess.DEVNULL)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        harness.wait_until(lambda: self.pawl("check").returncode == 0)
        self.up()
        self.wait_said("another pawl serve holds", 30)


class WithoutGroupTest(UpTest):
    """The same where no control group can be made: a mount namespace in which the file system is read-only."""

    def test_no_grandchild_hides_from_the_subreaper(self):
        self.write('#!/bin/sh\nsetsid env -i sh -c "setsid env -i sleep 301 & echo \\$! > hidden; exec sleep 302" &\n'
                   'sleep 0.2\necho $$ > main\nexec sleep 300\n', "hide.sh")
        os.chmod(self.path("hide.sh"), 0o755)
        launcher = self.up_without_group('[daemon.hide]\ncommand = ["./hide.sh"]\nbackoff = { base = "50ms", max = "1s" }\n')
        hidden, main = self.read_pid("hidden"), self.read_pid("main")
        with open(self.path("d", "up", "run", "hide"), encoding="utf-8") as file:
            self.assertIn("group \n", file.read())
        os.unlink(self.path("main"))
        os.unlink(self.path("hidden"))
        os.kill(main, signal.SIGKILL)
        self.wait_for("hide", "ready", times=2)
        self.assertIsNone(start_time(hidden))
        hidden, main = self.read_pid("hidden"), self.read_pid("main")
        with open(f"/proc/{main}/stat", encoding="utf-8") as file:
            keeper = int(file.read().rsplit(")", 1)[1].split()[1])
        os.kill(keeper, signal.SIGKILL)
        self.wait_for("hide", "ready", times=3)
        self.assertIsNone(start_time(hidden))
        self.assertIsNone(start_time(main))
        self.stop(launcher)
        self.nobody_left()


    def up_without_group(self, text=None):
        if os.geteuid() != 0 or not os.path.isdir(CGROUP):
            self.skipTest("needs root and cgroup v2 at " + CGROUP)
        if text is not None:
            self.write(BUS + text)
        script = f"mount -o remount,ro,bind {CGROUP} || mount --bind -o ro {CGROUP} {CGROUP} || exit 9; exec {harness.PAWL} up"
        with open(self.path("up.err"), "ab") as errors:
            launcher = subprocess.Popen(["unshare", "-m", "sh", "-c", script], cwd=self.folder, stdin=subprocess.DEVNULL, stderr=errors)
        self.processes.append(launcher)
        return launcher

    def test_who_forks_and_exits_over_and_over_is_ended_too(self):
        self.write("use POSIX; for $n (0 .. 3) { next if fork; POSIX::setsid(); for (;;) { POSIX::_exit(0) if fork; POSIX::setsid() if $n % 2 } }\n"
                   "open(F, '>', 'main'); print F $$; close F; sleep 300\n", "chain.pl")
        launcher = self.up_without_group('[daemon.chain]\ncommand = ["perl", "chain.pl"]\nbackoff = { base = "50ms", max = "1s" }\n')
        main = self.read_pid("main")
        os.unlink(self.path("main"))
        os.kill(main, signal.SIGKILL)
        self.wait_for("chain", "ready", times=2)
        main = self.read_pid("main")
        with open(f"/proc/{main}/stat", encoding="utf-8") as file:
            keeper = int(file.read().rsplit(")", 1)[1].split()[1])
        os.kill(keeper, signal.SIGKILL)
        self.wait_for("chain", "ready", times=3)
        self.stop(launcher)
        self.nobody_left()

    def test_what_is_below_a_reaper_ends_with_a_keeper_that_an_earlier_launcher_started(self):
        # A stopped reaper cannot end anybody, and orphans of an adopted keeper come to nobody.
        launcher = self.up_without_group('[role.w]\ncommand = ["./work.sh"]\n')
        self.write("#!/bin/sh\nsetsid sh -c 'echo $$ > far; exec sleep 300 >&- 2>&- 3>&-' &\nwait\n", "work.sh")
        os.chmod(self.path("work.sh"), 0o755)
        self.wait_for("runner", "ready")
        self.pawl("push", "w", "x", expect=0)
        far = self.read_pid("far")
        launcher.kill()
        launcher.wait()
        launcher = self.up_without_group()
        self.wait_said("runner: ready (adopted)")
        runner = self.list()["runner"]["pid"]
        with open(f"/proc/{runner}/task/{runner}/children", encoding="utf-8") as file:
            reapers = [int(pid) for pid in file.read().split()]
        with open(f"/proc/{runner}/stat", encoding="utf-8") as file:
            keeper = int(file.read().rsplit(")", 1)[1].split()[1])
        for pid in reapers + [keeper]:
            os.kill(pid, signal.SIGSTOP)
        os.kill(runner, signal.SIGKILL)
        self.wait_gone(runner)
        os.kill(keeper, signal.SIGKILL)
        self.wait_for("runner", "backoff")
        self.assertIsNone(start_time(far))
        self.stop(launcher)


class ManagerTest(UpTest):
    def test_what_a_service_manager_hears(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(self.path("manager"))
        manager.settimeout(30)
        launcher = self.up(SLEEP, env={"NOTIFY_SOCKET": self.path("manager"), "WATCHDOG_USEC": "200000"})
        heard = []

        def until(text):
            while text not in heard:
                heard.append(manager.recv(4096).decode())
        until("READY=1")
        self.assertIn("STATUS=2 of 2 ready", heard)
        before = heard.count("WATCHDOG=1")
        while heard.count("WATCHDOG=1") < before + 5:
            heard.append(manager.recv(4096).decode())
        launcher.send_signal(signal.SIGTERM)
        until("STOPPING=1")
        self.assertEqual(launcher.wait(timeout=60), 0)

    def test_units(self):
        self.write(SLEEP)
        unit = self.pawl("ops", "units", "--systemd", expect=0).stdout
        for line in ("Type=notify", "KillMode=mixed", "Delegate=yes", "WatchdogSec=30", f"WorkingDirectory={self.folder}",
                     f"ExecStart={os.path.realpath(harness.PAWL)} up --config {self.path('pawl.toml')}"):
            self.assertIn(line + "\n", unit)
        if os.path.exists("/usr/bin/systemd-analyze"):
            self.write(unit, "pawl.service")
            done = subprocess.run(["systemd-analyze", "verify", self.path("pawl.service")], capture_output=True, check=False, text=True)
            self.assertNotIn("pawl.service:", done.stderr)
        plist = self.pawl("ops", "units", "--launchd", expect=0).stdout
        import plistlib
        values = plistlib.loads(plist.encode())
        self.assertEqual(values["ProgramArguments"][1:], ["up", "--config", self.path("pawl.toml")])
        self.assertEqual(values["WorkingDirectory"], self.folder)
        self.pawl("ops", "units", expect=2)
        self.pawl("ops", "units", "--systemd", "--launchd", expect=2)


if __name__ == "__main__":
    unittest.main()
