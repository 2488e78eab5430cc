"""What the tests of the kill switch share: the flag files, what stands, and who is told FROZEN.

    class FlagTest(freezing.FreezeTest):
        def test_touch(self):
            self.touch()
            self.assert_frozen(self.push())
"""
import os

import harness
from wire import ErrorReply, Wire, as_map

SCOPES = ("intake", "claims", "all")  # each stops what the one before it stops, and more


def is_frozen(answer):
    return isinstance(answer, ErrorReply) and answer.code == "FROZEN"


class FreezeTest(harness.BusTest):
    def setUp(self):
        super().setUp()
        self.wire = self.connect()

    def connect(self):
        wire = Wire(self.bus.port)
        self.addCleanup(wire.close)
        return wire

    def restart(self, while_down=lambda: None, how=None):
        """Ends the bus, SIGKILL unless told otherwise; starts it again."""
        self.wire.close()
        (how or self.bus.kill)()
        while_down()
        self.bus.start()
        self.wire = self.connect()

    # ---- The flag files -----------------------------------------------------

    def flag(self, name="KILL"):
        return os.path.join(self.bus.data, name)

    def touch(self, name="KILL"):
        touch(self.flag(name))

    def write_flag(self, content, name="KILL"):
        """All of it or nothing is there at any time."""
        path = os.path.join(self.bus.folder, name + ".made")
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.rename(path, self.flag(name))

    def read_flag(self, name="KILL"):
        """Its lines as a map."""
        with open(self.flag(name), encoding="utf-8") as file:
            return dict(line.split("=", 1) for line in file.read().splitlines())

    def flags(self):
        return [name for name in ("KILL", "KILL_HARD") if os.path.lexists(self.flag(name))]

    # ---- What stands --------------------------------------------------------

    def status(self):
        return as_map(self.wire.call("KILL", "STATUS"))

    def becomes(self, freeze, seconds=5):
        """Without any command that the freeze could stop: the flags are looked at when nothing else happens too."""
        harness.wait_until(lambda: self.status()["freeze"].decode() == freeze, seconds, f"the freeze {freeze}")

    def push(self, role="jobs", *options):
        return self.wire.call("PUSH", role, "x", *options)

    def claim(self, role="jobs", *options, daemon="worker"):
        """A message of its own, claimed: (id, token)."""
        self.assertIsInstance(self.push(role), bytes)
        one = as_map(self.wire.call("CLAIM", daemon, role, *options)[0])
        return one["id"], one["token"]

    def message(self, message):
        return as_map(self.wire.call("GET", message))

    def entries(self, kind, after=0):
        """The chronicle's entries of a kind, oldest first."""
        return [as_map(entry) for entry in self.wire.call("EVENTS", str(after), "COUNT", "1000", "KIND", kind)[1]]

    def assert_frozen(self, answer, about=None):
        self.assertTrue(is_frozen(answer), f"FROZEN expected, got {answer!r} {about or ''}")

    def assert_passes(self, answer, about=None):
        self.assertNotIsInstance(answer, ErrorReply, about)

    def assert_free(self):
        """Nothing stands, no flag is there, work goes on."""
        self.assertEqual(self.status()["freeze"], b"none")
        self.assertEqual(self.flags(), [])
        self.assertIsInstance(self.push(), bytes)


def touch(path):
    """As touch(1) does it; another process may remove the file at any time."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.utime(file)
    os.close(file)
