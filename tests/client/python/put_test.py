#!/usr/bin/env python3
"""objmapper's Python client stores, lists and deletes. Against the real server.

Usage: put_test SERVER
"""

import array
import datetime
import fcntl
import gzip
import io
import mmap
import os
import subprocess
import sys
import tempfile
import time

sys.path[:0] = ["client/python", "tests/client/python"]

import objmapper
from server_process import PATIENCE_S, ServerTest, main

BIG = 5_000_000


class PutTest(ServerTest):
    flags = ("--writable",)

    def setUp(self):
        super().setUp()
        self.client = objmapper.connect(self.server.url)
        self.addCleanup(self.client.close)

    def content(self, uri):
        return (self.server.root / uri).read_bytes()

    # Whatever the bytes come from, the object is those bytes, and what the answer tells of it is
    # so.
    def test_sources(self):
        big = os.urandom(BIG)
        file = self.server.folder / "file"
        file.write_bytes(big)
        packed = gzip.compress(b"unpacked")
        mapping = mmap.mmap(-1, 5000)
        self.addCleanup(mapping.close)
        sources = {
            "bytes": (b"hello", b"hello"),
            "empty": (b"", b""),
            "bytearray": (bytearray(big), big),
            "view": (memoryview(big)[10:20], big[10:20]),
            "array": (memoryview(array.array("i", [1, 2])), array.array("i", [1, 2]).tobytes()),
            "mapping": (mapping, bytes(5000)),
            "path": (file, big),
            "path as str": (str(file), big),
            "file": (open(file, "rb"), big),
            "raw file": (open(file, "rb", buffering=0), big),
            "in memory": (io.BytesIO(b"abc"), b"abc"),
            "made up by the kernel": ("/proc/version", open("/proc/version", "rb").read()),
            "not its descriptor's bytes": (gzip.GzipFile(fileobj=io.BytesIO(packed)), b"unpacked"),
        }
        for url in (self.server.url, self.server.tcp_url):
            with objmapper.connect(url) as client:
                for name, (source, expected) in sources.items():
                    with self.subTest(name, url=url):
                        if hasattr(source, "seek") and name != "mapping":
                            source.seek(0)
                        uri = f"sources/{url[:4]}/{name}"
                        info = client.put(uri, source)
                        self.assertEqual(self.content(uri), expected)
                        self.assertEqual(info.size, len(expected))
                        told = client.stat(uri)
                        self.assertEqual((info.mtime, info.etag), (told.mtime, told.etag))
        for source, _ in sources.values():
            if hasattr(source, "close"):
                source.close()

    # A file goes from where it stands, and stands at its end afterwards, as if it had been read; a
    # pipe is read.
    def test_file_positions(self):
        with tempfile.TemporaryFile() as file:
            file.write(b"0123456789")
            file.seek(4)
            self.client.put("rest", file)
            self.assertEqual(self.content("rest"), b"456789")
            self.assertEqual(file.tell(), 10)
            self.client.put("nothing", file)
            self.assertEqual(self.content("nothing"), b"")
        reading, writing = os.pipe()
        os.write(writing, b"piped")
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            self.client.put("piped", pipe)
        self.assertEqual(self.content("piped"), b"piped")

    # A put replaces; who has the old object open keeps it.
    def test_replace(self):
        self.client.put("replaced", b"old")
        with self.client.get_fd("replaced") as old:
            self.client.put("replaced", b"newer")
            self.assertEqual(old.pread(10), b"old")
        self.assertEqual(self.client.get("replaced"), b"newer")

    # Descriptors store the whole of their file, wherever its offset stands, and stay the caller's.
    def test_put_fd(self):
        with tempfile.TemporaryFile() as file:
            file.write(b"0123456789")
            file.flush()
            for i, fd in enumerate((file.fileno(), file)):
                info = self.client.put_fd(f"by fd {i}", fd)
                self.assertEqual(info.size, 10)
                self.assertEqual(self.client.get(f"by fd {i}"), b"0123456789")
            os.fstat(file.fileno())
        with self.client.get_fd("by fd 0") as got:
            self.client.put_fd("copy", got)
        self.assertEqual(self.client.get("copy"), b"0123456789")
        with self.assertRaises(OSError):
            self.client.put_fd("refused", 9999)
        path = os.open("/tmp", os.O_PATH)
        with self.assertRaises(objmapper.InvalidRequest):
            self.client.put_fd("refused", path)
        os.close(path)
        with objmapper.connect(self.server.tcp_url) as client:
            with self.assertRaisesRegex(objmapper.Unsupported, "only through Unix sockets"):
                client.put_fd("refused", 0)

    # A sealed memfd cannot be changed any more, and the server has its bytes.
    def test_put_memory(self):
        data = os.urandom(BIG)
        for name, content in (("memory", data), ("no memory", b"")):
            self.assertEqual(self.client.put_memory(name, content).size, len(content))
            self.assertEqual(self.client.get(name), content)
        fd = objmapper.sealed_memfd(b"sealed")
        self.addCleanup(os.close, fd)
        for change in (lambda: os.pwrite(fd, b"x", 0), lambda: os.ftruncate(fd, 3),
                       lambda: os.ftruncate(fd, 100)):
            with self.assertRaises(PermissionError):
                change()
        self.assertTrue(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)

    # An object with a time to live goes, by each way in; one without stays. Nonsense is refused
    # here.
    def test_ttl(self):
        self.client.put("mortal 0", b"1", ttl=1)
        # rounded up
        self.client.put_memory("mortal 1", b"1", ttl=datetime.timedelta(milliseconds=1))
        self.client.put("immortal", b"1")
        self.client.put("long", b"1", ttl=3600)
        for uri in ("mortal 0", "mortal 1"):
            end = time.monotonic() + PATIENCE_S
            with self.assertRaises(objmapper.NotFound):
                while time.monotonic() < end:
                    self.client.stat(uri)
                    time.sleep(0.02)
        self.assertEqual(self.client.get("immortal"), b"1")
        self.assertEqual(self.client.get("long"), b"1")
        for ttl in (0, -1, 1 << 32):
            with self.assertRaises(objmapper.InvalidRequest):
                self.client.put("never", b"1", ttl=ttl)

    # A deleted object is gone at once, but not for who has it open or mapped.
    def test_delete(self):
        self.client.put("deleted", b"bytes")
        mapping = self.client.mmap("deleted")
        self.client.delete("deleted")
        with self.assertRaises(objmapper.NotFound):
            self.client.get("deleted")
        with self.assertRaises(objmapper.NotFound):
            self.client.delete("deleted")
        with mapping:
            self.assertEqual(mapping[:], b"bytes")

    # A list has every object below its prefix, sorted as bytes, page after page, and the client is
    # free between pages.
    def test_list(self):
        stem = "d" * 200
        # more than one page of 1 MiB
        names = sorted(f"list/{stem}/{stem}/{stem}/{i}" for i in range(2000))
        for i, uri in enumerate(names):
            self.server.write(uri, b"x" * (i % 5))
        self.client.put(b"list/\xff", b"odd")
        deadline = time.monotonic() + PATIENCE_S
        while True:  # what others write is seen a moment later
            entries = []
            for entry in self.client.list("list/"):
                if not entries:
                    self.client.stat(entry.uri)
                entries.append(entry)
            if len(entries) == len(names) + 1 or time.monotonic() > deadline:
                break
        self.assertEqual([entry.uri for entry in entries], names + [os.fsdecode(b"list/\xff")])
        self.assertEqual([entry.size for entry in entries[:-1]], [i % 5 for i in range(len(names))])
        self.assertEqual(self.client.get(entries[-1].uri), b"odd")
        self.assertEqual(entries[0].mtime, int(os.stat(self.server.root / names[0]).st_mtime))
        self.assertEqual(list(self.client.list("there is nothing here")), [])
        # There is no origin that could be listed.
        with self.assertRaisesRegex(objmapper.Unsupported, "origins"):
            next(self.client.list("list/", through=True))

    # What cannot be stored leaves nothing behind, says why, and the client goes on.
    def test_refusals(self):
        self.client.put("folder/object", b"1")
        big = bytes(BIG)
        for uri, kind in (("folder", objmapper.Conflict),
                          ("folder/object/below", objmapper.Conflict),
                          ("../outside", objmapper.PermissionDenied),
                          (".objmapper-own", objmapper.PermissionDenied)):
            for put in (self.client.put, self.client.put_memory):
                for data in (b"2", big):
                    with self.assertRaises(kind):
                        put(uri, data)
        self.assertEqual(self.client.get("folder/object"), b"1")
        self.assertFalse((self.server.folder / "outside").exists())

    # A server that is not --writable says so, whatever the body's size, and goes on.
    def test_read_only_server(self):
        reader = type("ReadOnly", (ServerTest,), {"flags": ()})
        reader.setUpClass()
        try:
            with objmapper.connect(reader.server.url) as client:
                for change in (lambda: client.put("a", b"1"), lambda: client.put("a", bytes(BIG)),
                               lambda: client.put_memory("a", b"1"), lambda: client.delete("a")):
                    with self.assertRaisesRegex(objmapper.Unsupported, "--writable"):
                        change()
                self.assertEqual(list(client.list()), [])
        finally:
            reader.doClassCleanups()

    # A put that its own side breaks off stores nothing, and the next call has a new connection.
    def test_broken_off(self):
        class Breaks(io.RawIOBase):
            def read(self, size=-1):
                raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            self.client.put("broken", Breaks())
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(100))
            file.flush()

            def shrinking(connection):
                os.truncate(file.name, 10)
                connection.flush_file(file.fileno(), 0, 100)

            with self.assertRaisesRegex(objmapper.InvalidRequest, "became shorter"):
                self.client._put("broken", 100, None, shrinking)
        self.client.put("whole", b"1")
        self.assertFalse((self.server.root / "broken").exists())

    # The example runs against a server as it says.
    def test_tour(self):
        done = subprocess.run([sys.executable, "client/python/examples/tour.py", self.server.url],
                              capture_output=True,
                              timeout=PATIENCE_S,
                              env={**os.environ, "PYTHONPATH": os.path.abspath("client/python")})
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"not there: tour/none\n", done.stdout)
        self.assertEqual(list(self.client.list("tour/")), [])

    # The data loader finds its samples by their prefix.
    def test_data_loader_lists(self):
        for i in range(10):
            self.client.put(f"samples/{i}", bytes(i))
        done = subprocess.run([sys.executable, "client/python/examples/data_loader.py",
                               self.server.url, "samples/"],
                              capture_output=True, timeout=PATIENCE_S, text=True,
                              env={**os.environ, "PYTHONPATH": os.path.abspath("client/python")})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([line.split()[1:3] for line in done.stdout.splitlines()],
                         [[f"samples/{i}", str(i)] for i in range(10)])


if __name__ == "__main__":
    main()
