#!/usr/bin/env python3
"""apt updates and fetches from a repository that is a folder of objects, as docs/http-recipes.md
has it.

Usage: apt_test SERVER
"""

import os
import re
import time

from harness import ClientTest, filled, main, random_bytes, recipe

CONTROL = """Package: {name}
Version: {version}
Architecture: all
Maintainer: Nobody <nobody@localhost>
Description: a package of a test
"""
# An apt of one folder's own, which looks at nothing of the machine's and changes nothing.
CONFIGURATION = """Dir "{folder}/apt";
Dir::State::status "{folder}/apt/status";
Dir::Etc::trustedparts "{folder}/apt/trusted";
APT::Sandbox::User "root";
APT::Architecture "amd64";
Acquire::Languages "none";
Acquire::Retries "0";
Dir::Bin::Methods "/usr/lib/apt/methods";
"""
COUNT = 12  # packages: more than apt has in its pipeline


class AptTest(ClientTest):
    programs = ("apt-get", "apt-ftparchive", "dpkg-deb")

    def setUp(self):
        super().setUp()
        self.repository = self.server.root / "debian"
        self.repository.mkdir()
        for number in range(COUNT):
            self.package(f"demo{number}", "1.0", 2000 * number)
        self.index(age_s=1000)
        self.seen = self.tap()
        for path in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d",
                     "apt/trusted", "apt/var/lib/apt/lists/partial",
                     "apt/var/cache/apt/archives/partial", "apt/etc/apt/sources.list.d",
                     "apt/etc/apt/preferences.d", "apt/etc/apt/apt.conf.d"):
            (self.folder / path).mkdir(parents=True)
        (self.folder / "apt/status").touch()
        (self.folder / "apt.conf").write_text(CONFIGURATION.format(folder=self.folder))
        self.environment["APT_CONFIG"] = str(self.folder / "apt.conf")
        (self.folder / "apt/etc/apt/sources.list.d/objects.list").write_text(
            filled(recipe("apt", 2)[1], {"127.0.0.1:7070": f"127.0.0.1:{self.seen.port}"}))

    def package(self, name, version, size):
        tree = self.folder / "tree"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (tree / "DEBIAN/control").write_text(CONTROL.format(name=name, version=version))
        (tree / "data").write_bytes(random_bytes(size))
        self.run_program("dpkg-deb", "--root-owner-group", "--build", tree,
                         self.repository / f"{name}_{version}_all.deb")

    def index(self, age_s=0):
        self.run_program("sh", "-ec", f"cd {self.repository}\n{recipe('apt', 2)[0]}")
        # If-Modified-Since counts in seconds: two versions of one second are the same to apt.
        then = time.time() - age_s
        os.utime(self.repository / "Release", (then, then))

    def apt(self, *arguments, code=0):
        return self.run_program("apt-get", "-q", *arguments, code=code)

    def test_updates_and_fetches(self):
        self.assertRegex(self.apt("update"), r"Get:\d+ \S+ \./ Packages")
        names = [f"demo{number}" for number in range(COUNT)]
        self.seen.forget()
        self.apt("download", *names)
        for name in names:
            self.assertEqual((self.folder / f"{name}_1.0_all.deb").read_bytes(),
                             (self.repository / f"{name}_1.0_all.deb").read_bytes())
        # One connection, with several requests on their way at a time.
        self.assertEqual(len(self.seen.connections), 1)
        self.assertEqual(self.seen.statuses(), [200] * COUNT)

    def test_updates_again(self):
        self.apt("update")
        self.seen.forget()
        self.assertRegex(self.apt("update"), r"Hit:\d+ \S+ \./ Release")
        asked = {one.target: one.fields for one in self.seen.requests()}
        self.assertIn("if-modified-since", asked["/" + "debian/./Release"], asked)
        self.assertIn(304, self.seen.statuses())
        # What is not there (InRelease, for one) closes no connection.
        self.assertIn(404, self.seen.statuses())
        self.assertEqual(len(self.seen.connections), 1)

    def test_sees_what_is_new(self):
        self.apt("update")
        self.package("demo0", "2.0", 10)
        (self.repository / "Release").unlink()
        self.index()
        self.assertRegex(self.apt("update"), r"Get:\d+ \S+ \./ Packages")
        self.apt("download", "demo0")
        self.assertTrue((self.folder / "demo0_2.0_all.deb").exists())

    def test_goes_on_where_it_was(self):
        self.apt("update")
        name = f"demo{COUNT - 1}_1.0_all.deb"
        whole = (self.repository / name).read_bytes()
        archives = self.folder / "apt/var/cache/apt/archives"
        (archives / "partial" / name).write_bytes(whole[:1000])
        self.seen.forget()
        self.apt("install", "--download-only", "-y", f"demo{COUNT - 1}")
        self.assertEqual((archives / name).read_bytes(), whole)
        asked = self.seen.requests()[0].fields
        self.assertTrue(re.match(r"bytes=\d+-", asked.get("range", "")), asked)
        self.assertIn("if-range", asked)

    def test_what_is_missing_is_said(self):
        self.apt("update")
        (self.repository / "demo1_1.0_all.deb").unlink()
        self.assertIn("404", self.apt("download", "demo1", "demo2", code=100))
        self.assertTrue((self.folder / "demo2_1.0_all.deb").exists())


if __name__ == "__main__":
    main()
