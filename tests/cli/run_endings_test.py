"""pawl run: how handlers end, and what they do until then."""
import os
import unittest

from exec_case import alive
from harness import wait_until
from run_case import CALM, RunCase

CLASSES = {65: "bad_input", 69: "dependency_down", 75: "transient", 77: "auth", 124: "timeout"}
# A sanitizer build takes a sample: what is told apart, and the ends of what is not.
OTHERS = [0, 1, 2, 3, 63, 64, 76, 125, 126, 127, 128, 137, 255]
CODES = sorted(OTHERS + list(CLASSES)) if os.environ.get("PAWL_SANITIZE") else range(256)


class EndingsTest(RunCase):
    config = CALM + '[role.codes]\nmax_attempts = 1\n[role.own]\nmax_attempts = 1\n[role.w]\nmax_attempts = 1\n[role.late]\nmax_attempts = 1\n'
    roles = """
[role.codes]
command     = ["sh", "-c", "read -r code; exit $code"]
concurrency = 16
[role.own]
command     = ["sh", "-c", "read -r code text; echo \\"$text\\" >&2; exit $code"]
concurrency = 8
exit        = { 3 = "rate_limited", 64 = "bad_input", 69 = "quota" }
patterns    = [ { text = "429 too many", class = "rate_limited", retry_in = "1s" }, { text = "no access", class = "auth" } ]
[role.w]
command     = ["cat; . {folder}/script"]
shell       = true
[role.late]
command     = [". {folder}/script"]
shell       = true
timeout     = "300ms"
"""

    def handled_by(self, script, role="w", expect=1):
        """The message after a run of `script`."""
        self.write("script", script)
        message = self.text("push", role, "x")
        self.drain(role, code=expect)
        return self.json("get", message)

    def test_every_exit_code(self):
        ids = self.pawl("push", "codes", "--lines", data=b"".join(b"%d\n" % code for code in CODES), expect=0).stdout.decode().split()
        self.drain("codes", code=1)
        for code, message in zip(CODES, ids, strict=True):
            shown = self.json("get", message)
            if code == 0:
                self.assertEqual(shown["state"], "done")
                continue
            self.assertEqual((shown["state"], shown["error_class"], shown["error_text"]),
                             ("dead", CLASSES.get(code, "unknown"), f"exit code {code}"), code)

    def test_a_role_s_own_classes(self):
        cases = [("3 x", "rate_limited"), ("64 x", "bad_input"), ("69 slack: x", "quota"), ("75 x", "transient"), ("1 x", "unknown"),
                 ("1 HTTP 429 Too Many Requests", "rate_limited"), ("3 no access", "auth"), ("65 no access", "auth"), ("1 access", "unknown")]
        messages = [self.text("push", "own", case) for case, _ in cases]
        self.drain("own", code=1)
        for message, (case, expected) in zip(messages, cases):
            self.assertEqual(self.json("get", message)["error_class"], expected, case)

    def test_a_pattern_may_say_when_to_try_again(self):
        message = self.text("push", "own", "1 429 too many", "--max-attempts", "2")
        runner = self.runner("own")
        shown = self.wait_state(message, "scheduled")
        self.assertGreater(shown["due"] - shown["invocations"][-1]["end"], 900)
        self.wait_state(message, "dead")
        self.stop(runner)

    def test_signals(self):
        self.assertEqual(self.handled_by("kill -SEGV $$")["error_class"], "crash")
        shown = self.handled_by("kill -KILL $$")
        self.assertEqual((shown["error_class"], shown["error_text"]), ("crash", "killed by signal 9 (SIGKILL)"))

    def test_a_flood_on_stdout(self):
        shown = self.handled_by("yes 0123456789 | head -c 50000000; echo end >&2", expect=0)
        self.assertEqual(len(shown["result"]), 1 << 20)
        self.assertIn("50000001 bytes in all", shown["result"][-60:])

    def test_a_huge_stderr(self):
        shown = self.handled_by("echo slack: first >&2; yes abcdefgh | head -c 20000000 >&2; echo >&2; echo last >&2; exit 69")
        text = shown["error_text"]
        self.assertTrue(text.startswith("slack: first\n…"), text[:40])
        self.assertTrue(text.endswith("\nlast"))
        self.assertLess(len(text), 5000)

    def test_nonsense_on_descriptor_3(self):
        self.write("script", "printf 'nope\\n{\"tokens\":-1}\\n\\0\\377{\\n[1]\\n{\"tokens\": 5, \"progress\": 10}\\n{\"tok' >&3; exit 0")
        message = self.text("push", "w", "x")
        said = self.drain("w")
        self.assertEqual(said.count("a line on descriptor 3 is ignored"), 1)
        self.assertEqual(self.last_invocation(message)["tokens"], 5)

    def test_a_flood_on_descriptor_3(self):
        self.write("script", "yes '{\"progress\":1}' | head -c 3000000 >&3; yes | tr -d '\\n' | head -c 3000000 >&3; echo >&3; echo '{\"tokens\":9}' >&3")
        message = self.text("push", "w", "x")
        self.drain("w")
        self.assertEqual(self.last_invocation(message)["tokens"], 9)

    def test_closed_descriptors_are_no_end(self):
        shown = self.handled_by("exec 0<&- 1>&- 2>&- 3>&-; sleep 0.3; exit 66")
        self.assertEqual(shown["error_text"], "exit code 66")

    def test_a_time_limit_ends_everybody(self):
        pids = [f"cd {self.bus.folder}; trap '' TERM; echo $$ >child; setsid sh -c 'echo $$ >far; exec sleep 300' & (trap '' TERM; sleep 300) & "
                "echo $! >near; while :; do sleep 0.05; done"]
        self.write("script", pids[0])
        message = self.text("push", "late", "x")
        runner = self.runner("late")
        pids = [self.pid_in(name) for name in ("child", "near", "far")]
        shown = self.wait_state(message, "dead")
        self.assertEqual((shown["error_class"], shown["error_text"]), ("timeout", "ran longer than 300ms"))
        # It is reported only once nobody is left.
        self.assertFalse([pid for pid in pids if alive(pid)])
        self.stop(runner)

    def test_a_success_that_leaves_a_daemon_behind(self):
        shown = self.handled_by(f"setsid sh -c 'echo $$ >{self.path('far')}; exec sleep 300' >&- 2>&- 3>&- & while [ ! -s {self.path('far')} ]; do sleep 0.01; done",
                                expect=0)
        self.assertEqual(shown["state"], "done")
        self.assertFalse(alive(self.pid_in("far")))

    def test_a_child_that_floods_on_ends_with_it(self):
        shown = self.handled_by(f"echo all; setsid yes & echo $! >{self.path('far')}; exit 0", expect=0)
        self.assertTrue(shown["result"].startswith("xall\n"))
        self.assertFalse(alive(self.pid_in("far")))

    def test_a_flood_without_end_runs_into_its_limit(self):
        self.write("script", "trap '' TERM; while :; do yes 0123456789; done")
        message = self.text("push", "late", "x")
        runner = self.runner("late")
        shown = self.wait_state(message, "dead")
        self.assertEqual((shown["error_class"], shown["error_text"]), ("timeout", "ran longer than 300ms"))
        with open(f"/proc/{runner.pid}/status", encoding="ascii") as file:
            peak_kb = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        if not os.environ.get("PAWL_SANITIZE"):  # which keeps what was freed
            self.assertLess(peak_kb, 64 << 10)
        self.stop(runner)

    def test_one_that_stops_itself_runs_into_its_limit(self):
        shown = self.handled_by("kill -STOP $$; echo >&2 awake; exit 3", role="late")
        self.assertEqual((shown["error_class"], shown["error_text"].splitlines()[0]), ("timeout", "ran longer than 300ms"))

    def test_deaf_to_term_it_ends_all_the_same_when_told_to_stop_or_cancelled(self):
        deaf = f"trap '' TERM; echo $$ >{self.bus.folder}/child.$PAWL_ID; while :; do sleep 0.1; done"
        self.write_roles(self.roles.replace("shell       = true", "shell = true\nconcurrency = 2\nlease = \"300ms\""))
        self.write("script", deaf)
        runner = self.runner("w")
        cancelled, given_back = (self.text("push", "w", "x", "--lease", "300ms") for _ in range(2))
        pids = {message: self.pid_in("child." + message) for message in (cancelled, given_back)}
        self.text("cancel", cancelled)
        self.wait_state(cancelled, "cancelled")
        self.all_gone([pids[cancelled]])
        self.assertTrue(alive(pids[given_back]))
        self.stop(runner)
        self.all_gone([pids[given_back]])
        shown = self.json("get", given_back)
        self.assertEqual((shown["state"], shown["attempt"]), ("ready", 1))

    def test_one_that_kills_whoever_started_it(self):
        shown = self.handled_by("kill -KILL $PPID; sleep 300")
        self.assertEqual((shown["error_class"], shown["error_text"]), ("crash", "killed by signal 9 (SIGKILL)"))

    def test_its_own_word_and_usage(self):
        shown = self.handled_by("echo '{\"tokens\":12,\"cost_usd\":0.5,\"class\":\"quota\",\"note\":\"n\"}' >&3; echo why >&2; exit 3")
        last = shown["invocations"][-1]
        self.assertEqual((last["error_class"], last["error_text"], last["tokens"], last["cost"]), ("quota", "why", 12, 500000))

    def test_many_handlers_write_at_once(self):
        self.write_roles('[role.codes]\nconcurrency = 20\ncommand = ["sh", "-c", "yes | head -c 3000000; yes | head -c 300000 >&2"]\n')
        messages = [self.text("push", "codes", str(number)) for number in range(40)]
        self.drain()
        self.assertTrue(all(self.state(message) == "done" for message in messages))


class MemoryTest(RunCase):
    """The kernel's own killing, in a cgroup with a small limit; only where one can be made."""

    config = CALM + "[role.w]\nmax_attempts = 1\n"
    def setUp(self):
        super().setUp()
        old = "/sys/fs/cgroup/memory"
        base, limits = (old, ["memory.limit_in_bytes"]) if os.path.isdir(old) else ("/sys/fs/cgroup", ["memory.max"])
        self.group = f"{base}/pawl-test-{os.getpid()}"
        try:
            os.mkdir(self.group)
            self.addCleanup(os.rmdir, self.group)
            for name in limits:
                with open(f"{self.group}/{name}", "r+", encoding="utf-8") as file:
                    file.write("33554432")
        except OSError as why:
            self.skipTest(f"no cgroup of our own: {why}")

    def test_out_of_memory_is_told_from_a_crash(self):
        self.write_roles(f"""[role.w]
command = ["sh", "-c", "echo $$ >{self.group}/cgroup.procs; exec /usr/bin/python3 -c 'x = bytes([1]) * (1 << 28)'"]
""")
        message = self.text("push", "w", "x")
        self.drain(code=1)
        shown = self.json("get", message)
        self.assertEqual(shown["error_class"], "out_of_memory", shown["error_text"])
        self.assertIn("killed by signal 9 (SIGKILL) by the kernel, out of memory", shown["error_text"])


if __name__ == "__main__":
    unittest.main()
