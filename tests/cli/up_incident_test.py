"""The incident of the seeds with real processes: a service of `pawl up` slows down, hangs, is restarted; one role waits, one limps."""
import json
import os
import signal
import unittest

from up_case import UpTest, harness, time

BEAT_MS = 200
COOLDOWN_MS = 3000

# Beats; as late as the file "late" says. Handlers are well while it is: they ask it over a socket.
SERVICE = '''
import os, socket, threading, time

def command(*words):
    return b"*%d\\r\\n" % len(words) + b"".join(b"$%d\\r\\n%s\\r\\n" % (len(w), w) for w in (x.encode() for x in words))

def late():
    try:
        with open("late", encoding="utf-8") as file:
            return float(file.read() or 0) / 1000
    except OSError:
        return 0

def answer():
    try:
        os.unlink("service.sock")
    except OSError:
        pass
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("service.sock")
    listener.listen(16)
    while True:
        connection = listener.accept()[0]
        connection.send(b"well\\n")
        connection.close()

threading.Thread(target=answer, daemon=True).start()
with open("service.pid", "w", encoding="utf-8") as file:
    file.write(str(os.getpid()))
bus = socket.socket(socket.AF_UNIX)
bus.connect(os.environ["PAWL_URL"].removeprefix("unix://"))
due = time.monotonic()
while True:
    bus.send(command("BEAT", os.environ["PAWL_DAEMON"], "boot", os.environ["PAWL_BOOT"], "interval", os.environ["PAWL_HEARTBEAT_MS"]))
    bus.recv(65536)
    due += int(os.environ["PAWL_HEARTBEAT_MS"]) / 1000 + late()
    time.sleep(max(0, due - time.monotonic()))
'''
ASK = '''
import socket, sys
service = socket.socket(socket.AF_UNIX)
service.settimeout(1)
try:
    service.connect("service.sock")
    assert service.recv(5) == b"well\\n"
except (OSError, AssertionError):
    print("slack: no answer", file=sys.stderr)
    sys.exit(69)
print("full")
'''
# The policy would ask for the restart too, and may be the first; here it is the launcher that sees it.
FILE = f'''
[ops]
policy = "observe"
[guards]
cooldown = "{COOLDOWN_MS}ms"
[run]
heartbeat = "1s"
[role.digest]
command = ["/usr/bin/python3", "ask.py"]
limp    = ["sh", "-c", "echo without $PAWL_LIMP"]
needs   = ["slack"]
[role.notify]
command = ["/usr/bin/python3", "ask.py"]
needs   = ["slack"]
[daemon.slack]
command   = ["/usr/bin/python3", "service.py"]
heartbeat = "{BEAT_MS}ms"
ready     = "heartbeat"
backoff   = {{ base = "50ms", max = "50ms" }}
'''


class IncidentTest(UpTest):
    def events(self, *kinds):
        """Of these kinds, or of all."""
        lines = self.pawl("events", "--json", "--count", "10000", expect=0).stdout
        return [event for event in json.loads(lines) if not kinds or event["kind"] in kinds]

    def wait_event(self, *kinds, **fields):
        def there():
            return next((e for e in self.events(*kinds) if all(e.get(name) == value for name, value in fields.items())), None)
        return harness.wait_until(there, what=f"{kinds} {fields}")

    def push(self, role):
        self.pushed[role].append(self.pawl("push", role, "x", expect=0).stdout.strip())

    def message(self, name):
        return json.loads(self.pawl("get", name, "--json", expect=0).stdout)

    def test_the_chronicle_tells_it_in_order_and_the_outage_ends_with_the_cooldown(self):
        self.write(SERVICE, "service.py")
        self.write(ASK, "ask.py")
        self.pushed = {"digest": [], "notify": []}
        launcher = self.up(FILE)
        self.wait_said("everything is ready")
        first_boot = self.list()["slack"]["boot"]
        # What is usual must be known before anything is unusual.
        def learned():
            shown = json.loads(self.pawl("daemons", "slack", "--json", expect=0).stdout)
            return int(time.time() * 1000) - shown["started"] > 8 * BEAT_MS
        harness.wait_until(learned, what="the baseline")
        self.push("digest")
        self.write("40", "late")
        self.wait_event("daemon.drift", "daemon.yellow", daemon="slack")
        self.write("150", "late")
        self.wait_event("daemon.yellow", daemon="slack")

        # It hangs. Work goes on coming.
        os.kill(self.read_pid("service.pid"), signal.SIGSTOP)
        os.unlink(self.path("late"))
        self.wait_event("breaker.open", circuit="needs:slack")
        for _ in range(3):
            self.push("digest")
            self.push("notify")
        self.wait_event("role.limp", role="digest", state="end")
        self.push("digest")
        for name in self.pushed["digest"] + self.pushed["notify"]:
            harness.wait_until(lambda name=name: self.message(name)["state"] == "done", what=name)
        self.wait_event("launcher.ready", daemon="slack", boot=self.list()["slack"]["boot"])

        self.check(self.events(), first_boot)
        self.stop(launcher)
        self.nobody_left()

    def check(self, events, first_boot):
        def find(kind, **fields):
            found = [e for e in events if e["kind"] == kind and all(e.get(name) == value for name, value in fields.items())]
            self.assertTrue(found, (kind, fields, self.said()))
            return found[0]

        red = find("daemon.red", daemon="slack", boot=first_boot)
        opened = find("breaker.open", circuit="needs:slack")
        begin = find("role.limp", role="digest", state="begin")
        ending = find("launcher.ending", daemon="slack", boot=first_boot)
        again = [e for e in events if e["kind"] == "launcher.ready" and e["daemon"] == "slack" and e["boot"] != first_boot][0]
        half = find("breaker.half_open", circuit="needs:slack")
        probe = find("breaker.probe", circuit="needs:slack")
        closed = find("breaker.close", circuit="needs:slack")
        end = find("role.limp", role="digest", state="end")
        yellow = find("daemon.yellow", daemon="slack")
        drift = [e for e in events if e["kind"] == "daemon.drift"]
        for order in ([*drift[:1], yellow, red, opened, begin, half, probe, closed, end],
                      [red, ending, find("launcher.backoff", daemon="slack"), again]):
            self.assertEqual(sorted(e["seq"] for e in order), [e["seq"] for e in order], order)

        # Each with its trigger and its outcome.
        self.assertIn("no beat for more than 3 intervals", red["reason"])
        self.assertIn("daemon slack is red", opened["reason"])
        self.assertEqual((begin["without"], end["without"], probe["outcome"]), ("slack", "slack", "done"))
        self.assertEqual((ending["trigger"], ending["reason"]), ("unwell", "its heartbeats are red"))
        self.assertEqual((again["from"], again["trigger"]), ("starting", "readied"))
        self.assertEqual(opened["cooldown_ms"], str(COOLDOWN_MS))
        self.assertEqual(len([e for e in events if e["kind"] == "role.limp"]), 2)

        # Who waited did so for the cooldown and the probe; who limps never did; nobody paid for it.
        self.assertLessEqual(closed["at"] - opened["at"], COOLDOWN_MS + 1000)
        for name in self.pushed["notify"]:
            invocations = self.message(name)["invocations"]
            self.assertEqual([(one["outcome"], one.get("limp")) for one in invocations], [("done", None)])
            self.assertGreaterEqual(invocations[0]["start"], half["at"])
        limped = [self.message(name)["invocations"] for name in self.pushed["digest"]]
        self.assertTrue(all(len(one) == 1 for one in limped), limped)
        for (one,) in limped:
            out = opened["at"] < one["start"] < closed["at"]
            if one["daemon"] and not out:
                self.assertNotIn("limp", one)
        early = [one for (one,) in limped if opened["at"] < one["start"] < half["at"]]
        self.assertEqual({one["limp"] for one in early}, {"slack"})
        self.assertLess(early[0]["end"], half["at"])


if __name__ == "__main__":
    unittest.main()
