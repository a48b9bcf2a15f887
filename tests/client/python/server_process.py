"""The real server, for tests of the clients in other languages."""

import atexit
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PATIENCE_S = 60  # for one step of a server: long, since only a broken one needs it


def free_port():
    """A port that nobody has: for programs that cannot say which one the kernel chose."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(true, what):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        value = true()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE_S} s: {what}")



class ServerProcess:
    """A server of its own, on a Unix socket and a TCP port, with a root that starts empty."""

    def __init__(self, binary, *flags):
        # Not $TEST_TMPDIR: its path is longer than a socket's may be (unix(7): 107 bytes).
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="om.", dir="/tmp"))
        self.root = self.folder / "root"
        self.root.mkdir()
        self.url = f"unix:{self.folder}/s"
        self._process = subprocess.Popen(
            [os.path.abspath(binary), f"--root={self.root}", f"--listen_unix={self.folder}/s",
             "--listen_tcp=127.0.0.1:0",
             *flags], stderr=subprocess.PIPE, text=True)
        signal.alarm(5 * PATIENCE_S)  # a server that never gets ready must not hang the test
        self._log = []
        for line in self._process.stderr:
            self._log.append(line)
            port = re.search(r"(tcp://127\.0\.0\.1:\d+)", line)
            if port:
                self.tcp_url = port.group(1)
            if "ready" in line:
                break
        else:
            raise AssertionError(
                f"the server ended with {self._process.wait()}:\n{''.join(self._log)}")
        # A pipe that nobody empties would hold a server up that has much to say.
        self._reader = threading.Thread(target=lambda: self._log.extend(self._process.stderr),
                                        daemon=True)
        self._reader.start()

    def write(self, uri, content):
        path = self.root / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def stop(self):
        """Ends it. AssertionError when it did not end well: a sanitizer's finding, for one."""
        self._process.terminate()
        code = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        self._process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if code != 0:
            raise AssertionError(f"the server ended with {code}:\n{''.join(self._log)}")


def with_tokens(rules):
    """The flags of a server that goes by `rules`, and knows alice by "secret-of-alice-0". The files
    are gone with this process.
    """
    folder = pathlib.Path(tempfile.mkdtemp(prefix="om.", dir="/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "rules").write_text(rules)
    (folder / "tokens").touch(mode=0o600)
    (folder / "tokens").write_text("alice secret-of-alice-0\n")
    return (f"--rules_file={folder}/rules", f"--tokens_file={folder}/tokens")


def open_fds():
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


class ServerTest(unittest.TestCase):
    """Tests that share one server, of `binary`, and leave no descriptor open."""

    binary = ""
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.server = ServerProcess(cls.binary, *cls.flags)
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        before = open_fds()
        self.addCleanup(lambda: self.assertEqual(open_fds(), before, "descriptors"))


def main(names=()):
    """Runs the calling program's tests, or those of `names` alone; its first argument is the
    server.
    """
    ServerTest.binary = sys.argv[1]
    unittest.main(argv=[sys.argv[0], *names], verbosity=2)
