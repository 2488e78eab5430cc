"""pawl mirror: --once, --test, --dry-run, changes of the file, gaps, mistakes, and pawl up."""
import json
import os
import signal
import unittest

import up_case
from mirror_case import MirrorCase, free_port, wait_until


class OnceTest(MirrorCase):
    def test_posts_what_is_there_and_ends(self):
        target = self.endpoint()
        self.write(f'[[notify]]\nto = "webhook"\nurl = "{target.url()}"\n{self.pauses}')
        self.assertIn("begins with what happens from now on", self.mirror("--once").stderr)
        self.pause("one")
        self.pause("two")
        self.assertIn("2 posted", self.mirror("--once").stderr)
        self.assertIn("nothing posted", self.mirror("--once").stderr)
        self.assertEqual(self.reasons(target.accepted()), ["one", "two"])

    def test_what_is_left_is_posted_the_next_time(self):
        port = free_port()
        self.write(f'[[notify]]\nto = "webhook"\nurl = "http://127.0.0.1:{port}/hook"\n{self.pauses}'
                   f'[[notify]]\nto = "file"\npath = "{{folder}}/notices"\n{self.pauses}')
        self.mirror("--once")
        self.pause("one")
        done = self.mirror("--once", code=1)
        self.assertRegex(done.stderr, r"webhook: #\d+ role.pause is not posted yet: .*connect")
        self.assertEqual(len(self.lines("notices")), 1)
        target = self.endpoint(port)
        self.mirror("--once")
        self.assertEqual(self.reasons(target.accepted()), ["one"])
        self.assertEqual(len(self.lines("notices")), 1)

    def test_a_post_that_failed_for_good_is_exit_1(self):
        target = self.endpoint()
        self.write(f'[[notify]]\nto = "webhook"\nurl = "{target.url()}"\n{self.pauses}')
        self.mirror("--once")
        self.pause("one")
        self.pause("two")
        target.answers.append(410)
        self.assertIn("1 posted, 1 failed", self.mirror("--once", code=1).stderr)
        self.mirror("--once")

    def test_the_tries_of_a_command_count_over_runs(self):
        self.write(f'[[notify]]\nto = "command"\ncommand = ["sh", "-c", "cat >> got; exit 1"]\ntries = 2\n{self.pauses}')
        self.mirror("--once")
        self.pause("one")
        self.mirror("--once", code=1)
        self.mirror("--once", code=1)
        self.mirror("--once")
        self.assertEqual(len(self.lines("got")), 2)
        self.assertEqual(len(self.lines("spool", "command.failed")), 1)

    def test_without_a_bus(self):
        self.write(f'[[notify]]\nto = "webhook"\nurl = "http://127.0.0.1:9/"\n{self.pauses}')
        self.bus.stop()
        self.mirror("--once", code=7)
        self.mirror("--dry-run", code=7)

    def test_dry_run_prints_and_posts_nothing(self):
        target = self.endpoint()
        self.write(f'[[notify]]\nto = "webhook"\nurl = "{target.url()}"\n{self.pauses}'
                   f'[[notify]]\nto = "slack"\nurl = "{target.url()}"\nkinds = ["role.resume"]\n')
        self.pause("one")
        self.pawl("resume", "r", expect=0)
        done = self.mirror("--dry-run")
        self.assertIn("webhook: has no position yet", done.stderr)
        self.assertEqual(done.stdout, "")
        lines = self.mirror("--dry-run", "--after", "0").stdout.splitlines()
        self.assertEqual([line.split(":")[0] for line in lines], ["webhook", "slack"])
        self.assertEqual(json.loads(lines[0].split(": ", 1)[1])["reason"], "one")
        shown = json.loads(self.mirror("--dry-run", "--after", "0", "--json", "slack").stdout)
        self.assertEqual([(post["channel"], post["to"]) for post in shown], [("slack", "slack")])
        self.assertEqual(json.loads(shown[0]["body"])["text"], "role.resume")
        self.assertFalse(os.path.exists(self.path("spool")))
        self.mirror("--once")
        self.pause("two")
        shown = json.loads(self.mirror("--dry-run", "--json", "webhook").stdout)
        self.assertEqual(json.loads(shown[0]["body"])["reason"], "two")
        self.assertEqual(target.seen(), [])
        self.mirror("--once")
        self.assertEqual([post["delivery"] for post in shown],
                         [post.headers["X-Pawl-Delivery"] for post in target.accepted() if "X-Pawl-Timestamp" in post.headers])

    def test_test_sends_a_notice_to_each(self):
        target = self.endpoint()
        self.write(f'[[notify]]\nto = "slack"\nurl = "{target.url()}"\n'
                   f'[[notify]]\nto = "discord"\nurl = "{target.url("/discord")}"\n'
                   '[[notify]]\nto = "file"\npath = "{folder}/notices"\n'
                   '[[notify]]\nto = "command"\ncommand = ["sh", "-c", "exit 4"]\n')
        self.bus.stop()  # it needs none
        done = self.mirror("--test", code=1)
        rows = [line.split(None, 2) for line in done.stdout.splitlines()]
        self.assertEqual(rows, [["channel", "to", "result"], ["slack", "slack", "posted"], ["discord", "discord", "posted"],
                                ["file", "file", "posted"], ["command", "command", "not posted: exit 4"]])
        self.assertEqual(json.loads(target.accepted()[0].body)["text"], "notify.test: A test of this channel")
        target.answers.append((403, {}, "invalid_token"))
        shown = json.loads(self.mirror("--test", "--json", "slack", code=1).stdout)
        self.assertEqual(shown, [{"channel": "slack", "to": "slack", "posted": False, "why": "answered 403: invalid_token"}])
        self.mirror("--test", "file")
        self.assertEqual(len(self.lines("notices")), 2)
        self.assertFalse(os.path.exists(self.path("spool")))


class ChangeTest(MirrorCase):
    def test_a_changed_file_is_taken_as_it_comes(self):
        first, second = self.endpoint(), self.endpoint()
        def hook(target):
            return f'[[notify]]\nto = "webhook"\nurl = "{target.url()}"\n' + self.pauses + self.fast
        self.write(hook(first))
        mirror = self.start()
        self.pause("one")
        self.wait_settled("webhook")
        self.write(hook(second) + '[[notify]]\nto = "file"\npath = "{folder}/notices"\n' + self.pauses)
        wait_until(lambda: "file: has no position yet" in mirror.log(), what="the new channel")
        wait_until(lambda: "file" in self.positions(), what="its position")
        self.pause("two")
        self.wait_settled("webhook", "file")
        self.assertEqual((self.reasons(first.accepted()), self.reasons(second.accepted())), (["one"], ["two"]))
        self.assertEqual(len(self.lines("notices")), 1)
        # A mistake changes nothing.
        self.write(hook(first) + '[[notify]]\nto = "pager"\n')
        wait_until(lambda: 'notify[1].to is "pager"' in mirror.log(), what="its complaint")
        self.assertIn("what was there before stays in use", mirror.log())
        self.pause("three")
        self.wait_settled("webhook", "file")
        self.assertEqual(self.reasons(second.accepted()), ["two", "three"])
        self.write(hook(first))
        mirror.send_signal(signal.SIGHUP)
        wait_until(lambda: mirror.log().count("webhook: goes on after") == 2, what="the change")
        self.pause("four")
        self.wait_settled("webhook")
        self.assertEqual(self.reasons(first.accepted()), ["one", "four"])
        self.stop(mirror)


class GapTest(MirrorCase):
    config = '[bus]\nkeep_dead = "1s"\n'

    def test_what_retention_took_is_told(self):
        target = self.endpoint()
        self.write(f'[[notify]]\nto = "webhook"\nurl = "{target.url()}"\n{self.pauses}')
        self.mirror("--once")
        after = self.positions()["webhook"]["seq"]
        self.pause("lost")

        def taken():
            first = json.loads(self.pawl("events", "--after", str(after), "--count", "1", "--json", expect=0).stdout)
            return first and first[0]["kind"] == "gap"
        wait_until(taken, 60, "retention")
        self.pause("kept")
        done = self.mirror("--once")
        self.assertRegex(done.stderr, f"webhook: entries {after + 1} to [0-9]+ of the chronicle went with their retention")
        bodies = [json.loads(post.body) for post in target.accepted()]
        self.assertEqual([body["kind"] for body in bodies], ["gap", "role.pause"])
        self.assertEqual(bodies[0]["from"], after + 1)
        self.assertEqual(bodies[1]["reason"], "kept")
        self.mirror("--once")
        self.assertEqual(len(target.seen()), 2)


class MistakeTest(MirrorCase):
    def test_mistakes_are_clear(self):
        def complaint(text, *words, code=2, env=None):
            self.write(text)
            return self.mirror(*words, code=code, env=env).stderr
        self.assertIn("there is no [[notify]], so there is nothing to post", complaint("[bus]\n"))
        self.assertIn("mirror.toml:3: notify[0].url names the environment variable NO_SUCH_HOOK, which is not set",
                      complaint('[[notify]]\nto = "slack"\nurl = { env = "NO_SUCH_HOOK" }\n'))
        self.assertIn("mirror.toml:1: notify 'command': there is no program './nobody'",
                      complaint('[[notify]]\nto = "command"\ncommand = ["./nobody"]\n'))
        fine = '[[notify]]\nto = "file"\npath = "{folder}/x"\n'
        self.assertIn("no [[notify]] is called 'ops'; there are: file", complaint(fine, "ops"))
        self.assertIn("exclude each other", complaint(fine, "--once", "--test"))
        self.assertIn("--after goes with --dry-run", complaint(fine, "--after", "3"))
        self.mirror("--once")
        self.write("damaged", "spool/file.position")
        self.assertIn("file.position is damaged", complaint(fine, "--once", code=1))
        # The bus and the runner of the same file do without.
        self.write('[[notify]]\nto = "slack"\nurl = { env = "NO_SUCH_HOOK" }\n')
        self.pawl("serve", "--config", self.path("mirror.toml"), "--check", expect=0)

    def test_one_mirror_a_folder(self):
        self.write(f'[[notify]]\nto = "file"\npath = "{{folder}}/x"\n{self.pauses}')
        mirror = self.start()
        done = self.mirror("--once", code=1)
        self.assertIn(f"is in use by process {mirror.pid}: another mirror of this bus", done.stderr)


class StrangerTest(MirrorCase):
    config = '[bus]\npassword = "sesame"\n'

    def first_push(self):
        pass

    def test_who_may_not_come_in_is_told(self):
        self.write('[[notify]]\nto = "file"\npath = "{folder}/x"\n' + self.pauses)
        self.assertIn("NOAUTH", self.mirror("--once", code=8).stderr)
        self.assertIn("NOAUTH", self.mirror(code=8).stderr)
        self.mirror("--once", "--url", f"unix://default:sesame@{self.bus.socket}")


class UpMirrorTest(up_case.UpTest):
    def test_up_keeps_it_alive(self):
        launcher = self.up(f'[[notify]]\nto = "file"\npath = "{self.folder}/notices"\nkinds = ["role.pause"]\n')
        self.wait_for("mirror", "ready")
        wait_until(lambda: os.path.exists(self.path("d", "mirror", "file.position")), what="its position")
        self.pawl("push", "r", "x", expect=0)
        self.pawl("pause", "r", "--reason", "one", expect=0)
        wait_until(lambda: os.path.exists(self.path("notices")) and self.read("notices").count("\n") == 1, what="the first notice")
        os.kill(self.list()["mirror"]["pid"], signal.SIGKILL)
        self.pawl("resume", "r", expect=0)
        self.pawl("pause", "r", "--reason", "two", expect=0)
        self.wait_for("mirror", "ready", times=2)
        wait_until(lambda: self.read("notices").count("\n") == 2, what="the second notice")
        self.assertEqual([json.loads(line)["reason"] for line in self.read("notices").splitlines()], ["one", "two"])
        self.assertIn("mirror", self.pawl("daemons", expect=0).stdout)
        self.stop(launcher)
        self.nobody_left()

    def test_up_refuses_what_the_mirror_could_not_use(self):
        code, said = self.refused(up_case.BUS + '[[notify]]\nto = "slack"\nurl = { env = "NO_SUCH_HOOK" }\n')
        self.assertEqual(code, 2)
        self.assertIn("names the environment variable NO_SUCH_HOOK, which is not set", said)
        # A unit file is written where the variables are not.
        self.pawl("ops", "units", "--systemd", expect=0)


if __name__ == "__main__":
    unittest.main()
