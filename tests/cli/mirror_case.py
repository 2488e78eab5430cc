"""What the tests of pawl mirror have in common: a bus, a mirror beside it, and an endpoint that misbehaves on demand."""
import collections
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness  # noqa: E402
import wire  # noqa: E402
from harness import wait_until  # noqa: E402

Post = collections.namedtuple("Post", "path headers body accepted")


def free_port():
    """One that nobody listens at; whoever is to listen there later takes it with Endpoint(port)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Endpoint:
    """An HTTP server. `answers` are taken one after the other, then each post gets 200:
    a status, (status, headers, body), or a function that gets the handler and returns whether it has accepted the post."""

    def __init__(self, port=0):
        self.posts = []
        self.answers = collections.deque()
        self.lock = threading.Lock()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                endpoint.take(self)

            def log_message(self, *words):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, client_address):
                pass  # whoever was killed hangs up

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def url(self, path="/hook"):
        return f"http://127.0.0.1:{self.port}{path}"

    def take(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self.lock:
            answer = self.answers.popleft() if self.answers else 200
        if callable(answer):
            accepted = answer(handler)
        else:
            status, headers, text = answer if isinstance(answer, tuple) else (answer, {}, "")
            accepted = 200 <= status < 300
        # On record before the answer is out: who has the answer may look at once.
        with self.lock:
            self.posts.append(Post(handler.path, dict(handler.headers), body.decode(), accepted))
        if callable(answer):
            return
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())

    def seen(self):
        with self.lock:
            return list(self.posts)

    def accepted(self, path="/hook"):
        return [post for post in self.seen() if post.accepted and post.path == path]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def garbage(handler):
    handler.wfile.write(b"\x00\xff this is no HTTP \r\n\r\n")
    handler.close_connection = True
    return False


def hang_up(handler):
    handler.close_connection = True
    return False


class Held:
    """An answer that waits: `arrived` when the post is there, `answer(status)` lets it go; answer(None) hangs up."""

    def __init__(self):
        self.arrived = threading.Event()
        self.let_go = threading.Event()
        self.status = None

    def __call__(self, handler):
        self.arrived.set()
        self.let_go.wait(60)
        if self.status is None:
            return hang_up(handler)
        handler.send_response(self.status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return 200 <= self.status < 300

    def answer(self, status):
        self.status = status
        self.let_go.set()


class MirrorCase(harness.BusTest):
    fast = 'backoff = { base = "10ms", max = "40ms" }\n'
    pauses = 'kinds = ["role.pause"]\n'

    def setUp(self):
        super().setUp()
        self.logs = 0
        self.first_push()

    def first_push(self):
        """The role is there from now on."""
        self.pawl("push", "r", "x", expect=0)

    def path(self, *names):
        return os.path.join(self.bus.folder, *names)

    def read(self, *names):
        with open(self.path(*names), encoding="utf-8", errors="replace") as file:
            return file.read()

    def lines(self, *names):
        return self.read(*names).splitlines() if os.path.exists(self.path(*names)) else []

    def write(self, text, name="mirror.toml"):
        path = self.path(name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text.replace("{folder}", self.bus.folder))
        os.rename(path + ".new", path)

    def endpoint(self, port=0):
        endpoint = Endpoint(port)
        self.addCleanup(endpoint.close)
        return endpoint

    def held(self, endpoint):
        held = Held()
        self.addCleanup(held.let_go.set)
        endpoint.answers.append(held)
        return held

    def env(self, **more):
        env = dict(os.environ, PAWL_URL=self.bus.url, NO_PROXY="*", no_proxy="*")
        env.update(more)
        return env

    def words(self, *words):
        return [harness.PAWL, "mirror", "--config", self.path("mirror.toml"), "--spool", self.path("spool"), *words]

    def mirror(self, *words, code=0, env=None):
        """One that ends by itself."""
        done = subprocess.run(self.words(*words), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, text=True,
                              cwd=self.bus.folder, env=self.env(**(env or {})))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def start(self, *words, ready=True):
        """One that stays, with its own log; once each channel knows where it goes on."""
        self.logs += 1
        name = f"mirror.{self.logs}.log"
        with open(self.path(name), "w", encoding="utf-8") as log:
            process = subprocess.Popen(self.words("--name", "mirror", *words), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       cwd=self.bus.folder, env=self.env())
        self.addCleanup(self.end, process)
        process.log = lambda: self.read(name)
        if ready:
            channels = self.read("mirror.toml").count("[[notify]]")
            wait_until(lambda: process.log().count("goes on after") + process.log().count("begins with what") >= channels or
                       process.poll() is not None, what="the mirror")
            wait_until(lambda: len(self.positions()) >= channels, what="its positions")
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 0, process.log())

    def kill(self, process):
        process.kill()
        process.wait()

    def pause(self, reason):
        """An entry of kind role.pause."""
        self.pawl("pause", "r", "--reason", reason, expect=0)

    def positions(self):
        if not os.path.isdir(self.path("spool")):
            return {}
        names = [name for name in os.listdir(self.path("spool")) if name.endswith(".position") and not name.startswith(".")]
        return {name[:-len(".position")]: json.loads(self.read("spool", name)) for name in names}

    def last_pause(self):
        return json.loads(self.pawl("events", "--json", "--kind", "role.pause", "--count", "1", expect=0).stdout)[-1]

    def wait_settled(self, *names):
        """Until each channel has dealt with the last pause. Positions past what is not selected are written now and then only."""
        end = self.last_pause()["seq"]
        wait_until(lambda: all(self.positions().get(name, {}).get("seq", -1) >= end for name in names), what=f"{names} at {end}")

    @staticmethod
    def reasons(posts):
        return [json.loads(post.body)["reason"] for post in posts]

    def value(self, name):
        daemon = json.loads(self.pawl("daemons", "mirror", "--json", expect=0).stdout)
        return daemon["values"][name]


def main():
    import unittest
    unittest.main()


__all__ = ["Endpoint", "Held", "MirrorCase", "Post", "free_port", "garbage", "hang_up", "harness", "main", "wait_until", "wire"]
