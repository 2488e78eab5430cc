"""The parts of tools/bench/scale: each puts a bus into one state and measures what the work costs there."""
import time

import scale_fleet
from scale_bus import BASE_BACKLOG, CLAIM, OPS, PAYLOAD, PUSH, Trouble, as_map

# What issue 3 asks for.
CLAIM_MAX, IN_THE_WAY_MAX, DRAINED_MAX = 1.2, 1.5, 1.1
MEMORY_MAX_MB, PAUSE_MAX_MS, IDLE_MAX_KB, DELIVERY_MAX = 400, 50, 8, 1.5
CROWD = 9_900  # connections; a bus takes 10,000, and some are for looking


def backlog(stage):
    """Memory, restart and cost at each depth. The deepest bus is left for `drained`."""
    figures = stage.figures["backlog"] = {}
    for count in stage.options.backlogs:
        print(f"  {count:,} messages of {PAYLOAD} B", flush=True)
        server = stage.server()
        one = figures[count] = {"memory_mb": {"empty": server.memory_mb()}}
        one["fill"] = server.fill(count)
        one["memory_mb"]["filled"] = server.memory_mb()
        one["memory_mb"]["peak of filling"] = server.memory_mb("VmHWM")
        server.kill()
        one["restart_killed_s"] = server.first_claim()
        server.settle()
        server.stop()
        one["restart_clean_s"] = server.first_claim()
        one["memory_mb"]["restarted"] = server.memory_mb()
        row = stage.compare(f"backlog {count:,}", server)
        one["memory_mb"]["worked on"] = server.memory_mb()
        one["disk_mb"] = server.disk_mb()
        print(f"  filled at {one['fill']['per_second']:,.0f}/s; memory in MB: "
              + ", ".join(f"{value:.0f} {when}" for when, value in one["memory_mb"].items()) + f"; {one['disk_mb']:,.0f} MB on disk", flush=True)
        stage.judge_ratio(f"{count:,} messages to {BASE_BACKLOG:,}", row, "claim", CLAIM_MAX)
        most = max(one["memory_mb"].values())
        stage.judge(f"resident memory, {count:,} messages", f"{most:.0f} MB", f"≤ {MEMORY_MAX_MB} MB", most <= MEMORY_MAX_MB)
        stage.judge_restart(f"{count:,} messages, kill -9 right after the fill", one["restart_killed_s"])
        stage.judge_restart(f"{count:,} messages, clean stop", one["restart_clean_s"])
        if count == max(stage.options.backlogs) and "drained" in stage.options.parts:
            stage.deepest = server
        else:
            server.close()


def drained(stage):
    """A deep backlog worked off: pauses at once, cost when the store has settled."""
    server = getattr(stage, "deepest", None)
    if server is None:
        server = stage.server()
        server.fill(max(stage.options.backlogs))
    ready = server.depth("bench")
    drain = server.crowd("drain", ("CLAIM", "scale", "bench", "COUNT", 1000, "LEASE", 3_600_000), ops=ready)[0]
    server.fill(BASE_BACKLOG)
    right_after = pauses(stage, server)
    server.kill()
    restart = server.first_claim()
    fresh = stage.base()
    as_fresh = pauses(stage, fresh)
    fresh.close()
    row = stage.compare(f"after draining {ready:,}", server)
    stage.figures["drained"] = {"messages": ready, "drain": drain, "right_after": right_after, "fresh": as_fresh, "restart_killed_s": restart,
                                "memory_mb": server.memory_mb(), "disk_mb": server.disk_mb()}
    stage.note(f"draining {ready:,}, a thousand at a time", f"{drain['per_second']:,.0f}/s, {drain['cpu_us']:.1f} µs each; then {server.memory_mb():.0f} MB of "
               f"memory, {server.disk_mb():,.0f} MB of disk")
    for verb in ("push", "claim"):
        stage.judge_ratio(f"after draining {ready:,}, to a fresh store", row, verb, DRAINED_MAX)
    stage.judge(f"longest pause right after draining {ready:,}, less what the disk stood still",
                f"{right_after['own_ms']:.0f} ms (with it {right_after['longest_ms']:.0f}; a fresh store in this run {as_fresh['own_ms']:.0f})",
                f"≤ {PAUSE_MAX_MS} ms", right_after["own_ms"] <= PAUSE_MAX_MS)
    stage.judge_restart(f"{ready:,} drained, kill -9 right after", restart)
    server.close()


def pauses(stage, server):
    """Of push, claim and acknowledge over 16 connections, one request each, with a probe of the disk beside them."""
    lines = server.crowd("cycle", PUSH, CLAIM, connections=16, depth=1, ops=stage.count(20_000, 2_000), probe=stage.folder)
    return {"own_ms": max(line["own_pause_us"] for line in lines) / 1000, "longest_ms": max(line["longest_us"] for line in lines) / 1000, "lines": lines}


def roles(stage):
    """1,000 roles side by side; each request names one of them."""
    server = stage.server()
    count = stage.count(1_000_000, 10_000)
    server.fill(count, "PUSH", "role-{n%1000}", "{x}")
    stage.compare(f"1,000 roles, {count:,} messages", server, ("PUSH", "role-{n%1000}", "{x}"), ("CLAIM", "scale", "role-{n%1000}", "LEASE", "3600000"))
    hundred = [f"role-{number}" for number in range(100)]
    stage.compare("1,000 roles, claims over 100 of them", server, ("PUSH", "role-{n%100}", "{x}"), ("CLAIM", "scale", *hundred, "LEASE", "3600000"))
    began = time.monotonic()
    listed = len(server.call("ROLES"))
    stage.note(f"ROLES with {listed:,} roles", f"{(time.monotonic() - began) * 1000:.0f} ms")
    server.close()


def priorities(stage):
    server = stage.server()
    words = ("PUSH", "bench", "{x}", "PRIORITY", "{n%10}")
    count = stage.count(1_000_000, 10_000)
    server.fill(count, *words)
    stage.compare(f"10 priorities, {count:,} messages", server, words)
    server.close()


def scheduled(stage):
    """100,000 that wait for their time; then as many that are due at nearly the same moment."""
    count = stage.count(100_000, 10_000)
    server = stage.base()
    server.fill(count, "PUSH", "bench", "{x}", "DELAY", "3600000")
    stage.compare(f"{count:,} scheduled beside", server)
    server.fill(stage.count(OPS, 1_000) * (stage.options.rounds + 1))  # to claim, as these pushes bring nothing that can be
    stage.compare("each push scheduled in an hour", server, ("PUSH", "bench", "{x}", "DELAY", "3600000"))
    delay_s = 8
    began = time.monotonic()
    server.fill(count, "PUSH", "storm", "{x}", "DELAY", delay_s * 1000)
    filled = time.monotonic() - began
    with server.beside("cycle", PUSH, CLAIM, connections=4, depth=1, ops=stage.count(20_000, 5_000), probe=stage.folder) as lines:
        while server.depth("storm", "scheduled") > 0:
            time.sleep(0.02)
        late = time.monotonic() - began - filled - delay_s
    worst = max(line["own_pause_us"] for line in lines) / 1000
    stage.figures["storm"] = {"messages": count, "spread_s": filled, "late_s": late, "beside": lines}
    stage.note(f"{count:,} due within {filled:.1f} s", f"the last one ready {max(late, 0):.2f} s after its time; longest pause for others {worst:.0f} ms")
    server.close()


def groups(stage):
    """100,000 groups in one role; one of them holds nine of ten messages."""
    count = stage.count(1_000_000, 50_000)
    many = stage.count(100_000, 5_000)
    server = stage.server()
    words = ("PUSH", "bench", "{x}", "GROUP", "{busy:%d}" % many)
    server.fill(count, *words)
    # Of each group only the head can be claimed, so the rounds must not ask for more than there are groups.
    row = stage.compare(f"{many:,} groups, one with 90 % of {count:,}", server, words, ops=70_000 // (stage.options.rounds + 1))
    stage.judge_ratio("a busy group beside", row, "claim", IN_THE_WAY_MAX)
    # The busy group alone: each acknowledgement promotes its next message.
    server.fill(count // 10, "PUSH", "alone", "{x}", "GROUP", "busy")
    base = stage.base()
    ops = stage.count(2_000, 300)
    alone, plain = [], []
    for _ in range(stage.options.rounds):
        alone.append(server.crowd("lone", ("CLAIM", "scale", "alone", "LEASE", "3600000"), ops=ops)[0]["cpu_us"])
        plain.append(base.crowd("lone", CLAIM, ops=ops)[0]["cpu_us"])
        base.fill(ops)
    ratios = sorted(one / two for one, two in zip(alone, plain))
    stage.figures["busy_group_alone"] = {"cpu_us": sorted(alone), "plain_us": sorted(plain)}
    middle = ratios[len(ratios) // 2]
    stage.judge(f"claim and acknowledge, one group of {count // 10:,} alone, to no group", f"{middle:.2f}×", f"≤ {IN_THE_WAY_MAX}×", middle <= IN_THE_WAY_MAX)
    base.close()
    server.close()


def held(stage):
    """A paused role, named first in each claim."""
    count = stage.count(1_000_000, 10_000)
    server = stage.base()
    server.fill(count, "PUSH", "held", "{x}")
    server.call("PAUSE", "held")
    row = stage.compare(f"a paused role of {count:,} beside", server, PUSH, ("CLAIM", "scale", "held", "bench", "LEASE", "3600000"))
    stage.judge_ratio("a held role beside", row, "claim", IN_THE_WAY_MAX)
    server.close()


def cancelled(stage):
    """Cancelled messages before those that can be claimed."""
    count = stage.count(1_000_000, 10_000)
    server = stage.server()
    server.fill(count)
    server.fill(20_000 + BASE_BACKLOG)
    server.fill(BASE_BACKLOG, "PUSH", "other", "{x}")
    server.settle()
    began = time.monotonic()
    with server.beside("cycle", ("PUSH", "other", "{x}"), ("CLAIM", "scale", "other", "LEASE", "3600000"), connections=4, depth=1,
                       ops=stage.count(20_000, 2_000), probe=stage.folder) as lines:
        ended = server.call("CANCEL", "FILTER", "bench", "ready", "LIMIT", count)
        seconds = time.monotonic() - began
    if ended != count:
        raise Trouble(f"CANCEL FILTER ended {ended} of {count}")
    began = time.monotonic()
    server.call(*CLAIM)
    first = time.monotonic() - began
    worst = max(line["own_pause_us"] for line in lines) / 1000
    server.kill()
    restart = server.first_claim()
    stage.figures["cancelled"] = {"messages": count, "seconds": seconds, "first_claim_s": first, "restart_killed_s": restart, "beside": lines,
                                  "memory_mb": server.memory_mb()}
    stage.note(f"CANCEL FILTER of {count:,}", f"{seconds:.1f} s, longest pause for others {worst:.0f} ms; the claim after it {first * 1000:.0f} ms")
    stage.judge_restart(f"{count:,} cancelled, kill -9 right after", restart)
    row = stage.compare(f"{count:,} cancelled in the way", server)
    stage.judge_ratio(f"{count:,} cancelled in the way", row, "claim", IN_THE_WAY_MAX)
    server.close()


def parked(stage):
    """Claimers that wait: beside the work of another role, and met by pushes."""
    count = stage.count(CROWD, 500)
    server = stage.base()
    before = server.settle().memory_mb()
    with server.beside("hold", ("CLAIM", "waiter-{n}", "quiet", "WAIT", "86400000"), connections=count):
        each_kb = (server.settle().memory_mb() - before) * 1000 / count
        stage.compare(f"{count:,} parked claimers beside", server)
    figures = stage.figures["parked"] = {"claimers": count, "each_kb": each_kb}
    words = ("PUSH", "met", "{x}"), ("CLAIM", "waiter-{n}", "met", "WAIT", "86400000", "LEASE", "3600000")
    few = server.crowd("deliver", *words, connections=100, depth=16, ops=stage.count(10_000, 1_000))[0]
    many = server.crowd("deliver", *words, connections=count, depth=16, ops=stage.count(10_000, 1_000))[0]
    figures.update(few=few, many=many)
    stage.note(f"memory of a parked claimer of {count:,}", f"{each_kb:.1f} KB")
    stage.note(f"push, delivery, acknowledgement and waiting again, {count:,} waiting to 100",
               f"{many['cpu_us'] / few['cpu_us']:.2f}× ({many['cpu_us']:.1f} µs, {many['per_second']:,.0f}/s)")
    server.close()


def delivery(stage):
    """From the push to the claim in the hands of a waiting claimer, one at a time, each followed by a sync of the disk alone."""
    figures = stage.figures["delivery"] = {}
    for claimers in (1, stage.count(CROWD, 500)):
        server = stage.server()
        words = ("PUSH", "met", "{x}"), ("CLAIM", "waiter-{n}", "met", "WAIT", "86400000", "LEASE", "3600000")
        line = figures[claimers] = server.crowd("deliver", *words, connections=claimers, depth=1, ops=stage.count(5_000, 500), probe=stage.folder)[0]
        print(f"  {claimers:,} waiting: push to claim {line['p50_us']} / {line['p99_us']} µs (p50 / p99), fdatasync {line['disk_p50_us']} / "
              f"{line['disk_p99_us']} µs; {line['same_batch']:,} of {line['ops']:,} in the same batch", flush=True)
        stage.judge(f"claimed in the batch of the push, {claimers:,} waiting", f"{line['same_batch']:,} of {line['ops']:,}", "all", line["same_batch"] == line["ops"])
        ratio = line["p99_us"] / max(line["disk_p99_us"], 1)
        stage.judge(f"push to claim, {claimers:,} waiting, p99 to that of fdatasync", f"{ratio:.2f}×", f"≤ {DELIVERY_MAX}×", ratio <= DELIVERY_MAX)
        server.close()


def connections(stage):
    """Memory of one connection that has nothing to do: never spoken, after a PING, after a push."""
    count = stage.count(CROWD, 500)
    figures = stage.figures["connections"] = {"count": count, "each_kb": {}}
    for name, words in (("silent", ()), ("after a PING", (("PING",),)), ("after a push", (PUSH,))):
        server = stage.server()
        server.fill(1000)
        before = server.settle().memory_mb()
        with server.beside("hold", *words, connections=count):
            each = figures["each_kb"][name] = (server.settle().memory_mb() - before) * 1000 / count
            clients = as_map([part for line in server.call("INFO", "clients").decode().splitlines() if ":" in line for part in line.split(":", 1)])
        print(f"  {name}: {each:.1f} KB each (the bus counts {clients.get('connected_clients', '?')} connections)", flush=True)
        server.close()
    worst = max(figures["each_kb"].values())
    stage.judge(f"memory of one idle connection of {count:,}", f"{worst:.1f} KB", f"≤ {IDLE_MAX_KB} KB", worst <= IDLE_MAX_KB)


PARTS = {part.__name__: part for part in (backlog, drained, roles, priorities, scheduled, groups, held, cancelled, parked, delivery, connections,
                                       scale_fleet.beats, scale_fleet.handlers)}
