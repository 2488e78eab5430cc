"""Kills in random order: launcher, keepers, daemons, bus. Afterwards everything is up again, once, and a stop leaves nobody.

PAWL_CHAOS_ROUNDS=200 for a long run; PAWL_CHAOS_SEED repeats one.
"""
import os
import random
import shutil
import signal
import unittest

from up_case import UpTest, harness, marked, start_time

ROUNDS = int(os.environ.get("PAWL_CHAOS_ROUNDS", "10"))
SEED = int(os.environ.get("PAWL_CHAOS_SEED", random.SystemRandom().randrange(1 << 32)))
DAEMON = '''
[daemon.{0}]
command = ["./work.sh", "{0}"]
backoff = {{ base = "20ms", max = "50ms" }}
restarts = {{ max = 100000, per = "1m" }}
'''
# Holds a lock for life: two of one name at a time would be seen. A grandchild hides and is of no name.
WORK = '''#!/bin/sh
setsid "$PWD/hidden" 300 &
exec flock -n -E 99 "lock.$1" sh -c 'setsid -f env -i "$PWD/hidden" 301; exec sleep 302' "$1"
'''


class ChaosTest(UpTest):
    def victim(self, chance, rows):
        """Whom to kill next: (what, pid)."""
        name = chance.choice(sorted(rows))
        pid = rows[name].get("pid")
        if pid is None or start_time(pid) is None:
            return "nobody", None
        if chance.random() < 0.5:
            return name, pid
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return "keeper of " + name, int(file.read().rsplit(")", 1)[1].split()[1])

    def test_nobody_is_lost_and_nobody_runs_twice(self):
        chance = random.Random(SEED)
        self.write(WORK, "work.sh")
        os.chmod(self.path("work.sh"), 0o755)
        shutil.copy("/bin/sleep", self.path("hidden"))  # its words name the folder, if nothing else does
        launcher = self.up("".join(DAEMON.format(name) for name in ("a", "b", "c")))
        done = []
        for _ in range(ROUNDS):
            harness.wait_until(lambda: self.pawl("ops", "list").returncode == 0, what=f"a launcher; {self.words(done)}")
            rows = self.list()
            for _ in range(chance.randrange(1, 4)):
                what, pid = self.victim(chance, rows)
                if pid is not None and pid > 1 and start_time(pid) is not None:
                    done.append(what)
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            if chance.random() < 0.5:
                done.append("launcher")
                launcher.kill()
                launcher.wait()
                launcher = self.up()
        harness.wait_until(lambda: self.pawl("ops", "list").returncode == 0)
        harness.wait_until(lambda: {row["state"] for row in self.list().values()} == {"ready"}, 60, f"calm; {self.words(done)}")
        for name in "abc":
            self.assertNotIn(f"{name}: ending (exit 99", self.said(), f"two of {name} at a time; {self.words(done)}")
        self.stop(launcher)
        self.assertEqual(marked(self.folder), [], self.words(done))
        self.nobody_left()

    @staticmethod
    def words(done):
        return f"PAWL_CHAOS_SEED={SEED}: " + ", ".join(done)


if __name__ == "__main__":
    unittest.main()
