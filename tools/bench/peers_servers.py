"""The peers themselves: how each is started so that it syncs before it answers, loaded, counted, stopped.

A peer is started afresh for each visit, in an empty folder (PostgreSQL: an empty table), so that nothing else runs while another
one is measured. After each measurement it is asked how many messages it holds: a queue that loses or doubles is no peer.
"""
import glob
import json
import os
import pwd
import shutil
import signal
import socket

from peers_common import ROOT, Server, Trouble, figures_of, free_port, harness, need, program, run
from wire import Wire, as_map

WARM = 0.25  # of a run, not counted: new connections, plans, compiled code
NODE_FOLDER = os.path.join(ROOT, "build/bench-node")
NODE_SOURCES = os.path.join(ROOT, "tools/bench/node")


class Peer:
    name = title = durability = ""
    client = "bench_load"
    deep = True  # its client can have many requests in flight on one connection
    version = "?"

    def __init__(self, options, folder):
        del options
        self.home = os.path.join(folder, self.name)
        os.mkdir(self.home, 0o755)
        self.folder = None
        self.port = None
        self.server = None

    def start(self):
        self.folder = os.path.join(self.home, "data")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder, 0o755)
        self.port = free_port()
        self.server = self.launch()
        self.check_settings()

    def stop(self):
        if self.server:
            self.server.stop()
            self.server = None
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def launch(self):
        raise NotImplementedError

    def check_settings(self):
        """Asks the server whether it really syncs, where it can say."""

    def held(self):
        """Messages waiting, and messages taken and not ended."""
        raise NotImplementedError

    def figures(self, measure, connections, depth, ops, payload, batch):
        words = [program("bench_load"), self.port, f"{self.name}:{measure}", connections, depth, ops, payload, batch, int(ops * WARM)]
        return figures_of(words, f"{self.name} {measure} {connections}×{depth}")

    def measure(self, measure, connections, depth, ops, payload, batch=1):
        """The figures, once it is certain that every message arrived and left."""
        before = self.held()
        figures = self.figures(measure, connections, depth, ops, payload, batch)
        change = {"push": ops, "take": -ops}.get(measure, 0)
        expected, found = (before[0] + change, 0), self.held()
        if found != expected:
            raise Trouble(f"{self.name} {measure}: (waiting, taken) is {found} and must be {expected}: messages were lost or doubled")
        return figures


class Pawl(Peer):
    name, title = "pawl", "Pawl"
    durability = "WAL, fsync before every answer; as shipped: done messages kept for 10 min or up to 64 MiB"

    def __init__(self, options, folder):
        super().__init__(options, folder)
        if not os.path.exists(harness.PAWL):
            raise Trouble(f"there is no {harness.PAWL}; run tools/test --build-only, or name one with PAWL=FILE")
        self.version = run([harness.PAWL, "version"], "pawl version").split()[-1]
        self.bus = None

    def launch(self):
        self.bus = harness.Bus(folder=self.folder)
        try:
            self.bus.start()
        except (RuntimeError, OSError) as error:
            raise Trouble(f"pawl cannot start: {error}") from None
        self.port = self.bus.port
        return self.bus

    def stop(self):
        if self.bus:
            self.bus.end(signal.SIGTERM)
            self.bus = self.server = None
        super().stop()

    def held(self):
        with Wire(self.port) as wire:
            role = wire.call("ROLE", "bench")
        if not role or isinstance(role, str):
            return 0, 0
        facts = as_map(role)
        for state in ("scheduled", "dead", "cancelled", "expired"):
            if facts[state]:
                raise Trouble(f"pawl: {facts[state]} messages are {state}")
        return facts["ready"], facts["claimed"]


class Redis(Peer):
    name, title = "redis", "Redis lists"
    durability = "appendonly yes, appendfsync always"

    def __init__(self, options, folder):
        super().__init__(options, folder)
        self.program = need("redis-server", "Redis")
        self.version = run([self.program, "--version"], "redis-server --version").split("v=")[1].split()[0]

    def launch(self):
        words = [self.program, "--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder, "--save", "", "--appendonly", "yes",
                 "--appendfsync", "always"]
        return Server(words, self.folder, self.port)

    def check_settings(self):
        with Wire(self.port) as wire:
            if [wire.call("CONFIG", "GET", name)[1] for name in ("appendonly", "appendfsync")] != [b"yes", b"always"]:
                raise Trouble("Redis does not sync before it answers")

    def held(self):
        with Wire(self.port) as wire:
            return wire.call("LLEN", "bench"), wire.call("LLEN", "bench:taken")


class BullMQ(Redis):
    name, title = "bullmq", "BullMQ"
    durability = "on the same Redis"

    def __init__(self, options, folder):
        super().__init__(options, folder)
        self.version = f"{library_version('bullmq')} on Redis {self.version}"
        self.client = node_program()

    def node(self, measure, *words):
        return [need("node", "Node"), os.path.join(NODE_SOURCES, "bullmq.js"), self.port, measure, *words]

    def held(self):
        counts = json.loads(run(self.node("count", 1, 1, 1, 1), "counting jobs of BullMQ", env=node_environment()))
        if counts["failed"] or counts["delayed"]:
            raise Trouble(f"BullMQ: {counts}")
        return counts["waiting"], counts["active"]

    def figures(self, measure, connections, depth, ops, payload, _):
        return figures_of(self.node(measure, connections, depth, ops, payload, int(ops * WARM)), f"bullmq {measure} {connections}×{depth}", node_environment())


class Beanstalkd(Peer):
    name = title = "beanstalkd"
    durability = "-f0: fsync after every write of its binlog"

    def __init__(self, options, folder):
        super().__init__(options, folder)
        self.program = need("beanstalkd", "beanstalkd")
        self.version = run([self.program, "-v"], "beanstalkd -v").split()[-1]

    def launch(self):
        return Server([self.program, "-l", "127.0.0.1", "-p", self.port, "-f0", "-b", self.folder], self.folder, self.port)

    def held(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(b"stats\r\n")
            with connection.makefile("rb") as reader:
                text = reader.read(int(reader.readline().split()[1])).decode()
        facts = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        return int(facts["current-jobs-ready"]), int(facts["current-jobs-reserved"])


class Postgres(Peer):
    name, title = "postgres", "PostgreSQL, SKIP LOCKED"
    durability = "fsync=on, synchronous_commit=on"
    settings = {"fsync": "on", "synchronous_commit": "on", "shared_buffers": "256MB", "max_connections": "300"}
    # A table that was empty a moment ago has no statistics yet: keeps the planner to the index of what is ready.
    own_settings = {"enable_seqscan": "off"}
    schema = ("DROP TABLE IF EXISTS bench; CREATE TABLE bench (id bigserial PRIMARY KEY, state smallint NOT NULL DEFAULT 0, "
              "claimed_at timestamptz, payload bytea NOT NULL); CREATE INDEX bench_ready ON bench (id) WHERE state = 0; CHECKPOINT")
    counts = "SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state <> 0) FROM bench"

    def __init__(self, options, folder):
        super().__init__(options, folder)
        found = glob.glob("/usr/lib/postgresql/15/bin") or sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not found or not os.path.exists(os.path.join(found[-1], "initdb")):
            raise Trouble("PostgreSQL is not installed; run tools/install bench")
        self.bin = found[-1]
        self.version = run([os.path.join(self.bin, "postgres"), "--version"], "postgres --version").split()[2]
        self.who = unprivileged()
        self.cluster = os.path.join(self.home, "cluster")
        os.mkdir(self.cluster, 0o700)
        if self.who:
            os.chown(self.cluster, self.who["user"], self.who["group"])
        run([os.path.join(self.bin, "initdb"), "-D", self.cluster, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C"],
            "initdb (its user must be able to enter the folder given with --folder)", cwd="/", **self.who)

    def launch(self):
        if self.who:
            os.chown(self.folder, self.who["user"], self.who["group"])
        words = [os.path.join(self.bin, "postgres"), "-D", self.cluster, "-p", self.port]
        settings = {**self.settings, **self.own_settings, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder}
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]
        # SIGINT is its fast shutdown: it does not wait for clients.
        return Server(words, self.folder, self.port, end=signal.SIGINT, cwd="/", **self.who)

    def check_settings(self):
        harness.wait_until(lambda: self.sql_answers("SELECT 1"), what="PostgreSQL")
        if self.sql("SELECT current_setting('fsync'), current_setting('synchronous_commit')") != "on|on":
            raise Trouble("PostgreSQL does not sync before it answers")
        self.prepare()

    def prepare(self):
        self.sql(self.schema)

    def sql_answers(self, text):
        try:
            return self.sql(text)
        except Trouble:
            return None

    def sql(self, text):
        return run([os.path.join(self.bin, "psql"), "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-AtqX",
                    *(word for one in text.split("; ") for word in ("-c", one))], "psql").strip()

    def held(self):
        return tuple(map(int, self.sql(self.counts).split("|")))


class Graphile(Postgres):
    name = title = "graphile-worker"
    durability = "on the same PostgreSQL"
    deep = False
    own_settings = {}
    counts = ("SELECT count(*) FILTER (WHERE locked_at IS NULL AND attempts = 0), count(*) FILTER (WHERE locked_at IS NOT NULL OR "
              "attempts > 0) FROM graphile_worker._private_jobs")

    def __init__(self, options, folder):
        super().__init__(options, folder)
        self.version = f"{library_version('graphile-worker')} on PostgreSQL {self.version}"
        self.client = node_program()

    def node(self, measure, *words):
        return [need("node", "Node"), os.path.join(NODE_SOURCES, "graphile-worker.js"), self.port, measure, *words]

    def prepare(self):
        self.sql("SET client_min_messages = warning; DROP SCHEMA IF EXISTS graphile_worker CASCADE")
        run(self.node("migrate", 1, 1, 1, 1), "the schema of graphile-worker", env=node_environment())
        self.sql("CHECKPOINT")

    def figures(self, measure, connections, depth, ops, payload, _):
        return figures_of(self.node(measure, connections, depth, ops, payload, int(ops * WARM)), f"graphile-worker {measure} {connections}×{depth}",
                          node_environment())


def unprivileged():
    """PostgreSQL refuses to run as root; whoever else runs this is fine as they are."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        except KeyError:
            continue
    raise Trouble("PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody")


def node_environment():
    return {"PAWL_BENCH_NODE": NODE_FOLDER, "NODE_ENV": "production"}


def node_program():
    return "one process of Node " + run([need("node", "Node"), "--version"], "node --version").strip().lstrip("v")


def library_version(package):
    install_node_libraries()
    with open(os.path.join(NODE_FOLDER, "node_modules", package, "package.json"), encoding="utf-8") as file:
        return json.load(file)["version"]


def install_node_libraries():
    """At the versions of the lock file; at once back when they are there."""
    lock = os.path.join(NODE_SOURCES, "package-lock.json")
    complete = os.path.join(NODE_FOLDER, "complete")
    with open(lock, encoding="utf-8") as file:
        wanted = file.read()
    if os.path.exists(complete):
        with open(complete, encoding="utf-8") as file:
            if file.read() == wanted:
                return
    shutil.rmtree(NODE_FOLDER, ignore_errors=True)
    os.makedirs(NODE_FOLDER)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(NODE_SOURCES, name), NODE_FOLDER)
    run([need("npm", "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "npm ci of the peers' libraries (is there a network?)", cwd=NODE_FOLDER)
    with open(complete, "w", encoding="utf-8") as file:
        file.write(wanted)


PEERS = {peer.name: peer for peer in (Pawl, Redis, BullMQ, Beanstalkd, Postgres, Graphile)}
