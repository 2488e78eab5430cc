"""Who is told: incidents through the bus's gate and the mirror of `pawl up` to a Slack that the test plays."""
import json
import os
import signal

from mirror_case import Endpoint, free_port
from up_case import UpTest, harness, main

FAST = 'backoff = { base = "20ms", max = "80ms" }\n'


class NotifyTest(UpTest):
    def endpoint(self, port=0):
        endpoint = Endpoint(port)
        self.addCleanup(endpoint.close)
        return endpoint

    @staticmethod
    def posts(endpoint, path):
        """What has arrived there, in order, by what Slack shows as the notification."""
        return [json.loads(post.body)["text"] for post in endpoint.accepted(path)]

    def wait_posts(self, endpoint, path, texts):
        try:
            harness.wait_until(lambda: len(self.posts(endpoint, path)) >= len(texts), what=f"{len(texts)} posts")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.posts(endpoint, path)}\n{self.said()}\n{self.log('mirror')}") from None
        self.assertEqual(self.posts(endpoint, path), texts)

    def wait_mirror(self, channel):
        harness.wait_until(lambda: os.path.exists(self.path("d", "mirror", channel + ".position")), what=f"the position of {channel}")

    def stats(self):
        return {row["channel"]: row for row in json.loads(self.pawl("notify", "stats", "--json", expect=0).stdout)}

    def incidents(self):
        return {row["fingerprint"]: row["id"] for row in json.loads(self.pawl("incident", "list", "--json", expect=0).stdout)}

    def test_a_broken_service_with_slack_down_and_the_mirror_killed(self):
        port = free_port()
        process = self.up(f'''
[[notify]]
to = "slack"
url = "http://127.0.0.1:{port}/ops"
tiers = ["ultra"]
{FAST}
[daemon.bridge]
command = ["sh", "-c", "test -e well || exit 3; exec sleep 300"]
backoff = {{ base = "10ms", max = "20ms" }}
restarts = {{ max = 2, per = "1m" }}
ready = "command"
ready_command = ["test", "-e", "well"]
''', env={"NO_PROXY": "*", "no_proxy": "*"})
        self.wait_for("mirror", "ready")
        self.wait_for("bridge", "failed")
        # Given up: an ultra. Slack is down; the mirror that tries is killed, and started again.
        incident = harness.wait_until(lambda: self.incidents().get("daemon:bridge"), what="the incident")
        self.wait_mirror("slack")
        harness.wait_until(lambda: "is not posted yet" in self.log("mirror"), what="the mirror's complaint")
        os.kill(self.list()["mirror"]["pid"], signal.SIGKILL)
        self.wait_for("mirror", "ready", times=2)
        slack = self.endpoint(port)
        told = ["ultra opened: daemon bridge was given up by its launcher"]
        self.wait_posts(slack, "/ops", told)
        self.assertIn(f"pawl incident show {incident}", slack.accepted("/ops")[0].body)
        # The same again is folded: it was told already.
        self.pawl("ops", "relaunch", "bridge", expect=1)
        harness.wait_until(lambda: self.stats()["slack"]["folded"] > 0, what="a notice that is folded")
        self.pawl("incident", "ack", incident, expect=0)
        self.write("", "well")
        self.pawl("ops", "relaunch", "bridge", expect=0)
        self.pawl("incident", "close", incident, "--reason", "mended", expect=0)
        folded = self.stats()["slack"]["folded"]
        self.assertEqual(folded, self.stats()["slack"]["suppressed"])
        harness.wait_until(lambda: len(self.posts(slack, "/ops")) >= 3, what="all three posts")
        texts = self.posts(slack, "/ops")
        self.assertEqual([text.split(" (")[0] for text in texts],
                         told + ["ultra acknowledged: daemon bridge was given up by its launcher",
                                 "ultra closed: daemon bridge was given up by its launcher"])
        # Each once, and in the chronicle: sent by the gate as often as posted.
        sent = [json.loads(line) for line in self.pawl("events", "--kind", "notify.sent", "--json", "--count", "100", expect=0).stdout.splitlines()]
        sent = sent[0] if len(sent) == 1 and isinstance(sent[0], list) else sent
        self.assertEqual([entry["notice"] for entry in sent], ["opened", "acknowledged", "closed"])
        self.stop(process)
        self.nobody_left()
        self.assertEqual(len(slack.accepted("/ops")), 3)

    def test_channels_by_tier_and_role_and_by_reload(self):
        target = self.endpoint()
        def channel(name, more):
            return f'[[notify]]\nto = "slack"\nname = "{name}"\nurl = "{target.url("/" + name)}"\n{FAST}{more}'
        self.up(channel("all", "") + channel("mail", 'tiers = ["ultra", "concern"]\nrole = "mail*"\n'),
                env={"NO_PROXY": "*", "no_proxy": "*"})
        self.wait_for("mirror", "ready")
        for name in ("all", "mail"):
            self.wait_mirror(name)
        self.pawl("incident", "open", "--tier", "concern", "--title", "web is slow", "--role", "web", expect=0)
        self.pawl("incident", "open", "--tier", "concern", "--title", "mail is slow", "--role", "mail.eu", expect=0)
        self.pawl("incident", "open", "--tier", "concern", "--title", "mail is slow", "--role", "mail.eu", expect=0)
        self.wait_posts(target, "/mail", ["concern opened: mail is slow"])
        self.wait_posts(target, "/all", ["concern opened: web is slow", "concern opened: mail is slow"])
        shown = self.stats()
        self.assertEqual({name: (row["raised"], row["sent"], row["held"]) for name, row in shown.items()},
                         {"all": (3, 2, {"unchanged": 1}), "mail": (2, 1, {"unchanged": 1})})
        self.assertRegex(self.pawl("notify", "stats", expect=0).stdout, r"(?m)^all +3 +2 +1 +0 +unchanged 1 +0$")
        held = json.loads(self.pawl("events", "--kind", "notify.held", "--json", "--count", "10", expect=0).stdout)
        self.assertEqual(sorted((entry["to"], entry["rule"]) for entry in held), [("all", "unchanged"), ("mail", "unchanged")])
        # A channel that RELOAD brings is told of what comes from then on.
        with open(self.path("pawl.toml"), encoding="utf-8") as file:
            text = file.read()
        self.write(text + channel("late", 'tiers = ["ultra"]\n'))
        self.assertIn("[[notify]] changed", self.pawl("ops", "reload", expect=0).stdout)
        self.wait_mirror("late")
        self.pawl("incident", "open", "--tier", "ultra", "--title", "web is down", "--role", "web", expect=0)
        self.wait_posts(target, "/late", ["ultra opened: web is down"])


if __name__ == "__main__":
    main()
