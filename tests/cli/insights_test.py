"""insights, graph, incident classify and unknown, the filters of events; against a real bus, with restarts."""
import json
import os
import shutil
import subprocess
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness  # noqa: E402


class Base(harness.BusTest):
    config = """[role.web]
needs = ["db"]
backoff = { base = "1ms", max = "1ms" }
[[classify]]
name  = "moon"
when  = { text = "phase of the moon" }
class = "transient"
"""

    def json(self, *words, expect=0, data=None):
        return json.loads(self.pawl("--json", *words, expect=expect, data=data).stdout)

    def text(self, *words, expect=0, data=None):
        return self.pawl(*words, expect=expect, data=data).stdout.decode()

    def fail_one(self, role, kind, text, tokens=0, cost="0", dead=True):
        self.pawl("push", role, "x", expect=0)
        claim = self.json("claim", role, "--daemon", "runner@b1")[0]
        words = ["fail", claim["id"], claim["token"], "--class", kind, "--text", text, "--tokens", str(tokens), "--cost", cost]
        self.pawl(*words, *(["--dead"] if dead else ["--retry-in", "1d"]), expect=0)
        return claim["id"]


class MemoryTest(Base):
    def test_nothing_has_failed(self):
        self.assertEqual(self.text("insights"), "nothing has failed yet\n")
        self.assertEqual(self.json("insights"), [])
        self.assertEqual(self.text("incident", "unknown"), "no failures that no rule knows\n")
        self.assertEqual(self.json("incident", "unknown"), [])
        # What the file says is known from the start.
        edges = self.json("graph")
        self.assertEqual([(edge["from"], edge["edge"], edge["to"]) for edge in edges], [("web", "depends on", "db")])
        self.assertIn("1 dependency, 1 role, 1 edge", self.text("graph"))

    def test_insights_the_most_costly_first_and_the_same_after_a_restart(self):
        self.fail_one("web", "transient", "db 17 is gone", 100, "0.5")
        self.fail_one("web", "transient", "db 18 is gone", 50, "0.25", dead=False)
        self.fail_one("mail", "bad_input", "row 3 is odd", 10, "0.01")
        insights = self.json("insights")
        self.assertEqual([one["failures"] for one in insights], [2, 1])
        first = insights[0]
        self.assertEqual((first["class"], first["example"], first["cost"], first["tokens"]), ("transient", "db 18 is gone", 750000, 150))
        self.assertEqual((first["roles"], first["daemons"], sum(first["days"].values())), ({"web": 2}, {"runner": 2}, 2))
        groups = {group["fingerprint"] for group in self.json("dead", "groups")}
        self.assertEqual(groups, {one["fingerprint"] for one in insights})
        self.assertEqual([one["failures"] for one in self.json("insights", "-n", "1")], [2])
        table = self.text("insights")
        self.assertIn("$0.75", table)
        self.assertIn("db 18 is gone", table)
        before = (insights, self.json("graph"), self.text("graph", "--dot"))
        self.bus.kill()
        self.bus.start()
        self.assertEqual((self.json("insights"), self.json("graph"), self.text("graph", "--dot")), before)
        # A dead letter that goes is counted once all the same.
        for one in self.json("dead", "list"):
            self.pawl("dead", "drop", one["id"], expect=0)
        self.assertEqual(self.json("insights"), insights)
        self.bus.kill()
        self.bus.start()
        self.assertEqual(self.json("insights"), insights)

    def test_the_graph_of_one_fingerprint(self):
        self.fail_one("store", "transient", "disk is slow")
        self.fail_one("web", "transient", "db is gone")
        fingerprint = next(g["fingerprint"] for g in self.json("dead", "groups") if g["example"].endswith("gone") or "gone" in str(g))
        answer = self.json("graph", fingerprint)
        self.assertEqual((answer["failures"], answer["beginnings"], answer["example"]), (1, 1, "transient: db is gone"))
        self.assertEqual([one["example"] for one in answer["preceded_by"]], ["transient: disk is slow"])
        self.assertEqual(answer["preceded_by"][0]["percent"], 100)
        self.assertEqual([one["name"] for one in answer["roles"]], ["web"])
        self.assertEqual([one["name"] for one in answer["depends_on"]], ["db"])
        shown = self.text("graph", fingerprint)
        self.assertIn("usually comes after", shown)
        self.assertIn("nothing was tried against it yet", shown)
        # An incident stands for its fingerprint.
        self.pawl("incident", "open", "--tier", "concern", "--title", "db", "--fingerprint", fingerprint, expect=0)
        self.assertEqual(self.json("graph", "i1")["failures"], 1)
        self.pawl("graph", "i99", expect=4)
        done = self.pawl("graph", "nonsense", expect=4)
        self.assertIn(b"nothing is known of the fingerprint 'nonsense'", done.stderr)
        self.pawl("graph", fingerprint, "--dot", expect=2)

    def test_graphviz_draws_it_with_every_label(self):
        odd = ['a " alone, \\ and \\n \\l \\N', "<angles> {braces} | bars; R&amp;D &nbsp;", "Größe 漢字 🦊 fehlt", "ends with \\", "a -> b [x=y] // c"]
        for text in odd:
            self.fail_one("web", "transient", text)
        self.fail_one("ma-il.x:1", "timeout", "tab\there\nand a second line")
        self.pawl("incident", "open", "--tier", "concern", "--title", "two\nlines, \"quoted\" \\ ünd so", expect=0)
        dot = self.text("graph", "--dot")
        self.assertTrue(dot.startswith("digraph pawl {\n"))
        if shutil.which("dot") is None:
            self.skipTest("graphviz is not installed")
        done = subprocess.run(["dot", "-Tsvg"], input=dot.encode(), capture_output=True, timeout=120, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""), dot)
        svg = "{http://www.w3.org/2000/svg}"
        drawn = [element.text.replace("\u00a0", " ") for element in xml.etree.ElementTree.fromstring(done.stdout).iter(svg + "text")]
        for text in odd:
            self.assertTrue(any(label.endswith(" transient: " + text) for label in drawn), (text, drawn))
        for name in ("web", "db", "ma-il.x:1", "runner", "depends on"):
            self.assertIn(name, drawn)
        self.assertTrue(any(label.endswith(" timeout: tab here") for label in drawn), drawn)
        edges = len(self.json("graph"))
        self.assertEqual(done.stdout.count(b'class="edge"'), edges)

    def test_bytes_that_are_no_text_are_drawn_all_the_same(self):
        self.pawl("push", "web", "x", expect=0)
        claim = self.json("claim", "web", "--daemon", "runner@b1")[0]
        self.pawl("fail", claim["id"], claim["token"], "--class", "transient", "--text", os.fsdecode(b"half a \xc3 \xff."), "--dead", expect=0)
        if shutil.which("dot") is None:
            self.skipTest("graphviz is not installed")
        drawing = self.pawl("graph", "--dot", expect=0).stdout
        done = subprocess.run(["dot", "-Tsvg"], input=drawing, capture_output=True, timeout=120, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""), drawing)
        self.assertIn(b"half a", done.stdout)

    def test_what_no_rule_knows_and_the_rule_that_is_suggested(self):
        self.fail_one("web", "unknown", "phase of the moon")
        self.fail_one("web", "unknown", "gizmo 17 went 'blue'")
        self.fail_one("web", "unknown", "gizmo 23 went 'red'")
        groups = self.json("incident", "unknown")
        self.assertEqual([(one["count"], one["example"], one["role"]) for one in groups], [(2, "gizmo 23 went 'red'", "web")])
        shown = self.text("incident", "unknown")
        self.assertIn("# 2 times, role web, daemon runner, last ", shown)
        # Completed, it takes the group out.
        rule = groups[0]["suggested_rule"].replace('class = ""', 'class = "bad_input"')
        self.bus.config += rule
        with open(os.path.join(self.bus.folder, "pawl.toml"), "w", encoding="utf-8") as file:
            file.write(self.bus.config)
        self.pawl("ops", "reload", expect=0)
        self.assertEqual(self.json("incident", "unknown"), [])
        self.bus.kill()
        self.bus.start()
        self.assertEqual(self.json("incident", "unknown"), [])
        self.assertNotIn("[[classify]] is not acted on", self.bus.log())


class ClassifyTest(Base):
    def classify(self, *words, expect=0, data=None):
        return self.json("incident", "classify", *words, expect=expect, data=data)

    def test_by_shipped_rules_and_by_those_of_a_file(self):
        self.bus.kill()  # it needs none
        made = self.classify("--text", "connection refused")
        self.assertEqual((made["class"], made["rule"], made["known"]), ("dependency_down", "unreachable", True))
        made = self.classify("--text", "-", data=b"phase of the moon\nmore")
        self.assertEqual((made["class"], made["known"]), ("unknown", False))
        path = os.path.join(self.bus.folder, "pawl.toml")
        made = self.classify("--text", "phase of the moon", "--config", path)
        self.assertEqual((made["class"], made["rule"]), ("transient", "moon"))
        self.assertEqual(self.classify("--exit", "65")["class"], "bad_input")
        self.assertEqual(self.classify("--text", "exit code 65")["class"], "bad_input")
        self.assertEqual(self.classify("--guard", "quota")["class"], "quota")
        self.assertEqual(self.classify("--signal", "11", "--source", "daemon", "--daemon", "slack")["class"], "crash")

    def test_explain(self):
        made = self.classify("--text", "HTTP 429", "--explain")
        self.assertEqual([one["rule"] for one in made["trials"] if one["matched"]], [made["rule"]])
        self.assertTrue(made["trials"][-1]["matched"])
        shown = self.text("incident", "classify", "--text", "HTTP 429", "--explain")
        self.assertIn("no   guard-quota", shown)
        self.assertIn("class        rate_limited\n", shown)
        shown = self.text("incident", "classify", "--text", "purple", "--explain")
        self.assertIn("rule         none: the class stands as it was reported\n", shown)

    def test_mistakes_and_a_huge_text(self):
        for words, said in [(["--source", "moon"], b"invocation, daemon or guard"), (["--exit", "256"], b"1 to 255"), (["--signal", "65"], b"1 to 64"),
                            (["--exit", "1", "--signal", "9"], b"never both"), (["--guard", "quota", "--source", "daemon"], b"only --source guard"),
                            (["--class", "purple"], b"purple")]:
            self.assertIn(said, self.pawl("incident", "classify", *words, expect=2).stderr)
        self.assertIn(b"/nonexistent", self.pawl("incident", "classify", "--text", "@/nonexistent", expect=1).stderr)
        self.assertIn(b"/nonexistent", self.pawl("incident", "classify", "--config", "/nonexistent", expect=1).stderr)
        made = self.classify("--text", "-", "--explain", data=b"connection refused " + b"x" * 20_000_000)
        self.assertEqual(made["class"], "dependency_down")
        made = self.classify("--text", "-", data=b"\xff\x00\xfe connection refused")
        self.assertEqual(made["class"], "dependency_down")


class EventsTest(Base):
    def test_filters(self):
        first = self.fail_one("web", "transient", "db is gone")
        second = self.fail_one("mail", "transient", "relay is gone")
        self.pawl("incident", "open", "--tier", "concern", "--title", "mail is slow", "--role", "ma*", "--daemon", "relay", expect=0)
        self.pawl("incident", "note", "i1", "look", expect=0)
        self.pawl("incident", "open", "--tier", "concern", "--title", "web is slow", expect=0)

        def kinds(*words):
            return [one["kind"] for one in self.json("events", *words)]
        self.assertEqual(kinds("--role", "web"), ["message.dead"])
        self.assertEqual(kinds("--role", "mail"), ["message.dead", "incident.opened", "incident.changed"])
        self.assertEqual(kinds("--incident", "i1"), ["incident.opened", "incident.changed"])
        self.assertEqual(kinds("--incident", "i1", "--after", "0", "--count", "1"), ["incident.opened"])
        self.assertEqual(kinds("--daemon", "relay"), ["incident.opened", "incident.changed"])
        self.assertEqual(kinds("--daemon", "runner"), ["message.dead", "message.dead"])
        self.assertEqual([one["id"] for one in self.json("events", "--id", second)], [second])
        self.assertEqual([one["id"] for one in self.json("events", "--match", "db is")], [first])
        self.assertEqual(kinds("--match", "nowhere"), [])
        self.assertEqual(kinds("--role", "mail", "--kind", "incident", "--count", "1"), ["incident.changed"])
        entries = self.json("events")
        at = next(one["at"] for one in entries if one["kind"] == "incident.opened")
        since = [one["seq"] for one in self.json("events", "--since", str(at))]
        self.assertEqual(since, [one["seq"] for one in entries if one["at"] >= at])
        until = [one["seq"] for one in self.json("events", "--until", str(at - 1))]
        self.assertEqual(until, [one["seq"] for one in entries if one["at"] < at])
        self.assertEqual(kinds("--since", "1h"), [one["kind"] for one in entries])
        self.assertEqual(kinds("--since", "2100-01-01T00:00:00Z"), [])


if __name__ == "__main__":
    unittest.main()
