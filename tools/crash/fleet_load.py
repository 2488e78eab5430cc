"""What the fleet works on: the file it runs from, its handler, and who pushes from outside."""
import random
import threading
import time

from wire import Closed, ErrorReply, Wire, as_map

# Failures on purpose are no outage, and what is killed on purpose is no poison. Claims whose answer went down
# with the bus come back when their lease ends.
CONFIG = """[bus]
data       = "./d"
listen     = "none"
http       = "none"
done_bytes = "1GiB"

[guards]
breaker = "off"
poison  = "off"

[role.work]
command      = ["{folder}/handler", "{folder}"]
concurrency  = 10
lease        = "20s"
timeout      = "60s"
max_attempts = 100000
backoff      = {{ base = "20ms", max = "200ms" }}
keep_done    = "1d"
"""

# Everything that comes from a delivery holds the lock of its message, its children in sessions of their own too: who finds
# it taken has seen two at a time. A delivery that was begun before has its file. What is appended is one short write.
HANDLER = """#!/bin/sh
cd "$1" || exit 1
read -r serial kind seconds
exec 9>"lock/$PAWL_ID"
if ! flock -n 9; then
  echo "$PAWL_ID delivery $PAWL_DELIVERY begins while another one lives" >>violations
  exit 1
fi
if ! ( set -C; : >"begun/$PAWL_ID.$PAWL_DELIVERY" ) 2>/dev/null; then
  echo "$PAWL_ID delivery $PAWL_DELIVERY was begun before" >>violations
  exit 1
fi
echo "B $PAWL_ID $PAWL_DELIVERY $$" >>deliveries
case $kind in
  retry) if [ "$PAWL_DELIVERY" -lt 2 ]; then exit 75; fi ;;
  child) $FLEET_HIDE setsid ./hidden 300 <&- >&- 2>&- 3>&- & ;;
  deaf) trap '' TERM ;;
  loud) yes "$serial" | head -c 200000; echo ;;
esac
./hidden "$seconds"
echo "E $PAWL_ID $PAWL_DELIVERY $$" >>deliveries
echo "$serial by $PAWL_DELIVERY"
"""

KINDS = ("plain", "plain", "plain", "retry", "child", "child", "deaf", "loud")
BACKLOG_MAX = 300  # waiting messages: enough that there is always work and pushes are under way, few enough that the end is near


class Pusher(threading.Thread):
    """Pushes until it is stopped, over any number of deaths of the bus, and keeps what was answered."""

    def __init__(self, socket, seed):
        super().__init__(daemon=True)
        self.socket = socket
        self.random = random.Random(seed)
        self.over = threading.Event()
        self.pushed = {}     # id → payload
        self.unknown = 0     # sent, and the bus was killed before the answer
        self.refusals = []
        self.serial = 0

    def stop(self):
        self.over.set()
        self.join()

    def payload(self):
        self.serial += 1
        kind = self.random.choice(KINDS)
        seconds = 2 if self.random.random() < 0.05 else self.random.uniform(0, 0.2)
        return f"{self.serial} {kind} {seconds:.2f}"

    def run(self):
        while not self.over.is_set():
            try:
                with Wire(self.socket, timeout=10) as wire:
                    while not self.over.is_set():
                        self.push_some(wire)
            except (Closed, OSError):
                time.sleep(0.02)

    def push_some(self, wire):
        role = wire.call("ROLE", "work")
        if not isinstance(role, ErrorReply) and as_map(role)["ready"] >= BACKLOG_MAX:
            self.over.wait(0.02)
            return
        payloads = [self.payload() for _ in range(self.random.choice((1, 4, 20)))]
        commands = [["PUSH", "work", one + "\n", *(["DELAY", "200"] if self.random.random() < 0.1 else [])] for one in payloads]
        self.unknown += len(commands)
        wire.send_bytes(b"".join(encode_all(commands)))
        for payload in payloads:
            answer = wire.reply()
            self.unknown -= 1
            if isinstance(answer, ErrorReply):
                self.refusals.append(str(answer))
            else:
                self.pushed[answer.decode()] = payload
        self.over.wait(self.random.uniform(0, 0.02))


def encode_all(commands):
    for words in commands:
        raw = [word.encode() for word in words]
        yield b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw)
