"""Reads what callgrind wrote, and tells whose code the instructions were spent in.

A line of a profile is charged to the layer whose file it comes from, also where a function was inlined into another. What
the C++ library and the C library do is charged to whoever called them: std::map inside the overlay is bus/core, memcpy
under the reply writer bus/protocol. The allocator and the hash are layers of their own, whoever calls them.
"""
import os
import re
from collections import defaultdict

ALLOCATES = re.compile(r"(malloc|calloc|realloc|aligned_alloc|posix_memalign|memalign)$")
ALLOCATOR = re.compile(r"operator (new|delete)|(_int_)?(malloc|free|calloc|realloc|memalign)$|malloc_consolidate|systrim|sysmalloc|unlink_chunk")
RECURSION = re.compile(r"'\d+$")
# The first that fits; paths from the root of the repository.
LAYERS = (("bus/server/worker.", "hand-over"), ("bus/protocol/", "bus/protocol"), ("bus/core/", "bus/core"), ("guards/", "guards"),
          ("bus/server/", "bus/server"), ("bus/journal/", "bus/journal"), ("bus/base/", "bus/base"), ("bus/store/", "bus/store"),
          ("tests/support/", "memory store"), ("tools/bench/", "generator"))


# Code that works for others. The allocator and the hash are layers, but what the bench itself asks of them is the bench's.
LIBRARIES = ("", "allocator", "hash")
# The bench's own, and what waiting threads do to each other.
BESIDE = ("hand-over", "memory store", "generator")


class Function:
    def __init__(self):
        self.name = self.file = self.object = ""
        self.lines = defaultdict(int)  # instructions by file, without those of what it calls
        self.callers = {}  # caller → [calls, instructions]
        self.called = 0  # instructions of what it calls
        self.layer = None  # not known yet

    @property
    def own(self):
        return sum(self.lines.values())

    @property
    def inclusive(self):
        return self.own + self.called

    def allocator(self):
        return ALLOCATOR.match(self.name) is not None or "/malloc/malloc.c" in self.file


class Reader:
    """One profile. Names are written once and numbered from then on."""

    def __init__(self, path):
        self.functions = defaultdict(Function)
        self.names = {"ob": {}, "fl": {}, "fn": {}}
        self.phase = None
        self.total = 0
        self.function = self.callee = None
        self.object = self.file = self.inline = ""
        calls = None
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                key, equals, value = line.rstrip("\n").partition("=")
                if line[:1] in "0123456789+-*":
                    cost = int(line.split()[1])
                    if calls is None:
                        self.functions[self.function].lines[self.inline] += cost
                    else:
                        self.call(calls, cost)
                        calls = None
                elif key == "calls" and equals:
                    calls = int(value.split()[0])
                elif equals:
                    self.position(key, value)
                elif line.startswith("totals: "):
                    self.total = int(line.split()[1])
                elif line.startswith("desc: Trigger: Client Request: "):
                    self.phase = line.split(": ", 3)[3].strip()

    def name(self, kind, text):
        number, _, name = text.partition(" ")
        known = self.names[kind]
        if name:
            known[number] = name
        return number, known[number]

    def position(self, key, value):
        if key == "ob":
            self.object = self.name("ob", value)[1]
        elif key in ("fl", "fi", "fe"):
            self.inline = self.name("fl", value)[1]
            if key == "fl":
                self.file = self.inline
        elif key == "fn":
            self.function, name = self.name("fn", value)
            self.inline = self.file
            function = self.functions[self.function]
            function.name, function.file, function.object = RECURSION.sub("", name), self.file, self.object
        elif key == "cfn":
            self.callee, _ = self.name("fn", value)
        elif key == "cob":
            self.name("ob", value)
        elif key in ("cfi", "cfl"):
            self.name("fl", value)

    def call(self, calls, cost):
        edge = self.functions[self.callee].callers.setdefault(self.function, [0, 0])
        edge[0] += calls
        edge[1] += cost
        self.functions[self.function].called += cost


class Profile:
    """A phase by layer and by function; everything in instructions of the whole phase."""

    def __init__(self, path, root):
        reader = Reader(path)
        self.phase = reader.phase
        self.functions = reader.functions
        self.root = root
        self.layer_of_file = {}
        self.owners = {}  # (function, by what) → {function that answers for it: share}
        self.layers = defaultdict(float)
        self.charged = defaultdict(float)  # by function, with the library code that works for it, allocations included
        self.allocations = defaultdict(float)  # by function
        for number, function in self.functions.items():
            self.charge(number, function)
            self.count_allocations(number, function)
        if abs(sum(self.layers.values()) - reader.total) > 1 + reader.total / 1e6:
            raise ValueError(f"{path}: {reader.total} instructions, and {sum(self.layers.values()):.0f} charged to a layer")

    def layer(self, path):
        """Wherever the checkout was that the objects were compiled in."""
        if path not in self.layer_of_file:
            parts = os.path.normpath(path).split("/")
            found = None
            for first in range(len(parts)):
                inside = "/".join(parts[first:])
                found = next((layer for start, layer in LAYERS if inside.startswith(start)), None)
                if found and os.path.isfile(os.path.join(self.root, inside)):
                    break
                found = None
            self.layer_of_file[path] = found
        return self.layer_of_file[path]

    def own_layer(self, function):
        """Nothing for the code of other libraries."""
        if "libxxhash" in function.object:
            return "hash"
        if function.allocator():
            return "allocator"
        if function.layer is None:
            inlined = defaultdict(int)  # a template of the library around a lambda of ours is that lambda
            for path, cost in function.lines.items():
                inlined[self.layer(path) or ""] += cost
            inlined.pop("", None)
            function.layer = self.layer(function.file) or max(inlined, key=inlined.get, default="")
        return function.layer

    def owners_of(self, number, by, under_way=()):
        """Who is behind code of a library, by share of calls (0) or of instructions (1)."""
        function = self.functions[number]
        if self.own_layer(function) not in LIBRARIES or not function.callers:
            return {number: 1.0}
        if (number, by) in self.owners:
            return self.owners[number, by]
        shares = defaultdict(float)
        edges = [(caller, edge[by]) for caller, edge in function.callers.items() if caller != number and caller not in under_way]
        whole = sum(weight for _, weight in edges)
        for caller, weight in edges:
            for owner, share in self.owners_of(caller, by, under_way + (number,)).items():
                shares[owner] += share * weight / whole if whole else share / len(edges)
        shares = dict(shares) or {number: 1.0}
        if not under_way:
            self.owners[number, by] = shares
        return shares

    def charge(self, number, function):
        whole = self.own_layer(function)
        library = 0
        for path, cost in function.lines.items():
            layer = None if whole in LIBRARIES else self.layer(path) or whole
            if layer:
                self.layers[layer] += cost
                self.charged[number] += cost
            else:
                library += cost
        for owner, share in self.owners_of(number, 1).items() if library else ():
            layer = self.own_layer(self.functions[owner])
            if layer not in BESIDE:
                layer = whole or layer or "rest"
            self.layers[layer] += library * share
            self.charged[owner] += library * share

    def count_allocations(self, number, function):
        """Of malloc and its kin, by whoever asked through however much library code."""
        if not ALLOCATES.match(function.name) or "libc" not in function.object:
            return
        for caller, (calls, _) in function.callers.items():
            asker = self.functions[caller]
            if asker.allocator() and not asker.name.startswith("operator new"):
                continue  # the allocator's own business
            for owner, share in self.owners_of(caller, 0).items():
                if self.own_layer(self.functions[owner]) not in BESIDE:
                    self.allocations[owner] += calls * share
