"""pawl exec: real commands, real claims, and everything that can go wrong between them."""
import os
import signal
import time
import unittest

from exec_case import ExecCase, alive
from harness import wait_until


class ExecTest(ExecCase):
    def test_a_handler_gets_payload_and_environment(self):
        message = self.text("push", "w", "[1,2]", "--header", "k=v", "--header", 'q="')
        script = 'cat; printf "|%s|%s|%s|%s|%s|%s" "$PAWL_ID" "$PAWL_ROLE" "$PAWL_DELIVERY" "$PAWL_ATTEMPT" "$PAWL_HEADERS" "$PAWL_URL"; ' \
                 '[ "$PAWL_CLAIM" ] && [ "$PAWL_DEADLINE" -gt 1 ] && [ "$PAWL_KILL_FILE" ] && printf "|all"'
        self.assertEqual(self.pawl("exec", "w", "--once", "--", "sh", "-c", script).returncode, 0)
        result = self.pawl("result", message, expect=0).stdout.decode()
        self.assertEqual(result, f'[1,2]|{message}|w|1|1|{{"k":"v","q":"\\""}}|{self.bus.url}|all')

    def test_results_are_bytes(self):
        data = bytes(range(256)) * 100
        message = self.text("push", "w", "-", data=data)
        self.pawl("exec", "w", "--drain", "--", "cat", expect=0)
        self.assertEqual(self.pawl("result", message, expect=0).stdout, data)

    def test_a_large_result_is_cut_and_says_so(self):
        message = self.text("push", "w", "x")
        self.pawl("exec", "w", "--drain", "--", "sh", "-c", "yes | head -c 3000000", expect=0)
        result = self.pawl("result", message, expect=0).stdout
        self.assertEqual(len(result), 1 << 20)
        self.assertIn(b"3000000 bytes in all", result[-60:])

    def test_exit_codes_become_classes(self):
        # Roles of their own: so many messages of one role failing at once would be an outage.
        for number, (script, error_class, text) in enumerate([
            ("echo no >&2; exit 75", "transient", "no"),
            ("exit 65", "bad_input", "exit code 65"),
            ("echo slack: down >&2; exit 69", "dependency_down", "slack: down"),
            ("exit 77", "auth", "exit code 77"),
            ("exit 124", "timeout", "exit code 124"),
            ("kill -SEGV $$", "crash", "killed by signal 11 (SIGSEGV)"),
            ("yes x | head -c 9000 >&2; echo end >&2; exit 9", "unknown", None),
            ("echo '{\"class\":\"rate_limited\",\"retry_in_ms\":1}' >&3; exit 1", "rate_limited", "exit code 1"),
        ]):
            role = f"w{number}"
            message = self.text("push", role, "x", "--max-attempts", "1")
            self.pawl("exec", role, "--once", "--", "sh", "-c", script, expect=1)
            letter = self.json("get", message)
            self.assertEqual((letter["state"], letter["error_class"]), ("dead", error_class), script)
            if text:
                self.assertEqual(letter["error_text"], text)
            else:
                self.assertLessEqual(len(letter["error_text"]), 4096)
                self.assertTrue(letter["error_text"].endswith("\nend"))

    def test_what_a_run_exits_with(self):
        self.pawl("exec", "w", "--drain", "--", "true", expect=4)
        self.pawl("exec", "w", "--once", "--", "true", expect=4)
        self.pawl("exec", "w", "--once", "--", "no-such-program-anywhere", expect=2)
        self.pawl("exec", "w", "--once", expect=2)
        self.pawl("--url", "tcp://127.0.0.1:1", "exec", "w", "--", "true", expect=7)
        for number in range(3):
            self.text("push", "w", str(number))
        self.pawl("exec", "w", "--once", "--", "true", expect=0)
        self.assertEqual(self.json("roles", "w")["ready"], 2)
        self.pawl("exec", "w", "--drain", "--", "true", expect=0)
        self.text("push", "w", "x")
        self.pawl("exec", "w", "--drain", "--", "false", expect=1)
        self.text("push", "held", "x")
        self.text("pause", "held")
        self.pawl("exec", "held", "--once", "--", "true", expect=5)

    def test_drain_goes_through_retries_delays_and_groups(self):
        self.text("push", "w", "flaky")
        self.text("push", "w", "late", "--delay", "300ms")
        for number in range(3):
            self.text("push", "w", str(number), "--group", "g")
        script = 'read -r payload || true; echo "$payload" >>log; if [ "$payload" = flaky ] && [ "$PAWL_ATTEMPT" = 1 ]; then exit 75; fi'
        done = self.pawl("exec", "w", "--drain", "-j", "3", "--", "sh", "-c", f"cd {self.bus.folder}; {script}", expect=1)
        self.assertIn(b"5 handled, 1 failed", done.stderr)
        with open(self.path("log"), encoding="utf-8") as file:
            lines = file.read().split()
        self.assertEqual(sorted(lines), sorted(["flaky", "flaky", "late", "0", "1", "2"]))
        self.assertEqual([line for line in lines if line in "012"], ["0", "1", "2"])

    def test_jobs_run_side_by_side(self):
        for _ in range(4):
            self.text("push", "w", "x")
        # Each waits until all four are there: with fewer at a time none would end.
        script = f"cd {self.bus.folder}; touch here.$$; while [ $(ls here.* | wc -l) -lt 4 ]; do sleep 0.01; done"
        self.pawl("exec", "w", "--drain", "-j", "4", "--", "sh", "-c", script, expect=0)

    def test_a_long_command_keeps_its_claim(self):
        message = self.text("push", "w", "x")
        self.pawl("exec", "w", "--drain", "--lease", "300ms", "--", "sleep", "1.2", expect=0)
        shown = self.json("get", message)
        self.assertEqual((shown["state"], shown["deliveries"]), ("done", 1))

    def test_reports_reach_the_bus_while_it_runs(self):
        message = self.text("push", "w", "x")
        script = f"echo '{{\"tokens\":7,\"cost_usd\":0.5,\"progress\":40,\"note\":\"half\"}}' >&3; while [ ! -e {self.path('go')} ]; do sleep 0.01; done"
        process = self.start("w", "--once", "--", "sh", "-c", script)
        wait_until(lambda: self.json("get", message).get("note") == "half", what="the note")
        self.assertEqual(self.json("get", message)["progress"], 40)
        with open(self.path("go"), "w", encoding="utf-8"):
            pass
        self.assertEqual(process.wait(timeout=30), 0)
        last = self.json("get", message)["invocations"][-1]
        self.assertEqual((last["tokens"], last["cost"]), (7, 500000))

    def test_a_time_limit(self):
        message = self.text("push", "w", "x", "--max-attempts", "1")
        self.pawl("exec", "w", "--once", "--timeout", "100ms", "--", "sh", "-c", "sleep 60 & wait", expect=1)
        self.assertEqual(self.json("get", message)["error_class"], "timeout")

    def running(self, *options):
        """A message whose handler runs, with a grandchild; (message, process, pids)."""
        message = self.text("push", "w", "x")
        script = f"cd {self.bus.folder}; sleep 300 & echo $! >grandchild; echo $$ >child; wait"
        process = self.start("w", *options, "--", "sh", "-c", script)
        return message, process, [self.pid_in("child"), self.pid_in("grandchild")]

    def test_a_cancelled_message_ends_its_process_group(self):
        message, process, pids = self.running("--once", "--lease", "300ms")
        self.assertEqual(self.text("cancel", message, "--reason", "enough"), "claimed")
        self.assertEqual(process.wait(timeout=30), 0)
        wait_until(lambda: not any(alive(pid) for pid in pids))
        self.assertEqual(self.json("get", message)["state"], "cancelled")

    def test_a_lost_claim_ends_its_process_group(self):
        message, process, pids = self.running("--once", "--lease", "300ms")
        with open(f"/proc/{pids[0]}/environ", "rb") as file:
            environment = dict(entry.split(b"=", 1) for entry in file.read().split(b"\0") if b"=" in entry)
        self.text("ack", message, environment[b"PAWL_CLAIM"].decode())
        self.assertEqual(process.wait(timeout=30), 1)
        self.assertIn(b"the claim is lost", process.stderr.read())
        wait_until(lambda: not any(alive(pid) for pid in pids))
        self.assertEqual(self.json("get", message)["state"], "done")

    def test_told_to_stop_it_gives_work_back_unspent(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            message, process, pids = self.running()
            process.send_signal(how)
            self.assertEqual(process.wait(timeout=30), 4)
            wait_until(lambda pids=pids: not any(alive(pid) for pid in pids))
            shown = self.json("get", message)
            self.assertEqual((shown["state"], shown["attempt"]), ("ready", 1))
            self.text("cancel", message)
            for name in ("child", "grandchild"):
                os.unlink(self.path(name))

    def test_told_to_stop_while_it_waits_it_loses_no_message(self):
        process = self.start("w", "--", "true")
        wait_until(lambda: self.json("roles", "w")["waiting"] == 1, what="the waiting claim")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 4)
        message = self.text("push", "w", "x")
        self.assertEqual(self.json("get", message)["state"], "ready")

    def test_told_to_stop_a_handler_may_still_finish(self):
        message = self.text("push", "w", "x")
        script = f"trap 'echo saved; exit 0' TERM; echo $$ >{self.path('child')}; while :; do sleep 0.01; done"
        process = self.start("w", "--", "sh", "-c", script)
        self.pid_in("child")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertEqual(self.pawl("result", message, expect=0).stdout, b"saved\n")

    def test_the_bus_restarts_while_a_command_runs(self):
        message = self.text("push", "w", "x")
        script = f"echo $$ >{self.path('child')}; while [ ! -e {self.path('go')} ]; do sleep 0.01; done; echo result"
        process = self.start("w", "--drain", "--", "sh", "-c", script)
        self.pid_in("child")
        self.bus.kill()
        with open(self.path("go"), "w", encoding="utf-8"):
            pass
        time.sleep(0.3)  # it ends, and finds nobody to tell
        self.bus.start()
        self.assertEqual(process.wait(timeout=60), 0, process.stderr.read())
        shown = self.json("get", message)
        self.assertEqual((shown["state"], shown["deliveries"], shown["result"]), ("done", 1, "result\n"))

    def test_the_bus_does_not_come_back(self):
        message, process, pids = self.running("--reconnect", "300ms")
        self.bus.kill()
        os.kill(pids[0], signal.SIGKILL)
        self.assertEqual(process.wait(timeout=30), 7)
        said = process.stderr.read().decode()
        self.assertIn("did not come back within 300ms", said)
        self.assertIn(message, said)

    def test_a_pile_of_messages(self):
        self.pawl("push", "w", "--lines", "-q", data=b"".join(b"%d\n" % number for number in range(300)), expect=0)
        processes = [self.start("w", "--drain", "-j", "3", "--", "true") for _ in range(2)]
        for process in processes:
            self.assertEqual(process.wait(timeout=120), 0, process.stderr.read())
        role = self.json("roles", "w")
        self.assertEqual((role["done"], role["ready"], role["claimed"], role["dead"]), (300, 0, 0, 0))
        self.assertEqual(self.json("verify")["ok"], 1)


if __name__ == "__main__":
    unittest.main()
