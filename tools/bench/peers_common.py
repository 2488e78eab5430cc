"""What the files of tools/bench/peers share: programs that must succeed, servers that must end, the machine's facts."""
import functools
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
import harness  # noqa: E402  pylint: disable=wrong-import-position

RUN_SECONDS = 300  # of one measurement; one that takes longer hangs
START_SECONDS, STOP_SECONDS = 60, 60


class Trouble(Exception):
    """One line that says what is wrong and what to do."""


def run(words, what, env=None, **options):
    """The output of a program that must succeed."""
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                              timeout=RUN_SECONDS, env=dict(os.environ, **(env or {})), **options)
    except FileNotFoundError:
        raise Trouble(f"{what}: there is no {words[0]}; run tools/install bench") from None
    except subprocess.TimeoutExpired:
        raise Trouble(f"{what}: no end within {RUN_SECONDS} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise Trouble(f"{what} ended with {done.returncode}: {' / '.join(said[-6:])}")
    return done.stdout


def figures_of(words, what, env=None):
    """The line of figures that bench_load, bench_rocks and the Node clients print."""
    figures = json.loads(run(words, what, env))
    if figures["errors"]:
        raise Trouble(f"{what}: {figures['errors']} of {figures['ops']} requests were answered with an error or not as they must be")
    return figures


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


class Server:
    """A process of ours, in its own session so that Ctrl-C reaches only us, who then end it."""

    def __init__(self, words, folder, port, end=signal.SIGTERM, **options):
        self.words, self.end = words, end
        self.log_path = os.path.join(folder, "log")
        try:
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                start_new_session=True, **options)
        except FileNotFoundError:
            raise Trouble(f"there is no {words[0]}; run tools/install bench") from None
        try:
            self.await_port(port)
        except BaseException:
            self.stop()
            raise

    def await_port(self, port):
        deadline = time.monotonic() + START_SECONDS
        while not answers(port):
            if self.process.poll() is not None:
                with open(self.log_path, encoding="utf-8", errors="replace") as log:
                    said = log.read().strip().splitlines()
                raise Trouble(f"{os.path.basename(self.words[0])} cannot start: {' / '.join(said[-4:]) or 'it said nothing'}")
            if time.monotonic() > deadline:
                raise Trouble(f"{os.path.basename(self.words[0])} did not listen on port {port} within {START_SECONDS} s")
            time.sleep(0.01)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(self.end)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@functools.lru_cache
def program(name):
    """A benchmark's program, built if need be; or the one that an environment variable like PAWL_BENCH_LOAD names."""
    given = os.environ.get("PAWL_" + name.upper())
    if given:
        return given
    build = os.path.dirname(harness.PAWL)
    if not os.path.exists(os.path.join(build, "build.ninja")):
        build = os.path.join(ROOT, "build/release")
    if not os.path.exists(os.path.join(build, "build.ninja")):
        raise Trouble(f"nothing is built in {build}; run tools/test --build-only")
    run(["cmake", "--build", build, "--target", name], f"building {name} in {build}; without such a target run tools/test --build-only first")
    return os.path.join(build, name)


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return models[0] if models else "unknown"


def memory_gb():
    with open("/proc/meminfo", encoding="ascii") as file:
        return round(int(file.readline().split()[1]) / 1e6, 1)


class OtherPrograms:
    """What others use of the processors while we measure: figures from a busy machine say little."""

    def __init__(self):
        self.began = self.busy_seconds(), time.monotonic()

    @staticmethod
    def busy_seconds():
        """Of all processors, without what we and the processes that we have ended used."""
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, soft, *_ = map(int, file.readline().split()[1:])
        ours = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK") - ours

    def share(self):
        busy, began = self.began
        return max(0.0, (self.busy_seconds() - busy) / (time.monotonic() - began) / os.cpu_count())


def file_system(folder):
    said = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def need(command, package_hint):
    path = shutil.which(command)
    if not path:
        raise Trouble(f"{package_hint} is not installed; run tools/install bench")
    return path
