#!/usr/bin/env python3
"""Bazel keeps its results in the server, over TCP and through a forwarder into the Unix socket, as
docs/http-recipes.md has it.

Usage: bazel_test SERVER
"""

import pathlib
import re
import shlex
import signal

from harness import PATIENCE_S, ClientTest, filled, free_port, listens, main, recipe, wait_until

COUNT = 6  # actions
RULE = """genrule(
    name = "rule{number}",
    srcs = ["source"],
    outs = ["out{number}"],
    cmd = "cat $< >$@; head -c {size} /dev/zero >>$@; echo {number} >>$@",
)
"""
EMPTY = """genrule(
    name = "empty",
    outs = ["nothing"],
    cmd = "touch $@",
)
"""


class BazelTest(ClientTest):
    programs = ("bazel", "socat")
    flags = ("--writable",)

    def setUp(self):
        super().setUp()
        signal.alarm(10 * PATIENCE_S)  # it starts slowly
        self.workspace = self.folder / "workspace"
        self.workspace.mkdir()
        (self.workspace / "WORKSPACE").touch()
        (self.workspace / "source").write_text("of the source\n")
        (self.workspace / "BUILD").write_text(EMPTY + "".join(
            RULE.format(number=number, size=100_000 * number) for number in range(COUNT)))
        self.addCleanup(self.bazel, "shutdown")

    def bazel(self, *arguments, code=0):
        # Not inside another one's sandbox, nor with anybody's settings; an output root of its own,
        # which keeps it apart from the Bazel that runs the test.
        return self.run_program(
            "sh", "-c", f"cd {self.workspace} && exec bazel --nohome_rc --max_idle_secs=60 "
            f"--output_user_root={self.folder}/output --host_jvm_args=-Xmx256m "
            + shlex.join(arguments), code=code)

    def build(self, code=0):
        """What a build says of its processes: {"remote cache hit": 3, ...}; all is made anew."""
        self.bazel("clean")
        said = self.bazel("build", "--spawn_strategy=local", "--noshow_progress", "--jobs=4",
                          "//:all", code=code)
        line = re.search(r"INFO: (\d+ process(?:es)?: .*)", said)
        self.assertIsNotNone(line, said)
        kinds = line.group(1).partition(": ")[2].rstrip(".").split(", ")
        self.assertNotIn("WARNING: Reading from Remote Cache", said)
        self.assertNotIn("WARNING: Writing to Remote Cache", said)
        return {kind.partition(" ")[2]: int(kind.partition(" ")[0]) for kind in kinds}

    def made(self):
        return [(self.workspace / f"bazel-bin/out{number}").read_bytes()
                for number in range(COUNT)]

    def use(self, address):
        (self.workspace / ".bazelrc").write_text(
            filled(recipe("Bazel", 2)[0], {"127.0.0.1:7070": address}))

    def builds_twice(self):
        kinds = self.build()
        self.assertEqual(kinds.get("local"), COUNT + 1, kinds)
        first = self.made()
        kinds = self.build()
        self.assertEqual(kinds.get("remote cache hit"), COUNT + 1, kinds)
        self.assertNotIn("local", kinds)
        self.assertEqual(self.made(), first)

    def test_tcp(self):
        seen = self.tap()
        self.use(f"127.0.0.1:{seen.port}")
        self.builds_twice()
        self.assertLessEqual(set(seen.statuses()), {200, 201, 204, 404})
        self.assertEqual({one.method for one in seen.requests()}, {"GET", "PUT"})
        for one in seen.requests("PUT"):
            self.assertIn("content-length", one.fields)
        stored = [path for path in pathlib.Path(self.server.root).rglob("*") if path.is_file()]
        self.assertGreaterEqual(len(stored), 2 * COUNT)

    def test_through_a_forwarder(self):
        port = free_port()
        command = filled(recipe("Bazel", 2)[1], {
            "7071": port, "/run/objmapper/objmapper.sock": self.server.socket})
        self.start(shlex.split(command.rstrip().removesuffix("&")), port)
        wait_until(lambda: listens(port), "the forwarder")
        self.use(f"127.0.0.1:{port}")
        self.builds_twice()


if __name__ == "__main__":
    main()
