"""`pawl ops reload` and SIGHUP: the file as it is now, whole or not at all, against a real bus."""
import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness  # noqa: E402


class ReloadTest(harness.BusTest):
    config = "[role.r]\nbacklog = 2\n"

    def write(self, text):
        with open(os.path.join(self.bus.folder, "pawl.toml"), "w", encoding="utf-8") as file:
            file.write(text)

    def reload(self, text, expect=0):
        self.write(text)
        return self.pawl("ops", "reload", expect=expect)

    def hang_up(self, text, said):
        """SIGHUP with this file; waits until the log has `said`."""
        self.write(text)
        os.kill(self.bus.process.pid, signal.SIGHUP)
        harness.wait_until(lambda: said in self.bus.log(), what=f"{said!r} in the log")

    def entries(self):
        return json.loads(self.pawl("--json", "events", "--kind", "config.reload", expect=0).stdout)

    def test_changes_are_printed_and_hold(self):
        for _ in range(2):
            self.pawl("push", "r", "x", expect=0)
        self.pawl("push", "r", "x", expect=5)
        done = self.reload("[role.r]\nbacklog = 3\n[role.new]\nlease = \"1m\"\n")
        self.assertEqual(done.stdout, b"role.new added\nrole.new.lease 15m -> 1m\nrole.r.backlog 2 -> 3\n")
        self.assertEqual(done.stderr, b"")
        self.pawl("push", "r", "x", expect=0)
        self.pawl("push", "r", "x", expect=5)
        done = self.pawl("ops", "reload", expect=0)
        self.assertEqual((done.stdout, done.stderr), (b"", b"pawl: nothing has changed for the bus; pawl run takes commands and prompts by itself\n"))
        self.assertEqual(json.loads(self.pawl("--json", "ops", "reload", expect=0).stdout), [])
        self.write("[role.r]\nbacklog = 3\n")
        self.assertEqual(json.loads(self.pawl("--json", "ops", "reload", expect=0).stdout),
                         ["role.new removed", "role.new.lease 1m -> 15m"])
        self.assertEqual(len(self.entries()), 2)
        # After kill -9 the new file holds, as it was going to.
        self.bus.kill()
        self.bus.config = "[role.r]\nbacklog = 4\n"
        self.bus.start()
        self.pawl("push", "r", "x", expect=0)
        self.assertEqual(len(self.entries()), 2)

    def test_a_faulty_file_changes_nothing(self):
        path = os.path.join(self.bus.folder, "pawl.toml")
        done = self.reload("[role.r]\nbacklog = 9\nleese = \"1m\"\n[guards]\nfreeze = \"off\"\n", expect=2)
        self.assertEqual(done.stderr.decode(),
                         f"pawl: BADARG {path}:3: unknown key 'leese' in [role.r]; did you mean 'lease'? | {path}:5: guards.freeze has "
                         "no mode: this guard always enforces; leave the line out\n")
        self.assertIn(b"ERR cannot read", self.reload_without_file().stderr)
        self.reload("[role.r\n", expect=2)
        done = self.reload("[role.r]\nbacklog = 9\n[bus]\ndata = \"elsewhere\"\nstrict_roles = true\n")
        self.assertNotIn(b"data", done.stdout)  # --data wins over the file, so nothing has changed
        self.pawl("push", "elsewhere", "x", expect=4)

    def reload_without_file(self):
        os.remove(os.path.join(self.bus.folder, "pawl.toml"))
        return self.pawl("ops", "reload", expect=1)

    def test_what_a_start_alone_can_change(self):
        bus = harness.Bus()
        self.addCleanup(bus.close)
        words = bus.command
        # No options that win over the file.
        bus.command = lambda *options: [harness.PAWL, "serve", "--config", os.path.join(bus.folder, "pawl.toml")]
        place = f"data = \"{bus.data}\"\nlisten = \"127.0.0.1:0\"\nsocket = \"{bus.socket}\"\n"
        self.bus = bus
        self.assertIsNotNone(words)
        self.write("[bus]\n" + place)
        bus.start()
        for wrong, named in [(place.replace("127.0.0.1:0", "127.0.0.1:1"), "bus.listen (127.0.0.1:0 runs, the file has 127.0.0.1:1)"),
                             (place.replace(bus.data, bus.data + "2"), "bus.data ("),
                             (place.replace(bus.socket, bus.socket + "2"), "bus.socket ("),
                             (place + "http = \"127.0.0.1:2\"\n", "bus.http (127.0.0.1:7296 runs, the file has 127.0.0.1:2)")]:
            done = self.reload("[bus]\nstrict_roles = true\n" + wrong, expect=1)
            self.assertIn("STATE", done.stderr.decode())
            self.assertIn(named, done.stderr.decode())
            self.assertIn("nothing of the file was applied", done.stderr.decode())
        self.pawl("push", "unnamed", "x", expect=0)
        self.assertEqual(self.reload("[bus]\nstrict_roles = true\n" + place).stdout, b"bus.strict_roles false -> true\n")

    def test_a_signal_does_the_same(self):
        self.hang_up("[role.r]\nbacklog = 1\n", "reloaded by signal: role.r.backlog 2 -> 1\n")
        self.hang_up("[role.r]\nbacklog = 1\n", "SIGHUP: nothing has changed\n")
        self.hang_up("[role.r]\nbaklog = 5\n", "unknown key 'baklog'")
        self.pawl("push", "r", "x", expect=0)
        self.pawl("push", "r", "x", expect=5)
        self.assertEqual([entry["by"] for entry in self.entries()], ["signal"])
        self.assertIsNone(self.bus.process.poll())

    def test_a_bus_without_a_file(self):
        bus = harness.Bus()
        self.addCleanup(bus.close)
        self.bus = bus.start()
        self.assertIn(b"STATE this bus was started without a configuration file", self.pawl("ops", "reload", expect=1).stderr)
        os.kill(bus.process.pid, signal.SIGHUP)
        harness.wait_until(lambda: "SIGHUP: not reloaded: this bus was started without" in bus.log(), what="the log")
        self.pawl("push", "r", "x", expect=0)

    def test_the_password(self):
        self.assertEqual(self.reload("[bus]\npassword = \"open sesame\"\n[role.r]\nbacklog = 2\n").stdout, b"bus.password added\n")
        self.pawl("push", "r", "x", expect=8)
        self.assertNotIn("sesame", self.bus.log())
        self.hang_up("[role.r]\nbacklog = 2\n", "bus.password removed")
        self.pawl("push", "r", "x", expect=0)
        self.assertNotIn("sesame", json.dumps(self.entries()))

    def test_the_disk_s_marks(self):
        """No disk has so much room; what is looked at once a second holds a moment later."""
        pushed = lambda code: lambda: self.pawl("push", "r", "x").returncode == code
        self.assertEqual(self.reload("[bus]\ndisk_low = \"1000000GiB\"\n").stdout, b"bus.disk_low none -> 1000000GiB\nrole.r removed\nrole.r.backlog 2 -> none\n")
        harness.wait_until(pushed(5), what="a refused push")
        self.assertIn(b"BUSY the disk", self.pawl("push", "r", "x", expect=5).stderr)
        self.assertIn("low is below 1024000000, critical below 512000000", self.bus.log())
        self.reload("[bus]\ndisk_low = \"2MiB\"\n")
        harness.wait_until(pushed(0), what="a push")
        done = self.reload("[bus]\ndisk_low = \"2MiB\"\ndisk_critical = \"2MiB\"\n", expect=2)
        self.assertIn(b"pawl.toml:1: bus.disk_critical is not below bus.disk_low", done.stderr)


if __name__ == "__main__":
    unittest.main()
