#!/usr/bin/python3
"""Data folders in trouble: one clear line that names the path and says what to do, and nothing in the folder is made worse."""
import glob
import os
import shutil
import subprocess
import unittest

import harness
from wire import Wire, as_map

NOBODY = 65534


class DataTrouble(unittest.TestCase):
    def setUp(self):
        self.bus = harness.Bus()
        self.addCleanup(self.bus.close)

    def refuses(self, saying, prefix=()):
        """`pawl serve` on the folder ends by itself with 1 and one line; the line."""
        done = subprocess.run([*prefix, *self.bus.command()], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("pawl:")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(saying, lines[0])
        return lines[0]

    def fill(self, count=50):
        """Serves the folder, pushes, and leaves the bus running: the ids."""
        self.bus.start()
        with Wire(self.bus.port) as wire:
            return [wire.call("PUSH", "jobs", str(n)) for n in range(count)]

    def ready(self):
        with Wire(self.bus.port) as wire:
            return as_map(wire.call("ROLE", "jobs"))["ready"]

    def verify(self, code=0):
        done = subprocess.run([harness.PAWL, "verify", "--data", self.bus.data], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def newest_log(self):
        return max(glob.glob(os.path.join(self.bus.data, "db", "*.log")))

    @staticmethod
    def end_of(log):
        """Where the last record ends: the file goes on with the zeros that the next ones were to be written over."""
        with open(log, "rb") as file:
            return len(file.read().rstrip(b"\x00"))

    def test_unreadable_data_directory(self):
        self.fill()
        self.bus.stop()
        os.chmod(self.bus.folder, 0o755)
        os.chmod(self.bus.data, 0)
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
        line = self.refuses(self.bus.data, prefix)
        self.assertRegex(line, "[Pp]ermission denied")
        os.chmod(self.bus.data, 0o700)
        self.bus.start()
        self.assertEqual(self.ready(), 50)

    def test_data_directory_that_is_a_file(self):
        with open(self.bus.data, "w", encoding="utf-8") as file:
            file.write("mine")
        self.assertIn("not a directory", self.refuses(self.bus.data))
        with open(self.bus.data, encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")

    def test_data_directory_under_nothing(self):
        self.bus.data = os.path.join(self.bus.folder, "no", "such", "place")
        self.refuses(self.bus.data)
        self.assertFalse(os.path.exists(os.path.join(self.bus.folder, "no")))

    def test_foreign_data_directory(self):
        """A RocksDB of somebody else's: its format file, and no column family of ours."""
        self.fill(1)
        self.bus.stop()
        foreign = os.path.join(self.bus.folder, "foreign")
        os.mkdir(foreign)
        shutil.copytree(os.path.join(self.bus.data, "db"), foreign, dirs_exist_ok=True)
        self.bus.data = foreign
        before = sorted(os.listdir(foreign))
        self.assertIn("another data directory", self.refuses("a RocksDB database of something else"))
        self.assertEqual(sorted(os.listdir(foreign)), before)

    def test_garbage_in_the_data_directory(self):
        os.makedirs(os.path.join(self.bus.data, "db"))
        with open(os.path.join(self.bus.data, "db", "CURRENT"), "w", encoding="utf-8") as file:
            file.write("no database\n")
        self.refuses(self.bus.data)
        with open(os.path.join(self.bus.data, "db", "CURRENT"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "no database\n")

    def test_newer_data_directory(self):
        """The format row, which the log holds as text, says a version that does not exist yet."""
        self.fill(1)
        self.bus.kill()
        # The row is in the log with a checksum; a newer program's folder is made by telling the same story in a new log.
        log = sorted(glob.glob(os.path.join(self.bus.data, "db", "*.log")))[0]
        with open(log, "rb") as file:
            raw = file.read()
        at = raw.index(b"pawl 1")
        with open(log, "wb") as file:
            file.write(with_changed_byte(raw, at + 5, ord("9")))
        self.assertIn("newer pawl", self.refuses("format 9"))

    def test_a_second_server_on_it(self):
        self.fill()
        pid = self.bus.process.pid
        second = harness.Bus(folder=self.bus.folder)
        second.socket = os.path.join(self.bus.folder, "second.sock")
        done = subprocess.run(second.command(), capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another pawl serve holds", done.stderr)
        self.assertIn(str(pid), done.stderr)
        self.assertEqual(self.ready(), 50)  # the first one noticed nothing

    def test_a_torn_tail(self):
        for cut in (1, 5, 20):
            with self.subTest(cut=cut):
                ids = self.fill(20)
                expected = self.ready()
                with Wire(self.bus.port) as wire:
                    wire.call("PUSH", "jobs", "the last one")
                self.bus.kill()
                log = self.newest_log()
                os.truncate(log, self.end_of(log) - cut)
                self.bus.start()
                # The torn batch was the last push: it alone is gone, which only a disk that lied about fsync can do.
                self.assertEqual(self.ready(), expected)
                with Wire(self.bus.port) as wire:
                    self.assertEqual(as_map(wire.call("GET", ids[-1]))["state"], b"ready")
                    self.assertEqual(as_map(wire.call("VERIFY"))["ok"], 1)
                self.bus.stop()

    def test_a_tail_of_zeroes(self):
        self.fill(20)
        with Wire(self.bus.port) as wire:
            wire.call("PUSH", "jobs", "the last one")
        self.bus.kill()
        log = self.newest_log()
        end = self.end_of(log)
        with open(log, "r+b") as file:
            file.seek(end - 20)
            file.write(b"\x00" * 20)
        self.bus.start()
        self.assertEqual(self.ready(), 20)
        self.assertTrue(os.listdir(os.path.join(self.bus.data, "damaged")), "a copy of what was cut is kept")
        self.assertIn("damaged", self.bus.log())  # and the log says where

    def test_garbage_behind_the_tail(self):
        for behind in ("the last record", "the zeros"):
            with self.subTest(behind=behind):
                count = len(self.fill(20)) + (20 if behind == "the zeros" else 0)
                self.bus.kill()
                log = self.newest_log()
                with open(log, "r+b") as file:
                    file.seek(self.end_of(log) if behind == "the last record" else os.path.getsize(log))
                    file.write(b"\x17\x2a" * 100)
                self.bus.start()
                self.assertEqual(self.ready(), count)
                self.bus.stop()

    def test_a_hole_in_the_log(self):
        """Whole batches lie behind the damage: cutting would lose answered ones, so it refuses."""
        self.fill(50)
        self.bus.kill()
        log = self.newest_log()
        with open(log, "r+b") as file:
            file.seek(self.end_of(log) // 2)
            file.write(b"\xff" * 8)
        size = os.path.getsize(log)
        self.assertIn("backup", self.refuses(self.bus.data))
        self.assertEqual(os.path.getsize(log), size)

    def test_a_lost_wal(self):
        self.fill()
        self.bus.kill()
        log = self.newest_log()
        kept = os.path.join(self.bus.folder, "kept.log")
        os.rename(log, kept)
        line = self.refuses("is missing")
        self.assertIn(os.path.basename(log), line)
        self.verify(code=1)
        os.rename(kept, log)
        self.bus.start()
        self.assertEqual(self.ready(), 50)


def with_changed_byte(raw, at, byte):
    """A RocksDB log with one byte of a record changed and the record's checksum made right again."""
    position = 0
    changed = bytearray(raw)
    while position + 7 <= len(raw):
        size = int.from_bytes(raw[position + 4:position + 6], "little")
        kind = raw[position + 6]
        header = 11 if kind >= 5 else 7  # recyclable records carry their log's number
        start, end = position + header, position + header + size
        if start <= at < end:
            changed[at] = byte
            checksum = crc32c(bytes(changed[position + 6:end]))
            masked = (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF
            changed[position:position + 4] = masked.to_bytes(4, "little")
            return bytes(changed)
        position = end
        if 32768 - position % 32768 < 7:
            position += 32768 - position % 32768
    raise AssertionError("no record there")


def crc32c(raw):
    value = 0xFFFFFFFF
    for byte in raw:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


if __name__ == "__main__":
    unittest.main()
