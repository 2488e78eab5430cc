"""Users of pawl.toml through the program: passwd, the url, rights, exit codes."""
import json
import os
import pty
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness  # noqa: E402


def passwd(data, *words):
    return subprocess.run([harness.PAWL, *words, "passwd"], input=data, capture_output=True, timeout=60, check=False)


def hashed(password):
    done = passwd(password.encode() + b"\n")
    assert done.returncode == 0 and done.stderr == b"", done
    return done.stdout.decode().strip()


class Terminal:
    """The program on a terminal of its own: what it shows, and what it gets."""

    def __init__(self, *words):
        self.shown = b""
        self.process, self.fd = pty.fork()
        if self.process == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests in the background ignores it
            os.execv(harness.PAWL, [harness.PAWL, *words])

    def wait_for(self, text):
        deadline = time.monotonic() + 30
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if harness.readable(self.fd, 1):
                self.shown += os.read(self.fd, 4096)

    def type(self, text):
        os.write(self.fd, text)

    def end(self):
        """The rest of what it shows, and how it ended."""
        try:
            while got := os.read(self.fd, 4096):
                self.shown += got
        except OSError:  # a terminal whose other side has gone
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


class PasswdTest(unittest.TestCase):
    def test_the_first_line_of_stdin_is_hashed(self):
        first, again = hashed("open sesame"), hashed("open sesame")
        self.assertTrue(first.startswith("$argon2id$v=19$m=65536,t=2,p=1$"), first)
        self.assertNotEqual(first, again)
        self.assertTrue(json.loads(passwd(b"x\nmore", "--json").stdout)["password"].startswith("$argon2id$"))

    def test_what_is_refused(self):
        for data, words in [(b"", []), (b"\n", []), (b"x" * 1025, []), (b"x\n", ["--url"])]:
            done = passwd(data, *words)
            self.assertEqual((done.returncode, done.stdout), (2, b""), data)
        done = subprocess.run([harness.PAWL, "passwd", "secret"], capture_output=True, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertNotIn(b"$argon2", done.stderr)

    def test_a_terminal_does_not_show_it_and_asks_twice(self):
        terminal = Terminal("passwd")
        terminal.wait_for(b"Password: ")
        terminal.type(b"hunter2\n")
        terminal.wait_for(b"Once more: ")
        terminal.type(b"hunter2\n")
        self.assertEqual(terminal.end(), 0)
        self.assertIn(b"$argon2id$", terminal.shown)
        self.assertNotIn(b"hunter2", terminal.shown)
        terminal = Terminal("passwd")
        terminal.wait_for(b"Password: ")
        terminal.type(b"hunter2\n")
        terminal.wait_for(b"Once more: ")
        terminal.type(b"hunter3\n")
        self.assertEqual(terminal.end(), 2)
        self.assertNotIn(b"$argon2id$", terminal.shown)

    def test_an_interrupt_ends_it(self):
        terminal = Terminal("passwd")
        terminal.wait_for(b"Password: ")
        terminal.type(b"\x03")
        self.assertEqual(terminal.end(), -signal.SIGINT)


class UsersTest(harness.BusTest):
    @classmethod
    def setUpClass(cls):
        cls.config = ""
        for name, rights, roles in [("ann", ["producer"], []), ("wim", ["worker"], ["mail", "team."]), ("ben", ["operator"], []),
                                    ("eve", ["admin"], [])]:
            cls.config += f"[user.{name}]\npassword = '{hashed(name + '/pw@')}'\nrights = {rights}\nroles = {roles}\n"

    def as_user(self, name, *words, expect=None, tcp=False):
        who = f"{name}:{name}%2Fpw%40@"
        url = f"tcp://{who}127.0.0.1:{self.bus.port}" if tcp else f"unix://{who}{self.bus.socket}"
        return self.pawl("--url", url, *words, expect=expect)

    def test_rights_and_exit_codes(self):
        for tcp in (False, True):
            self.as_user("ann", "push", "mail", "hello", expect=0, tcp=tcp)
        other = self.as_user("ann", "push", "other", "x", expect=0).stdout.decode().strip()
        for name, words, code in [
            ("ann", ["claim", "mail"], 8),
            ("ann", ["pause", "mail"], 8),
            ("ann", ["roles"], 0),
            ("wim", ["push", "mail", "x"], 8),
            ("wim", ["claim", "other"], 8),
            ("wim", ["claim", "mail", "other"], 8),
            ("wim", ["get", other], 8),
            ("wim", ["events"], 8),
            ("wim", ["exec", "mail", "--once", "--", "true"], 0),
            ("wim", ["status"], 0),
            ("ben", ["pause", "mail"], 0),
            ("ben", ["resume", "mail"], 0),
            ("ben", ["verify"], 8),
            ("ben", ["dead", "list"], 0),
            ("eve", ["verify"], 0),
            ("eve", ["push", "mail", "x"], 0),
        ]:
            done = self.as_user(name, *words, expect=code)
            if code == 8:
                self.assertIn(f"pawl: DENIED user {name}: ".encode(), done.stderr)
        shown = json.loads(self.as_user("wim", "--json", "roles", expect=0).stdout)
        self.assertEqual([role["role"] for role in shown], ["mail"])

    def test_who_is_not_known(self):
        done = self.pawl("push", "mail", "x", expect=8)
        self.assertIn(b"NOAUTH authenticate first", done.stderr)
        self.assertIn(b"PAWL_URL=tcp://user:password@host:port", done.stderr)
        said = set()
        for who in ["ann:wrong", "nobody:x", ":x"]:
            done = self.pawl("--url", f"tcp://{who}@127.0.0.1:{self.bus.port}", "roles", expect=8)
            said.add(done.stderr)
            self.assertNotIn(b"wrong@", done.stderr)
        self.assertEqual(len(said), 1, said)

    def test_a_handler_is_the_user_that_runs_it(self):
        self.as_user("eve", "push", "mail", "x", expect=0)
        script = f'{harness.PAWL} extend "$PAWL_ID" "$PAWL_CLAIM" --progress 50 >&2 && {harness.PAWL} push mail y; echo "code $?"'
        self.as_user("wim", "exec", "mail", "--once", "--", "sh", "-c", script, expect=0)
        done = json.loads(self.as_user("wim", "--json", "list", "mail", "done", expect=0).stdout)[0]
        self.assertEqual(self.as_user("wim", "result", done["id"], expect=0).stdout, b"code 8\n")

    def test_the_chronicle_names_the_user(self):
        self.as_user("ann", "claim", "mail", expect=8)
        events = json.loads(self.as_user("ben", "--json", "events", "--kind", "guard", expect=0).stdout)
        self.assertEqual((events[0]["guard"], events[0]["scope"]), ("authorisation", "user:ann"))

    def test_a_plain_password_is_no_hash(self):
        path = os.path.join(self.bus.folder, "plain.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write('[user.ann]\npassword = "hunter2"\nrights = ["producer"]\n')
        done = self.pawl("serve", "--config", path, "--check", expect=2)
        self.assertIn(f"{path}:2: user.ann.password holds no hash".encode(), done.stderr)
        self.assertNotIn(b"hunter2", done.stderr)


if __name__ == "__main__":
    unittest.main()
