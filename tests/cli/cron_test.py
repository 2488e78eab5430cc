"""cron and incident: the commands, the file's schedules, zones, restarts; against a real bus."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness  # noqa: E402


class Base(harness.BusTest):
    def json(self, *words, expect=0):
        return json.loads(self.pawl("--json", *words, expect=expect).stdout)

    def crons(self):
        return {cron["name"]: cron for cron in self.json("cron", "list")}

    def write(self, text):
        with open(os.path.join(self.bus.folder, "pawl.toml"), "w", encoding="utf-8") as file:
            file.write(text)


class CronTest(Base):
    config = "[role.r]\nbacklog = 3\n[cron.beat]\nschedule = \"@every 1s\"\nrole = \"r\"\npayload = \"tick\"\n"

    def test_the_files_schedules(self):
        harness.wait_until(lambda: self.crons()["beat"]["fired"] >= 2, what="two firings")
        message = self.json("claim", "r")[0]
        self.assertEqual(message["headers"]["cron"], "beat")
        self.assertEqual(int(message["headers"]["cron_slot"]) % 1000, self.crons()["beat"]["since"] % 1000)
        self.pawl("cron", "set", "beat", "@daily", "r", expect=1)
        self.pawl("cron", "drop", "beat", expect=1)
        # It goes with the file, and what has its name there is the file's from then on.
        self.pawl("cron", "set", "mine", "@daily", "other", "{}", expect=0)
        self.write("[cron.mine]\nschedule = \"0 3 * * *\"\nrole = \"r\"\ntz = \"Europe/Berlin\"\n")
        changes = self.pawl("ops", "reload", expect=0).stdout.decode()
        self.assertIn("cron.beat removed\n", changes)
        self.assertIn("cron.mine added\n", changes)
        crons = self.crons()
        self.assertEqual(list(crons), ["mine"])
        self.assertEqual((crons["mine"]["owner"], crons["mine"]["zone"]), ("file", "Europe/Berlin"))
        self.assertIn("next", crons["mine"])

    def test_a_restart_fires_no_slot_twice_and_forgets_none(self):
        self.pawl("cron", "set", "often", "@every 1s", "s", "x", "--catch-up", "all", expect=0)
        harness.wait_until(lambda: self.crons()["often"]["fired"] >= 2, what="two firings")
        for _ in range(3):
            before = self.crons()["often"]["fired"]
            self.bus.kill()
            self.bus.start()
            harness.wait_until(lambda: self.crons()["often"]["fired"] > before, what="a firing after the restart")
        messages = self.json("claim", "s", "--count", "1000")
        slots = sorted(int(message["headers"]["cron_slot"]) for message in messages)
        self.assertEqual(slots, list(range(slots[0], slots[0] + 1000 * len(slots), 1000)))

    def test_mistakes(self):
        done = self.pawl("cron", "set", "x", "0 3 * * *", "r", "--tz", "Europe/Berlyn", expect=2)
        self.assertIn(b"did you mean Europe/Berlin?", done.stderr)
        done = self.pawl("cron", "set", "x", "0 25 * * *", "r", expect=2)
        self.assertIn(b"character 3, hour '25': 25 is out of range", done.stderr)
        self.pawl("cron", "drop", "x", expect=4)
        self.write("[cron.x]\nschedule = \"0 0 31 2 *\"\nrole = \"a b\"\ntz = \"Mars\"\n[cron.y]\nrol = \"r\"\n")
        said = self.pawl("ops", "reload", expect=2).stderr.decode()
        for words in ("cron.x.schedule is wrong: the schedule '0 0 31 2 *': it never fires", "cron.x.role is no name",
                      "time zone 'Mars' is not known", "unknown key 'rol' in [cron.y]; did you mean 'role'?",
                      "[cron.y] has no schedule"):
            self.assertIn(words, said)

    def test_a_zone_is_kept_over_a_restart(self):
        shown = self.json("cron", "set", "x", "30 9 * * *", "r", "--tz", "America/New_York")
        self.bus.kill()
        self.bus.start()
        self.assertEqual(self.crons()["x"]["next"], shown["next"])


class IncidentTest(Base):
    def test_a_life(self):
        number = self.pawl("incident", "open", "--tier", "concern", "--title", "mail is slow", "--role", "mail", "--role", "web.*",
                           expect=0).stdout.decode().strip()
        self.pawl("incident", "ack", number, expect=0)
        self.pawl("incident", "note", number, "looked", expect=0)
        shown = self.json("incident", "show", number)
        self.assertEqual((shown["roles"], shown["notes"][0]["text"]), ("mail,web.*", "looked"))
        self.bus.kill()
        self.bus.start()
        self.assertEqual([one["id"] for one in self.json("incident", "list", "--role", "web.x")], [number])
        self.assertEqual(self.json("incident", "list", "--tier", "ultra"), [])
        self.pawl("incident", "close", number, "--reason", "over", expect=0)
        self.pawl("incident", "close", number, expect=1)
        self.assertEqual(self.json("incident", "list"), [])
        self.assertEqual(self.json("incident", "list", "--closed")[0]["reason"], "over")
        self.pawl("incident", "show", "i99", expect=4)
        self.pawl("incident", "open", "--tier", "severe", "--title", "x", expect=2)
        self.pawl("incident", "open", "--title", "x", expect=2)
        kinds = [event["kind"] for event in self.json("events", "--kind", "incident")]
        self.assertEqual(kinds, ["incident.opened", "incident.changed", "incident.changed", "incident.closed"])


if __name__ == "__main__":
    unittest.main()
