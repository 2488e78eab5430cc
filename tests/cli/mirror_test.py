"""pawl mirror: what is posted where, once, in order, through every kind of trouble."""
import hashlib
import hmac
import json
import os
import signal
import time

from mirror_case import MirrorCase, free_port, garbage, hang_up, main, wait_until


class FormatTest(MirrorCase):
    def test_each_kind_of_channel_gets_its_own(self):
        target = self.endpoint()
        self.write("".join(f'[[notify]]\nto = "{to}"\nurl = "{target.url("/" + to)}"\n{self.pauses}' for to in ("slack", "discord", "webhook")) +
                   'secret = { env = "HOOK_SECRET" }\n'
                   f'[[notify]]\nto = "file"\npath = "{{folder}}/notices"\n{self.pauses}'
                   f'[[notify]]\nto = "command"\n{self.pauses}'
                   'command = ["sh", "-c", "cat >> got; echo $PAWL_NOTIFY_CHANNEL $PAWL_NOTIFY_DELIVERY ${PAWL_BOOT-none} >> env"]\n')
        os.environ["HOOK_SECRET"] = "sesame"
        self.addCleanup(os.environ.pop, "HOOK_SECRET")
        mirror = self.start()
        self.pause("<b> & ü")
        self.wait_settled("slack", "discord", "webhook", "file", "command")
        entry = self.last_pause()
        posts = {post.path: post for post in target.seen()}
        self.assertEqual(len(target.seen()), 3)
        slack = json.loads(posts["/slack"].body)
        self.assertEqual(slack["text"], "role.pause")
        self.assertEqual(slack["blocks"][0]["text"], {"type": "mrkdwn", "text": "*role.pause*\nrole: r\nreason: &lt;b&gt; &amp; ü"})
        self.assertIn(f"#{entry['seq']}", slack["blocks"][1]["elements"][0]["text"])
        discord = json.loads(posts["/discord"].body)
        self.assertTrue(discord["content"].startswith("**role.pause**\nrole: r\nreason: <b> & ü\n`pawl"), discord)
        self.assertEqual(discord["allowed_mentions"], {"parse": []})
        hook = posts["/webhook"]
        self.assertEqual(json.loads(hook.body), entry)
        self.assertEqual(hook.headers["Content-Type"], "application/json")
        signed = hook.headers["X-Pawl-Timestamp"] + "." + hook.body
        self.assertEqual(hook.headers["X-Pawl-Signature"], "sha256=" + hmac.new(b"sesame", signed.encode(), hashlib.sha256).hexdigest())
        self.assertLess(abs(int(hook.headers["X-Pawl-Timestamp"]) - time.time()), 120)
        self.assertNotIn("X-Pawl-Signature", posts["/slack"].headers)
        self.assertEqual([json.loads(line) for line in self.lines("notices")], [entry])
        self.assertEqual([json.loads(line) for line in self.lines("got")], [entry])
        channel, delivery, boot = self.read("env").split()
        self.assertEqual((channel, len(delivery), boot), ("command", 32, "none"))
        self.assertEqual(len({post.headers["X-Pawl-Delivery"] for post in posts.values()} | {delivery}), 4)
        self.stop(mirror)

    def test_begins_at_the_end_and_selects_by_its_rules(self):
        target = self.endpoint()
        self.pause("before")
        self.write(f'[[notify]]\nto = "webhook"\nurl = "{target.url()}"\nkinds = ["role.*"]\n')
        mirror = self.start()
        self.assertIn("webhook: has no position yet: begins with what happens from now on", mirror.log())
        self.pawl("kill", "--reason", "x", expect=0)
        self.pawl("clear", "--reason", "x", expect=0)
        self.pawl("resume", "r", expect=0)
        self.pause("after")
        self.wait_settled("webhook")
        self.assertEqual([json.loads(post.body)["kind"] for post in target.accepted()], ["role.resume", "role.pause"])

    def test_beats_with_what_it_has_done(self):
        target = self.endpoint()
        self.write(f'[[notify]]\nto = "webhook"\nurl = "{target.url()}"\n{self.pauses}{self.fast}')
        mirror = self.start()
        wait_until(lambda: b'"mirror"' in self.pawl("daemons", "--json").stdout, what="its beat")
        self.assertEqual((self.value("posted"), self.value("failed"), self.value("behind")), ("0", "0", "0"))
        target.answers.append(404)
        self.pause("one")
        self.pause("two")
        self.wait_settled("webhook")
        self.stop(mirror)
        self.assertEqual((self.value("posted"), self.value("failed")), ("1", "1"))
        self.assertIn(b"stopping", self.pawl("daemons", "mirror", "--json", expect=0).stdout)


class TroubleTest(MirrorCase):
    def hook(self, target, more=""):
        self.write(f'[[notify]]\nto = "webhook"\nurl = "{target.url()}"\n{self.pauses}{self.fast}{more}')

    def test_a_target_that_is_down(self):
        port = free_port()
        self.write(f'[[notify]]\nto = "webhook"\nurl = "http://127.0.0.1:{port}/hook"\n{self.pauses}{self.fast}')
        mirror = self.start()
        for reason in ("one", "two", "three"):
            self.pause(reason)
        wait_until(lambda: "is not posted yet" in mirror.log(), what="its complaint")
        target = self.endpoint(port)
        self.wait_settled("webhook")
        self.assertEqual(self.reasons(target.accepted()), ["one", "two", "three"])
        self.assertEqual(mirror.log().count("is not posted yet"), 1)
        self.assertRegex(mirror.log(), r"#\d+ role.pause is posted, at the \d+\. try")

    def test_every_bad_answer_is_tried_again_under_the_same_id(self):
        target = self.endpoint()
        self.hook(target, 'timeout = "300ms"\n')
        mirror = self.start()
        target.answers += [500, (503, {}, "busy"), 408, garbage, hang_up, (302, {"Location": target.url("/elsewhere")}, "")]
        hung = self.held(target)
        self.pause("one")
        self.wait_settled("webhook")
        hung.answer(None)
        self.pause("two")
        self.wait_settled("webhook")
        self.assertEqual(self.reasons(target.accepted()), ["one", "two"])
        self.assertEqual({post.path for post in target.seen()}, {"/hook"})
        # The one that hung is on record only now.
        wait_until(lambda: len(target.seen()) == 9, what="all posts")
        ids = [post.headers["X-Pawl-Delivery"] for post in target.seen() if json.loads(post.body)["reason"] == "one"]
        self.assertEqual((len(ids), len(set(ids))), (8, 1))
        self.stop(mirror)

    def test_it_waits_as_long_as_the_target_says(self):
        target = self.endpoint()
        self.hook(target)
        self.start()
        times = []

        def slow_down(handler):
            times.append(time.monotonic())
            handler.send_response(429)
            handler.send_header("Retry-After", "1")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return False

        def take(handler):
            times.append(time.monotonic())
            handler.send_response(200)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return True
        target.answers += [slow_down, take]
        self.pause("one")
        self.wait_settled("webhook")
        self.assertGreaterEqual(times[1] - times[0], 0.99)  # its backoff would be 20 ms
        self.assertEqual(self.reasons(target.accepted()), ["one"])

    def test_what_will_never_be_taken_is_written_down(self):
        target = self.endpoint()
        self.hook(target)
        mirror = self.start()
        target.answers.append((404, {}, "no such hook"))
        self.pause("one")
        self.pause("two")
        self.wait_settled("webhook")
        self.assertEqual(self.reasons(target.accepted()), ["two"])
        self.assertEqual(len(target.seen()), 2)
        self.assertRegex(mirror.log(), r"webhook: #\d+ role.pause will not be posted: answered 404: no such hook")
        failed = [json.loads(line) for line in self.lines("spool", "webhook.failed")]
        self.assertEqual([(line["why"], line["entry"]["reason"]) for line in failed], [("answered 404: no such hook", "one")])
        self.assertEqual(failed[0]["delivery"], target.seen()[0].headers["X-Pawl-Delivery"])

    def test_an_answer_without_end_has_been_given(self):
        target = self.endpoint()
        self.hook(target, 'timeout = "300ms"\n')
        self.start()

        def endless(handler):
            handler.send_response(200)
            handler.end_headers()
            try:
                for _ in range(1000):
                    handler.wfile.write(b"x" * 4096)
            except OSError:
                pass
            return True
        target.answers.append(endless)
        self.pause("one")
        self.pause("two")
        self.wait_settled("webhook")
        wait_until(lambda: len(target.seen()) == 2, what="both")
        self.assertEqual(sorted(self.reasons(target.seen())), ["one", "two"])

    def test_a_target_that_hangs_holds_back_no_other(self):
        target = self.endpoint()
        self.write(f'[[notify]]\nto = "webhook"\nurl = "{target.url()}"\n{self.pauses}'
                   f'[[notify]]\nto = "file"\npath = "{{folder}}/notices"\n{self.pauses}'
                   f'[[notify]]\nto = "command"\ncommand = ["sh", "-c", "cat >> got"]\n{self.pauses}')
        mirror = self.start()
        hung = self.held(target)
        for reason in ("one", "two", "three"):
            self.pause(reason)
        self.assertTrue(hung.arrived.wait(30))
        self.wait_settled("file", "command")
        for name in ("notices", "got"):
            self.assertEqual([json.loads(line)["reason"] for line in self.lines(name)], ["one", "two", "three"])
        self.assertEqual(self.positions()["webhook"]["posted"], 0)
        hung.answer(200)
        self.wait_settled("webhook")
        self.assertEqual(self.reasons(target.accepted()), ["one", "two", "three"])
        self.stop(mirror)

    def test_a_command_is_tried_so_often_and_no_more(self):
        self.write(f'[[notify]]\nto = "command"\ncommand = ["sh", "-c", "cat >> got; echo no way >&2; exit 3"]\n{self.pauses}{self.fast}tries = 3\n')
        mirror = self.start()
        self.pause("one")
        self.wait_settled("command")
        self.assertEqual(len(self.lines("got")), 3)
        self.assertRegex(mirror.log(), r"will not be posted: exit 3: no way \(3 tries\)")
        self.assertEqual(self.positions()["command"]["failed"], 1)

    def test_a_file_in_a_folder_that_comes_later(self):
        self.write(f'[[notify]]\nto = "file"\npath = "{{folder}}/later/notices"\n{self.pauses}{self.fast}')
        mirror = self.start()
        self.pause("one")
        wait_until(lambda: "No such file or directory" in mirror.log(), what="its complaint")
        os.mkdir(self.path("later"))
        self.wait_settled("file")
        self.assertEqual(len(self.lines("later", "notices")), 1)


class KilledTest(MirrorCase):
    def both(self, target):
        self.write(f'[[notify]]\nto = "webhook"\nurl = "{target.url()}"\n{self.pauses}{self.fast}'
                   f'[[notify]]\nto = "file"\npath = "{{folder}}/notices"\n{self.pauses}{self.fast}')

    def test_before_the_answer_it_is_posted_again_and_after_it_never(self):
        target = self.endpoint()
        self.both(target)
        mirror = self.start()
        held = self.held(target)
        self.pause("one")
        self.assertTrue(held.arrived.wait(30))
        self.kill(mirror)
        held.answer(None)
        mirror = self.start()
        self.wait_settled("webhook", "file")
        self.kill(mirror)
        self.pause("two")
        mirror = self.start()
        self.wait_settled("webhook", "file")
        self.kill(mirror)
        mirror = self.start()
        self.pause("three")
        self.wait_settled("webhook", "file")
        self.stop(mirror)
        self.assertEqual(self.reasons(target.accepted()), ["one", "two", "three"])
        self.assertEqual([json.loads(line)["reason"] for line in self.lines("notices")], ["one", "two", "three"])
        self.assertEqual(len(target.seen()), 4)
        first = [post.headers["X-Pawl-Delivery"] for post in target.seen() if json.loads(post.body)["reason"] == "one"]
        self.assertEqual((len(first), len(set(first))), (2, 1))

    def test_at_any_moment(self):
        """Kills that fall anywhere: nothing is missing, the file has each line once, and what a target saw twice has one id."""
        target = self.endpoint()
        self.both(target)
        self.stop(self.start())
        expected = [str(i) for i in range(24)]
        kills = 0
        mirror = self.start()
        for at, reason in enumerate(expected):
            self.pause(reason)
            if at % 3 == 2:
                # After so many more posts, whatever else is on its way then.
                seen = len(target.seen())
                wait_until(lambda: len(target.seen()) > seen or self.positions()["webhook"]["posted"] > at, what="a post")
                self.kill(mirror)
                kills += 1
                mirror = self.start()
        self.wait_settled("webhook", "file")
        self.stop(mirror)
        self.assertEqual([json.loads(line)["reason"] for line in self.lines("notices")], expected)
        accepted = target.accepted()
        first_seen = list(dict.fromkeys(self.reasons(accepted)))
        self.assertEqual(first_seen, expected)
        self.assertLessEqual(len(accepted), len(expected) + kills)
        self.assertEqual(len({post.headers["X-Pawl-Delivery"] for post in accepted}), len(expected))

    def test_a_stop_waits_for_the_answer(self):
        target = self.endpoint()
        self.both(target)
        mirror = self.start()
        held = self.held(target)
        self.pause("one")
        self.assertTrue(held.arrived.wait(30))
        mirror.send_signal(signal.SIGTERM)
        self.pause("two")
        self.assertIsNone(mirror.poll())
        held.answer(200)
        self.assertEqual(mirror.wait(timeout=30), 0)
        self.assertEqual(self.positions()["webhook"]["posted"], 1)
        self.stop_after_all(target)

    def stop_after_all(self, target):
        mirror = self.start()
        self.wait_settled("webhook", "file")
        self.stop(mirror)
        self.assertEqual(self.reasons(target.accepted()), ["one", "two"])

    def test_a_second_signal_does_not_wait(self):
        target = self.endpoint()
        self.both(target)
        mirror = self.start()
        held = self.held(target)
        self.pause("one")
        self.assertTrue(held.arrived.wait(30))
        mirror.send_signal(signal.SIGTERM)
        self.pause("two")
        mirror.send_signal(signal.SIGINT)
        self.assertEqual(mirror.wait(timeout=30), 0)
        held.answer(None)
        self.stop_after_all(target)

    def test_the_bus_comes_and_goes(self):
        target = self.endpoint()
        self.both(target)
        mirror = self.start()
        self.pause("one")
        for times, how, reason in ((1, self.bus.kill, "two"), (2, self.bus.stop, "three")):
            how()
            wait_until(lambda times=times: mirror.log().count("trying again") == times, what="its complaint")
            self.bus.start()
            self.pause(reason)
            wait_until(lambda times=times: mirror.log().count("the bus is back") == times, what="its return")
        self.wait_settled("webhook", "file")
        self.assertEqual(self.reasons(target.accepted()), ["one", "two", "three"])
        self.assertEqual([json.loads(line)["reason"] for line in self.lines("notices")], ["one", "two", "three"])
        self.stop(mirror)

    def test_it_is_there_before_the_bus(self):
        target = self.endpoint()
        self.both(target)
        self.stop(self.start())
        self.pause("one")
        self.bus.stop()
        mirror = self.start(ready=False)
        wait_until(lambda: "trying again" in mirror.log(), what="its complaint")
        self.bus.start()
        self.wait_settled("webhook", "file")
        self.assertEqual(self.reasons(target.accepted()), ["one"])


if __name__ == "__main__":
    main()
