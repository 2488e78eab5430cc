"""pawl exec under a freeze: what runs is paused, ended or let end, and every outcome is reported once, after the clear."""
import os
import signal
import time
import unittest

from exec_case import ExecCase, alive, state_of
from harness import wait_until


class ExecFreezeTest(ExecCase):
    def kill(self, *options):
        self.text("kill", "--reason", "drill", *options)

    def clear(self):
        self.text("clear", "--reason", "over")

    def running(self, *options, then="echo result"):
        """A message whose handler waits for go(); (message, process, pids of its group)."""
        message = self.text("push", "w", "x")
        process = self.start("w", *options, "--", "sh", "-c", self.waiting_script(then=then))
        return message, process, [self.pid_in("child"), self.pid_in("grandchild")]

    def stopped(self, pids):
        wait_until(lambda: all(state_of(pid) == "T" for pid in pids), what="a stopped process group")

    def said(self, process, what):
        """Waits until the process has said it on stderr; what came so far."""
        if not hasattr(process, "said"):
            process.said = b""
            os.set_blocking(process.stderr.fileno(), False)

        def read():
            process.said += process.stderr.read() or b""
            return what in process.said
        wait_until(read, what=f"{what!r} on stderr")
        return process.said

    def counts(self, role="w"):
        shown = self.json("roles", role)
        return {name: shown[f"{name}_total"] for name in ("claimed", "done", "failed", "lapsed", "released")}

    def test_what_runs_is_paused_and_goes_on_after_the_clear(self):
        message, process, pids = self.running("--once")
        self.kill()
        self.stopped(pids)
        self.go()
        self.text("check", expect=3)
        self.assertEqual(self.json("get", message)["state"], "claimed")
        self.assertEqual([state_of(pid) for pid in pids], ["T", "T"])
        self.clear()
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertEqual(self.text("result", message), "result")
        self.assertEqual(self.counts(), {"claimed": 1, "done": 1, "failed": 0, "lapsed": 0, "released": 0})

    def test_a_freeze_longer_than_the_lease_and_the_time_limit(self):
        message, process, pids = self.running("--once", "--lease", "500ms", "--timeout", "2s")
        self.kill()
        self.stopped(pids)
        since = self.json("check", expect=3)["since"]
        wait_until(lambda: time.time() * 1000 - since > 2500, what="the end of the limit")
        self.stopped(pids)
        self.go()
        self.clear()
        self.assertEqual(process.wait(timeout=30), 0, process.stderr.read())
        self.assertEqual(self.json("get", message)["deliveries"], 1)
        self.assertEqual(self.counts()["lapsed"], 0)

    def test_an_outcome_that_came_under_the_freeze_is_reported_after_it(self):
        message, process, pids = self.running("--once", "--on-freeze", "finish")
        self.kill()
        self.go()
        self.said(process, b"cannot be reported yet: FROZEN")
        wait_until(lambda: not any(alive(pid) for pid in pids), what="its end")
        self.assertIsNone(process.poll())
        self.assertEqual(self.json("get", message)["state"], "claimed")
        self.clear()
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertEqual(self.text("result", message), "result")
        self.assertEqual(self.counts(), {"claimed": 1, "done": 1, "failed": 0, "lapsed": 0, "released": 0})

    def test_a_failure_under_the_freeze_is_spent_once(self):
        message, process, _ = self.running("--once", "--on-freeze", "finish", then="echo broken >&2; exit 65")
        self.kill()
        self.go()
        self.said(process, b"cannot be reported yet: FROZEN")
        self.clear()
        self.assertEqual(process.wait(timeout=30), 1)
        letter = self.json("get", message)
        self.assertEqual((letter["state"], letter["error_text"], letter["spent"]), ("dead", "broken", 1))
        self.assertEqual(self.counts()["failed"], 1)

    def test_terminate_gives_work_back_after_the_clear(self):
        message, process, pids = self.running("--once", "--on-freeze", "terminate")
        self.kill()
        wait_until(lambda: not any(alive(pid) for pid in pids), what="the end of the group")
        self.said(process, b"cannot be reported yet: FROZEN")
        self.assertEqual(self.json("get", message)["state"], "claimed")
        self.clear()
        self.assertEqual(process.wait(timeout=30), 4)
        shown = self.json("get", message)
        self.assertEqual((shown["state"], shown["attempt"]), ("ready", 1))
        self.assertEqual(self.counts(), {"claimed": 1, "done": 0, "failed": 0, "lapsed": 0, "released": 1})

    def test_a_freeze_of_claims_lets_work_end(self):
        first, process, pids = self.running("--drain")
        second = self.text("push", "w", "y")
        self.kill("--scope", "claims")
        self.assertFalse(any(state_of(pid) == "T" for pid in pids))
        self.go()
        wait_until(lambda: self.json("get", first)["state"] == "done", what="the first one's end")
        self.said(process, b"FROZEN a freeze of claims stands")
        self.assertEqual(self.json("get", second)["state"], "ready")
        self.assertIsNone(process.poll())
        self.clear()
        self.go()
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertEqual(self.json("get", second)["state"], "done")

    def test_what_cannot_start_for_a_freeze_exits_3(self):
        self.text("push", "w", "x")
        for options in ([], ["--scope", "claims"], ["--hard"]):
            self.kill(*options)
            self.pawl("exec", "w", "--once", "--", "true", expect=3)
            self.pawl("exec", "w", "--once", "--wait", "200ms", "--", "true", expect=3)
            self.pawl("exec", "w", "--drain", "--", "true", expect=3)
            self.text("clear", "--hard", "--reason", "over")
        self.kill("--scope", "intake")
        self.pawl("exec", "w", "--drain", "--", "true", expect=0)

    def test_a_service_waits_for_the_clear(self):
        self.text("push", "w", "x")
        self.kill()
        process = self.start("w", "--", "true")
        self.said(process, b"waiting")
        self.clear()
        wait_until(lambda: self.counts()["done"] == 1, what="the message's end")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 0)

    def test_interrupted_in_a_freeze_it_leaves(self):
        message, process, pids = self.running("--lease", "1s")
        self.kill()
        self.stopped(pids)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), 3)
        said = process.stderr.read()
        self.assertIn(message.encode() + b" cannot be reported: the fleet is frozen", said)
        self.assertIn(b"1 not reported", said)
        wait_until(lambda: not any(alive(pid) for pid in pids), what="the end of the group")
        self.assertEqual(self.json("get", message)["state"], "claimed")
        self.clear()
        wait_until(lambda: self.json("get", message)["state"] in ("ready", "scheduled"), what="the lapse")

    def test_interrupted_with_an_outcome_in_hand_it_leaves(self):
        message, process, _ = self.running("--on-freeze", "finish")
        self.kill()
        self.go()
        self.said(process, b"cannot be reported yet: FROZEN")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 3)
        self.assertEqual(self.json("get", message)["state"], "claimed")

    def test_killed_in_a_freeze_it_leaves_nothing_stopped_behind(self):
        _, process, pids = self.running()
        self.kill()
        self.stopped(pids)
        process.kill()
        process.wait(timeout=30)
        wait_until(lambda: not any(alive(pid) for pid in pids), what="the end of the group")

    def test_a_cancelled_message_is_ended_in_the_freeze(self):
        message, process, pids = self.running("--once", "--lease", "3s")
        process.send_signal(signal.SIGSTOP)  # it hears of both at once
        self.text("cancel", message)
        self.kill()
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: not any(alive(pid) for pid in pids), what="the end of the group")
        self.assertIsNone(process.poll())
        self.clear()
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertEqual(self.json("get", message)["state"], "cancelled")

    def test_the_flag_file_while_the_bus_is_down(self):
        message, process, pids = self.running("--once")
        with open(f"/proc/{pids[0]}/environ", "rb") as file:
            environment = dict(entry.split(b"=", 1) for entry in file.read().split(b"\0") if b"=" in entry)
        flag = environment[b"PAWL_KILL_FILE"].decode()
        self.assertEqual(flag, os.path.join(self.bus.data, "KILL"))
        self.bus.kill()
        with open(flag, "w", encoding="utf-8") as file:
            file.write("the building is on fire\n")
        self.stopped(pids)
        self.assertIn(b"frozen (the building is on fire)", self.said(process, b"paused"))
        os.unlink(flag)
        wait_until(lambda: not any(state_of(pid) == "T" for pid in pids), what="the group's going on")
        self.go()
        wait_until(lambda: not any(alive(pid) for pid in pids), what="its end")
        self.bus.start()
        self.assertEqual(process.wait(timeout=60), 0, process.stderr.read())
        self.assertEqual(self.json("get", message)["deliveries"], 1)

    def test_touch_while_the_bus_runs(self):
        _, process, pids = self.running("--once")
        flag = os.path.join(self.bus.data, "KILL")
        with open(flag, "w", encoding="utf-8"):
            pass
        self.stopped(pids)
        os.unlink(flag)
        self.go()
        self.assertEqual(process.wait(timeout=30), 0, process.stderr.read())

    def test_the_bus_restarts_in_the_freeze(self):
        message, process, pids = self.running("--once")
        self.kill("--hard")
        self.stopped(pids)
        self.bus.kill()
        self.said(process, b"trying again")
        self.bus.start()
        self.said(process, b"the bus is back")
        self.stopped(pids)
        self.go()
        self.text("clear", "--hard", "--reason", "over")
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertEqual((self.json("get", message)["state"], self.json("get", message)["deliveries"]), ("done", 1))

    def test_many_flips_lose_and_repeat_nothing(self):
        count = 60
        self.pawl("push", "w", "--lines", "-q", data=b"".join(b"%d\n" % number for number in range(count)), expect=0)
        # The first message ends only after more flips than three, however slow the machine.
        gate = self.path("gate")
        os.mkfifo(gate)
        script = f'cd {self.bus.folder}; n="$(cat)"; echo "$n" >>log; [ "$n" != 0 ] || read x <gate; sleep 0.02'
        processes = [self.start("w", "--drain", "-j", "3", "--on-freeze", how, "--", "sh", "-c", script) for how in ("pause", "finish")]
        wait_until(lambda: self.counts()["claimed"] > 0, what="the first claim")
        flips = 0
        while flips < 150 and any(process.poll() is None for process in processes):  # what they say of each must fit a pipe
            self.kill()
            self.clear()
            flips += 1
            if flips == 4:
                fd = os.open(gate, os.O_RDWR)
                self.addCleanup(os.close, fd)
                os.write(fd, b"go\n")
        for process in processes:
            self.assertIn(process.wait(timeout=120), (0, 3), process.stderr.read())
        self.assertGreater(flips, 3)
        with open(self.path("log"), encoding="utf-8") as file:
            self.assertEqual(sorted(map(int, file.read().split())), list(range(count)))
        self.assertEqual(self.counts(), {"claimed": count, "done": count, "failed": 0, "lapsed": 0, "released": 0})
        self.assertEqual(self.json("verify")["ok"], 1)


if __name__ == "__main__":
    unittest.main()
