"""The tables of tools/bench/peers, its judgement, and its two sections of docs/performance.md."""
import datetime
import os
import statistics

JUDGED_BYTES = 256
# (measure, connections, depth, peer, at least): what Pawl must reach, times the peer's rate.
GOALS = (
    ("cycle", 64, 1, "redis", 1.3), ("cycle", 64, 1, "bullmq", 4), ("cycle", 64, 1, "beanstalkd", 8), ("cycle", 64, 1, "postgres", 12),
    ("cycle", 64, 1, "graphile-worker", 15), ("push", 64, 1, "redis", 0.9), ("push", 64, 16, "redis", 0.8), ("push", 1, 1, "redis", 1.0))
BATCH_GOAL, SYNC_GOAL = 0.7, 1.25
WORDS = {"push": "push", "take": "take", "cycle": "full cycle"}


def median(samples, figure="per_second"):
    return statistics.median(one[figure] for one in samples)


def rate(samples):
    """The median, and how far the rounds lie apart."""
    values = sorted(one["per_second"] for one in samples)
    middle = statistics.median(values)
    spread = f" ±{(values[-1] - values[0]) / 2 / middle:.0%}".replace("%", " %") if len(values) > 1 else ""
    return f"{middle:,.0f}{spread}"


def milliseconds(samples):
    return f"{median(samples, 'p50_us') / 1000:.2f} / {median(samples, 'p99_us') / 1000:.1f}"


def shape_name(connections, depth, payload):
    flight = "one request in flight" if depth == 1 else f"{depth} requests in flight"
    return f"{payload} B, {connections} connection{'s' if connections > 1 else ''}, {flight}"


class Judge:
    def __init__(self):
        self.rows = []

    def at_least(self, what, value, bound):
        self.rows.append((what, f"≥ {bound}×", f"{value:.2f}×", value >= bound))

    def at_most(self, what, value, bound):
        self.rows.append((what, f"≤ {bound}×", f"{value:.2f}×", value <= bound))

    def missed(self):
        return [row for row in self.rows if not row[3]]


def judge(results, limits, titles, batch_connections):
    """results: (peer, bytes, connections, depth) → measure → samples. What was not measured is not judged."""
    verdict = Judge()
    for measure, connections, depth, peer, bound in GOALS:
        ours, theirs = (results.get((name, JUDGED_BYTES, connections, depth), {}).get(measure) for name in ("pawl", peer))
        if ours and theirs:
            flight = f"{connections} × {depth}"
            verdict.at_least(f"{WORDS[measure]}, {flight}, to {titles[peer]}", median(ours) / median(theirs), bound)
    batches = results.get(("pawl", JUDGED_BYTES, batch_connections, 1), {}).get("batch")
    if batches and limits.get("rocksdb"):
        alone = max(median(limits["rocksdb"]), median(limits["rocksdb_stock"]))
        verdict.at_least(f"full cycle in batches, {batch_connections} connections, to RocksDB alone at its faster", median(batches) / alone, BATCH_GOAL)
    lone = results.get(("pawl", JUDGED_BYTES, 1, 1), {}).get("push")
    if lone and limits.get(("sync", JUDGED_BYTES)):
        verdict.at_most("lone push, time (p50) to one fdatasync of the same bytes",
                        median(lone, "p50_us") / median(limits["sync", JUDGED_BYTES], "p50_us"), SYNC_GOAL)
    return verdict


def table(header, rows, words=False):
    """Markdown that is also readable as it is; figures to the right, words to the left."""
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    def line(row):
        cells = [str(cell).ljust(width) if words or i == 0 else str(cell).rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        return "| " + " | ".join(cells) + " |"
    rule = "|" + "|".join("-" * (width + 2) if words or i == 0 else "-" * (width + 1) + ":" for i, width in enumerate(widths)) + "|"
    return [line(header), rule, *map(line, rows), ""]


def shape_rows(results, peers, shape):
    payload, connections, depth = shape
    rows = []
    ours = results.get(("pawl", payload, connections, depth), {})
    for peer in peers:
        samples = results.get((peer.name, payload, connections, depth))
        if not samples:
            continue
        cells = [rate(samples[measure]) if measure in samples else "–" for measure in WORDS]
        ratios = [f"{median(ours[m]) / median(samples[m]):.2f}×" if peer.name != "pawl" and m in ours and m in samples else "" for m in WORDS]
        rows.append([peer.title, *cells, *ratios, milliseconds(samples["cycle"])])
    return rows


def peers_section(report):
    lines = ["## Peers", "",
             f"`{report.command}` on {datetime.date.today()}, {report.rounds} round{'s' if report.rounds > 1 else ''} in turns, medians; ± is half of "
             f"what lies between the slowest and the fastest round.", "",
             f"{report.hardware}", "",
             "Every one syncs before it answers. *Push* is one message a request. *Take* claims a message that is there and ends it. In a *full "
             "cycle* every connection pushes, takes and ends one message after the other. A request a step; Pawl ends a claim and takes the next "
             "message with one request (`ACK … NEXT`), as BullMQ's `moveToCompleted` does; Redis: `LPUSH`, `LMOVE` to a list of work in progress, "
             "`RPOP` of that, with neither lease nor retry. One generator for all (epoll, one read and one write a connection and turn), except "
             "where the client is a library of Node's. The first quarter of every run is not counted. After each measurement the server "
             "is asked what it holds: no message was lost or doubled.", ""]
    lines += table(["", "version", "durability", "client"],
                   [[peer.title, peer.version, peer.durability, peer.client] for peer in report.peers], words=True)
    for shape in report.shapes:
        rows = shape_rows(report.results, report.peers, shape)
        if rows:
            payload, connections, depth = shape
            lines += [f"**{shape_name(connections, depth, payload)}**, messages a second", ""]
            lines += table(["", "push", "take", "full cycle", "Pawl ÷ it: push", "take", "full cycle", "full cycle, ms p50 / p99"], rows)
    if report.verdict.rows:
        lines += table(["goal", "wanted", "measured", ""],
                       [[what, bound, value, "" if fits else "MISSED"] for what, bound, value, fits in report.verdict.rows], words=True)
    return lines


def limit_section(report):
    limits = report.limits
    lines = ["## The limit", "",
             f"`{report.command}` on {datetime.date.today()}. What the disk and RocksDB alone can do with the bytes that Pawl writes: its core makes the "
             f"rows of {report.batch} messages pushed, claimed and acknowledged in three batches, and the same rows go into a fresh RocksDB, one "
             "synced `WriteBatch` each, with neither network nor bus; `fdatasync`: the same bytes appended to a file.", ""]
    rows = []
    bound = limits.get("rocksdb")
    for name, title in (("fdatasync", "fdatasync of the same bytes"), ("rocksdb", "RocksDB alone, the settings of Pawl"),
                        ("rocksdb_stock", "RocksDB alone, its own settings")):
        if limits.get(name):
            rows.append([title, rate(limits[name]), f"{median(limits[name]) / median(bound):.2f}×"])
    for connections in report.batch_connections:
        samples = report.results.get(("pawl", JUDGED_BYTES, connections, 1), {}).get("batch")
        if samples:
            ratio = f"{median(samples) / median(bound):.2f}×" if bound else ""
            rows.append([f"Pawl, MPUSH, CLAIM COUNT, MACK of {report.batch}, {connections} connection{'s' if connections > 1 else ''}", rate(samples), ratio])
    lines += table([f"full cycles in batches, {JUDGED_BYTES} B", "messages a second", "to RocksDB alone"], rows)
    rows = []
    for payload in report.payloads:
        syncs = limits.get(("sync", payload))
        if not syncs:
            continue
        rows.append([f"fdatasync of the {report.push_bytes[payload]} bytes that a push of {payload} B writes", milliseconds(syncs), rate(syncs), "1.00×"])
        for peer in report.peers:
            samples = report.results.get((peer.name, payload, 1, 1), {}).get("push")
            if samples:
                rows.append([f"{peer.title}, push of {payload} B", milliseconds(samples), rate(samples),
                             f"{median(samples, 'p50_us') / median(syncs, 'p50_us'):.2f}×"])
    if rows:
        lines += table(["a lone client", "ms, p50 / p99", "a second", "time (p50) to fdatasync"], rows)
    return lines


def with_section(page, name, lines):
    """The page with this section in place of the one between its markers, or after everything else."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    text = "\n".join([begin, *lines]).rstrip() + f"\n{end}"
    if begin in page and end in page:
        before, rest = page.split(begin, 1)
        return before + text + rest.split(end, 1)[1]
    return page.rstrip() + "\n\n" + text + "\n"


def write_page(path, report):
    page = "# Performance\n"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            page = file.read()
    page = with_section(page, "peers", peers_section(report))
    if any(report.limits.values()):
        page = with_section(page, "limit", limit_section(report))
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
