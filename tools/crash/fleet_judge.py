"""Whether what was answered is true after all the killing, and whether restarts kept to their rule."""
import glob
import json
import os
from collections import Counter

from wire import Closed, Wire, as_map

# The defaults of runner/restart_policy.h, which bus and runner have.
BASE_MS, MAX_MS, STABLE_MS, RESTARTS_MAX, PER_MS = 1_000, 30_000, 60_000, 10, 600_000
SLACK_MS = 100  # the record is on the wall clock
SAMPLE = 40


class Restarts:
    """The rule, followed through the launcher's record of one fleet."""

    def __init__(self):
        self.faults = []
        self.most = 0        # failures within the window
        self.failures = 0
        self.given_up = 0
        self.shortest = {}   # n-th failure in a row → the shortest back-off seen

    def summary(self):
        waits = ", ".join(f"{n + 1}: {ms / 1000:.1f} s" for n, ms in sorted(self.shortest.items()))
        return f"{self.failures} restarts, at most {self.most} within {PER_MS // 60_000} min, {self.given_up} times given up, shortest back-off by failures in a row {waits}"


def restarts_of(entries):
    found = Restarts()
    windows, in_a_row, armed, ready = {}, Counter(), {}, {}
    for entry in entries:
        name, at = entry["daemon"], entry["at"]
        if "relaunched by an operator" in entry["why"]:
            windows[name], in_a_row[name] = [], 0
        if entry["to"] == "ready":
            ready[name] = at
        if entry["from"] == "ready":
            # An adoption begins anew; to be ready for longer than it knew makes the back-off shorter, never longer.
            if at - ready.get(name, at) >= STABLE_MS - SLACK_MS:
                in_a_row[name] = 0
        if entry["from"] == "ending" and entry["to"] in ("backoff", "failed"):
            found.failures += 1
            window = windows[name] = [one for one in windows.get(name, []) if one > at - PER_MS] + [at]
            found.most = max(found.most, len(window))
            if entry["to"] == "failed":
                found.given_up += 1
            elif len(window) > RESTARTS_MAX:
                found.faults.append(f"{name} came back after {len(window)} failures within {PER_MS // 60_000} min, at {at}")
            armed[name] = (at, in_a_row[name])
            in_a_row[name] += 1
        if entry["event"] == "due" and name in armed:
            began, n = armed[name]
            waited = at - began
            found.shortest[n] = min(waited, found.shortest.get(n, waited))
            least = min(BASE_MS << n, MAX_MS)
            if waited < least - SLACK_MS:
                found.faults.append(f"{name} came back after {waited} ms, failure {n + 1} in a row: {least} ms at the least")
    return found


class FleetJudge:
    def __init__(self, folder):
        self.folder = folder
        self.faults = []
        self.pushed = {}
        self.unknown = 0
        self.seen_done = {}   # id → what GET answered once it was done
        self.repeated = 0
        self.deliveries = 0
        self.most_deliveries = 0

    def fault(self, text):
        self.faults.append(text)

    def lines(self, name):
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def violations(self):
        return self.lines("violations")

    def entries(self):
        """Every change of state, oldest first; a line that a kill cut off is none."""
        found = []
        base = os.path.join(self.folder, "d/up/log/launcher.log")
        for path in sorted(glob.glob(base + ".*"), key=lambda path: -int(path.rsplit(".", 1)[1])) + [base]:
            try:
                with open(path, encoding="utf-8") as file:
                    lines = file.read().splitlines()
            except FileNotFoundError:
                continue
            for line in lines:
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
        return found

    def look(self, socket, pushed, rng):
        """Notes what is done by now: it is to be so for ever."""
        known = list(pushed)
        some = rng.sample(known, min(SAMPLE, len(known)))
        try:
            with Wire(socket) as wire:
                for message, answer in zip(some, wire.pipeline([["GET", one] for one in some])):
                    self.look_at(message, answer)
        except (Closed, OSError):
            pass  # killed again already

    def look_at(self, message, answer):
        if answer is None:
            self.fault(f"{message} was answered and is gone")
            return None
        shown = as_map(answer)
        if shown["state"] != b"done":
            if message in self.seen_done:
                self.fault(f"{message} was done, and is {shown['state'].decode()}")
            return shown
        now = {"deliveries": shown["deliveries"], "result": shown.get("result")}
        before = self.seen_done.setdefault(message, now)
        if now != before:
            self.fault(f"{message} was done with {before}, and is done with {now}")
        return shown

    def add(self, pusher):
        self.pushed = dict(pusher.pushed)
        self.unknown = pusher.unknown
        for refusal in pusher.refusals:
            self.fault(f"a push was refused: {refusal}")

    def check_messages(self, socket):
        for text in self.violations():
            self.fault(text)
        ended = set()
        begun = Counter()
        for line in self.lines("deliveries"):
            verb, message, delivery, _ = line.split()
            if verb == "E":
                ended.add((message, int(delivery)))
            else:
                begun[message] += 1
        ends = Counter(message for message, _ in ended)
        self.deliveries, self.repeated = sum(begun.values()), sum(count > 1 for count in ends.values())
        self.most_deliveries = max(begun.values(), default=0)
        with Wire(socket) as wire:
            for message, payload in self.pushed.items():
                self.check_message(message, payload, self.look_at(message, wire.call("GET", message)), ended)
            role = as_map(wire.call("ROLE", "work"))
            for state in ("dead", "cancelled", "expired"):
                if role[state]:
                    self.fault(f"{role[state]} messages are {state}")
            most = len(self.pushed) + self.unknown + 1  # and the one of a lie
            if not len(self.pushed) <= role["done"] <= most:
                self.fault(f"{role['done']} messages are done of {len(self.pushed)} answered and {self.unknown} unanswered pushes")

    def check_message(self, message, payload, shown, ended):
        if shown is None:
            return
        if shown["state"] != b"done":
            self.fault(f"{message} ({payload}) is {shown['state'].decode()}, and nothing is left to do")
            return
        said = (shown.get("result") or b"").decode(errors="replace").strip().rsplit("\n", 1)[-1]
        serial = payload.split()[0]
        last = int(shown["deliveries"])
        if said != f"{serial} by {last}":
            self.fault(f"{message} ({payload}), delivered {last} times, has the result {said!r}")
        if (message, last) not in ended:
            self.fault(f"{message} is done by delivery {last}, whose handler never came to its end")

    def check_restarts(self):
        self.faults += restarts_of(self.entries()).faults

    def summary(self):
        return (f"{len(self.pushed)} pushes answered and {self.unknown} not, {self.deliveries} deliveries, {self.repeated} messages whose handler came to its end "
                f"more than once, at most {self.most_deliveries} deliveries of one")
