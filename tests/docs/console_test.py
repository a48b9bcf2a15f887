#!/usr/bin/env python3
"""What README.md and docs/ show to be typed can be typed: every block of commands is run, against
the real server.

Usage: console_test SERVER OBJMAPPER LIBRARY

A block that opens with "```console" has commands behind "$ " and what they print; one that opens
with "```sh" has commands alone. A page's blocks are run in their order, by one shell, in a folder
of the page's own, in which what is built lies as in the tree. "bazel" is a stand-in for one that
has built: "bazel run server" is the server.

Every command has to end well, but for one that is shown with an error of objmapper's; and what it
prints is what is shown, but for what differs from run to run (VARIES), lines of the server's log
that are not shown, and whatever stands for "...".

A block that cannot be run says why, in a line before it: <!-- not run: REASON -->, and the reason
has to be one of REASONS, which looks at the block too, or a test that runs the same.
"""

import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

SERVER, OBJMAPPER, LIBRARY = (pathlib.Path(path).resolve() for path in sys.argv[1:4])
PAGES = [pathlib.Path("README.md"), *sorted(pathlib.Path("docs").glob("*.md"))]
PATIENCE_S = 60  # for one command: long, since only a broken one needs it

# Why a block is not run, and what every command of such a block looks like.
REASONS = {
    # Builds for minutes, or measures: .ci/run does it, or a person.
    "takes minutes": r"(tools/(quickstart|test|fuzz)|\.ci/run|bazel (test|run -c opt "
                     r"//tools/bench|build -c opt))\b",
    # Changes the machine: only for who owns it.
    "needs root": r"(sudo|systemctl|useradd|usermod|install|chown|apt-get)\b",
}

# What a block without a language is not to begin with: it would be commands that nobody runs.
COMMAND = re.compile(
    r"(\$ |objmapper |bazel |tools/\w|curl |systemctl |gcc |cc |pip |sudo |mkdir )")
# Pages of operators, whose blocks tools/try_unit runs.
BARE = {"operations.md"}

VARIES = [
    (r"^([IWEF])\d{8} [\d:.]+ +\d+ (\w+\.cc):\d+\] ", r"\1 \2 "),  # glog's prefix
    (r"unix:\S*/objmapper\.sock", "unix:objmapper.sock"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d", "TIME"),
    (r"^(  etag +)\S+$", r"\1ETAG"),
    (r'"mtime":\d+,"etag":"[^"]*"', '"mtime":SECONDS,"etag":"ETAG"'),
    (r"\d+\.\d+(e-\d+)?", "FRACTION"),
    (r" +#? *$", ""),
]
LOG = re.compile(r"^[IWEF] \w+\.cc ")
JOBS = re.compile(r"^\[\d+\][+-]? ")  # the shell's own words on what runs behind it

BAZEL = """#!/bin/sh
# Stands in for Bazel, which has built all this.
case "$1 $2" in
  "run server") shift 2; [ "$1" != -- ] || shift; exec bazel-bin/server/server "$@" ;;
  "build "*) exit 0 ;;
  "info "*) echo "$BUILT/bazel-bin" ;;
  *) echo "the stand-in for Bazel knows no: bazel $*" >&2; exit 99 ;;
esac
"""


class Block:
    def __init__(self, page, line, language, text, marker):
        self.where = f"{page}:{line}"
        self.language, self.text, self.marker = language, text, marker

    def commands(self):
        """[(command, what is shown of its output)]."""
        if self.language == "sh":
            return [(line, None) for line in self.text if line.strip()
                    and not line.lstrip().startswith("#")]
        found = []
        for line in self.text:
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line)
        return found


def blocks_of(page):
    found = []
    fence = marker = None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        stripped = line.strip()
        if fence is None and stripped.startswith("```"):
            fence = (number, stripped[3:].strip(), [])
        elif fence is not None and stripped == "```":
            found.append(Block(page, fence[0], fence[1], fence[2], marker))
            fence = marker = None
        elif fence is not None:
            fence[2].append(line)
        elif stripped:
            said = re.fullmatch(r"<!-- not run: (.*) -->", stripped)
            marker = said.group(1) if said else None
    return found


def varied(line):
    for pattern, replacement in VARIES:
        line = re.sub(pattern, replacement, line)
    return line


def matches(shown, line):
    """Whether a line is what is shown, "..." standing for anything."""
    pattern = ".*".join(re.escape(piece) for piece in varied(shown).split("..."))
    return re.fullmatch(pattern, varied(line)) is not None


def difference(shown, printed):
    """What is printed and not shown, or the other way round; None when there is nothing."""
    shown = [line for line in shown if line.strip()]
    anything = False
    for line in printed:
        if not line.strip() or JOBS.match(line):
            continue
        while shown and shown[0].strip() == "...":
            anything = True
            shown.pop(0)
        if shown and matches(shown[0], line):
            anything = False
            shown.pop(0)
        elif not anything and not LOG.match(varied(line)):
            return f"printed, but not shown: {line!r}; shown there: {shown[:1]}"
    rest = [line for line in shown if line.strip() != "..."]
    return f"shown, but not printed: {rest[0]!r}; printed: {printed}" if rest else None


class Shell:
    """A shell as a person has it, in `folder`; with what it, and what it starts, prints."""

    def __init__(self, folder, environment):
        self.process = subprocess.Popen(["bash", "--norc"], cwd=folder, env=environment,
                                        stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        errors="replace",
                                        start_new_session=True)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.count = 0
        self.run("shopt -s expand_aliases; set -m")

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def until(self, pattern):
        """The lines before the one that is `pattern`, and its match."""
        lines = []
        while True:
            line = self.lines.get(timeout=PATIENCE_S)
            if line is None:
                raise AssertionError(f"the shell ended after {lines}")
            found = re.search(pattern, line)
            if found:
                return lines, found
            lines.append(line)

    def run(self, command):
        """(exit code, lines). What goes on behind it is waited for until it is ready, or gone."""
        bare = re.sub(r"\s+#.*", "", command)
        lines = []
        if bare.endswith("&"):
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            before, ready = self.until(r".*\] ready: .*")
            lines = before + [ready.group(0)]
            command = ":"
        elif re.match(r"kill %\d", bare):
            command = f"{bare} && wait {bare.split()[1]}"
        self.count += 1
        self.process.stdin.write(f"{command}\nprintf '\\n=%s=%d=\\n' {self.count} $?\n")
        self.process.stdin.flush()
        before, end = self.until(rf"^={self.count}=(\d+)=$")
        return int(end.group(1)), lines + before

    def end(self):
        """Ends it and all that it has started: job control gives each a group of its own, but the
        session is the shell's.
        """
        self.process.stdin.close()
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                session = int(entry.read_text().rpartition(")")[2].split()[3])
                if session == self.process.pid:
                    os.kill(int(entry.parent.name), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended meanwhile
        self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)
        self.process.stdout.close()


class ConsoleTest(unittest.TestCase):
    def lay_out(self):
        """A folder in which what is built lies as in the tree: each page has its own."""
        # A socket's path has 107 bytes at most.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="om.", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        tree = self.folder / "tree"
        for name, source in (("bazel-bin/server/server", SERVER),
                             ("bazel-bin/tools/objmapper", OBJMAPPER),
                             ("bazel-bin/client/c/libobjmapper.so", LIBRARY)):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).symlink_to(source)
        shutil.copytree("tools", tree / "tools", ignore=shutil.ignore_patterns("objmapper"))
        shutil.copytree("client", tree / "client", ignore=shutil.ignore_patterns("*.so"))
        stubs = self.folder / "bin"
        stubs.mkdir()
        (stubs / "bazel").write_text(BAZEL)
        (stubs / "bazel").chmod(0o755)
        (stubs / "objmapper").symlink_to(OBJMAPPER)
        (self.folder / "run").mkdir()
        kept = {name: value for name,
                value in os.environ.items() if not name.startswith(("OBJMAPPER", "BUILD_WORK"))}
        self.environment = {**kept, "PATH": f"{stubs}:{os.environ['PATH']}",
                            "XDG_RUNTIME_DIR": str(self.folder / "run"),
                            "HOME": str(self.folder), "TZ": "UTC", "BUILT": str(tree),
                            "DESTDIR": str(self.folder / "installed")}

    def play(self, page):
        """Runs a page's blocks."""
        blocks = [block for block in blocks_of(page) if block.language in ("sh", "console")
                  and block.marker is None]
        if not blocks:
            return 0
        self.lay_out()
        shell = Shell(self.folder / "tree", self.environment)
        try:
            for block in blocks:
                for command, shown in block.commands():
                    with self.subTest(block.where, command=command):
                        code, printed = shell.run(command)
                        fails = shown is not None and any(line.startswith("objmapper: ")
                                                          for line in shown)
                        self.assertEqual(code != 0, fails, f"exit code {code}: {printed}")
                        if shown is not None:
                            self.assertIsNone(difference(shown, printed))
        finally:
            shell.end()
        return len(blocks)

    def test_blocks_are_run(self):
        self.assertGreater(sum(self.play(page) for page in PAGES), 2)

    def test_reasons(self):
        for block in (block for page in PAGES for block in blocks_of(page)):
            with self.subTest(block.where):
                if block.language == "" and pathlib.Path(
                    block.where.split(":")[0]).name not in BARE:
                    first = next((line.strip() for line in block.text if line.strip()), "")
                    self.assertIsNone(COMMAND.match(first), "commands, but neither sh nor console")
                if block.marker is None:
                    continue
                self.assertIn(block.language, ("sh", "console"))
                test = re.fullmatch(r"(tests/\S+) does", block.marker)
                if test:
                    self.assertTrue(pathlib.Path(test.group(1)).exists(), block.marker)
                    continue
                self.assertIn(block.marker, REASONS)
                for command, _ in block.commands():
                    self.assertRegex(command.strip(), "^" + REASONS[block.marker])

    # What tells shown from printed lets nothing pass.
    def test_difference(self):
        self.assertIsNone(difference(["a", "", "b"], ["a", "b"]))
        self.assertIsNone(
            difference(["I20261123 18:55:05.023782 13176 run.cc:114] ready: serving ... on x"],
                                     ["I20270101 00:00:00.000001     7 run.cc:9] listening",
                                      "I20270101 00:00:00.000001     7 run.cc:9] ready: serving /a "
                                      "on x"]))
        self.assertIsNone(difference(["a 1.5 us", "...", "z"], ["a 22.75 us", "b", "c", "z"]))
        for shown, printed in ((["a"], []), ([], ["a"]), (["a"], ["b"]), (["a", "b"], ["b", "a"]),
                               (["...", "z"], ["b"]),
                               (["a"], ["a", "b"]), (["5 of 5"], ["4 of 5"])):
            self.assertIsNotNone(difference(shown, printed), (shown, printed))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
