#!/usr/bin/python3
"""The kill switch over the wire: what each scope stops, command by command, and what a freeze leaves untouched."""
import os
import time
import unittest

import harness
from freezing import SCOPES, FreezeTest
from wire import ErrorReply, PushReply, as_map

NEVER = "never"
# Verbs of later work: held to the table as soon as the bus knows them.
LATER = ("ERR unknown command", "ERR no guard of this bus knows")
# The narrowest scope that stops it → commands. Each row meets a role with messages of its own: what {ready}, {claim}
# and {dead} stand for; {idle} and {empty} are roles; {wait} is long where it must be cut short, and short where not.
COMMANDS = {
    "intake": [
        "PUSH {role} x", "PUSH {role} x UNIQUE held", "PUSH {role} x DELAY 60000", "MPUSH {role} x y", "DEAD REPLAY {dead}",
        "DEAD REPLAY {dead} RESET", "DEAD REPLAY FILTER ROLE {role}", "DEAD REPLAY FILTER ROLE {role} LIMIT 1 TO {idle}",
    ],
    "claims": [
        "CLAIM worker {role}", "CLAIM worker {role} {idle} COUNT 3", "CLAIM worker {role} WAIT {wait}", "CLAIM worker {idle}",
        "CLAIM worker nobody WAIT {wait}",
    ],
    "all": [
        "ACK {claim}", "ACK {claim} RESULT done TOKENS 5 COST 7", "ACK {claim} NEXT {role}", "MACK {claim}", "FAIL {claim} transient text",
        "FAIL {claim} bad_input text DEAD", "RELEASE {claim}", "RELEASE {claim} DELAY 0", "CANCEL {ready}", "CANCEL {claimed} reason",
        "CANCEL FILTER {role}", "CANCEL FILTER {role} ready LIMIT 1", "MOVE {ready} PRIORITY 9", "MOVE {ready} TO {idle}",
        "DEAD EDIT {dead} mended", "DEAD DROP {dead}", "DEAD DROP FILTER ROLE {role}", "ROLE DROP {empty}",
        "CRON SET nightly @daily {role} x", "CRON DROP nightly",
    ],
    NEVER: [
        "EXTEND {claim}", "EXTEND {claim} LEASE 90000 PROGRESS 50 half TOKENS 3", "GET {ready}", "GET {claimed}", "GET 0", "RESULT {ready}",
        "RESULT {claimed} WAIT 20", "EXPLAIN {ready}", "LIST {role} ready", "EVENTS 0", "EVENTS $ WAIT 20", "DEAD LIST", "DEAD GET {dead}",
        "DEAD COUNT", "DEAD GROUPS", "DEAD REPLAY {dead} DRYRUN", "DEAD REPLAY FILTER DRYRUN", "ROLES", "ROLE {role}", "PAUSE {idle}",
        "RESUME {idle}", "KILL STATUS", "QUOTA SET {idle} CALLS 1000 PER 3600000", "QUOTA GET", "QUOTA GET {idle}",
        "QUOTA DROP {idle} CALLS PER 3600000", "GUARD LIST", "GUARD MODE pause enforce", "BEAT daemon", "DAEMONS", "DAEMON FORGET daemon",
        "REAP worker boot", "EVENT ADD note text drill", "DEPLOY SET {idle} COMMAND 2 ./agent --fast PROMPT text", "DEPLOY LIST {idle}", "DEPLOY GET {idle}",
        "DEPLOY ROLLBACK {idle}", "DEPLOY ROLLBACK {idle} TO 1", "DEPLOY DROP {idle} REASON text", "SWEEP", "CRON LIST",
        "INCIDENT OPEN concern drill", "INCIDENT LIST", "INCIDENT GET i1", "INCIDENT ACK i1", "INCIDENT NOTE i1 text", "INCIDENT CLOSE i1",
        "PUBLISH news text", "PING", "PING text", "ECHO text", "SELECT 0", "HELLO 2",
        "CLIENT ID", "COMMAND COUNT", "INFO", "CONFIG GET save", "COMMITSEQ", "VERIFY", "MULTI", "DISCARD",
    ],
}


def stopped(since, scope):
    """Whether a command that `since` is the narrowest scope to stop is stopped under `scope`."""
    return since != NEVER and SCOPES.index(since) <= SCOPES.index(scope)


class KillSwitch(FreezeTest):
    # ---- Command by command ---------------------------------------------------

    def fixture(self, number):
        """A role with a message in each state; the words that stand for them."""
        role = f"role{number}"
        dead, token = self.claim(role)
        self.assert_passes(self.wire.call("FAIL", dead, token, "bad_input", "text"))
        claimed, token = self.claim(role, "LEASE", "600000")
        ready = self.push(role, "UNIQUE", "held")
        return {"role": role, "ready": ready.decode(), "claimed": claimed.decode(), "claim": f"{claimed.decode()} {token.decode()}",
                "dead": dead.decode(), "idle": "idle", "empty": "empty"}

    def rows(self, names):
        """What GET says of a fixture; a deadline is an estimate and may move."""
        rows = [as_map(self.wire.call("GET", names[name])) for name in ("ready", "claimed", "dead")]
        for row in rows:
            row.pop("deadline", None)
        return rows

    def command_by_command(self, *kill):
        scope = "all" if kill[0] == "HARD" else kill[2]
        for role in ("empty", "idle"):
            self.wire.call("CANCEL", self.push(role))
        texts = [(since, text) for since, commands in COMMANDS.items() for text in commands]
        rows = [(since, text, self.fixture(number)) for number, (since, text) in enumerate(texts)]
        self.assertEqual(as_map(self.wire.call("KILL", *kill, "a drill"))["durable"], 1)
        later = set()
        for since, text, names in rows:
            refused = stopped(since, scope)
            words = text.format(**names, wait=600_000 if refused else 20).split()
            before = self.rows(names)
            answer = self.wire.call(*words)
            with self.subTest(command=" ".join(words), scope=scope):
                if isinstance(answer, ErrorReply) and answer.startswith(LATER):
                    later.add(words[0])
                elif refused:
                    self.assert_frozen(answer)
                    self.assertEqual(self.rows(names), before, "an error means that nothing happened")
                else:
                    self.assert_passes(answer)
        self.assertEqual(later, set())
        self.assertEqual(as_map(self.wire.call("VERIFY"))["ok"], 1)
        self.assert_passes(self.wire.call("KILL", "CLEAR", *(["HARD"] if kill[0] == "HARD" else []), "the drill is over"))
        self.assert_free()

    def test_freeze_of_intake_command_by_command(self):
        self.command_by_command("SET", "SCOPE", "intake")

    def test_freeze_of_claims_command_by_command(self):
        self.command_by_command("SET", "SCOPE", "claims")

    def test_freeze_of_everything_command_by_command(self):
        self.command_by_command("SET", "SCOPE", "all")

    def test_hard_freeze_command_by_command(self):
        self.command_by_command("HARD")

    # ---- What a worker meets --------------------------------------------------

    def test_next_under_each_freeze(self):
        """The acknowledgement counts, the NEXT part is empty; never an error for it alone."""
        for scope in SCOPES:
            with self.subTest(scope=scope):
                message, token = self.claim(scope)
                waiting = self.push(scope)
                self.wire.call("KILL", "SET", "SCOPE", scope, "a drill")
                answer = self.wire.call("ACK", message, token, "NEXT", scope)
                if scope == "all":
                    self.assert_frozen(answer)
                    self.assertEqual(self.message(message)["state"], b"claimed")
                else:
                    self.assertEqual([as_map(one)["id"] for one in answer], [waiting] if scope == "intake" else [])
                    self.assertEqual(self.message(message)["state"], b"done")
                if scope != "intake":
                    self.assertEqual(self.message(waiting)["state"], b"ready")
                self.wire.call("KILL", "CLEAR", "over")
                if scope == "all":
                    self.assertEqual(as_map(self.wire.call("ACK", message, token, "NEXT", scope)[0])["id"], waiting)

    def test_extend_tells_of_the_freeze(self):
        message, token = self.claim("jobs", "LEASE", "60000")
        for words, freeze in ((["SET"], b"soft"), (["HARD"], b"hard")):
            with self.subTest(freeze=freeze):
                before = self.message(message)
                self.wire.call("KILL", *words, "a drill")
                told = as_map(self.wire.call("EXTEND", message, token, "LEASE", "3600000", "PROGRESS", "70", "much", "TOKENS", "9"))
                self.assertEqual((told["freeze"], told["cancel"]), (freeze, 0))
                self.assertIn("deadline", told)
                after = self.message(message)
                for row in (before, after):
                    row.pop("deadline")
                self.assertEqual(after, before, "EXTEND under a freeze writes nothing")
                self.assertTrue(self.wire.call("EXTEND", message, "0").startswith("LOST "), "the token is still asked for")
                self.wire.call("KILL", "CLEAR", "HARD", "over")
                self.assertEqual(as_map(self.wire.call("EXTEND", message, token, "LEASE", "60000"))["freeze"], b"none")

    def test_parked_claims_are_answered_at_once(self):
        for freeze in (["KILL", "SET", "SCOPE", "claims", "a drill"], ["KILL", "SET", "a drill"], ["KILL", "HARD", "a drill"], ["touch"]):
            with self.subTest(freeze=freeze):
                parked = [self.connect() for _ in range(3)]
                for n, wire in enumerate(parked):
                    wire.send("CLAIM", f"worker-{n}", "nothing", "other", "WAIT", "600000")
                harness.wait_until(lambda: self.blocked() == len(parked), what="the parked claims")
                if freeze == ["touch"]:
                    self.touch()
                else:
                    self.assert_passes(self.wire.call(*freeze))
                for wire in parked:
                    self.assert_frozen(wire.reply())
                    wire.close()
                self.wire.call("KILL", "CLEAR", "HARD", "over")

    def blocked(self):
        lines = dict(line.split(":", 1) for line in self.wire.call("INFO").decode().splitlines() if ":" in line)
        return int(lines["blocked_clients"])

    def test_who_waits_for_what_a_freeze_does_not_stop_waits_on(self):
        message, token = self.claim("jobs")
        result, events, claims = self.connect(), self.connect(), self.connect()
        result.send("RESULT", message, "WAIT", "600000")
        events.send("EVENTS", "$", "WAIT", "600000")
        claims.send("CLAIM", "worker", "jobs", "WAIT", "600000")
        harness.wait_until(lambda: self.blocked() == 3, what="three that wait")
        self.wire.call("KILL", "SET", "SCOPE", "intake", "a drill")
        self.assertEqual([as_map(entry)["kind"] for entry in events.reply()[1]], [b"kill.set"])
        self.assertEqual(self.blocked(), 2)
        # Intake is shut, work that is there goes on: what is given back goes to whoever waits.
        self.assertEqual(self.wire.call("RELEASE", message, token, "DELAY", "0"), "OK")
        token = as_map(claims.reply()[0])["token"]
        self.wire.call("KILL", "SET", "a drill of everything")
        self.assertEqual(self.blocked(), 1)
        self.wire.call("KILL", "CLEAR", "over")
        self.assertEqual(self.wire.call("ACK", message, token), "OK")
        self.assertEqual(as_map(result.reply())["state"], b"done")

    def test_a_transaction_is_refused_whole(self):
        def transaction(*commands):
            self.assertEqual(self.wire.call("MULTI"), "OK")
            for words in commands:
                self.assertEqual(self.wire.call(*words), "QUEUED", "a freeze is EXEC's to tell of")
            return self.wire.call("EXEC")

        for scope in SCOPES:
            with self.subTest(scope=scope):
                message, token = self.claim(scope)
                ack, push = ["ACK", message, token], ["PUSH", scope, "next"]
                self.wire.call("KILL", "SET", "SCOPE", scope, "a drill")
                refused = transaction(ack, push)
                self.assert_frozen(refused)
                self.assertTrue(refused.endswith("at=0" if scope == "all" else "at=1"), refused)
                self.assertEqual(self.message(message)["state"], b"claimed")
                refused = transaction(push)
                self.assert_frozen(refused)
                self.assertTrue(refused.endswith("at=0"), refused)
                if scope == "all":
                    self.assert_frozen(transaction(["FAIL", message, token, "transient", "text"]))
                    self.wire.call("KILL", "CLEAR", "over")
                    self.assertEqual(transaction(ack, push)[0], "OK")
                else:
                    self.assertEqual(transaction(ack), ["OK"])
                    self.wire.call("KILL", "CLEAR", "over")
                self.assertEqual(as_map(self.wire.call("ROLE", scope))["ready"], 1 if scope == "all" else 0)

    # ---- Set, told, cleared -----------------------------------------------------

    def test_status_says_what_stands(self):
        self.assertEqual(self.status(), {"freeze": b"none", "durable": 1})
        self.wire.call("CLIENT", "SETNAME", "watchman")
        before = int(time.time() * 1000)
        said = as_map(self.wire.call("KILL", "SET", "SCOPE", "claims", "FOR", "3600000", "two words"))
        after = int(time.time() * 1000)
        self.assertTrue(before <= said["since"] <= after, said)
        self.assertEqual(said["until"], said["since"] + 3_600_000)
        self.assertEqual({name: said[name] for name in ("freeze", "scope", "reason", "by", "durable")},
                         {"freeze": b"soft", "scope": b"claims", "reason": b"two words", "by": b"watchman", "durable": 1})
        self.assertEqual(self.status(), said)
        self.assertEqual(self.wire.call("HELLO", "3")[b"proto"], 3)
        self.assertEqual(as_map(self.wire.call("KILL", "STATUS")), said)
        self.assertIsInstance(self.wire.call("KILL", "STATUS"), dict)
        refused = self.push()
        self.assertRegex(refused, r"^FROZEN .*two words.* retry-after-ms=\d+$")
        self.wire.call("KILL", "SET", "without end")
        self.assertNotRegex(self.push(), "retry-after-ms")
        self.assertNotIn("until", self.status())
        self.restart()
        self.assertEqual(self.status()["reason"], b"without end")
        self.assert_frozen(self.push())

    def test_another_kill_takes_the_place_of_a_soft_one(self):
        """Wider and narrower; the flag file says the same."""
        for scope in ("intake", "all", "claims", "intake", "all"):
            with self.subTest(scope=scope):
                said = as_map(self.wire.call("KILL", "SET", "SCOPE", scope, f"now {scope}"))
                self.assertEqual((said["scope"], said["reason"]), (scope.encode(), f"now {scope}".encode()))
                self.assertEqual({name: self.read_flag()[name] for name in ("scope", "reason")}, {"scope": scope, "reason": f"now {scope}"})
                self.assert_frozen(self.push())
                claims = self.wire.call("CLAIM", "worker", "nobody")
                self.assertEqual(isinstance(claims, ErrorReply), scope != "intake")
        numbers = [int(entry["number"]) for entry in self.entries("kill.set")]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(self.read_flag()["freeze"], str(numbers[-1]))
        self.wire.call("KILL", "CLEAR", "over")
        self.assert_free()

    def test_a_soft_kill_over_a_hard_freeze_changes_nothing(self):
        stands = as_map(self.wire.call("KILL", "HARD", "the real thing"))
        self.assertEqual((stands["freeze"], stands["scope"]), (b"hard", b"all"))
        files = [self.read_flag(name) for name in ("KILL", "KILL_HARD")]
        for words in (["SET", "soft"], ["SET", "SCOPE", "intake", "soft"], ["SET", "FOR", "50", "soft"]):
            self.assertEqual(as_map(self.wire.call("KILL", *words)), stands)
        self.touch()
        self.write_flag("scope=intake\n")
        self.assert_frozen(self.wire.call("CLAIM", "worker", "nobody"))
        self.assert_frozen(self.wire.call("KILL", "CLEAR", "not enough"))
        self.assertEqual(self.status(), stands)
        self.assertEqual([entry["reason"] for entry in self.entries("kill")], [b"the real thing"], "nothing was set, nothing was cleared")
        self.assertEqual(files[0]["freeze"], files[1]["freeze"])
        self.assertEqual(as_map(self.wire.call("KILL", "CLEAR", "HARD", "mended")), {"freeze": b"none", "durable": 1})
        self.assert_free()

    def test_a_hard_kill_takes_the_place_of_a_soft_one(self):
        self.wire.call("KILL", "SET", "SCOPE", "intake", "FOR", "200", "soft")
        self.wire.call("KILL", "HARD", "hard")
        self.assertEqual(self.flags(), ["KILL", "KILL_HARD"])
        deadline = time.monotonic() + 0.4  # the time limit of the soft one passes
        while time.monotonic() < deadline:
            self.assert_frozen(self.push())
            time.sleep(0.02)
        self.assertEqual(self.status()["freeze"], b"hard")
        self.assertNotIn("until", self.status())
        self.wire.call("KILL", "CLEAR", "HARD", "over")
        self.assert_free()

    def test_clear_twice(self):
        self.wire.call("KILL", "SET", "a drill")
        none = {"freeze": b"none", "durable": 1}
        self.assertEqual(as_map(self.wire.call("KILL", "CLEAR", "first")), none)
        self.assertEqual(self.flags(), [], "CLEAR answers after removing them")
        self.assertEqual(as_map(self.wire.call("KILL", "CLEAR", "second")), none)
        self.assertEqual(as_map(self.wire.call("KILL", "CLEAR", "HARD", "third")), none)
        self.assertEqual([entry["reason"] for entry in self.entries("kill.clear")], [b"first"])
        self.assert_free()

    def test_freeze_for_a_time_ends_by_itself(self):
        for restart in (False, True):
            with self.subTest(restart=restart):
                until = as_map(self.wire.call("KILL", "SET", "FOR", "700", "a short one"))["until"]
                self.assertEqual(self.read_flag()["until"], str(until))
                if restart:
                    self.restart()
                while True:
                    answer = self.push()
                    if not isinstance(answer, ErrorReply):
                        break
                    self.assert_frozen(answer)
                    self.assertRegex(answer, r"retry-after-ms=\d{1,3}$")
                    self.assertLess(time.time() * 1000, until + 10_000)
                    time.sleep(0.01)
                self.assertGreaterEqual(time.time() * 1000, until)
                cleared = self.entries("kill.clear")[-1]
                self.assertEqual((cleared["freeze"], cleared["by"]), (b"soft", b"time limit"))
                harness.wait_until(lambda: self.flags() == [], what="no flag")
                self.assert_free()

    def test_freeze_for_a_time_ends_without_a_command(self):
        with self.connect() as listener:
            listener.call("SUBSCRIBE", "pawl.freeze")
            self.wire.call("KILL", "SET", "FOR", "150", "a short one")
            self.assertIn(b"freeze=soft", listener.reply()[2])
            self.assertEqual(listener.reply()[2], b"freeze=none")
        self.assert_free()

    def test_chronicle_and_topic(self):
        listener = self.connect()
        listener.call("HELLO", "3")
        listener.call("PSUBSCRIBE", "pawl.*")

        def told():
            frame = listener.reply()
            self.assertIsInstance(frame, PushReply)
            self.assertEqual(frame[:3], [b"pmessage", b"pawl.*", b"pawl.freeze"])
            return frame[3].decode()

        self.wire.call("CLIENT", "SETNAME", "watchman")
        self.wire.call("KILL", "SET", "SCOPE", "claims", "too dear")
        self.assertEqual(told(), "freeze=soft scope=claims by=watchman reason=too dear")
        self.wire.call("KILL", "HARD", "much too dear")
        self.assertEqual(told(), "freeze=hard scope=all by=watchman reason=much too dear")
        self.wire.call("KILL", "CLEAR", "refused")
        self.wire.call("KILL", "CLEAR", "HARD", "paid")
        self.assertEqual(told(), "freeze=none")
        self.write_flag("a script said so\n")
        self.assertEqual(told(), "freeze=soft scope=all by=file reason=a script said so")
        self.becomes("soft")
        harness.wait_until(lambda: "freeze" in self.read_flag(), what="the bus's own flag file")
        os.unlink(self.flag())
        self.assertEqual(told(), "freeze=none")
        entries = [{name: value.decode() for name, value in entry.items() if name in ("kind", "freeze", "scope", "by", "reason")}
                   for entry in self.entries("kill")]
        self.assertEqual(entries, [
            {"kind": "kill.set", "freeze": "soft", "scope": "claims", "by": "watchman", "reason": "too dear"},
            {"kind": "kill.set", "freeze": "hard", "scope": "all", "by": "watchman", "reason": "much too dear"},
            {"kind": "kill.clear", "freeze": "hard", "by": "watchman", "reason": "paid"},
            {"kind": "kill.set", "freeze": "soft", "scope": "all", "by": "file", "reason": "a script said so"},
            {"kind": "kill.clear", "freeze": "soft", "by": "file", "reason": "the flag file was removed"},
        ])

    def test_bad_input_changes_nothing(self):
        cases = [
            (["SET"], "ERR"), (["SET", ""], "BADARG"), (["SET", "x" * 1025], "TOOBIG"), (["SET", "SCOPE", "all"], "BADARG"),
            (["SET", "SCOPE", "half", "x"], "BADARG"), (["SET", "SCOPE", "all", "SCOPE", "all", "x"], "BADARG"), (["SET", "FOR", "x"], "BADARG"),
            (["SET", "FOR", "0", "x"], "BADARG"), (["SET", "FOR", "-1", "x"], "BADARG"), (["SET", "FOR", "1.5", "x"], "BADARG"),
            (["SET", "FOR", "9223372036854775808", "x"], "BADARG"), (["SET", "UNTIL", "5", "x"], "BADARG"), (["SET", "x", "y"], "BADARG"),
            (["HARD"], "ERR"), (["HARD", ""], "BADARG"), (["HARD", "FOR", "5", "x"], "ERR"), (["CLEAR"], "ERR"), (["CLEAR", ""], "BADARG"),
            (["CLEAR", "HARD"], "ERR"), (["CLEAR", "hard"], "ERR"), (["CLEAR", "SOFT", "x"], "ERR"), (["CLEAR", "HARD", ""], "BADARG"),
            (["STATUS", "x"], "ERR"), ([], "ERR"), (["OFF", "x"], "BADARG"),
        ]
        for frozen in (False, True):
            if frozen:
                self.wire.call("KILL", "HARD", "it stands")
            stands = self.status()
            for words, code in cases:
                with self.subTest(words=[word[:20] for word in words], frozen=frozen):
                    answer = self.wire.call("KILL", *words)
                    self.assertIsInstance(answer, ErrorReply)
                    self.assertEqual(answer.code, code)
                    self.assertEqual(self.status(), stands)
        self.assertIsInstance(self.wire.call("GUARD", "MODE", "freeze", "off"), ErrorReply, "a guard without a mode")
        self.assert_frozen(self.push())

    # ---- Time -------------------------------------------------------------------

    def leases_stand_still(self, *kill):
        """Twice as long as the lease, and nothing was re-delivered or spent; what was left of it runs on afterwards."""
        lease = 1.0
        began = time.monotonic()
        kept, token = self.claim("jobs", "LEASE", "1000")
        lost, _ = self.claim("jobs", "LEASE", "1000")
        due = self.push("later", "DELAY", "300")
        self.assert_passes(self.wire.call("KILL", *kill, "longer than the lease"))
        frozen = time.monotonic()
        while time.monotonic() < frozen + 2 * lease:
            for message in (kept, lost):
                row = self.message(message)
                self.assertEqual((row["state"], row["attempt"]), (b"claimed", 1), row)
            self.assertEqual(self.message(due)["state"], b"scheduled", "what falls due waits")
            self.assert_frozen(self.wire.call("CLAIM", "thief", "jobs"))
            time.sleep(0.02)
        self.assertEqual(self.entries("message"), [], "nothing lapsed, nothing was retried")
        self.assert_frozen(self.wire.call("ACK", kept, token))
        cleared = time.monotonic()
        self.assert_passes(self.wire.call("KILL", "CLEAR", "HARD", "over"))
        self.assertEqual(self.wire.call("ACK", kept, token), "OK")
        row = self.message(kept)
        self.assertEqual((row["state"], row["attempt"], len(row["invocations"])), (b"done", 1, 1))
        self.assertEqual([as_map(one)["id"] for one in self.wire.call("CLAIM", "worker", "later", "WAIT", "20000")], [due])
        # The other's lease lost nothing to the freeze, and was not made endless by it.
        again = as_map(self.wire.call("CLAIM", "thief", "jobs", "WAIT", "20000")[0])
        lapsed = time.monotonic()
        self.assertEqual((again["id"], again["delivery"], again["attempt"]), (lost, 2, 2))
        self.assertGreater(lapsed - cleared, lease - (frozen - began) - 0.05)
        self.assertLess(lapsed - cleared, lease + 10)
        self.assertEqual(as_map(self.wire.call("VERIFY"))["ok"], 1)

    def test_freeze_longer_than_the_lease_spends_nothing(self):
        self.leases_stand_still("SET")

    def test_hard_freeze_longer_than_the_lease_spends_nothing(self):
        self.leases_stand_still("HARD")

    def test_what_is_left_of_a_lease_is_left_after_a_freeze(self):
        """A freeze just before the lease ends, over and over: each time there is as much left as before."""
        message, token = self.claim("jobs", "LEASE", "2000")
        for _ in range(10):
            self.wire.call("KILL", "SET", "again")
            frozen_at = time.monotonic()
            while time.monotonic() < frozen_at + 0.3:
                self.assertEqual(self.message(message)["state"], b"claimed")
                time.sleep(0.01)
            self.wire.call("KILL", "CLEAR", "again")
        # Three seconds, of which the lease saw next to nothing.
        self.assertEqual(self.message(message)["state"], b"claimed")
        self.assertEqual(self.wire.call("ACK", message, token), "OK")
        self.assertEqual(self.message(message)["attempt"], 1)

    def test_leases_run_under_a_freeze_of_claims(self):
        """Work in flight may end, and so does a lease: only a freeze of everything stops its clock."""
        for scope in ("intake", "claims"):
            with self.subTest(scope=scope):
                message, _ = self.claim(scope, "LEASE", "100")
                self.wire.call("KILL", "SET", "SCOPE", scope, "a drill")
                harness.wait_until(lambda: self.message(message)["state"] != b"claimed", what="the lapse")
                self.assertNotEqual(self.entries("message"), [], "a lapse is told of")
                self.wire.call("KILL", "CLEAR", "over")
                self.assertEqual(as_map(self.wire.call("CLAIM", "worker", scope, "WAIT", "20000")[0])["delivery"], 2)

    def test_freeze_longer_than_the_lease_with_a_crash_in_it(self):
        kept, token = self.claim("jobs", "LEASE", "1000")
        self.wire.call("KILL", "SET", "a drill")
        frozen_at = time.monotonic()
        for _ in range(2):
            self.restart()
        while time.monotonic() < frozen_at + 1.5:
            self.assertEqual(self.message(kept)["state"], b"claimed")
            time.sleep(0.02)
        self.wire.call("KILL", "CLEAR", "over")
        self.assertEqual(self.wire.call("ACK", kept, token), "OK")
        self.assertEqual(self.message(kept)["attempt"], 1)
        self.assertEqual(self.entries("message"), [])


if __name__ == "__main__":
    unittest.main()
