#!/usr/bin/env python3
"""The systemd units are what systemd takes, as hardened as docs/operations.md says, and the server
works in them.

Usage: systemd_unit_test SERVER OBJMAPPER SERVICE SOCKET OPERATIONS_MD

What needs no systemd to run is run: the server under the seccomp filters that the unit's settings
make (unit_filters.py). The rest, a booted Debian with the unit in it, is tools/try_unit.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
import unit_filters

SERVER, OBJMAPPER, SERVICE, SOCKET, OPERATIONS = (pathlib.Path(path).resolve()
                                                  for path in sys.argv[1:6])
PATIENCE_S = 60
# What of the sanitizers' run time a filter forbids (ptrace(2), personality(2)), or writes a report
# about.
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "OBJMAPPER_FLAGS": ""}


def has_libseccomp():
    try:
        unit_filters.library()
        return True
    except OSError:
        return False


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
        return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True,
                              check=False,
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
        lines = [line for line in self.service.read_text().splitlines()
                 if re.match("Exec[A-Z][a-z]+=.*objmapper-server|Exec.*" +
                                                                                   re.escape(
                                                                                       str(SERVER)),
                                                                                       line)]
        self.assertEqual(len(lines), 2, "ExecStart= and ExecReload=")
        described = subprocess.run([str(SERVER), "--helpxml"], capture_output=True, text=True,
                                   check=False, timeout=60)
        for line in lines:
            for flag in re.findall(r"--([a-z_]+)", line):
                self.assertIn(f"<name>{flag}</name>", described.stdout)

    def test_a_reload_checks_what_was_started(self):
        """Both commands have the same flags, or a reload would judge another server."""
        text = self.service.read_text()
        start, check = (re.search(f"^{name}=(.*)$", text, re.MULTILINE).group(1)
                        for name in ("ExecStart", "ExecReload"))
        self.assertEqual(check.replace(" --check", ""), start)


@unittest.skipUnless(shutil.which("systemd-analyze") and has_libseccomp(),
                     "there is no systemd-analyze, or no libseccomp.so.2, here")
class FilterTest(unittest.TestCase):
    """The server under the filters of the unit, read-only and writable."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="om.", dir="/tmp")  # short, for the socket
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.root = self.folder / "root"
        self.root.mkdir()
        (self.root / "object").write_bytes(b"o" * 200000)
        self.socket = f"unix:{self.folder}/s"
        self.unit = SERVICE.read_text()

    def command(self, *flags):
        return [str(SERVER), f"--root={self.root}", f"--listen_unix={self.folder}/s", *flags]

    def cli(self, *arguments):
        return subprocess.run([str(OBJMAPPER), *arguments, f"--server={self.socket}"],
                              capture_output=True, check=False,
                              timeout=PATIENCE_S, env=ENVIRONMENT)

    def serve(self, unit, *flags):
        """Starts the server under the unit's filters; returns it and its log, once it is ready."""
        log = self.folder / "log"
        with open(log, "wb") as out:
            server = subprocess.Popen(self.command(*flags), stderr=out, stdout=out, env=ENVIRONMENT,
                                      preexec_fn=unit_filters.filters_of(unit).load)
        self.addCleanup(server.kill)
        end = time.monotonic() + PATIENCE_S
        while b"ready: " not in log.read_bytes():
            if server.poll() is not None or time.monotonic() > end:
                self.fail(f"it does not start ({server.returncode}): {log.read_text()}")
            time.sleep(0.02)
        return server, log

    def works(self, *flags):
        server, log = self.serve(self.unit, *flags)
        self.assertIn("Seccomp:\t2", pathlib.Path(f"/proc/{server.pid}/status").read_text())
        for mode in ("copy", "splice", "fdpass"):
            got = self.cli("get", f"--mode={mode}", "object")
            self.assertEqual((got.returncode, got.stdout), (0, b"o" * 200000),
                             f"{mode}: {got.stderr} {log.read_text()}")
        return server, log

    def stop(self, server, log):
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(PATIENCE_S), 0, log.read_text())

    def test_it_serves(self):
        for engine in ("uring", "epoll"):
            with self.subTest(engine):
                server, log = self.works(f"--io_engine={engine}", f"--fdpass_engine={engine}")
                self.stop(server, log)

    def test_it_stores(self):
        for durability in ("data", "full"):
            with self.subTest(durability):
                server, log = self.works("--writable", "--memory_limit=16M",
                                         f"--durability={durability}")
                local = self.folder / "local"
                local.write_bytes(b"n" * 300000)
                for name, given, fd in (("a/new", "n", ()), ("a/new", "m", ()), ("b", "b", ()),
                                        ("b", "c", ("--fd",))):
                    local.write_bytes(given.encode() * 300000)
                    done = self.cli("put", str(local), name, *fd)
                    self.assertEqual(done.returncode, 0, f"{done.stderr} {log.read_text()}")
                    self.assertEqual((self.root / name).read_bytes(), local.read_bytes())
                self.assertEqual(self.cli("rm", "a/new").returncode, 0)
                self.assertFalse((self.root / "a/new").exists())
                self.stop(server, log)

    def refused(self, unit, *flags):
        done = subprocess.run(self.command(*flags), capture_output=True, text=True, check=False,
                              timeout=PATIENCE_S, env=ENVIRONMENT,
                              preexec_fn=unit_filters.filters_of(unit).load)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def test_what_it_cannot_do_without_is_named(self):
        """With the setting that likely did it: RestrictSUIDSGID= looks innocent."""
        said = self.refused(self.unit.replace("RemoveIPC=yes",
                                              "RemoveIPC=yes\nRestrictSUIDSGID=yes"))
        for word in ("openat2(2)", "ENOSYS", "RestrictSUIDSGID=", str(self.root)):
            self.assertIn(word, said)
        for call, error in (("openat2", "EPERM"), ("accept4", "EPERM"),
                            ("epoll_create1", "EACCES")):
            unit = self.unit.replace("SystemCallErrorNumber=EPERM",
                                     f"SystemCallFilter=~{call}\nSystemCallErrorNumber={error}")
            said = self.refused(unit)
            for word in (f"{call}(2)", error, "SystemCallFilter="):
                self.assertIn(word, said)
            # Nobody has to start it to be told.
            self.assertIn(f"{call}(2)", self.refused(unit, "--check"))

    def test_a_filter_that_kills_is_named(self):
        said = self.refused(self.unit.replace("SystemCallErrorNumber=EPERM",
                                              "SystemCallFilter=~openat2"))
        for word in ("openat2(2)", "SIGSYS", "SystemCallFilter="):
            self.assertIn(word, said)

    def test_what_only_storing_needs_is_asked_of_who_stores(self):
        unit = self.unit.replace("SystemCallErrorNumber=EPERM",
                                 "SystemCallFilter=~linkat\nSystemCallErrorNumber=EPERM")
        self.assertIn("linkat(2)", self.refused(unit, "--writable"))
        server, log = self.serve(unit)
        self.stop(server, log)

    def test_what_only_datagrams_need_is_asked_of_who_takes_them(self):
        unit = self.unit.replace("SystemCallErrorNumber=EPERM",
                                 "SystemCallFilter=~recvmmsg\nSystemCallErrorNumber=EPERM").replace(
            "RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=AF_UNIX AF_INET")
        self.assertIn("recvmmsg(2)", self.refused(unit, "--listen_udp=127.0.0.1:0"))
        server, log = self.serve(unit)
        self.stop(server, log)

    def test_tcp_without_its_family(self):
        said = self.refused(self.unit, "--listen_tcp=127.0.0.1:0")
        for word in ("--listen_tcp", "EAFNOSUPPORT", "RestrictAddressFamilies=", "AF_INET"):
            self.assertIn(word, said)
        unit = self.unit.replace("RestrictAddressFamilies=AF_UNIX",
                                 "RestrictAddressFamilies=AF_UNIX AF_INET")
        server, log = self.serve(unit, "--listen_tcp=127.0.0.1:0")
        self.stop(server, log)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
