#!/usr/bin/python3
"""Stock Redis clients: connect, push, claim with wait, ack, pipeline."""
import os
import re
import subprocess
import threading
import unittest

import redis

import harness


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


class RedisPy(harness.BusTest):
    def client(self):
        client = redis.Redis(port=self.bus.port)
        self.addCleanup(client.close)
        return client

    def test_push_claim_ack(self):
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

    def test_claim_waits_for_a_push(self):
        got = []
        waiting = threading.Thread(target=lambda: got.extend(self.client().execute_command("CLAIM", "py", "jobs", "WAIT", 30000)))
        waiting.start()
        message = self.client().execute_command("PUSH", "jobs", "x")
        waiting.join(30)
        self.assertEqual([pairs(claim)[b"id"] for claim in got], [message])

    def test_pipeline(self):
        pipe = self.client().pipeline(transaction=False)
        for n in range(500):
            pipe.execute_command("PUSH", "jobs", str(n))
        ids = pipe.execute()
        self.assertEqual(len(set(ids)), 500)
        claims = self.client().execute_command("CLAIM", "py", "jobs", "COUNT", 500)
        self.assertEqual([pairs(claim)[b"payload"] for claim in claims], [str(n).encode() for n in range(500)])

    def test_transaction(self):
        client = self.client()
        client.execute_command("PUSH", "jobs", "first")
        claim = pairs(client.execute_command("CLAIM", "py", "jobs")[0])
        pipe = client.pipeline(transaction=True)
        pipe.execute_command("ACK", claim[b"id"], claim[b"token"])
        pipe.execute_command("PUSH", "jobs", "second")
        acknowledged, pushed = pipe.execute()
        self.assertEqual(acknowledged, b"OK")
        self.assertEqual(pairs(client.execute_command("CLAIM", "py", "jobs")[0])[b"id"], pushed)


class Tools(harness.BusTest):
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
        self.assertEqual(redis.Redis(port=self.bus.port).execute_command("ROLE", "jobs")[0], b"name")
        listed = re.search(rb"2000", b" ".join(map(repr_bytes, redis.Redis(port=self.bus.port).execute_command("ROLE", "jobs"))))
        self.assertTrue(listed, "2000 pushes are 2000 messages")


def repr_bytes(value):
    return repr(value).encode()


class Node(harness.BusTest):
    def run_script(self, name):
        if not os.path.isdir(os.path.join(harness.NODE, "node_modules")):
            self.fail(f"the Node clients are not in {harness.NODE}: tools/test --build-only puts them there")
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node", name)
        done = subprocess.run(["node", script], capture_output=True, text=True, timeout=120, check=False,
                              env=dict(os.environ, PAWL_PORT=str(self.bus.port), PAWL_NODE=harness.NODE))
        self.assertEqual((done.returncode, done.stdout), (0, "fine\n"), done.stderr)

    def test_ioredis(self):
        self.run_script("ioredis.cjs")

    def test_node_redis_resp3(self):
        self.run_script("node_redis.cjs")


if __name__ == "__main__":
    unittest.main()
