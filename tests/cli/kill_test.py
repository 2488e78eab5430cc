"""kill, clear, check, guards, quota, why and status: with a bus, without one, and from a plain shell script."""
import json
import os
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness  # noqa: E402
from harness import wait_until  # noqa: E402

# What a script has without Pawl's protocol: files and exit codes. $1 is the data folder.
SCRIPT = r"""
set -u
fail() { echo "line $1"; exit 1; }
expect() { want=$1; shift; "$@" >out 2>&1; got=$?; [ $got = $want ] || { echo "$*: $got, not $want"; cat out; exit 1; }; }
expect 0 pawl check
touch "$1/KILL"
expect 3 pawl check
expect 3 pawl push r refused
rm "$1/KILL"
expect 0 pawl check
expect 0 pawl push r taken
echo 'the building is on fire' >"$1/KILL"
expect 3 pawl check
grep -q 'the building is on fire' out || fail $LINENO
expect 3 pawl push r refused
expect 0 pawl clear --reason 'false alarm'
[ ! -e "$1/KILL" ] || fail $LINENO
expect 0 pawl check
expect 0 pawl kill --scope claims --reason 'slow down'
[ -e "$1/KILL" ] || fail $LINENO
expect 3 pawl check --scope claims
expect 0 pawl check --scope all
rm "$1/KILL"
expect 0 pawl check
expect 0 pawl kill --hard --reason 'stop it'
[ -e "$1/KILL_HARD" ] || fail $LINENO
rm -f "$1/KILL" "$1/KILL_HARD"
expect 3 pawl check
expect 3 pawl push r refused
expect 3 pawl clear --reason 'please'
expect 2 pawl clear --hard
expect 0 pawl clear --hard --reason 'it is over'
expect 0 pawl check
[ ! -e "$1/KILL_HARD" ] || fail $LINENO
touch "$1/KILL_HARD"
expect 3 pawl push r refused
expect 3 pawl check
expect 0 pawl clear --hard --reason 'it is over again'
expect 0 pawl push r taken
"""


class Base(harness.BusTest):
    socket_in_data = True

    def text(self, *words, expect=0):
        return self.pawl(*words, expect=expect).stdout.decode().strip()

    def json(self, *words, expect=0):
        return json.loads(self.pawl("--json", *words, expect=expect).stdout)

    def flag(self, name="KILL"):
        return os.path.join(self.bus.data, name)


class KillTest(Base):
    def test_a_shell_script(self):
        folder = os.path.join(self.bus.folder, "bin")
        os.mkdir(folder)
        os.symlink(harness.PAWL, os.path.join(folder, "pawl"))
        environment = dict(os.environ, PAWL_URL=self.bus.url, PATH=folder + ":" + os.environ["PATH"])
        done = subprocess.run(["sh", "-c", SCRIPT, "script", self.bus.data], cwd=self.bus.folder, env=environment, capture_output=True,
                              check=False, timeout=120)
        self.assertEqual((done.returncode, done.stdout), (0, b""), done)
        self.assertEqual(self.json("roles", "r")["ready"], 2)

    def test_kill_check_clear(self):
        self.assertEqual(self.text("check"), "clear")
        self.assertEqual(self.json("check"), {"frozen": False, "freeze": "none", "source": "bus"})
        killed = self.json("kill", "--reason", "bad deploy", "--for", "10m")
        self.assertEqual((killed["freeze"], killed["scope"], killed["reason"], killed["durable"]), ("soft", "all", "bad deploy", 1))
        self.assertEqual(killed["until"] - killed["since"], 600_000)
        self.assertIn("@", killed["by"])
        standing = self.json("check", expect=3)
        self.assertEqual((standing["frozen"], standing["reason"], standing["by"]), (True, "bad deploy", killed["by"]))
        self.assertIn("bad deploy", self.text("check", expect=3))
        self.assertEqual(self.text("check", "-q", expect=3), "")
        self.assertEqual(self.text("clear", "--reason", "fixed").partition(",")[0], "cleared: bad deploy")
        self.assertEqual(self.text("clear", "--reason", "again"), "nothing was frozen")
        self.assertEqual(self.json("clear", "--reason", "again")["freeze"], "none")

    def test_scopes(self):
        for scope, stopped in [("intake", {"intake"}), ("claims", {"intake", "claims"}), ("all", {"intake", "claims", "all"})]:
            self.text("kill", "--scope", scope, "--reason", "drill")
            for asked in ("intake", "claims", "all"):
                self.text("check", "--scope", asked, expect=3 if asked in stopped else 0)
            self.text("check", expect=3)
            self.text("clear", "--reason", "over")

    def test_a_time_limit_ends_it(self):
        self.text("kill", "--for", "300ms", "--reason", "a moment")
        wait_until(lambda: self.pawl("check").returncode == 0, what="the end of the freeze")
        self.assertIn("time limit", self.text("events", "--kind", "kill.clear"))

    def test_a_soft_one_over_a_hard_one_changes_nothing(self):
        self.text("kill", "--hard", "--reason", "hard")
        done = self.pawl("kill", "--reason", "soft", expect=0)
        self.assertIn(b"a hard freeze stands already", done.stderr)
        refused = self.pawl("clear", "--reason", "please", expect=3)
        self.assertIn(b"pawl clear --hard --reason", refused.stderr)
        self.assertEqual(self.json("check", expect=3)["freeze"], "hard")
        self.text("clear", "--hard", "--reason", "over")

    def test_wrong_usage(self):
        for words, said in [
            (["kill"], "kill needs a reason"),
            (["kill", "--reason", " "], "kill needs a reason"),
            (["clear"], "clear needs a reason"),
            (["clear", "--hard", "--reason", ""], "clear needs a reason"),
            (["kill", "--reason", "x" * 1025], "at most 1024 bytes"),
            (["kill", "--reason", "x", "--scope", "everything"], "intake claims all"),
            (["check", "--scope", "none"], "intake claims all"),
            (["kill", "--reason", "x", "--for", "0"], "over before it begins"),
            (["kill", "--reason", "x", "--for", "-5m"], "takes a duration"),
            (["kill", "--reason", "x", "--for", "2001-01-01T00:00:00Z"], "takes a duration"),
            (["kill", "--reason", "x", "--hard", "--for", "1h"], "no time limit"),
            (["kill", "--reason", "x", "--hard", "--scope", "claims"], "scope all"),
            (["kill", "why", "--reason", "x"], "too many arguments"),
            (["check", "--data", "/nonexistent"], "no folder"),
            (["kill", "--data", "/nonexistent", "--reason", "x"], "no folder"),
        ]:
            done = self.pawl(*words, expect=2)
            self.assertIn(said, done.stderr.decode(), words)
        self.assertEqual(self.text("check"), "clear")

    def test_frozen_verbs_exit_3(self):
        message = self.text("push", "r", "x")
        claim = self.json("claim", "r")[0]
        other = self.text("push", "r", "y")
        self.text("kill", "--reason", "drill")
        for words in (["push", "r", "z"], ["push", "r", "--lines"], ["claim", "r"], ["claim", "r", "--wait", "10s"],
                      ["ack", message, claim["token"]], ["fail", message, claim["token"]], ["release", message, claim["token"]],
                      ["cancel", other], ["move", other, "--priority", "9"]):
            done = self.pawl(*words, data=b"line\n", expect=3)
            self.assertIn(b"FROZEN", done.stderr, words)
        self.assertEqual(self.json("extend", message, claim["token"])["freeze"], "soft")
        self.text("clear", "--reason", "over")
        self.text("ack", message, claim["token"])

    def test_a_flag_just_made_or_just_removed_is_told_as_it_will_be(self):
        for _ in range(20):
            with open(self.flag(), "w", encoding="utf-8"):
                pass
            self.text("check", expect=3)
            os.unlink(self.flag())
            self.text("check", expect=0)
        with open(self.flag(), "w", encoding="utf-8") as file:
            file.write("scope=intake\nreason=r\n")
        self.text("check", "--scope", "claims", expect=0)
        self.text("check", expect=3)

    def test_an_unreadable_flag_counts_as_set(self):
        os.mkdir(self.flag())
        self.assertIn("cannot be read", self.text("check", expect=3))
        self.pawl("push", "r", "x", expect=3)
        self.bus.stop()
        self.assertIn("cannot be read", self.text("check", expect=3))


class WithoutABusTest(Base):
    def setUp(self):
        super().setUp()
        self.bus.stop()

    def test_kill_and_clear_by_the_file(self):
        done = self.pawl("kill", "--reason", "bus is down", "--scope", "claims", expect=0)
        self.assertIn(b"wrote the flag file instead", done.stderr)
        with open(self.flag(), encoding="utf-8") as file:
            self.assertIn("reason=bus is down\nscope=claims\n", file.read())
        self.assertEqual(self.json("check", expect=3)["source"], "file")
        self.text("check", "--scope", "all", expect=0)
        self.assertIn(b"removed the flag file instead", self.pawl("clear", "--reason", "over", expect=0).stderr)
        self.assertFalse(os.path.exists(self.flag()))
        self.assertEqual(self.text("check"), "clear")
        self.assertIn(b"no flag file either", self.pawl("clear", "--reason", "over", expect=0).stderr)
        self.text("kill", "--reason", "before it starts")
        self.bus.start()
        self.pawl("push", "r", "x", expect=3)
        self.assertEqual(self.json("check", expect=3)["reason"], "before it starts")

    def test_a_hard_one_needs_the_bus_to_end(self):
        document = self.json("kill", "--hard", "--reason", "hard")
        self.assertEqual((document["freeze"], document["file"]), ("hard", self.flag("KILL_HARD")))
        self.assertIn(b"nothing written: a hard freeze stands", self.pawl("kill", "--reason", "soft", expect=0).stderr)
        for words in (["clear", "--reason", "x"], ["clear", "--hard", "--reason", "x"]):
            self.assertIn(b"only a running bus can end it", self.pawl(*words, expect=3).stderr)
        self.assertTrue(os.path.exists(self.flag()) and os.path.exists(self.flag("KILL_HARD")))
        self.bus.start()
        self.assertEqual(self.json("check", expect=3)["freeze"], "hard")
        self.text("clear", "--hard", "--reason", "over")
        self.text("check")

    def test_which_folder(self):
        environment = {name: value for name, value in os.environ.items() if name != "PAWL_URL"}

        def pawl(*words, **more):
            return subprocess.run([harness.PAWL, *words], capture_output=True, check=False, timeout=60, **{"env": environment, **more})
        # Without a word about where: ./pawl-data.
        shutil.copytree(self.bus.data, os.path.join(self.bus.folder, "pawl-data"))
        self.assertEqual(pawl("kill", "--reason", "here", cwd=self.bus.folder).returncode, 0)
        self.assertTrue(os.path.exists(os.path.join(self.bus.folder, "pawl-data", "KILL")))
        self.assertEqual(pawl("check", cwd=self.bus.folder).returncode, 3)
        # By --data.
        self.assertEqual(pawl("check", "--data", self.bus.data).returncode, 0)
        self.assertEqual(pawl("kill", "--data", self.bus.data, "--reason", "there").returncode, 0)
        self.assertEqual(pawl("check", "--data", self.bus.data).returncode, 3)
        self.assertEqual(pawl("clear", "--data", self.bus.data, "--reason", "x").returncode, 0)
        # None at hand: said so, and nothing written.
        for words in (["kill", "--reason", "x"], ["clear", "--reason", "x"], ["check"]):
            done = pawl("--url", "tcp://127.0.0.1:1", *words, cwd=self.bus.folder)
            self.assertEqual(done.returncode, 7, done)
            empty = os.path.join(self.bus.folder, "empty")
            os.makedirs(empty, exist_ok=True)
            done = pawl("--url", f"unix://{empty}/pawl.sock", *words)
            self.assertEqual((done.returncode, os.listdir(empty)), (7, []), done)

    def test_a_bus_that_hangs(self):
        self.bus.start()
        self.bus.process.send_signal(19)  # SIGSTOP
        before = time.monotonic()
        self.text("check")
        self.assertLess(time.monotonic() - before, 5)
        self.assertIn(b"wrote the flag file instead", self.pawl("--timeout", "200ms", "kill", "--reason", "hangs", expect=0).stderr)
        self.text("check", expect=3)
        self.bus.process.send_signal(18)  # SIGCONT
        self.pawl("push", "r", "x", expect=3)


class LookingTest(Base):
    def test_guards(self):
        guards = {guard["guard"]: guard for guard in self.json("guards")}
        self.assertEqual((guards["freeze"]["mode"], guards["freeze"]["fixed"]), ("enforce", 1))
        self.assertRegex(self.text("guards"), r"(?m)^guard +mode +fails +evaluated +refused +would refuse +failed\n")
        self.assertRegex(self.text("guards"), r"(?m)^freeze +always +closed ")
        self.text("pause", "r")
        self.text("push", "r", "x")
        self.pawl("claim", "r", expect=5)
        self.assertEqual(self.text("guards", "mode", "pause", "observe"), "OK")
        self.assertEqual(len(self.json("claim", "r")), 1)
        pause = next(guard for guard in self.json("guards") if guard["guard"] == "pause")
        self.assertEqual((pause["mode"], pause["refused"] > 0, pause["would_refuse"] > 0), ("observe", True, True))
        for words, code in [(["mode", "nosuch", "off"], 4), (["mode", "freeze", "off"], 2), (["mode", "pause", "maybe"], 2),
                            (["mode", "pause"], 2), (["modes"], 2)]:
            self.pawl("guards", *words, expect=code)

    def test_why_tells_of_the_freeze(self):
        message = self.text("push", "r", "x")
        self.assertEqual(self.json("why", message), [])
        self.assertIn("nothing holds it back", self.text("why", message))
        self.text("kill", "--scope", "claims", "--reason", "drill")
        verdict = self.json("why", message)[0]
        self.assertEqual((verdict["guard"], verdict["scope"]), ("freeze", "fleet"))
        self.assertIn("drill", verdict["reason"])
        self.pawl("why", "0" * 15 + "8", expect=4)

    def test_the_fleet_panel(self):
        status = self.text("status")
        self.assertRegex(status, r"(?m)^kill switch +clear$")
        self.assertRegex(status, r"(?m)^breakers +none open$")
        self.assertRegex(status, r"(?m)^dead letters +none$")
        message = self.text("push", "r", "x")
        claim = self.json("claim", "r")[0]
        self.text("fail", message, claim["token"], "--dead", "--text", "it broke")
        self.text("kill", "--reason", "too much", "--for", "1h")
        status = self.text("status")
        self.assertRegex(status, r"(?m)^kill switch +soft, scope all, by \S+, for \S+, \S+( \S+)? left: too much$")
        self.assertRegex(status, r"(?m)^dead letters +1$")
        self.assertIn("it broke", status)
        document = self.json("status")
        self.assertEqual((document["kill"]["freeze"], document["kill"]["reason"]), ("soft", "too much"))
        self.assertIsInstance(document["quotas"], list)

    def test_quota_usage(self):
        for words, said in [
            (["set", "r"], "the cap is missing"),
            (["set", "r", "--tokens", "1", "--calls", "1", "--per", "1h"], "one cap at a time"),
            (["set", "r", "--tokens", "1"], "the window is missing"),
            (["set", "r", "--tokens", "0", "--per", "1h"], "1 or more"),
            (["set", "r", "--tokens", "-1", "--per", "1h"], "1 or more"),
            (["set", "r", "--tokens", "99999999999999999999", "--per", "1h"], "1 or more"),
            (["set", "r", "--cost", "0", "--per", "1h"], "BADARG"),
            (["set", "r", "--tokens", "9", "--per", "0"], "BADARG"),
            (["set", "r", "--tokens", "9", "--per", "1h", "--estimate", "10"], "above the cap"),
            (["set", "r", "--tokens", "9", "--per", "1h", "--estimate", "some"], "--estimate takes a whole number"),
            (["set", "r", "--cost", "9", "--per", "1h", "--estimate", "$1"], "--estimate takes dollars"),
            (["set", "r", "--cost", "0.5", "--per", "1h", "--estimate", "0.6"], "above the cap"),
            (["set", "bad role", "--calls", "1", "--per", "1h"], "BADARG"),
            (["drop", "r", "money", "--per", "1h"], "tokens, cost or calls"),
            (["drop", "r", "tokens"], "the window is missing"),
            (["show", "bad role"], "BADARG"),
        ]:
            self.assertIn(said, self.pawl("quota", *words, expect=2).stderr.decode(), words)

    def test_quota_set_show_drop(self):
        self.text("push", "r", "x")
        self.assertEqual(self.text("quota", "set", "r", "--tokens", "1000", "--per", "1h", "--estimate", "100"), "OK")
        self.assertEqual(self.text("quota", "set", "*", "--cost", "12.5", "--per", "24h"), "OK")
        caps = {(one["role"], one["what"]): one for one in self.json("quota", "show")}
        self.assertEqual((caps["r", "tokens"]["cap"], caps["r", "tokens"]["per"]), (1000, 3_600_000))
        self.assertEqual(caps["*", "cost"]["cap"], 12_500_000)
        self.assertIn("$12.50", self.text("quota", "show", "*"))
        claim = self.json("claim", "r")[0]
        self.text("ack", claim["id"], claim["token"], "--tokens", "900")
        self.assertEqual(self.json("quota", "show", "r")[0]["percent"], 90)
        self.assertRegex(self.text("status"), r"(?m)^quota +r tokens: 90% of 1,000 per 1h$")
        self.assertEqual(self.text("quota", "drop", "r", "tokens", "--per", "1h"), "OK")
        self.assertEqual(self.json("quota", "show", "r"), [])


class BreakerTest(Base):
    config = '[role.b]\nbackoff = { base = "1h", max = "1h" }\n[guards]\noutage_messages = 2\n'

    def test_an_open_breaker_is_seen(self):
        for payload in ("one", "two"):
            self.text("push", "b", payload)
        held = self.text("push", "b", "three")
        for claim in self.json("claim", "b", "--count", "2"):
            self.text("fail", claim["id"], claim["token"], "--class", "transient", "--text", "no answer")
        self.pawl("claim", "b", expect=5)
        self.assertEqual(self.json("roles", "b")["breaker"], "open")
        self.assertRegex(self.text("roles"), r"(?m)^b .* breaker open: ")
        self.assertRegex(self.text("status"), r"(?m)^breakers +b open \(.+\)$")
        self.assertIn("breaker", [verdict["guard"] for verdict in self.json("why", held)])


if __name__ == "__main__":
    unittest.main()
