#!/usr/bin/env python3
"""libobjmapper as its users have it: installed below a prefix, found by pkg-config, built against
by plain gcc.

Usage: install_test SERVER LIBRARY CPP_EXAMPLE CLI [InstallTest|StoringTest|TokensTest]
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path[:0] = ["tests/client/python"]

from server_process import PATIENCE_S, ServerTest, main, with_tokens

BIG = 3_000_000
# What a library that was built with a sanitizer needs of the program, too.
SANITIZERS = {"__asan_init": "-fsanitize=address", "__tsan_init": "-fsanitize=thread",
              "__ubsan_handle_type_mismatch_v1_abort": "-fsanitize=undefined"}
# What only clang's want (.bazelrc, --config=asan).
CLANGS = "__sanitizer_cov_8bit_counters_init"


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, timeout=PATIENCE_S,
                          **options)


class InstalledTest(ServerTest):
    """Has the library installed, and a server."""

    library = ""
    cpp_example = ""
    cli = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.write("hello.txt", b"hello\n")
        cls.server.write("empty", b"")
        cls.server.write("big", bytes(i % 251 for i in range(BIG)))
        folder = tempfile.TemporaryDirectory(prefix="om.", dir="/tmp")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.prefix = cls.folder / "prefix"
        # Twice: what is installed is replaced.
        for _ in range(2):
            installed = cls.install(cls.prefix)
            if installed.returncode != 0:
                raise AssertionError(installed.stderr.decode())
        # Exactly what the script says that one has to set.
        said = re.findall(r"([A-Z_]+)=(\S+)", installed.stdout.decode())
        cls.environment = {"PATH": os.environ["PATH"], **dict(said)}
        undefined = run("nm", "-D", "-u",
                        cls.prefix / "lib/libobjmapper.so").stdout.decode().split()
        cls.sanitizers = [flag for symbol, flag in SANITIZERS.items() if symbol in undefined]
        # Each compiler's sanitizers have a run time of their own.
        cls.compiler, cls.run_time = "gcc", []
        if CLANGS in undefined:
            cls.compiler, cls.run_time = "clang", ["-fsanitize-link-c++-runtime", "-lstdc++"]

    @classmethod
    def install(cls, *arguments, **options):
        return run("tools/install_client", "--library", os.path.abspath(cls.library), "--cli",
                   os.path.abspath(cls.cli),
                   *arguments, **options)

    def build(self, source, *flags):
        """As the page says: gcc $(pkg-config --cflags --libs objmapper)."""
        found = run("pkg-config", "--cflags", "--libs", "objmapper", env=self.environment)
        self.assertEqual(found.returncode, 0, found.stderr)
        program = self.folder / pathlib.Path(source).stem
        built = run(self.compiler, *flags, *self.sanitizers, source, *found.stdout.decode().split(),
                    *self.run_time,
                    "-o", program, env=self.environment)
        self.assertEqual((built.returncode, built.stderr), (0, b""))
        return program

    def check_calls(self, part):
        """Runs a part of tests/client/c/api_test.c."""
        program = self.build("tests/client/c/api_test.c", "-std=c99", "-Wall", "-Wextra", "-Werror")
        done = run(program, self.server.url, self.server.tcp_url, part, env=self.environment)
        self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))


class InstallTest(InstalledTest):
    # The library shows the calls of objmapper.map, versioned, and nothing else; the header declares
    # exactly those.
    def test_symbols(self):
        listed = run("nm", "-D", "--defined-only",
                     self.prefix / "lib/libobjmapper.so").stdout.decode()
        symbols = {line.split()[-1] for line in listed.splitlines()}
        script = pathlib.Path("client/c/objmapper.map").read_text()
        versions = {version: re.findall(r"^    (om_\w+);$", names, re.MULTILINE)
                    for version, names in re.findall(r"^(OBJMAPPER_\w+) {(.*?)^}", script,
                                                     re.MULTILINE | re.DOTALL)}
        offered = {name for names in versions.values() for name in names}
        self.assertGreater(len(offered), 9)
        self.assertEqual(symbols, set(versions) | {f"{name}@@{version}"
                                                   for version, names in versions.items()
                                                   for name in names})
        header = (self.prefix / "include/objmapper.h").read_text()
        declared = set(re.findall(r"^[a-z][a-z_ *]*?\b(om_\w+)\(",
                                  re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL),
                                  re.MULTILINE))
        self.assertEqual(declared, offered)

    # The soname's links lead to the library, whose version is the header's and pkg-config's.
    def test_names(self):
        lib = self.prefix / "lib"
        version = run("pkg-config", "--modversion", "objmapper",
                      env=self.environment).stdout.decode().strip()
        self.assertIn(f'#define OM_VERSION "{version}"',
                      (self.prefix / "include/objmapper.h").read_text())
        self.assertEqual(os.readlink(lib / "libobjmapper.so"), "libobjmapper.so.1")
        self.assertEqual(os.readlink(lib / "libobjmapper.so.1"), f"libobjmapper.so.{version}")
        dynamic = run("readelf", "-d", lib / "libobjmapper.so").stdout.decode()
        self.assertIn("soname: [libobjmapper.so.1]", dynamic)
        self.assertNotIn("RUNPATH", dynamic)

    # The header is C99 and C++ without a warning.
    def test_header(self):
        source = self.folder / "header.c"
        source.write_text(
            '#include <objmapper.h>\nint main(void) { om_options o = OM_OPTIONS_INIT; return '
            '(int)o.bytes_max; }\n')
        strict = ["-Wall", "-Wextra", "-Werror", "-pedantic-errors", f"-I{self.prefix}/include",
                  "-fsyntax-only", source]
        for compiler in (["gcc", "-std=c99", "-Wstrict-prototypes"],
                         ["g++", "-x", "c++", "-std=c++11"]):
            done = run(*compiler, *strict)
            self.assertEqual((done.returncode, done.stderr), (0, b""))

    # The example brings the object on both transports, and says by its exit code why not. So does
    # the one in C++.
    def test_example(self):
        for fetch, said in ((self.build("client/examples/fetch.c"), "OM_NOT_FOUND: "),
                            (os.path.abspath(self.cpp_example), "")):
            for url in (self.server.url, self.server.tcp_url):
                with self.subTest(fetch, url=url):
                    got = run(fetch, url, "big", env=self.environment)
                    self.assertEqual((got.returncode, got.stderr), (0, b""))
                    self.assertEqual(got.stdout, (self.server.root / "big").read_bytes())
                    self.assertEqual(run(fetch, url, "empty", env=self.environment).returncode, 0)
                    missing = run(fetch, url, "none", env=self.environment)
                    self.assertEqual(missing.returncode, 1)
                    self.assertRegex(missing.stderr.decode(), f'^{said}OP_[A-Z]+ "none": NOT_FOUND')

    # Every call that reads does what the header says.
    def test_calls(self):
        self.check_calls("read")

    # The Python package is in place beside it.
    def test_python(self):
        done = run(sys.executable, "-c", "import objmapper, sys; print(objmapper.__file__);"
                   "sys.stdout.flush(); "
                   "sys.stdout.buffer.write(objmapper.connect(sys.argv[1]).get('hello.txt'))",
                   self.server.url, env=self.environment)
        self.assertEqual(done.stdout.decode().splitlines(),
                         [f"{self.prefix}/lib/python3/dist-packages/objmapper/__init__.py",
                          "hello"], done.stderr)
        self.assertTrue((self.prefix / "lib/python3/dist-packages/objmapper/py.typed").exists())

    # So is the command line, which says the same version.
    def test_cli(self):
        version = run(self.prefix / "bin/objmapper", "version").stdout.decode()
        self.assertIn(f'#define OM_VERSION "{version.split()[-1]}"',
                      (self.prefix / "include/objmapper.h").read_text())
        got = run(self.prefix / "bin/objmapper", "get", "hello.txt", f"--server={self.server.url}")
        self.assertEqual((got.returncode, got.stdout), (0, b"hello\n"))

    # Below /usr/local, as a package would have it: where Debian's Python looks, and nothing of this
    # machine is touched.
    @unittest.skipUnless(os.path.exists("/usr/bin/python3")
                         and os.path.exists("/etc/debian_version"), "no Debian")
    def test_destdir(self):
        staged = self.folder / "staged"
        environment = {**os.environ, "DESTDIR": str(staged)}
        done = self.install("--python", "/usr/bin/python3", "/usr/local", env=environment)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        where = run("/usr/bin/python3", "-c",
                    "import sysconfig; print(sysconfig.get_path('purelib', 'posix_local'))")
        packages = pathlib.Path(f"{staged}{where.stdout.decode().strip()}")
        self.assertRegex(str(packages), r"staged/usr/local/lib/python3\.\d+/dist-packages$")
        imported = run("/usr/bin/python3", "-I", "-c",
                       "import sys; sys.path.insert(0, sys.argv[1]); import objmapper;"
                       "print(objmapper.__file__)", packages)
        self.assertEqual(imported.stdout.decode(), f"{packages}/objmapper/__init__.py\n",
                         imported.stderr)
        self.assertIn("prefix=/usr/local\n",
                      (staged / "usr/local/lib/pkgconfig/objmapper.pc").read_text())

    # The manifest has all that was installed, and what it has is all that goes, with what Python
    # has made of it.
    def test_uninstall(self):
        prefix = self.folder / "other"
        (prefix / "bin").mkdir(parents=True)
        (prefix / "bin/somebody_elses").touch()
        self.assertEqual(self.install(prefix).returncode, 0)
        listed = set((prefix / "share/objmapper/manifest").read_text().splitlines())
        there = {str(path) for path in prefix.rglob("*") if not path.is_dir()}
        self.assertEqual(there - listed,
                         {f"{prefix}/bin/somebody_elses", f"{prefix}/share/objmapper/manifest"})
        self.assertEqual(listed - there, set())
        package = next(prefix.rglob("objmapper/__init__.py")).parent
        run(sys.executable, "-m", "compileall", package)
        self.assertTrue((package / "__pycache__").exists())
        removed = run("tools/install_client", "--uninstall", prefix)
        self.assertEqual((removed.returncode, removed.stderr), (0, b""))
        self.assertEqual(sorted(str(path.relative_to(prefix)) for path in prefix.rglob("*")),
                         ["bin", "bin/somebody_elses"])
        again = run("tools/install_client", "--uninstall", prefix)
        self.assertEqual(again.returncode, 1)
        self.assertIn(b"tools/install_client: nothing was installed", again.stderr)

    # What cannot be done is refused, with a sentence, before anything is copied.
    def test_refusals(self):
        for arguments in ((), ("relative",), ("--library",),
                          ("--library", "/no/such", f"{self.folder}/x"),
                          ("--cli", "/no/such", f"{self.folder}/x"),
                          ("--python", "/no/such", f"{self.folder}/x"),
                          ("--nope", f"{self.folder}/x"),
                          (f"{self.folder}/x", f"{self.folder}/y"), (f"{self.folder}/x y",)):
            done = run("tools/install_client", *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(b"tools/install_client: ", done.stderr)
        self.assertFalse((self.folder / "x").exists())


class StoringTest(InstalledTest):
    flags = ("--writable",)

    # Every call that stores, removes or lists does what the header says.
    def test_calls(self):
        self.check_calls("store")

    # The example that stores does so, and cleans up behind itself but for what goes by itself.
    def test_storing_example(self):
        store = self.build("client/examples/store.c")
        file = self.folder / "file"
        file.write_bytes(bytes(5000))
        done = run(store, self.server.url, file, "example/object", env=self.environment)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertRegex(done.stdout.decode(),
                         r"stored 5000 bytes, etag \S+\nexample/object: 5000 bytes, changed at "
                         r"\d+\n"
                         r"example/object\.note: 20 bytes, changed at \d+\n")
        self.assertEqual(os.listdir(self.server.root / "example"), ["object.note"])


class TokensTest(InstalledTest):
    flags = ("--writable", *with_tokens("name alice / read,write\n"))

    # A token is said, or not.
    def test_calls(self):
        self.check_calls("tokens")


if __name__ == "__main__":
    InstalledTest.library, InstalledTest.cpp_example, InstalledTest.cli = sys.argv[2:5]
    main(sys.argv[5:])
