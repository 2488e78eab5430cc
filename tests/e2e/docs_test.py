#!/usr/bin/python3
"""What README.md and docs/ show is what happens: commands, transcripts, the two workers, the names of tests, links."""
import os
import re
import subprocess
import tempfile
import unittest

import docs_pages
import harness

BUILD = os.path.dirname(harness.PAWL)
TRANSCRIPTS = os.path.join(BUILD, "tests", "e2e", "docs_transcripts")
# How guarantees.md writes down a test of ctest's; the ones before the colon are all prefixes that there are.
TEST_NAME = re.compile(r"`((?:[a-z_]+|bad input|stock clients): [^`]+)`")


class Console(harness.BusTest):
    """One bus and one shell session a page."""

    def run_text(self, text):
        """A page's console blocks against the bus of this test; empty when all is as it says."""
        with tempfile.TemporaryDirectory(prefix="pawl-docs-", dir="/tmp") as folder:
            env = dict(os.environ, PATH=BUILD + ":" + os.environ["PATH"], PAWL_URL=self.bus.url, HOME=folder, LC_ALL="C.UTF-8")
            env.pop("PAWL_CLAIM", None)
            shell = docs_pages.Shell(folder, env)
            try:
                return docs_pages.run_page(text, shell)
            finally:
                shell.close()

    def test_every_page(self):
        seen = []
        for page in docs_pages.pages():
            text = docs_pages.read(page)
            if not docs_pages.console_steps(text):
                continue
            seen.append(page)
            with self.subTest(page):
                bus = harness.Bus()
                self.addCleanup(bus.close)
                self.bus = bus.start()
                wrong = self.run_text(text)
                if wrong:
                    self.fail(f"{page}, {wrong}")
        self.assertIn("README.md", seen)
        self.assertIn("docs/cli.md", seen)

    def test_a_difference_is_seen(self):
        """The comparison can fail: each of these pages is wrong, in one way each."""
        def page(*lines):
            return "\n".join(["```console", *lines, "```"])
        right = page("$ pawl push r x", "<id>", "$ pawl get <id>", "id <...> <id>", "...", "$ false", "$ echo $?", "1",
                     "$ printf 'a\\nb'", "a", "b", "$ echo a \\", "  b", "a b")
        self.assertEqual(self.run_text(right), "")
        for name, wrong in {
                "another text": page("$ echo a", "b"),
                "a line too many": page("$ echo a", "a", "b"),
                "a line too few": page("$ printf 'a\\nb\\n'", "a"),
                "output where none is shown": page("$ echo a"),
                "no output where some is shown": page("$ true", "a"),
                "a placeholder that changes": page("$ pawl push r x", "<id>", "$ pawl push r x", "<id>"),
                "a placeholder for more than it may": page("$ echo a b", "<id>"),
                "a placeholder that nothing binds": page("$ pawl get <other>"),
                "an open end that begins too late": page("$ echo a", "b", "..."),
                "a command that is none": page("$ pawl pusch r x", "<id>"),
                "the end of the shell": page("$ exit 3")}.items():
            with self.subTest(name):
                self.assertIn("line 2: $ " if "changes" not in name else "line 4: $ ", self.run_text(wrong))


class Transcripts(harness.BusTest):
    def play(self, page, version):
        if not os.path.exists(TRANSCRIPTS):
            self.fail(f"{TRANSCRIPTS} is not there: build the target docs_transcripts")
        return subprocess.run([TRANSCRIPTS, page, self.bus.socket, str(version)], capture_output=True, text=True, timeout=120, check=False)

    def play_protocol_page(self, version):
        done = self.play(os.path.join(harness.ROOT, "docs", "protocol.md"), version)
        self.assertEqual(done.returncode, 0, "\n" + done.stderr)
        self.assertGreaterEqual(int(done.stdout), 80)

    def test_protocol_page_in_resp2(self):
        self.play_protocol_page(2)

    def test_protocol_page_in_resp3(self):
        self.play_protocol_page(3)

    def test_a_difference_is_seen(self):
        path = os.path.join(self.bus.folder, "page.md")
        for version in (2, 3):
            for wrong in ("> PING\nPANG", "> ECHO <unbound>\n<any>", "> CLAIM w r\n(nil)", "> GET nosuch!\n(nil)"):
                with open(path, "w", encoding="utf-8") as file:
                    file.write("```transcript\n> ECHO a\na\n" + wrong + "\n```\n")
                done = self.play(path, version)
                self.assertEqual(done.returncode, 1, wrong)
                self.assertIn("page.md: line 4: ", done.stderr)


class Workers(harness.BusTest):
    """README's workers as they stand there, but for the port."""

    def work(self, language, command, env=None):
        blocks = [lines for _, lines in docs_pages.fenced(docs_pages.read("README.md"), language)]
        self.assertEqual(len(blocks), 1)
        self.assertLessEqual(len(blocks[0]), 10, "a worker in ten lines")
        source = "\n".join(blocks[0])
        self.assertEqual(source.count("7295"), 1)
        self.assertIn("WAIT", source)
        path = os.path.join(self.bus.folder, "worker." + language)
        with open(path, "w", encoding="utf-8") as file:
            file.write(source.replace("7295", str(self.bus.port)) + "\n")
        log_path = path + ".log"
        with open(log_path, "wb") as log:
            worker = subprocess.Popen([*command, path], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ, **(env or {})))
        try:
            # One waits for the worker, perhaps; for the other the worker surely waits.
            for payload in ("first", "second"):
                message = self.pawl("push", "research", payload, expect=0).stdout.decode().strip()
                result = self.pawl("result", message, "--wait", "20s")
                with open(log_path, encoding="utf-8", errors="replace") as log:
                    self.assertEqual((result.returncode, result.stdout), (0, payload.upper().encode()), f"{result.stderr!r}\n{log.read()}")
            self.assertIsNone(worker.poll(), "the worker goes on")
        finally:
            worker.kill()
            worker.wait()

    def test_python(self):
        self.work("python", ["/usr/bin/python3"])

    def test_node(self):
        modules = os.path.join(harness.NODE, "node_modules")
        if not os.path.isdir(modules):
            self.fail(f"the Node clients are not in {harness.NODE}: tools/test --build-only puts them there")
        self.work("js", ["node"], {"NODE_PATH": modules})


class Pages(unittest.TestCase):
    def names_of_tests(self):
        done = subprocess.run(["ctest", "--test-dir", BUILD, "-N"], capture_output=True, text=True, check=False, timeout=120)
        names = set(re.findall(r"^ *Test +#\d+: (.*)$", done.stdout, re.M))
        if not names or any("_NOT_BUILT" in name for name in names):
            names |= self.names_in_sources()  # run by hand, before the tests are built
        return names

    @staticmethod
    def names_in_sources():
        names, tests = set(), os.path.join(harness.ROOT, "tests")
        for folder, _, files in os.walk(tests):
            for file in (file for file in files if file.endswith(".cpp")):
                with open(os.path.join(folder, file), encoding="utf-8") as source:
                    found = re.findall(r'^TEST_CASE\(\s*"([^"]+)"', source.read(), re.M)
                program = "sim_faults" if file == "faults_test.cpp" else os.path.basename(folder)
                names |= {f"test_{program}:{name}" for name in found}
        return names

    def test_names_of_tests(self):
        if os.environ.get("PAWL_SANITIZE"):
            self.skipTest("a sanitizer build runs fewer seeds, under other names")
        text = docs_pages.read("docs/guarantees.md")
        # Code of several lines holds no names; a name may be broken over two lines.
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        claimed = [" ".join(name.split()) for name in TEST_NAME.findall(prose)]
        self.assertGreater(len(claimed), 30)
        there = self.names_of_tests()
        self.assertEqual([name for name in claimed if name not in there], [], "named in docs/guarantees.md, and no test of ctest's")

    def test_links(self):
        broken = []
        for page in docs_pages.pages():
            text = re.sub(r"^```.*?^```$", "", docs_pages.read(page), flags=re.M | re.S)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                path = target.partition("#")[0]
                if "://" not in target and path and not os.path.exists(os.path.join(harness.ROOT, os.path.dirname(page), path)):
                    broken.append(f"{page}: {target}")
                elif "://" not in target and "#" in target and not self.has_heading(os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page, target):
                    broken.append(f"{page}: {target} names no heading")
        self.assertEqual(broken, [])

    def has_heading(self, page, target):
        """As the usual readers of such pages make anchors of headings."""
        if not page.endswith(".md"):
            return True
        headings = re.findall(r"^#+ +(.*)$", docs_pages.read(page), re.M)
        return target.partition("#")[2] in [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]


if __name__ == "__main__":
    unittest.main()
