"""The commands against a real bus: what they print, what they exit with, what arrives unharmed."""
import json
import os
import pty
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness  # noqa: E402


class CommandTest(harness.BusTest):
    config = "[role.quick]\nbackoff = { base = \"1ms\", max = \"1ms\" }\n"

    def text(self, *words, data=None, expect=0):
        return self.pawl(*words, data=data, expect=expect).stdout.decode().strip()

    def json(self, *words, expect=0):
        return json.loads(self.pawl("--json", *words, expect=expect).stdout)

    def kill_one(self, role, payload="bad", text="boom", *options):
        """A dead letter; its id."""
        message = self.text("push", role, payload, *options)
        claim = self.json("claim", role)[0]
        self.assertEqual(self.text("fail", claim["id"], claim["token"], "--text", text, "--dead"), "dead")
        return message

    def test_a_message_s_life(self):
        message = self.text("push", "r", "work", "--priority", "7", "--header", "a=b")
        self.assertRegex(message, r"^[0-9a-z]{1,32}$")
        claim = self.json("claim", "r", "--daemon", "me", "--lease", "1m")[0]
        self.assertEqual((claim["id"], claim["payload"], claim["priority"], claim["headers"]), (message, "work", 7, {"a": "b"}))
        extended = self.json("extend", message, claim["token"], "--progress", "40", "--note", "half")
        self.assertEqual(extended["cancel"], 0)
        self.assertEqual(self.json("get", message)["state"], "claimed")
        self.assertEqual(self.text("release", message, claim["token"], "--delay", "0"), "OK")
        again = self.json("claim", "r", "--daemon", "me", "--wait", "5s")[0]
        self.assertEqual(self.text("ack", message, again["token"], "--result", "fine", "--tokens", "5", "--cost", "0.5"), "OK")
        self.assertEqual(self.pawl("result", message, expect=0).stdout, b"fine")
        shown = self.json("get", message)
        self.assertEqual(shown["state"], "done")
        self.assertEqual((shown["invocations"][-1]["tokens"], shown["invocations"][-1]["cost"]), (5, 500000))
        self.assertEqual([one["daemon"] for one in self.json("invocations", message)], ["me", "me"])
        self.assertEqual([one["id"] for one in self.json("list", "r", "done")], [message])
        self.assertIn("fine", self.text("get", message))

    def test_exit_codes(self):
        message = self.text("push", "r", "x")
        self.text("push", "held", "x")
        self.text("pause", "held", "--reason", "lunch")
        unknown = "0" * 15 + "8"
        for words, code in [
            (["roles"], 0),
            (["push", "bad name", "x"], 2),
            (["push", "r", "x", "--priority", "11"], 2),
            (["push", "r", "@/nonexistent"], 2),
            (["get", "NOT-AN-ID"], 2),
            (["nonsense"], 2),
            (["kill"], 2),
            (["list", "r", "nostate"], 2),
            (["claim", "empty"], 4),
            (["get", unknown], 4),
            (["why", unknown], 4),
            (["result", unknown], 4),
            (["cancel", unknown], 4),
            (["dead", "show", message], 4),
            (["dead", "replay", "--all"], 4),
            (["result", message], 4),
            (["claim", "held"], 5),
            (["ack", message, "zzz"], 6),
            (["extend", unknown, "1"], 6),
            (["--url", "tcp://127.0.0.1:1", "roles"], 7),
            (["--url", "unix:///nonexistent/pawl.sock", "roles"], 7),
            (["--url", "nonsense", "roles"], 2),
        ]:
            done = self.pawl(*words)
            self.assertEqual(done.returncode, code, f"{words}: {done}")
            if code not in (0, 4):
                self.assertEqual(done.stdout, b"", words)
                self.assertTrue(done.stderr.startswith(b"pawl: "), done)

    def test_payloads_arrive_unharmed(self):
        for payload in ["[1,2]", '{"a":1}', "[]", "", "-5", "a,b", "'q'", "%s", "\\n", "line\nline", "ü€", "push", "--", "-x", "--json", "{", " "]:
            message = self.text("push", "r", "--", payload)
            self.assertEqual(self.json("get", message)["payload"], payload)
        every_byte = bytes(range(256)) * 40
        for data in (every_byte, b"", b"\0", b"ends with a line end\n"):
            message = self.text("push", "r", "-", data=data)
            claim = self.json("claim", "r", "--count", "1000")[-1]
            self.assertEqual(self.text("ack", message, claim["token"], "--result", "-", data=data), "OK")
            self.assertEqual(self.pawl("result", message, expect=0).stdout, data)
        shown = self.json("get", self.text("push", "b", "-", data=b"\xff\0"))
        self.assertEqual(shown["payload"], {"base64": "/wA="})
        path = os.path.join(self.bus.folder, "payload")
        with open(path, "wb") as file:
            file.write(every_byte[:4000])
        self.assertEqual(self.pawl("push", "f", "@" + path).returncode, 0)
        self.assertEqual(self.json("get", self.text("push", "f", "@@name"))["payload"], "@name")

    def test_lines_are_messages_in_order_and_in_bounded_memory(self):
        count = 20000
        path = os.path.join(self.bus.folder, "lines")
        with open(path, "w", encoding="utf-8") as file:
            for number in range(count):
                file.write(f"{number} {'x' * 1000}\n")
                if number % 100 == 0:
                    file.write("\n")
        process = subprocess.Popen([harness.PAWL, "push", "lines", "--lines", path, "--priority", "8"], stdout=subprocess.PIPE,
                                   env=dict(os.environ, PAWL_URL=self.bus.url), stderr=subprocess.PIPE)
        ids = process.stdout.read().decode().split()
        said = process.stderr.read().decode()
        process.stdout.close()
        process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0, said)
        self.assertEqual(len(set(ids)), count)
        self.assertIn("20,000 messages pushed", said)
        self.assertIn("empty lines skipped", said)
        if "asan" not in harness.PAWL:
            self.assertLess(usage.ru_maxrss, 64 * 1024)  # KiB; the file has 20 MB
        self.assertEqual(self.json("roles", "lines")["ready"], count)
        first = self.json("claim", "lines", "--count", "3")
        self.assertEqual([one["payload"].split()[0] for one in first], ["0", "1", "2"])
        self.assertEqual([one["id"] for one in first], ids[:3])
        self.assertEqual(first[0]["priority"], 8)

    def test_lines_from_a_pipe_and_quiet(self):
        done = self.pawl("push", "pipe", "--lines", "-q", data=b"a\nb\nlast", expect=0)
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
        self.assertEqual([one["payload"] for one in self.json("claim", "pipe", "--count", "9")], ["a", "b", "last"])
        self.assertEqual(len(self.json("push", "none", "--lines", "/dev/null")), 0)
        self.assertEqual(len(json.loads(self.pawl("--json", "push", "two", "--lines", data=b"a\nb\n").stdout)), 2)

    def test_lines_that_are_refused_are_named(self):
        big = b"x" * (2 << 20)
        done = self.pawl("push", "r", "--lines", data=b"one\ntwo\n" + big + b"\nfour\n", expect=2)
        self.assertIn(b"TOOBIG", done.stderr)
        self.assertIn(b"line 3", done.stderr)
        pushed = re.search(rb"(\d+) messages? pushed", done.stderr)
        self.assertEqual(self.json("roles", "r")["ready"], int(pushed.group(1)))

    def test_what_strangers_wrote_does_not_reach_the_terminal(self):
        message = self.text("push", "r", "\x1b[31mred\x07", "--header", "h=\x1b]0;t\x07")
        for words in (["get", message], ["claim", "r"], ["get", message, "--json"], ["cancel", message, "--reason", "\x1b[2J"], ["events"]):
            done = self.pawl(*words)
            self.assertNotIn(b"\x1b", done.stdout + done.stderr, words)

    def on_a_terminal(self, *words, env=None):
        output = []

        def read(fd):
            data = os.read(fd, 65536)
            output.append(data)
            return b""

        old = {name: os.environ.get(name) for name in ("PAWL_URL", "TERM", "NO_COLOR")}
        os.environ.update({"PAWL_URL": self.bus.url, "TERM": "xterm"}, **(env or {}))
        try:
            pty.spawn([harness.PAWL, *words], read, lambda fd: b"")
        finally:
            for name, value in old.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
        return b"".join(output)

    def test_colour_only_on_a_terminal(self):
        self.text("push", "r", "x")
        self.assertNotIn(b"\x1b", self.pawl("status").stdout)
        self.assertIn(b"\x1b[", self.on_a_terminal("status"))
        self.assertNotIn(b"\x1b", self.on_a_terminal("status", "--no-color"))
        self.assertNotIn(b"\x1b", self.on_a_terminal("status", env={"NO_COLOR": "1"}))

    def test_cancel_move_list_and_why(self):
        ids = [self.text("push", "a", str(number)) for number in range(5)]
        self.assertEqual(self.text("cancel", ids[0], "--reason", "no"), "cancelled")
        self.assertEqual(self.text("move", ids[4], "--priority", "9"), "OK")
        self.assertEqual(self.text("move", ids[3], "--to", "b"), "OK")
        self.assertEqual(self.json("list", "b", "ready")[0]["id"], ids[3])
        self.assertEqual(self.json("claim", "a")[0]["id"], ids[4])
        self.assertEqual(self.json("cancel", "--role", "a", "--state", "ready", "--limit", "1")["cancelled"], 1)
        self.assertEqual(len(self.json("list", "a", "ready")), 1)
        late = self.text("push", "a", "x", "--delay", "1h")
        self.assertIn("retry_at", self.text("why", late))
        self.assertIsInstance(self.json("why", late)[0]["guard"], str)
        many = self.pawl("push", "many", "--lines", "-q", data=b"x\n" * 2500, expect=0)
        self.assertEqual(many.stdout, b"")
        self.assertEqual(len(self.json("list", "many", "ready", "--all")), 2500)
        self.assertEqual(len(self.json("list", "many", "ready", "--count", "1200")), 1200)
        self.assertEqual(len(self.json("list", "many", "done")), 0)

    def test_result_waits(self):
        message = self.text("push", "r", "x")
        waiter = subprocess.Popen([harness.PAWL, "result", message, "--wait", "30s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=dict(os.environ, PAWL_URL=self.bus.url))
        claim = self.json("claim", "r")[0]
        self.text("ack", message, claim["token"], "--result", "late")
        self.assertEqual(waiter.communicate(timeout=30), (b"late", b""))
        self.assertEqual(waiter.returncode, 0)
        cancelled = self.text("push", "r", "x")
        self.text("cancel", cancelled)
        self.pawl("result", cancelled, expect=1)

    def test_dead_letters(self):
        ids = [self.kill_one("d", f"p{number}", f"cannot open file {number}") for number in range(3)]
        other = self.kill_one("e", "q", "no route")
        listed = self.json("dead", "list")
        self.assertEqual({one["id"] for one in listed}, {*ids, other})
        groups = self.json("dead", "groups")
        self.assertEqual(sorted(group["count"] for group in groups), [1, 3])
        fingerprint = next(group["fingerprint"] for group in groups if group["count"] == 3)
        self.assertEqual(len(self.json("dead", "list", "--fingerprint", fingerprint)), 3)
        self.assertEqual(len(self.json("dead", "list", "--match", "no route")), 1)
        self.assertEqual(len(self.json("dead", "list", "--since", "1h", "--class", "unknown", "--role", "d")), 3)
        self.assertEqual(len(self.json("dead", "list", "--since", "2100-01-01T00:00:00Z")), 0)
        stats = {(one["role"], one["error_class"]): one["count"] for one in self.json("dead", "stats")}
        self.assertEqual(stats, {("d", "unknown"): 3, ("e", "unknown"): 1})
        self.assertIn("cannot open file", self.text("dead", "show", ids[0]))
        self.pawl("dead", "replay", expect=2)
        self.pawl("dead", "drop", expect=2)
        self.assertIn("3 would be replayed", self.text("dead", "replay", "--role", "d", "--dry-run"))
        self.assertEqual(self.json("dead", "replay", "--role", "d", "--limit", "1")["matched"], 1)
        self.assertEqual(self.json("dead", "replay", *[one["id"] for one in self.json("dead", "list", "--role", "d")], "--to", "f")["matched"], 2)
        self.assertEqual(self.json("roles", "f")["ready"], 2)
        self.assertEqual(self.text("dead", "drop", other), "1 dropped")
        self.assertEqual(self.json("dead", "list"), [])

    def test_dead_edit(self):
        message = self.kill_one("d", "one\ntwo\nthree")
        self.assertEqual(self.text("dead", "edit", message, "one\n2\nthree"), "one\n- two\n+ 2\n  three")
        self.assertEqual(self.json("get", message)["payload"], "one\n2\nthree")
        editor = self.pawl("dead", "edit", message, env={"EDITOR": "sed -i s/2/zwei/", "VISUAL": ""}, expect=0)
        self.assertIn(b"+ zwei", editor.stdout)
        self.assertEqual(self.json("get", message)["payload"], "one\nzwei\nthree")
        self.pawl("dead", "edit", message, env={"EDITOR": "false", "VISUAL": ""}, expect=1)
        self.pawl("dead", "edit", message, env={"EDITOR": "", "VISUAL": ""}, expect=2)
        self.assertIn(b"nothing changed", self.pawl("dead", "edit", message, "one\nzwei\nthree", expect=0).stderr)

    def test_dead_export_and_import(self):
        self.kill_one("d", "text", "boom", "--priority", "9", "--header", "k=v", "--max-attempts", "3")
        binary = self.text("push", "d", "-", data=b"\xff\0\n")
        claim = self.json("claim", "d")[0]
        self.text("fail", binary, claim["token"], "--dead")
        path = os.path.join(self.bus.folder, "letters")
        self.text("dead", "export", path)
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual(len(lines), 2)
        self.assertTrue(all(line["invocations"] for line in lines))
        self.assertEqual(self.pawl("dead", "export", expect=0).stdout.count(b"\n"), 2)
        first = self.text("dead", "import", path).split()
        self.assertEqual(len(first), 2)
        self.assertEqual(self.text("dead", "import", path).split(), first)
        claims = self.json("claim", "d", "--count", "9")
        self.assertEqual([one["payload"] for one in claims], ["text", {"base64": "/wAK"}])
        self.assertEqual((claims[0]["priority"], claims[0]["headers"]), (9, {"k": "v"}))
        self.pawl("dead", "import", data=b"{}\n", expect=2)
        self.pawl("dead", "import", "/nonexistent", expect=2)

    def test_events(self):
        self.kill_one("d")
        entries = self.json("events")
        self.assertTrue(any(entry["kind"].startswith("message.") for entry in entries))
        self.assertEqual(self.json("events", "--after", str(entries[-1]["seq"])), [])
        self.assertTrue(self.json("invocations"))
        follower = subprocess.Popen([harness.PAWL, "events", "--follow", "--json", "--kind", "role"], stdout=subprocess.PIPE,
                                    env=dict(os.environ, PAWL_URL=self.bus.url))
        try:
            self.text("pause", "d", "--reason", "now")
            self.assertTrue(harness.readable(follower.stdout, 30))
            self.assertIn("kind", json.loads(follower.stdout.readline()))
        finally:
            follower.send_signal(signal.SIGINT)
            follower.wait(timeout=30)
            follower.stdout.close()

    def test_looking(self):
        self.kill_one("d", text="it broke")
        self.text("push", "r", "x")
        self.text("pause", "r", "--reason", "lunch")
        status = self.text("status")
        for part in ("pawl ", "it broke", "paused: lunch"):
            self.assertIn(part, status)
        document = self.json("status")
        self.assertEqual({role["role"] for role in document["roles"]}, {"d", "r", "quick"})
        self.assertEqual(len(document["dead"]), 1)
        self.text("resume", "r")
        self.assertEqual(self.json("roles", "r")["paused"], 0)
        self.assertTrue(self.text("verify").startswith("whole"))
        self.assertEqual(self.json("verify")["ok"], 1)
        self.assertRegex(self.text("version"), r"^pawl \d+\.\d+\.\d+$")
        self.assertEqual(self.pawl("--version").stdout.decode().strip(), self.text("version"))

    def test_a_reader_that_goes_away(self):
        self.pawl("push", "r", "--lines", "-q", data=b"x\n" * 3000, expect=0)
        process = subprocess.Popen([harness.PAWL, "list", "r", "ready", "--all"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=dict(os.environ, PAWL_URL=self.bus.url))
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()
        self.assertEqual(process.wait(timeout=30), 0)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([harness.PAWL, "list", "r", "ready"], stdout=full, stderr=subprocess.PIPE, check=False,
                                  env=dict(os.environ, PAWL_URL=self.bus.url))
        self.assertEqual(done.returncode, 1)

    def test_the_default_url_is_the_socket_of_the_folder(self):
        folder = os.path.join(self.bus.folder, "elsewhere")
        os.makedirs(os.path.join(folder, "pawl-data"))
        os.symlink(self.bus.socket, os.path.join(folder, "pawl-data", "pawl.sock"))
        environment = {name: value for name, value in os.environ.items() if name != "PAWL_URL"}
        done = subprocess.run([harness.PAWL, "push", "r", "x"], cwd=folder, env=environment, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(self.json("roles", "r")["ready"], 1)


if __name__ == "__main__":
    unittest.main()
