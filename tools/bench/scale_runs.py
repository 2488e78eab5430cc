"""Runs of tools/soak that need a bus of their own.

    scale_runs.py lines COUNT     pawl push ROLE --lines with so many lines: seconds, memory of both sides, and the count
    scale_runs.py load SECONDS    a mixed load, kill -9 in the middle, a clean stop; for a bus that a sanitizer watches
"""
import os
import re
import resource
import subprocess
import sys
import time

from scale_bus import Trouble, build_crowd, harness
from wire import Wire, as_map

READY_SECONDS = 120


def lines(count):
    bus = harness.Bus()
    try:
        bus.start()
        path = os.path.join(bus.folder, "lines")
        with open(path, "w", encoding="ascii") as file:
            file.writelines(f"line {number:08} {'x' * 80}\n" for number in range(count))
        ids = os.path.join(bus.folder, "ids")
        began = time.monotonic()
        with open(ids, "wb") as out:
            done = subprocess.run([harness.PAWL, "push", "bulk", "--lines", path], stdin=subprocess.DEVNULL, stdout=out, check=False,
                                  env=dict(os.environ, PAWL_URL=bus.url))
        seconds = time.monotonic() - began
        client_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
        with open(f"/proc/{bus.process.pid}/status", encoding="ascii") as file:
            server_mb = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) * 1024 / 1e6
        with open(ids, "rb") as file:
            printed = [line for line in file.read().split(b"\n") if line]
        with Wire(bus.port) as wire:
            ready = as_map(wire.call("ROLE", "bulk"))["ready"]
        if done.returncode != 0 or ready != count or len(set(printed)) != count:
            raise Trouble(f"{count} lines: exit code {done.returncode}, {ready} messages, {len(set(printed))} different ids")
        bus.stop()
        return (f"{count:,} lines pushed in {seconds:.1f} s ({count / seconds:,.0f}/s), as many messages and ids; "
                f"peak memory {client_mb:.0f} MB of the client, {server_mb:.0f} MB of the bus")
    finally:
        bus.close()


def crowd(program, bus, seconds):
    done = subprocess.run([program, "soak", f"port={bus.port}", f"pid={bus.process.pid}", "connections=24", "depth=2", "rate=150", f"seconds={seconds}"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"the load ended with {done.returncode}: {done.stderr}\n{bus.log()[-4000:]}")
    pushed, acknowledged = re.findall(r'"pushed": (\d+), "acknowledged": (\d+)', done.stdout)[-1]
    if pushed != acknowledged:
        raise Trouble(f"{acknowledged} of {pushed} acknowledged")
    return int(pushed)


def load(seconds):
    program = build_crowd()
    bus = harness.Bus()
    try:
        bus.start()
        messages = crowd(program, bus, seconds // 2)
        bus.kill()
        bus.start()
        messages += crowd(program, bus, seconds - seconds // 2)
        with Wire(bus.port, timeout=READY_SECONDS) as wire:
            if as_map(wire.call("VERIFY"))["ok"] != 1:
                raise Trouble("VERIFY found the store damaged")
        code = bus.stop()
        if code != 0 or "WARNING: ThreadSanitizer" in bus.log():
            raise Trouble(f"pawl serve ended with {code}:\n{bus.log()[-8000:]}")
        return f"{messages:,} messages of a mixed load with a kill -9 between, VERIFY ok"
    finally:
        bus.close()


if __name__ == "__main__":
    try:
        print({"lines": lines, "load": load}[sys.argv[1]](int(sys.argv[2])))
    except Trouble as trouble:
        sys.exit(f"tools/soak: {trouble}")
    except KeyboardInterrupt:
        sys.exit(130)
