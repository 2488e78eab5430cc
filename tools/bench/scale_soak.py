"""The soak of tools/bench/scale: a mixed load at a steady rate, and whether anything grows while the work does not."""
import json
import os
import signal
import subprocess

from scale_bus import Trouble

RATE = 1_000  # pushes a second
CONNECTIONS = 64
# What may come on top of a level from the first third to the end, as the fitted line has it: a part, or if more, so much.
GROWTH = {"memory_mb": (0.10, 10), "descriptors": (0.0, 4), "p99_us": (0.25, 1000), "disk_mb": (0.15, 60)}
WORDS = {"memory_mb": "MB of memory", "descriptors": "descriptors", "p99_us": "µs of p99", "disk_mb": "MB of disk"}


def slope(points):
    """Of the least-squares line through (x, y), and its height in the middle."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return (sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0), middle_y


def soak(stage):
    server = stage.server()
    seconds = int(stage.options.soak * 60)
    words = server.crowd_words("soak", connections=CONNECTIONS, depth=4, rate=RATE, seconds=seconds)
    samples = []
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        for text in process.stdout:
            line = json.loads(text)
            line.update(memory_mb=server.memory_mb(), descriptors=server.descriptors(), disk_mb=server.disk_mb())
            samples.append(line)
            if len(samples) % 6 == 0:
                print(f"  {line['seconds']:6.0f} s: {line['acknowledged']:,} done, p99 {line['p99_us'] / 1000:.1f} ms, {line['memory_mb']:.0f} MB, "
                      f"{line['descriptors']} descriptors, {line['disk_mb']:.0f} MB of disk", flush=True)
        if process.wait() != 0:
            raise Trouble(f"the soak ended with {process.returncode}\n{server.log()[-2000:]}")
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    judge(stage, samples)
    server.close()


def judge(stage, samples):
    if len(samples) < 9:
        raise Trouble("a soak wants two minutes at least")
    last = samples[-1]
    figures = stage.figures["soak"] = {"samples": samples, "slopes_per_hour": {}}
    print(f"  {last['acknowledged']:,} messages in {last['seconds'] / 60:.0f} minutes", flush=True)
    # What comes after the time is the rest being worked off; the first third is for windows, caches and retention to fill.
    loaded = [one for one in samples if one["seconds"] <= stage.options.soak * 60 + 1]
    kept = loaded[len(loaded) // 3:]
    length = kept[-1]["seconds"] - kept[0]["seconds"]
    for name, (part, least) in GROWTH.items():
        per_second, level = slope([(one["seconds"], one[name]) for one in kept])
        growth, most = per_second * length, max(part * level, least)
        figures["slopes_per_hour"][name] = per_second * 3600
        stage.judge(f"soak, {WORDS[name]}", f"{growth:+.1f} over {length / 60:.0f} min at {level:.0f} ({per_second * 3600:+.1f} an hour)",
                    f"≤ +{most:.0f}", growth <= most)
    pace = kept[-1]["acknowledged"] / kept[-1]["seconds"]
    stage.judge("soak, acknowledged a second", f"{pace:,.0f} of {RATE:,}", "≥ 97 %", pace >= 0.97 * RATE)
    stage.judge("soak, acknowledged of pushed in the end", f"{last['acknowledged']:,} of {last['pushed']:,}", "all", last["acknowledged"] == last["pushed"])
