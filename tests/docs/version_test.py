#!/usr/bin/env python3
"""One version everywhere: text/version.h's, in what is built and in what is installed beside it.

Usage: version_test SERVER OBJMAPPER
"""

import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import unittest

SERVER, OBJMAPPER = sys.argv[1:3]


def stated(path, pattern):
    """What the file at `path` gives as its version."""
    found = re.search(pattern, pathlib.Path(path).read_text(), re.MULTILINE)
    return found and found.group(1)


def says(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class VersionTest(unittest.TestCase):
    def setUp(self):
        self.version = stated("text/version.h",
                              r'^inline constexpr absl::string_view kVersion = "(\d+\.\d+\.\d+)";$')
        self.assertIsNotNone(self.version)

    # The C header, the Python package, its metadata and the soname, which only copies can have.
    def test_copies(self):
        self.assertEqual(stated("client/objmapper.h", r'^#define OM_VERSION "(.*)"$'), self.version)
        self.assertEqual(stated("client/python/objmapper/__init__.py", r'^__version__ = "(.*)"$'),
                         self.version)
        self.assertEqual(stated("client/python/pyproject.toml", r'^version = "(.*)"$'),
                         self.version)
        soname = stated("client/c/BUILD.bazel", r"-soname,libobjmapper\.so\.(\d+)")
        self.assertEqual(soname, self.version.split(".")[0])

    def test_programs(self):
        for spelling in ("version", "--version"):
            done = says(OBJMAPPER, spelling)
            self.assertEqual((done.returncode, done.stdout), (0, f"objmapper {self.version}\n"))
        done = says(SERVER, "--version")
        self.assertEqual((done.returncode, done.stdout.splitlines()[0]),
                         (0, f"server version {self.version}"))

    # The log's first line, also of a server that does not start.
    def test_log(self):
        done = says(SERVER, "--root=/no/such/folder", "--listen_unix=/no/such/folder/s")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr.splitlines()[0],
                         rf"^I.*\] objmapper {re.escape(self.version)}$")

    # What monitoring sees.
    def test_metrics(self):
        with tempfile.TemporaryDirectory(prefix="om.", dir="/tmp") as folder:
            server = subprocess.Popen([SERVER, f"--root={folder}", f"--listen_unix={folder}/s",
                                       f"--admin_listen={folder}/admin"],
                                      stderr=subprocess.PIPE, text=True)
            try:
                self.assertTrue(any("ready" in line for line in server.stderr))
                with socket.socket(socket.AF_UNIX) as door:
                    door.settimeout(60)
                    door.connect(f"{folder}/admin")
                    door.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                    answer = door.makefile().read()
            finally:
                server.terminate()
                server.communicate(timeout=60)
        self.assertRegex(answer,
                         rf'(?m)^objmapper_build_info{{version="{re.escape(self.version)}".*}} 1$')


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
