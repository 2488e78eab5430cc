#!/usr/bin/python3
"""tidy_test.py TIDY RULE: plants one violation in a small tree of its own and expects tools/tidy to name it."""
import os
import shutil
import subprocess
import sys
import tempfile

LONG_BODY = "".join(f"  value += {n};\n" for n in range(70))
LONG_FUNCTION = f"int sum(int value) {{\n{LONG_BODY}  return value;\n}}\n"
LONG_FILE = "".join(f"constexpr int value_{n} = {n};\n" for n in range(501))
MARK = "TO" + "DO"
HEAVY = "#include <nlohmann/json.hpp>\n"

# case → (files, what tidy must say: the start of one of its lines, or None for a clean tree)
CASES = {
    "clean": ({}, None),
    "file-length": ({"bus/store/a.cpp": LONG_FILE}, "bus/store/a.cpp:501: [file-length]"),
    "function-length": ({"bus/store/a.cpp": LONG_FUNCTION}, "bus/store/a.cpp:1: [function-length] 73 lines"),
    "lifted-length": (
        {
            "bus/store/a.cpp": "// tidy: long-file because it is a table\n" + LONG_FILE,
            "bus/store/b.cpp": LONG_FUNCTION.replace("{\n", "{\n  // tidy: long-function because it is a table\n", 1),
        },
        None,
    ),
    "python-length": ({"tests/a.py": "def long():\n" + "    pass\n" * 70}, "tests/a.py:1: [function-length] 71 lines"),
    "banned-call": (
        {
            "bus/core/a.cpp": "#include <chrono>\n",
            "bus/core/b.cpp": "#include <cstdlib>\n\nint roll() { return std::rand(); }\n",
            "bus/core/c.cpp": "#include <ctime>\n\nlong now() { return time(nullptr); }\n",
            "bus/protocol/d.cpp": "#include <unistd.h>\n\nvoid rest() { sleep(1); }\n",
            "bus/ops/f.cpp": "#include <chrono>\n",
            "guards/e.cpp": '#include <iostream>\n\nvoid tell() { std::cout << "hello"; }\n',
        },
        [
            "bus/core/a.cpp:1: [banned-call] <chrono>",
            "bus/core/b.cpp:3: [banned-call] random",
            "bus/core/c.cpp:3: [banned-call] clock",
            "bus/protocol/d.cpp:3: [banned-call] sleep",
            "bus/ops/f.cpp:1: [banned-call] <chrono>",
            "guards/e.cpp:1: [banned-call] <iostream>",
            "guards/e.cpp:3: [banned-call] output",
        ],
    ),
    "layer": (
        {"bus/server/a.h": "#pragma once\n", "bus/core/a.cpp": '#include "bus/server/a.h"\n'},
        'bus/core/a.cpp:1: [layer] "bus/server/a.h" belongs to bus/server',
    ),
    "layer-of-system": (
        {
            "bus/core/a.cpp": "#include <rocksdb/db.h>\n",
            "bus/ops/c.cpp": "#include <date/tz.h>\n",
            "guards/b.cpp": "#include <unistd.h>\n",
        },
        ["bus/core/a.cpp:1: [layer] <rocksdb/db.h>", "bus/ops/c.cpp:1: [layer] <date/tz.h>", "guards/b.cpp:1: [layer] <unistd.h> of the system"],
    ),
    "layer-unknown": (
        {"bus/base/a.h": "#pragma once\n", "bus/attic/a.cpp": '#include "bus/base/a.h"\n'},
        "bus/attic/a.cpp:1: [layer] bus/attic is no layer",
    ),
    "heavy-header": ({"cli/a.h": "#pragma once\n\n" + HEAVY}, "cli/a.h:3: [heavy-header]"),
    "heavy-header-count": (
        {"cli/a.cpp": HEAVY, "cli/b.cpp": HEAVY, "cli/c.cpp": HEAVY},
        "cli/c.cpp:1: [heavy-header] <nlohmann/…> in 3 files",
    ),
    "include-spelling": (
        {"bus/core/a.h": "#pragma once\n", "bus/core/a.cpp": '#include "a.h"\n', "bus/core/b.cpp": "#include <bus/core/a.h>\n"},
        ["bus/core/a.cpp:1: [include-spelling]", "bus/core/b.cpp:1: [include-spelling]"],
    ),
    "package": (
        {"bus/client/a.cpp": "#include <hiredis/hiredis.h>\n", "tools/packages.txt": "[build]\ng++\n"},
        "bus/client/a.cpp:1: [package] <hiredis/hiredis.h> comes from libhiredis-dev",
    ),
    "package-of-tests": (
        {
            "tests/a.cpp": "#include <catch2/catch.hpp>\n",
            "cli/a.cpp": "#include <catch2/catch.hpp>\n",
            "tools/packages.txt": "[build]\ng++\n[test]\ncatch2\n",
        },
        "cli/a.cpp:1: [package] <catch2/catch.hpp> comes from catch2",
    ),
    "format": ({"bus/store/a.cpp": "int   a( ) ;\n"}, "bus/store/a.cpp:1: [format]"),
    "leftover-mark": ({"docs/a.md": f"fine\n{MARK}: later\n"}, f"docs/a.md:2: [leftover-mark] {MARK}"),
    "names": (
        {"bus/store/a.cpp": "int CamelFunction() { return 0; }\n"},
        "bus/store/a.cpp:1: [names] invalid case style for function 'CamelFunction'",
    ),
    # What stands in comments and strings is no call; a brace in a string ends no function.
    "strings": (
        {"bus/core/a.h": '#pragma once\n\n// sleep(1), std::cout\nconstexpr const char* text = "time(nullptr) } {";\n'},
        None,
    ),
}


def main():
    tidy, case = sys.argv[1:]
    files, expected = CASES[case]
    home = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    with tempfile.TemporaryDirectory(prefix="pawl-tidy-") as root:
        os.makedirs(os.path.join(root, "tools"))
        shutil.copy(os.path.join(home, "tools/packages.txt"), os.path.join(root, "tools/packages.txt"))
        for name in (".clang-format", ".clang-tidy"):
            shutil.copy(os.path.join(home, name), root)
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        command = [tidy, "--root", root] + (["--names"] if case == "names" else [])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    print(done.stdout + done.stderr, end="")
    if expected is None:
        sys.exit(0 if done.returncode == 0 else "expected no finding")
    for start in [expected] if isinstance(expected, str) else expected:
        if not any(line.startswith(start) for line in lines):
            sys.exit(f"expected: {start}")
    sys.exit(0 if done.returncode == 1 else f"expected exit 1, got {done.returncode}")


if __name__ == "__main__":
    main()
