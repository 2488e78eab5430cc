"""The parts of tools/bench/scale about a fleet: many daemons that beat, and handlers that do nothing."""
import os
import statistics
import subprocess
import time

import harness
from scale_bus import Trouble, as_map

# What issue 5 asks for.
DAEMONS, INTERVAL_S, CORE_MAX_PERCENT, DAEMON_MAX_KB, XARGS_LEAST = 10_000, 5, 5, 2, 0.8
AT_A_TIME = 4


def beats(stage):
    """10,000 daemons that beat every 5 s, evenly over the time, so that none rides along with another; as a runner's beat looks; over
    100 connections."""
    count = stage.count(DAEMONS, 500)
    server = stage.server()
    before = server.settle().memory_mb()
    words = ("BEAT", f"daemon-{{n%{count}}}", "boot", "0123456789abc", "interval", INTERVAL_S * 1000, "errors", 0, "state", "running", "roles", "research,deploy",
             "needs", "slack")
    lines = server.crowd("beat", words, connections=100, ops=3 * count, rate=count // INTERVAL_S, seconds=10 * min(6, stage.options.rounds))
    # Now: fifteen seconds of silence later all of them are red, each with its incident.
    each_kb = (server.memory_mb() - before) * 1000 / count
    ping = statistics.median(line["core_percent"] for line in server.crowd("beat", ("PING",), connections=100, ops=1, rate=count // INTERVAL_S, seconds=10))
    red = as_map(server.call("DAEMON", "daemon-0"))["colour"]
    if red != b"green":
        raise Trouble(f"a daemon that beats evenly is {red.decode()}")
    known = len(server.call("DAEMONS"))
    if known != count:
        raise Trouble(f"{known} daemons are known of {count}")
    core = statistics.median(line["core_percent"] for line in lines)
    stage.figures["beats"] = {"daemons": count, "each_kb": each_kb, "ping_percent": ping, "rounds": lines}
    stage.judge(f"{count:,} daemons beating every {INTERVAL_S} s: of a core", f"{core:.1f} % ({min(line['core_percent'] for line in lines):.1f}–"
                f"{max(line['core_percent'] for line in lines):.1f}; {statistics.median(line['cpu_us'] for line in lines):.1f} µs a beat; as many PINGs {ping:.1f} %)",
                f"≤ {CORE_MAX_PERCENT} %", core <= CORE_MAX_PERCENT)
    stage.judge(f"memory of one daemon of {count:,}", f"{each_kb:.2f} KB", f"≤ {DAEMON_MAX_KB} KB", each_kb <= DAEMON_MAX_KB)
    fall_silent(stage, server, count, words)
    server.close()


def fall_silent(stage, server, count, words):
    """All of them turn red within a second, as behind a network that is cut, and come back."""
    rate = count // INTERVAL_S
    server.crowd("beat", words, connections=100, ops=count, rate=rate, seconds=INTERVAL_S)
    longest_s, until = 0, time.monotonic() + 4 * INTERVAL_S + 3
    while time.monotonic() < until:
        began = time.monotonic()
        server.call("PING")
        longest_s = max(longest_s, time.monotonic() - began)
        time.sleep(0.001)
    red = as_map(server.call("DAEMON", "daemon-0"))["colour"]
    if red != b"red":
        raise Trouble(f"a daemon that has not beaten for {4 * INTERVAL_S} s is {red.decode()}")
    incidents = len(server.call("INCIDENT", "LIST", "COUNT", 1000)[1])
    line = server.crowd("beat", words, connections=100, ops=count, rate=rate, seconds=INTERVAL_S)[0]
    stage.figures["silence"] = {"daemons": count, "longest_s": longest_s, "incidents": incidents, "back": line}
    stage.note(f"{count:,} daemons fall silent together", f"longest pause for others {longest_s * 1000:.0f} ms; {incidents:,} incidents; "
               f"coming back {line['cpu_us']:.1f} µs a beat")


def handlers(stage):
    """`pawl run` on a role whose command is /bin/true, and xargs -P with as many at a time, in turns."""
    count = stage.count(5_000, 500)
    server = stage.server()
    config = os.path.join(server.folder, "run.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f'[role.nothing]\ncommand = ["/bin/true"]\nconcurrency = {AT_A_TIME}\n')
    lines = os.path.join(server.folder, "lines")
    with open(lines, "w", encoding="utf-8") as file:
        file.write("x\n" * count)

    def run():
        server.fill(count, "PUSH", "nothing", "x")
        return seconds_of([harness.PAWL, "run", "--config", config, "--drain"], PAWL_URL=server.url)

    def xargs():
        return seconds_of(["xargs", "-a", lines, "-n", "1", "-P", str(AT_A_TIME), "/bin/true"])

    rates = {run: [], xargs: []}
    for number in range(stage.options.rounds + 1):
        for which in (run, xargs) if number % 2 == 0 else (xargs, run):
            rate = count / which()
            if number > 0:  # the first round only warms up
                rates[which].append(rate)
    ratios = sorted(one / two for one, two in zip(rates[run], rates[xargs]))
    middle = statistics.median(ratios)
    stage.figures["handlers"] = {"count": count, "at_a_time": AT_A_TIME, "run": rates[run], "xargs": rates[xargs]}
    stage.judge(f"pawl run to xargs -P {AT_A_TIME}, {count:,} times /bin/true", f"{middle:.2f}× ({ratios[0]:.2f}–{ratios[-1]:.2f}; "
                f"{statistics.median(rates[run]):,.0f}/s, xargs {statistics.median(rates[xargs]):,.0f}/s)", f"≥ {XARGS_LEAST}×", middle >= XARGS_LEAST)
    server.close()


def seconds_of(words, **environment):
    began = time.monotonic()
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=dict(os.environ, **environment))
    if done.returncode != 0:
        raise Trouble(f"{' '.join(words[:3])} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return time.monotonic() - began
