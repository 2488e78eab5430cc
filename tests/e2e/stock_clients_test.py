#!/usr/bin/python3
"""Stock Redis clients: connect, push, claim with wait, ack, pipeline, transaction, subscribe.

Each is told 127.0.0.1, where the bus listens: by default they ask for "localhost", which a machine without /etc/hosts does not know."""
import os
import subprocess
import threading
import unittest

import redis

import harness


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


class RedisPy(harness.BusTest):
    def client(self):
        client = redis.Redis(host="127.0.0.1", port=self.bus.port)
        self.addCleanup(client.close)
        return client

    def test_redis_py_push_claim_ack(self):
        client = self.client()
        self.assertTrue(client.ping())
        message = client.execute_command("PUSH", "jobs", b"\x00binary\r\n", "PRIORITY", 7, "HEADER", "a", "b")
        claim = pairs(client.execute_command("CLAIM", "py", "jobs")[0])
        self.assertEqual((claim[b"id"], claim[b"payload"]), (message, b"\x00binary\r\n"))
        self.assertEqual(pairs(claim[b"headers"]), {b"a": b"b"})
        self.assertEqual(client.execute_command("ACK", message, claim[b"token"], "RESULT", "fine"), b"OK")
        self.assertEqual(pairs(client.execute_command("RESULT", message))[b"result"], b"fine")
        with self.assertRaisesRegex(redis.ResponseError, "^LOST "):
            client.execute_command("ACK", message, claim[b"token"])

    def test_redis_py_claim_waits_for_a_push(self):
        got = []
        waiting = threading.Thread(target=lambda: got.extend(self.client().execute_command("CLAIM", "py", "jobs", "WAIT", 30000)))
        waiting.start()
        message = self.client().execute_command("PUSH", "jobs", "x")
        waiting.join(30)
        self.assertEqual([pairs(claim)[b"id"] for claim in got], [message])

    def test_redis_py_pipeline(self):
        pipe = self.client().pipeline(transaction=False)
        for n in range(500):
            pipe.execute_command("PUSH", "jobs", str(n))
        ids = pipe.execute()
        self.assertEqual(len(set(ids)), 500)
        claims = self.client().execute_command("CLAIM", "py", "jobs", "COUNT", 500)
        self.assertEqual([pairs(claim)[b"payload"] for claim in claims], [str(n).encode() for n in range(500)])

    def test_redis_py_transaction(self):
        client = self.client()
        client.execute_command("PUSH", "jobs", "first")
        claim = pairs(client.execute_command("CLAIM", "py", "jobs")[0])
        pipe = client.pipeline(transaction=True)
        pipe.execute_command("ACK", claim[b"id"], claim[b"token"])
        pipe.execute_command("PUSH", "jobs", "second")
        acknowledged, pushed = pipe.execute()
        self.assertEqual(acknowledged, b"OK")
        self.assertEqual(pairs(client.execute_command("CLAIM", "py", "jobs")[0])[b"id"], pushed)


    def test_redis_py_subscribe(self):
        listener = self.client().pubsub()
        self.addCleanup(listener.close)
        listener.subscribe("news")
        self.assertEqual(listener.get_message(timeout=10)["type"], "subscribe")
        self.assertEqual(self.client().publish("news", "hello"), 1)
        self.assertEqual(listener.get_message(timeout=10)["data"], b"hello")


class Tools(harness.BusTest):
    def test_hiredis(self):
        program = os.environ.get("PAWL_HIREDIS_CLIENT")
        if not program:
            self.skipTest("run by ctest, which builds hiredis_client")
        done = subprocess.run([program, str(self.bus.port)], capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "fine\n"), done.stderr)

    def test_redis_cli(self):
        def cli(*words):
            return subprocess.run(["redis-cli", "-p", str(self.bus.port), *words], capture_output=True, text=True, check=True).stdout
        self.assertEqual(cli("PING"), "PONG\n")
        message = cli("PUSH", "jobs", "payload").strip()
        self.assertRegex(message, r"^[0-9a-z]{1,32}$")
        self.assertIn(message, cli("CLAIM", "cli", "jobs", "WAIT", "1000"))
        self.assertIn(message, cli("-3", "GET", message))
        self.assertTrue(cli("NOSUCH").startswith("ERR unknown command"))

    def test_redis_benchmark(self):
        done = subprocess.run(["redis-benchmark", "-p", str(self.bus.port), "-n", "2000", "-c", "16", "-P", "4", "-q", "PUSH", "jobs", "x"],
                              capture_output=True, text=True, check=True)
        self.assertRegex(done.stdout, r"requests per second")
        with redis.Redis(host="127.0.0.1", port=self.bus.port) as client:
            self.assertEqual(pairs(client.execute_command("ROLE", "jobs"))[b"ready"], 2000)
        standard = subprocess.run(["redis-benchmark", "-p", str(self.bus.port), "-n", "1000", "-q", "-t", "ping"],
                                  capture_output=True, text=True, check=True)
        self.assertRegex(standard.stdout, r"PING_MBULK")


class Node(harness.BusTest):
    def run_script(self, name):
        if not os.path.isdir(os.path.join(harness.NODE, "node_modules")):
            self.fail(f"the Node clients are not in {harness.NODE}: tools/test --build-only puts them there")
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node", name)
        done = subprocess.run(["node", script], capture_output=True, text=True, timeout=120, check=False,
                              env=dict(os.environ, PAWL_PORT=str(self.bus.port), PAWL_NODE=harness.NODE))
        self.assertEqual((done.returncode, done.stdout), (0, "fine\n"), done.stderr)

    def test_ioredis_5(self):
        self.run_script("ioredis.cjs")

    def test_node_redis_resp3(self):
        self.run_script("node_redis.cjs")


if __name__ == "__main__":
    unittest.main()
