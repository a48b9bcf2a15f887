#!/usr/bin/env python3
"""pip downloads from an index that is a folder of objects, as docs/http-recipes.md has it.

Usage: pip_test SERVER
"""

import base64
import hashlib
import subprocess
import unittest
import zipfile

from harness import REQUIRED, ClientTest, filled, main, recipe

WHEEL = "demo-1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nSummary: of a test\n"
FILES = {
    "demo.py": "print('it works')\n",
    "demo-1.0.dist-info/METADATA": METADATA,
    "demo-1.0.dist-info/WHEEL":
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}


def write_wheel(path):
    record = ""
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{name},sha256={digest.decode().rstrip('=')},{len(text)}\n"
        wheel.writestr("demo-1.0.dist-info/RECORD", record + "demo-1.0.dist-info/RECORD,,\n")


class PipTest(ClientTest):
    programs = ("python3",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if subprocess.run(["/usr/bin/python3", "-m", "pip", "--version"], check=False,
                          capture_output=True).returncode != 0:
            if REQUIRED:
                raise AssertionError("python3 has no pip (tools/setup --http)")
            raise unittest.SkipTest("python3 has no pip (tools/setup --http)")

    def setUp(self):
        super().setUp()
        (self.server.root / "simple/demo").mkdir(parents=True)
        write_wheel(self.server.root / "simple/demo" / WHEEL)
        self.environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        self.environment["PIP_RETRIES"] = "0"

    def download(self, base):
        command = filled(recipe("pip", 2)[1], {"http://127.0.0.1:7070": base,
                                               "pip download": "python3 -m pip download"})
        self.run_program("sh", "-ec", command)
        self.assertEqual((self.folder / WHEEL).read_bytes(),
                         (self.server.root / "simple/demo" / WHEEL).read_bytes())


class PipIndexTest(PipTest):
    flags = ("--http_index",)

    def test_index(self):
        (self.server.root / "simple/demo/index.html").write_text(recipe("pip", 2)[0])
        seen = self.tap()
        self.download(seen.base)
        self.assertEqual([one.target.removeprefix("/simple") for one in seen.requests()],
                         ["/demo/", f"/demo/{WHEEL}"])


class PipListingTest(PipTest):
    def test_listing(self):
        """The server's own page of a folder is an index as well."""
        self.download(self.server.base)


if __name__ == "__main__":
    main()
