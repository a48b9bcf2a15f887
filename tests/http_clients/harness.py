"""What tests of other people's HTTP clients share: the real server on a Unix socket and a TCP port,
a tap that shows what is said on a connection, and the recipes of docs/http-recipes.md.

A test of a client that is not installed is skipped, or fails where OBJMAPPER_HTTP_CLIENTS is
"required" (.ci/run; tools/setup --http installs them).
"""

import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, "tests/client/python")
from server_process import PATIENCE_S, ServerProcess, free_port, wait_until
from tap import Tap

BINARY = os.path.abspath(sys.argv[1])
PAGE = pathlib.Path("docs/http-recipes.md")
PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
REQUIRED = os.environ.get("OBJMAPPER_HTTP_CLIENTS") == "required"


def random_bytes(size, seed=1):
    return random.Random(seed).randbytes(size)


def listens(address):
    """Whether somebody accepts connections on a port of loopback, or a socket's path."""
    family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
    with socket.socket(family) as probe:
        try:
            probe.connect(("127.0.0.1", address) if isinstance(address, int) else str(address))
            return True
        except OSError:
            return False


def recipe(title, count):
    """The text of each of the `count` blocks below a heading of docs/http-recipes.md."""
    section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE.read_text(),
                        re.MULTILINE | re.DOTALL)
    assert section, f"{PAGE} has no section {title!r}"
    blocks = re.findall(r"^```\w+\n(.*?)^```$", section.group(1), re.MULTILINE | re.DOTALL)
    assert len(blocks) == count, f"{PAGE}, {title!r}: {len(blocks)} blocks, and not {count}"
    return blocks


def filled(text, values):
    """A recipe with what a reader puts in too: each of `values` takes the place of its key."""
    for key, value in values.items():
        assert key in text, f"no {key!r} in the recipe:\n{text}"
        text = text.replace(key, str(value))
    return text


class ClientTest(unittest.TestCase):
    """Each test has a server, a folder and an environment of its own."""

    programs = ()
    flags = ()

    @classmethod
    def setUpClass(cls):
        missing = [name for name in cls.programs if shutil.which(name, path=PATH) is None]
        if missing and REQUIRED:
            raise AssertionError(f"not installed: {missing} (tools/setup --http)")
        if missing:
            raise unittest.SkipTest(f"not installed: {missing} (tools/setup --http)")

    def setUp(self):
        self.server = self.serve(*self.flags)
        self.folder = self.server.folder / "client"
        self.folder.mkdir()
        # Without the caller's proxies and settings.
        self.environment = {"PATH": PATH, "HOME": str(self.folder), "LC_ALL": "C.UTF-8",
                            "TZ": "UTC", "TMPDIR": str(self.folder)}

    def serve(self, *flags):
        server = ServerProcess(BINARY, *flags)
        self.addCleanup(server.stop)
        server.socket = f"{server.folder}/s"
        server.port = int(server.tcp_url.rpartition(":")[2])
        server.base = f"http://127.0.0.1:{server.port}"
        return server

    def tap(self, target=None, path=None):
        """A tap before the server's TCP port, or before `target`; on a port, or on `path`."""
        tap = Tap(self.server.port if target is None else target, path)
        self.addCleanup(tap.close)
        return tap

    def run_program(self, *command, code=0, **more):
        """What a program prints, once it has ended with `code` (None: with any); as text."""
        done = subprocess.run([str(part) for part in command], check=False, timeout=2 * PATIENCE_S,
                              env=self.environment, cwd=self.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, **more)
        self.last_code = done.returncode
        text = done.stdout.decode(errors="replace")
        if code is not None:
            self.assertEqual(done.returncode, code, f"{command}:\n{text}")
        return text

    def start(self, command, ready):
        """A program that runs until the test ends; ready once somebody listens on `ready`."""
        log = self.folder / f"log.{pathlib.Path(command[0]).name}"
        with open(log, "ab") as out:
            process = subprocess.Popen([str(part) for part in command], env=self.environment,
                                       cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=out, start_new_session=True)

        def end():
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise

        self.addCleanup(end)
        wait_until(lambda: process.poll() is not None or listens(ready), f"{command[0]}")
        self.assertIsNone(process.poll(), log.read_text(errors="replace"))
        return process


def main():
    """Runs the calling program's tests; its first argument is the server."""
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
