"""What the pages claim, read and run: fenced blocks, shell sessions, expected lines with placeholders.

In a ```console block a line `$ command` is followed by the lines that it prints, stdout and stderr as on a terminal:
    <name>   letters and digits; bound where it first stands, and the same from then on, also in commands
    <...>    anything within the line
    ...      as the last line: whatever follows
A command that ends in a backslash goes on in the next line. The blocks of one page are one session, from top to bottom.
"""
import difflib
import glob
import os
import re
import select
import signal
import subprocess
import time

import harness

COMMAND_SECONDS = 60
PLACEHOLDER = re.compile(r"<(\.\.\.|[a-z][a-z0-9_]*)>")
END = "end-of-command-7c1e"


def pages():
    """README.md and docs/*.md, as paths from the root."""
    paths = [os.path.join(harness.ROOT, "README.md"), *sorted(glob.glob(os.path.join(harness.ROOT, "docs", "*.md")))]
    return [os.path.relpath(path, harness.ROOT) for path in paths]


def read(page):
    with open(os.path.join(harness.ROOT, page), encoding="utf-8") as file:
        return file.read()


def fenced(text, language):
    """The blocks of one language: [(number of the first line inside, [line, …]), …]."""
    blocks, inside = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if inside is None and line.startswith("```"):
            inside = line[3:].strip()
            blocks.append((inside, number + 1, []))
        elif line.startswith("```"):
            inside = None
        elif inside is not None:
            blocks[-1][2].append(line)
    return [(number, lines) for name, number, lines in blocks if name == language]


def console_steps(text):
    """[(line number, command, [expected line, …]), …] of all console blocks of a page."""
    steps = []
    for number, lines in fenced(text, "console"):
        continued = False
        for at, line in enumerate(lines, number):
            if continued:
                steps[-1] = (steps[-1][0], steps[-1][1] + "\n" + line, [])
            elif line.startswith("$ "):
                steps.append((at, line[2:], []))
            elif at == number:
                raise ValueError(f"line {at}: a console block begins with '$ command', not with: {line}")
            else:
                steps[-1][2].append(line)
            continued = (continued or line.startswith("$ ")) and line.endswith("\\")
    return steps


def filled(text, bound):
    """The text with what its placeholders are bound to; those without a value stay."""
    return PLACEHOLDER.sub(lambda found: bound.get(found[1], found[0]), text)


def line_matches(expected, actual, bound):
    """Whether the line is as expected; binds new placeholders then."""
    pattern, at, new = "", 0, {}
    for found in PLACEHOLDER.finditer(expected):
        pattern += re.escape(expected[at:found.start()])
        at = found.end()
        name = found[1]
        if name == "...":
            pattern += ".*"
        elif name in bound:
            pattern += re.escape(bound[name])
        elif name in new:
            pattern += f"(?P={new[name]})"
        else:
            new[name] = f"word{len(new)}"
            pattern += f"(?P<{new[name]}>[0-9a-z]+)"
    match = re.fullmatch(pattern + re.escape(expected[at:]), actual)
    if match is None:
        return False
    bound.update({name: match[group] for name, group in new.items()})
    return True


def difference(expected, actual, bound):
    """Empty when the output is as expected, else lines that show where it is not."""
    tried = dict(bound)
    open_end = expected[-1:] == ["..."]
    wanted = expected[:-1] if open_end else expected
    compared = actual[:len(wanted)] if open_end else actual
    if len(compared) == len(wanted) and all(line_matches(want, got, tried) for want, got in zip(wanted, compared)):
        bound.update(tried)
        return []
    # Lines that do match shall not show up in the difference: the page's form stands for them on both sides.
    seen, shown = dict(bound), []
    for at, got in enumerate(actual):
        shown.append(wanted[at] if at < len(wanted) and line_matches(wanted[at], got, seen) else got)
    return list(difflib.unified_diff([filled(line, bound) for line in expected], [filled(line, bound) for line in shown],
                                     "the page", "what it prints", lineterm=""))


class Shell:
    """A bash that keeps its folder and variables from command to command; commands get no input of its."""

    def __init__(self, folder, env):
        self.process = subprocess.Popen(["bash", "--norc", "--noprofile"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, cwd=folder, env=env, start_new_session=True)
        self.pending = b""

    def run(self, command):
        """The lines that the command prints. Its exit code is $? of the next one, as at a prompt."""
        script = f"{{ {command}\n}} </dev/null\n__code=$?; echo; echo {END}; (exit $__code)\n"
        self.process.stdin.write(script.encode())
        self.process.stdin.flush()
        mark = f"\n{END}\n".encode()
        deadline = time.monotonic() + COMMAND_SECONDS
        while mark not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"no end within {COMMAND_SECONDS} s; so far it printed:\n{self.pending.decode(errors='replace')}")
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise AssertionError(f"the shell ended; it printed:\n{self.pending.decode(errors='replace')}")
            self.pending += chunk
        output, _, self.pending = self.pending.partition(mark)
        text = output.decode(errors="backslashreplace")
        # A command whose output ends without a line's end has one line all the same; bash would put its prompt behind.
        return text.removesuffix("\n").split("\n") if text else []

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def run_page(text, shell):
    """What is not as a page says, as text; empty when all is. Ends at the first difference, since the rest builds on it."""
    bound = {}
    for number, command, expected in console_steps(text):
        words = filled(command, bound)
        unbound = PLACEHOLDER.search(words)
        if unbound:
            return f"line {number}: $ {command}\nnothing above says what {unbound[0]} is"
        try:
            wrong = difference(expected, shell.run(words), bound)
        except AssertionError as error:
            return f"line {number}: $ {words}\n{error}"
        if wrong:
            return "\n".join([f"line {number}: $ {words}", *wrong])
    return ""
