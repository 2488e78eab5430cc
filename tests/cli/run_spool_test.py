"""pawl run without its bus: what runs goes on, how it ended is on disk, and is reported once."""
import json
import os
import signal
import unittest

from exec_case import alive, state_of, wait_until
from run_case import RunCase

WAITS = """
[role.w]
concurrency = 4
command = ["sh", "-c", "read -r name; echo x >>{folder}/begun.$name; echo $$ >{folder}/$name; while [ ! -e {folder}/go ]; do sleep 0.01; done; echo result $name; . {folder}/script"]
"""


class SpoolTest(RunCase):
    roles = WAITS

    def setUp(self):
        super().setUp()
        self.write("script", "exit 0")

    def begin(self, *names):
        """Messages whose handlers run; (ids, pids)."""
        ids = [self.text("push", "w", name) for name in names]
        return ids, [self.pid_in(name) for name in names]

    def times_run(self, name):
        return len(self.read("begun." + name).split())

    def finish_without_bus(self, count):
        """The bus is killed while `count` handlers run, then they end."""
        self.bus.kill()
        self.write("go", "")
        wait_until(lambda: len(self.spooled()) == count, what=f"{count} outcomes on disk")

    def test_the_bus_restarts_while_handlers_run(self):
        runner = self.runner()
        ids, _ = self.begin("a", "b", "c")
        self.bus.kill()
        self.bus.start()
        self.write("go", "")
        for message, name in zip(ids, "abc"):
            shown = self.wait_state(message)
            self.assertEqual((shown["result"], shown["deliveries"], self.times_run(name)), (f"result {name}\n", 1, 1))
        self.assertEqual(self.spooled(), [])
        self.stop(runner)

    def test_handlers_end_while_the_bus_is_gone(self):
        runner = self.runner()
        ids, _ = self.begin("a", "b", "c")
        self.finish_without_bus(3)
        self.bus.start()
        for message, name in zip(ids, "abc"):
            shown = self.wait_state(message)
            self.assertEqual((shown["result"], shown["deliveries"], self.times_run(name)), (f"result {name}\n", 1, 1))
        wait_until(lambda: self.spooled() == [], what="an empty spool")
        self.stop(runner)

    def test_the_runner_is_killed_with_outcomes_on_disk(self):
        runner = self.runner()
        ids, pids = self.begin("a", "b")
        self.finish_without_bus(2)
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        self.all_gone(pids)
        os.unlink(self.path("go"))
        second = self.runner()  # while there is still no bus
        self.assertEqual(len(self.spooled()), 2)
        self.bus.start()
        for message, name in zip(ids, "ab"):
            shown = self.wait_state(message)
            self.assertEqual((shown["result"], shown["deliveries"], self.times_run(name)), (f"result {name}\n", 1, 1))
        wait_until(lambda: self.spooled() == [], what="an empty spool")
        self.assertIn("2 outcomes of an earlier process", second.log())
        self.stop(second)

    def test_a_failure_keeps_its_class_and_text(self):
        self.write("script", "echo 'HTTP 503' >&2; exit 75")
        runner = self.runner()
        (message,), _ = self.begin("a")
        self.finish_without_bus(1)
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        self.bus.start()
        second = self.runner()
        wait_until(lambda: self.spooled() == [], what="an empty spool")
        first = self.json("get", message)["invocations"][0]
        self.assertEqual((first["outcome"], first["error_class"], first["error_text"]), ("failed", "transient", "HTTP 503"))
        self.stop(second)

    def test_bytes_survive(self):
        self.write("script", "printf '\\0\\377\\n'; exit 0")
        runner = self.runner()
        (message,), _ = self.begin("a")
        self.finish_without_bus(1)
        self.bus.start()
        self.wait_state(message)
        self.assertEqual(self.pawl("result", message).stdout, b"result a\n\0\xff\n")
        self.stop(runner)

    def test_what_came_through_is_not_told_twice(self):
        # The outcome reached the bus, but the file survived: as after a kill between the two.
        runner = self.runner()
        (message,), _ = self.begin("a")
        self.finish_without_bus(1)
        folder = os.path.join(self.bus.data, "spool/r")
        (name,) = self.spooled()
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            kept = file.read()
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        self.bus.start()
        first = self.runner()
        self.wait_state(message)
        wait_until(lambda: self.spooled() == [], what="an empty spool")
        self.stop(first)
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(kept)
        second = self.runner()
        wait_until(lambda: self.spooled() == [], what="an empty spool")
        self.stop(second)
        self.assertNotIn("could not be reported", second.log())
        shown = self.json("get", message)
        self.assertEqual((shown["state"], shown["deliveries"]), ("done", 1))

    def test_a_claim_that_lapsed_meanwhile_is_delivered_again(self):
        runner = self.runner()
        (message,), _ = self.begin("a")
        self.finish_without_bus(1)
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        self.bus.start()
        # What a reaped or lapsed claim comes to: the token is worth nothing any more.
        (name,) = self.spooled()
        token = name[:-len(".outcome")].split("-")[1]
        self.text("release", message, token, "--delay", "1h")
        second = self.runner()
        wait_until(lambda: self.spooled() == [], what="an empty spool")
        self.assertEqual(self.state(message), "scheduled")
        self.assertIn(f"{message} could not be reported in time", second.log())
        self.stop(second)

    def test_a_damaged_file_is_put_aside(self):
        folder = os.path.join(self.bus.data, "spool/r")
        os.makedirs(folder)
        whole = {"spool": 1, "id": "0000000000g00018", "token": "zz", "role": "w", "delivery": "1", "daemon": "r@x", "ending": "handled", "at": 1,
                 "settle": ["ACK", "0000000000g00018", "zz"]}
        for name, text in (("torn", json.dumps(whole)[:40]), ("other", json.dumps(dict(whole, spool=9))), ("odd", json.dumps(dict(whole, settle=["ACK", "1", "2"]))),
                           ("empty", "")):
            with open(os.path.join(folder, f"{name}.outcome"), "w", encoding="utf-8") as file:
                file.write(text)
        with open(os.path.join(folder, ".half.new"), "w", encoding="utf-8") as file:
            file.write("x")
        runner = self.runner()
        wait_until(lambda: runner.log().count("is put aside as .damaged") == 4, what="the complaints")
        self.assertEqual(sorted(entry for entry in os.listdir(folder) if entry.endswith(".damaged") or entry.startswith(".")),
                         ["empty.outcome.damaged", "odd.outcome.damaged", "other.outcome.damaged", "torn.outcome.damaged"])
        self.stop(runner)

    def test_told_to_stop_without_a_bus_it_leaves_them(self):
        runner = self.runner()
        (message,), _ = self.begin("a")
        self.finish_without_bus(1)
        self.stop(runner)
        self.assertIn("1 left in the spool", runner.log())
        self.bus.start()
        second = self.runner()
        self.assertEqual(self.wait_state(message)["deliveries"], 1)
        self.stop(second)

    def test_told_to_stop_what_runs_is_given_back_over_the_spool(self):
        runner = self.runner()
        (message,), pids = self.begin("a")
        self.bus.kill()
        self.stop(runner)
        self.assertFalse(alive(pids[0]))
        self.assertEqual(len(self.spooled()), 1)
        self.bus.start()
        self.write_roles('[role.other]\ncommand = ["true"]\n')
        second = self.runner()
        shown = self.wait_state(message, "ready")
        self.assertEqual(shown["attempt"], 1)
        self.stop(second)


class FreezeTest(RunCase):
    roles = "".join(f"""
[role.{how}]
on_freeze = "{how}"
command = ["sh", "-c", "echo $$ >{{folder}}/{how}; trap 'exit 9' TERM; while [ ! -e {{folder}}/go ]; do sleep 0.01; done; echo done"]
""" for how in ("pause", "terminate", "finish"))

    def test_each_role_in_its_own_way(self):
        runner = self.runner()
        ids = {how: self.text("push", how, "x") for how in ("pause", "terminate", "finish")}
        pids = {how: self.pid_in(how) for how in ids}
        self.text("kill", "--reason", "drill")
        wait_until(lambda: state_of(pids["pause"]) == "T", what="the pause")
        self.all_gone([pids["terminate"]])
        self.assertTrue(alive(pids["finish"]))
        self.write("go", "")
        self.all_gone([pids["finish"]])
        self.assertEqual(state_of(pids["pause"]), "T")
        # What came under the freeze is on disk, should the runner not outlive it.
        wait_until(lambda: len(self.spooled()) == 2, what="two outcomes on disk")
        self.assertEqual({how: self.state(message) for how, message in ids.items()}, dict.fromkeys(ids, "claimed"))
        self.text("clear", "--reason", "over")
        for how, message in ids.items():
            shown = self.wait_state(message)
            self.assertEqual((shown["result"], shown["deliveries"], shown["attempt"]), ("done\n", 2 if how == "terminate" else 1, 1), how)
        self.assertEqual(self.spooled(), [])
        self.stop(runner)

    def test_the_runner_is_killed_in_the_freeze(self):
        runner = self.runner("finish")
        message = self.text("push", "finish", "x")
        self.pid_in("finish")
        self.text("kill", "--reason", "drill")
        self.write("go", "")
        wait_until(lambda: len(self.spooled()) == 1, what="the outcome on disk")
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        second = self.runner("finish")
        wait_until(lambda: "cannot be reported yet: FROZEN" in second.log(), what="the refusal")
        self.text("clear", "--reason", "over")
        self.assertEqual(self.wait_state(message)["deliveries"], 1)
        self.stop(second)

    def test_told_to_stop_in_the_freeze(self):
        runner = self.runner("finish")
        message = self.text("push", "finish", "x")
        pid = self.pid_in("finish")
        self.text("kill", "--reason", "drill")
        self.write("go", "")
        self.all_gone([pid])
        wait_until(lambda: len(self.spooled()) == 1, what="the outcome on disk")
        self.stop(runner)
        self.text("clear", "--reason", "over")
        self.assertEqual(self.state(message), "claimed")
        second = self.runner("finish")
        self.assertEqual(self.wait_state(message)["deliveries"], 1)
        self.stop(second)


if __name__ == "__main__":
    unittest.main()
