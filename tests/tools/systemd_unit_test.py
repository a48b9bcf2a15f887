#!/usr/bin/env python3
"""The systemd units are what systemd takes, and as hardened as docs/operations.md says.

Usage: systemd_unit_test SERVER SERVICE SOCKET OPERATIONS_MD
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SERVER, SERVICE, SOCKET, OPERATIONS = (pathlib.Path(path).resolve() for path in sys.argv[1:5])


@unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd-analyze here")
class UnitTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        text = SERVICE.read_text()
        self.assertIn("ExecStart=/usr/local/bin/objmapper-server ", text)
        # What verify looks at is whether the program is there.
        self.service = self.folder / "objmapper.service"
        self.service.write_text(text.replace("/usr/local/bin/objmapper-server", str(SERVER)))
        self.socket = self.folder / "objmapper.socket"
        self.socket.write_text(SOCKET.read_text())

    def analyze(self, *arguments):
        return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False,
                              timeout=60, env={**os.environ, "SYSTEMD_LOG_LEVEL": "info"})

    def test_units_are_understood(self):
        done = self.analyze("verify", str(self.service), str(self.socket))
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "objmapper" in line]
        self.assertEqual(ours, [])

    def test_exposure_is_as_documented(self):
        done = self.analyze("security", "--offline=true", "--no-pager", str(self.service))
        found = re.search(r"Overall exposure level for objmapper.service: ([0-9.]+)", done.stdout)
        if found is None:
            self.skipTest("this systemd-analyze cannot judge a unit offline: " + done.stderr)
        documented = re.search(r"exposure level is \*\*([0-9.]+)\*\*", OPERATIONS.read_text())
        self.assertIsNotNone(documented)
        # Other versions of systemd weigh other things; it must not be worse than what is written.
        self.assertLessEqual(float(found.group(1)), float(documented.group(1)) + 0.3)

    def test_flags_of_the_unit_exist(self):
        line = next(line for line in self.service.read_text().splitlines() if line.startswith("ExecStart="))
        described = subprocess.run([str(SERVER), "--helpxml"], capture_output=True, text=True, check=False, timeout=60)
        for flag in re.findall(r"--([a-z_]+)", line):
            self.assertIn(f"<name>{flag}</name>", described.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
