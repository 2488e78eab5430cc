"""What the parts of tools/bench/scale stand on: a bus with its processor time and memory, the client of crowd.cpp, and
the comparison of two buses in turns."""
import contextlib
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
import harness  # noqa: E402  pylint: disable=wrong-import-position
from wire import ErrorReply, Wire, as_map  # noqa: E402  pylint: disable=wrong-import-position

PAYLOAD = 256
BASE_BACKLOG = 10_000
PUSH = ("PUSH", "bench", "{x}")
CLAIM = ("CLAIM", "scale", "bench", "LEASE", "3600000")
OPS = 20_000  # of one kind in a round
RESTART_MAX_S = 2.0
SETTLE_SECONDS = 90


class Trouble(Exception):
    """The measurement cannot go on; the text says why."""


def build_crowd():
    program = os.environ.get("PAWL_BENCH_CROWD")
    if program:
        return program
    build = os.path.dirname(harness.PAWL)
    if not os.path.exists(os.path.join(build, "CMakeCache.txt")):  # a program from elsewhere
        build = os.path.join(ROOT, "build/release")
    done = subprocess.run(["cmake", "--build", build, "--target", "bench_crowd"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"cannot build bench_crowd in {build}: {(done.stdout + done.stderr).strip()[-1500:]}\n"
                      "build it with: cmake --preset release -DPAWL_BENCH=ON && cmake --build build/release --target pawl bench_crowd")
    return os.path.join(build, "bench_crowd")


def fdatasync_us(folder):
    path = os.path.join(folder, "sync-probe")
    times = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(300):
            file.write(b"x" * 512)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    os.unlink(path)
    return statistics.median(times) * 1e6


def hardware(folder):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo", encoding="ascii") as file:
        memory_gb = int(file.readline().split()[1]) / 1e6
    version = subprocess.run([harness.PAWL, "version"], capture_output=True, text=True, check=False).stdout.strip()
    return {"pawl": version, "cpu": models[0] if models else "unknown", "cores": os.cpu_count(), "memory_gb": round(memory_gb, 1),
            "kernel": os.uname().release, "fdatasync_us": round(fdatasync_us(folder)), "load_before": round(os.getloadavg()[0], 1)}


class Server(harness.Bus):
    """A bus as shipped. What the client says comes back as a list of its lines."""

    def __init__(self, stage):
        super().__init__(folder=tempfile.mkdtemp(prefix="bus-", dir=stage.folder))
        self.stage = stage
        self.start()

    def crowd_words(self, mode, *words, **plan):
        named = [f"{name}={value}" for name, value in {"port": self.port, "pid": self.process.pid, "bytes": PAYLOAD, **plan}.items()]
        parts = [[mode, *named], *words]
        return [self.stage.crowd, *sum((["--", *map(str, part)] for part in parts), [])[1:]]

    def crowd(self, mode, *words, **plan):
        done = subprocess.run(self.crowd_words(mode, *words, **plan), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"{mode} {words}: {done.stderr.strip()}\n{self.log()[-2000:]}")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for line in lines:
            if line.get("errors"):
                raise Trouble(f"{line['what']} of {words}: {line['errors']} of {line['ops']} went wrong: {done.stderr.strip()}")
        return lines

    @contextlib.contextmanager
    def beside(self, mode, *words, **plan):
        """The client in the background; the list given is filled with its lines at the end."""
        lines = []
        process = subprocess.Popen(self.crowd_words(mode, *words, **plan), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if mode == "hold" and process.stdout.readline() != "held\n":
                raise Trouble(f"bench_crowd cannot hold {plan}")
            yield lines
            process.stdin.close()
            process.stdin = None
            said = process.stdout.read()
            if process.wait() != 0:
                raise Trouble(f"{mode} {words} ended with {process.returncode}\n{self.log()[-2000:]}")
            lines += [json.loads(line) for line in said.splitlines()]
        finally:
            process.kill()
            process.wait()

    def fill(self, count, *words, first=0, **plan):
        return self.crowd("push", words or PUSH, ops=count, first=first, **{"connections": 16, "depth": 64, **plan})[0]

    def call(self, *words, timeout=600):
        with Wire(self.port, timeout=timeout) as wire:
            answer = wire.call(*words)
        if isinstance(answer, ErrorReply):
            raise Trouble(f"{' '.join(map(str, words))}: {answer}")
        return answer

    def depth(self, role, state="ready"):
        return as_map(self.call("ROLE", role))[state]

    def first_claim(self):
        """Seconds from the start of the process until a claim is answered."""
        began = time.monotonic()
        self.start()
        if not self.call(*CLAIM):
            raise Trouble("nothing to claim after the restart")
        return time.monotonic() - began

    def processor_s(self):
        total = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def settle(self):
        """Until it has had nothing to do for a second: flushes, compactions and retention are over."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            before = self.processor_s()
            time.sleep(1)
            if self.processor_s() - before < 0.02:
                return self
        print("  (it still works in the background: not waited for any longer)", flush=True)
        return self

    def memory_mb(self, what="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 / 1e6 for line in file if line.startswith(what))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def disk_mb(self):
        total = 0
        for folder, _, names in os.walk(self.data):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.stat(os.path.join(folder, name)).st_blocks * 512
        return total / 1e6

    def close(self):
        super().close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self in self.stage.servers:
            self.stage.servers.remove(self)


class Stage:
    """Where a run happens: its folder, its servers, its figures and what missed its goal."""

    def __init__(self, options):
        self.options = options
        self.crowd = build_crowd()
        self.folder = tempfile.mkdtemp(prefix="pawl-scale-", dir=options.folder)
        self.servers = []
        self.figures = {"hardware": hardware(self.folder)}
        self.rows = []  # of the table of shapes
        self.judged = []

    def server(self):
        server = Server(self)
        self.servers.append(server)
        return server

    def base(self):
        """A fresh bus with the small backlog that everything is compared with."""
        server = self.server()
        server.fill(BASE_BACKLOG)
        return server

    def count(self, number, least=1):
        return max(least, int(number * self.options.scale))

    @property
    def misses(self):
        return [row for row in self.judged if not row["fits"]]

    def judge(self, what, value, goal, fits):
        self.judged.append({"what": what, "value": value, "goal": goal, "fits": bool(fits)})
        print(f"  {what}: {value} (wanted {goal}){'' if fits else '  MISSED'}", flush=True)

    def note(self, what, value):
        """A figure that has no goal."""
        self.judged.append({"what": what, "value": value, "goal": "", "fits": True})
        print(f"  {what}: {value}", flush=True)

    def judge_restart(self, how, seconds):
        self.judge(f"restart until the first claim is answered, {how}", f"{seconds:.2f} s", f"≤ {RESTART_MAX_S:.0f} s", seconds <= RESTART_MAX_S)

    def judge_ratio(self, what, row, verb, most):
        value = row["ratio"][verb]
        spread = row["spread"][verb]
        self.judge(f"{verb}, {what}", f"{value:.2f}× ({spread[0]:.2f}–{spread[1]:.2f}; {row['cpu_us'][verb]:.1f} µs)", f"≤ {most}×", value <= most)

    def compare(self, name, other, push=PUSH, claim=CLAIM, ops=OPS):
        """Rounds of push, claim, acknowledge on a base bus and on `other` in turns: each round has its own ratio, so that
        what else the machine does falls on both. Processor microseconds of the server for one request."""
        base = self.base().settle()
        other.settle()
        ops = self.count(ops, 1_000)
        seen = {"base": {}, "other": {}}
        for number in range(self.options.rounds + 1):
            turns = [("base", base, PUSH, CLAIM), ("other", other, push, claim)]
            for which, server, pushes, claims in turns if number % 2 == 0 else turns[::-1]:
                lines = server.crowd("cycle", pushes, claims, ops=ops, first=number * ops)
                if number > 0:  # the first round only warms up
                    for line in lines:
                        seen[which].setdefault(line["what"], []).append(line)
        base.close()
        return self.row(name, seen)

    def row(self, name, seen):
        row = {"name": name, "ratio": {}, "spread": {}, "cpu_us": {}, "base_us": {}, "background_us": {}, "per_second": {}}
        for verb, lines in seen["other"].items():
            ratios = [one["cpu_us"] / two["cpu_us"] for one, two in zip(lines, seen["base"][verb])]
            row["ratio"][verb] = statistics.median(ratios)
            row["spread"][verb] = [min(ratios), max(ratios)]
            row["cpu_us"][verb] = statistics.median(line["cpu_us"] for line in lines)
            row["base_us"][verb] = statistics.median(line["cpu_us"] for line in seen["base"][verb])
            row["background_us"][verb] = [statistics.median(line["background_us"] for line in one) for one in (lines, seen["base"][verb])]
            row["per_second"][verb] = statistics.median(line["per_second"] for line in lines)
        self.rows.append(row)
        cells = "; ".join(f"{verb} {row['cpu_us'][verb]:.1f} µs = {row['ratio'][verb]:.2f}×, {row['per_second'][verb]:,.0f}/s"
                          for verb in row["ratio"])
        print(f"  {name}: {cells}", flush=True)
        return row

    def close(self):
        for server in list(self.servers):
            server.close()
        shutil.rmtree(self.folder, ignore_errors=True)
