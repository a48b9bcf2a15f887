#!/usr/bin/env python3
"""objmapper's Python client reads: bytes, descriptors, mappings, many at once. Against the real
server.

Usage: get_test SERVER
"""

import errno
import fcntl
import mmap
import os
import resource
import sys
import time

sys.path[:0] = ["client/python", "tests/client/python"]

import objmapper
from server_process import PATIENCE_S, ServerTest, main

BIG = 3_000_000


class GetTest(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.big = os.urandom(BIG)
        cls.server.write("hello.txt", b"hello\n")
        cls.server.write("empty", b"")
        cls.server.write("folder/big", cls.big)
        (cls.server.root / os.fsdecode(b"not-utf-8-\xff")).write_bytes(b"odd")
        cls.many = [f"many/{i}" for i in range(300)]
        for i, uri in enumerate(cls.many):
            cls.server.write(uri, b"%d" % i)

    def clients(self):
        """One for each transport."""
        clients = [objmapper.connect(url) for url in (self.server.url, self.server.tcp_url)]
        for client in clients:
            self.addCleanup(client.close)
        return clients

    # Each way brings the object's own bytes, on both transports.
    def test_bytes(self):
        for client in self.clients():
            for mode in ("copy", "splice"):
                self.assertEqual(client.get("hello.txt", mode=mode), b"hello\n")
                self.assertEqual(client.get("empty", mode=mode), b"")
                self.assertEqual(client.get("folder/big", mode=mode), self.big)
            self.assertEqual(client.get(b"hello.txt"), b"hello\n")

    # A part is cut at the object's end; one of no bytes still tells whether there is such an
    # object.
    def test_parts(self):
        for client in self.clients():
            self.assertEqual(client.get("hello.txt", offset=1, length=3), b"ell")
            self.assertEqual(client.get("hello.txt", offset=4, length=100), b"o\n")
            self.assertEqual(client.get("hello.txt", offset=2), b"llo\n")
            self.assertEqual(client.get("hello.txt", offset=6), b"")
            self.assertEqual(client.get("hello.txt", length=0), b"")
            with self.assertRaises(objmapper.NotFound):
                client.get("none", length=0)
            with self.assertRaises(objmapper.RangeNotSatisfiable):
                client.get("hello.txt", offset=7)
            with self.assertRaises(objmapper.InvalidRequest):
                client.get("hello.txt", offset=-1)

    # A caller's buffer is filled as far as the object goes, and not touched behind that.
    def test_into_a_buffer(self):
        for client in self.clients():
            buffer = bytearray(b"." * 8)
            self.assertEqual(client.get_into("hello.txt", buffer), 6)
            self.assertEqual(buffer, b"hello\n..")
            self.assertEqual(client.get_into("hello.txt", memoryview(buffer)[:2], offset=3,
                                             mode="splice"), 2)
            self.assertEqual(buffer, b"lollo\n..")
            self.assertEqual(client.get_into("hello.txt", bytearray()), 0)
            large = mmap.mmap(-1, BIG)
            self.assertEqual(client.get_into("folder/big", large), BIG)
            self.assertEqual(large[:], self.big)
            with self.assertRaises(TypeError):
                client.get_into("hello.txt", b"immutable")
            large.close()

    # STAT tells the size and when it changed, and its etag is another one when the content is.
    def test_stat(self):
        for i, client in enumerate(self.clients()):
            uri = f"changing-{i}"
            self.server.write(uri, b"1")
            first = client.stat(uri)
            self.assertEqual((first.size, first.offset, first.length), (1, 0, 1))
            self.assertEqual(first.mtime, int(os.stat(self.server.root / uri).st_mtime))
            self.server.write(uri, b"22")
            # What the server has seen it may believe for a moment (--fd_cache_valid_ms).
            end = time.monotonic() + PATIENCE_S
            while (second := client.stat(uri)).size == 1 and time.monotonic() < end:
                pass
            self.assertEqual(second.size, 2)
            self.assertNotEqual(first.etag, second.etag)

    # Names are bytes: those that are not UTF-8 can be asked for, as bytes and as str.
    def test_names_are_bytes(self):
        for client in self.clients():
            self.assertEqual(client.get(b"not-utf-8-\xff"), b"odd")
            self.assertEqual(client.get(os.fsdecode(b"not-utf-8-\xff")), b"odd")

    # An error tells what was asked and why not, by its class and its text, and the connection goes
    # on.
    def test_errors(self):
        for client in self.clients():
            for uri, kind, status in (("none", objmapper.NotFound, 0x01),
                                      ("folder", objmapper.Conflict, 0x09),
                                      ("../etc", objmapper.PermissionDenied, 0x06),
                                      ("a\0b", objmapper.InvalidRequest, 0x02),
                                      ("n" * 300, objmapper.InvalidRequest, 0x04)):
                with self.assertRaises(kind) as caught:
                    client.get(uri)
                self.assertEqual(caught.exception.status, status)
                self.assertIn("OP_COPY", str(caught.exception))
                self.assertNotIn("\0", str(caught.exception))
            for uri in ("", "n" * 4097):
                with self.assertRaises(objmapper.InvalidRequest) as caught:
                    client.get(uri)
                self.assertIsNone(caught.exception.status)
                self.assertIsInstance(caught.exception, ValueError)
            with self.assertRaises(ValueError):
                client.get("hello.txt", mode="carrier pigeon")
            self.assertEqual(client.get("hello.txt"), b"hello\n")

    # What is larger than bytes_max is refused, and the client goes on.
    def test_bytes_max(self):
        with objmapper.connect(self.server.url, bytes_max=100) as client:
            with self.assertRaises(objmapper.TooLarge):
                client.get("folder/big")
            self.assertEqual(client.get("folder/big", length=100), self.big[:100])

    # A descriptor is the object, read-only, close-on-exec, and closed when the block ends.
    def test_descriptor(self):
        with objmapper.connect(self.server.url) as client:
            with client.get_fd("folder/big") as got:
                self.assertEqual((got.size, got.range), (BIG, (0, BIG)))
                self.assertEqual(got.pread(10, 5), self.big[5:15])
                fd = got.fileno()
                self.assertTrue(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)
                with self.assertRaises(OSError) as caught:
                    os.write(fd, b"x")
                self.assertEqual(caught.exception.errno, errno.EBADF)
            self.assertTrue(got.closed)
            with self.assertRaises(ValueError):
                got.fileno()
            with client.get_fd("hello.txt", offset=2, length=100) as got:
                self.assertEqual((got.size, got.range), (6, (2, 4)))
            os.close(client.get_fd("empty").detach())
            client.get_fd("hello.txt")  # dropped, and so closed

    # A file object and a mapping hold the object's bytes after the client has gone; an empty object
    # is no exception.
    def test_files_and_mappings(self):
        with objmapper.connect(self.server.url) as client:
            file = client.open("folder/big")
            mapping = client.mmap("folder/big")
            empty = client.mmap("empty")
            with client.open("empty") as nothing:
                self.assertEqual(nothing.read(), b"")
        with file, mapping:
            self.assertFalse(file.writable())
            self.assertEqual(file.read(), self.big)
            self.assertEqual(mapping[:], self.big)
            with self.assertRaises(TypeError):
                mapping[0] = 1
        with empty:
            self.assertEqual((len(empty), empty.size(), bytes(empty), empty[:5], empty.find(b"a")),
                             (0, 0, b"", b"", -1))
            self.assertEqual(len(memoryview(empty)), 0)

    # A mapping lives as long as its views, whatever becomes of the `with` that it was made in.
    def test_views_outlive_the_mapping(self):
        with objmapper.connect(self.server.url) as client:
            def view(uri):
                with client.mmap(uri) as mapping:
                    return memoryview(mapping)

            views = [view("folder/big"), view("empty")]
            self.assertEqual(bytes(views[0][-5:]), self.big[-5:])
            self.assertEqual(len(views[1]), 0)
            mapping = client.mmap("folder/big")
            part = memoryview(mapping)[7:9]
            mapping.close()
            mapping.close()
            self.assertTrue(mapping.closed)
            self.assertEqual(bytes(part), self.big[7:9])
            part.release()
            mapping.close()
            with self.assertRaises(ValueError):
                mapping[0]
            with client.get_fd("folder/big") as opened, opened.mmap() as mapped:
                part = memoryview(mapped)
            self.assertEqual(part[0], self.big[0])
            try:
                import numpy
            except ImportError:
                numpy = None
            if numpy is not None:
                with client.mmap("folder/big") as mapped:
                    array = numpy.frombuffer(mapped, dtype=numpy.uint8)
                del mapped
                self.assertEqual(int(array[-1]), self.big[-1])
                del array
            del views, part

    # Over TCP a descriptor is refused here, with the reason.
    def test_no_descriptors_over_tcp(self):
        with objmapper.connect(self.server.tcp_url) as client:
            for ask in (client.get_fd, client.open, client.mmap,
                        lambda uri: list(client.get_fds([uri]))):
                with self.assertRaisesRegex(objmapper.Unsupported, "only through Unix sockets"):
                    ask("hello.txt")
            self.assertEqual(client.get("hello.txt"), b"hello\n")

    # A batch has one item for each URI, in their order; an error is its own item's.
    def test_many(self):
        uris = list(self.many)
        uris[7] = "none"
        uris[100] = ""
        uris[299] = "folder/big"
        for client in self.clients():
            items = list(client.get_many(uris, mode="splice"))
            self.assertEqual([item.uri for item in items], uris)
            for i, item in enumerate(items):
                if i == 7:
                    self.assertIsInstance(item.error, objmapper.NotFound)
                    self.assertRaises(objmapper.NotFound, lambda: item.value)
                elif i == 100:
                    self.assertIsInstance(item.error, objmapper.InvalidRequest)
                else:
                    self.assertEqual(item.value, self.big if i == 299 else b"%d" % i)

    # The same for descriptors, each of which names its own object.
    def test_many_descriptors(self):
        uris = [*self.many, "none", "folder/big", "empty"]
        with objmapper.connect(self.server.url) as client:
            for uri, item in zip(uris, client.get_fds(uris)):
                self.assertEqual(item.uri, uri)
                if uri == "none":
                    self.assertIsInstance(item.error, objmapper.NotFound)
                    continue
                with item.value as got:
                    expected = (self.server.root / uri).read_bytes()
                    self.assertEqual(got.size, len(expected))
                    self.assertEqual(got.pread(len(expected) + 1), expected)

    # URIs are read from their iterable only as the window has room for them.
    def test_window(self):
        taken = []

        def endless():
            i = 0
            while True:
                taken.append(i)
                yield self.many[i % len(self.many)]
                i += 1

        with objmapper.connect(self.server.url, max_pipeline=8) as client:
            self.assertEqual(client.max_pipeline, 8)
            items = client.get_many(endless())
            for done in range(50):
                self.assertEqual(next(items).value, b"%d" % done)
                self.assertLessEqual(len(taken), done + 1 + 8)
            items.close()
            self.assertEqual(client.get("hello.txt"), b"hello\n")  # on a new connection

    # Requests and answers that fill both sides' sockets do not wait for each other.
    def test_long_names_do_not_jam(self):
        names = [f"{'d' * 200}/" * 18 + str(i) for i in range(400)]
        for client in self.clients():
            kinds = {type(item.error) for item in client.get_many(names)}
            self.assertEqual(kinds, {objmapper.NotFound})

    # At the limit of open files the items that lost theirs say so, and what to do; once some are
    # closed it goes on.
    def test_lost_descriptors(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with objmapper.connect(self.server.url) as client:
            highest = max(int(name) for name in os.listdir("/proc/self/fd"))
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 11, hard))
            try:
                got = []
                lost = 0
                for i, item in enumerate(client.get_fds(self.many)):
                    if item.error is None:
                        self.assertEqual(item.value.pread(10), b"%d" % i)
                        got.append(item.value)
                    else:
                        self.assertIsInstance(item.error, objmapper.DescriptorsLost)
                        self.assertRegex(str(item.error),
                                         r"RLIMIT_NOFILE \(\d+ descriptors.*setrlimit.*ulimit -n")
                        lost += 1
                        while got:
                            got.pop().close()
                self.assertGreater(lost, 0)
                held = [os.open("/dev/null", os.O_RDONLY)]
                try:
                    while True:
                        held.append(os.dup(held[0]))
                except OSError:
                    pass
                try:
                    with self.assertRaises(objmapper.DescriptorsLost):
                        client.get_fd("hello.txt")
                finally:
                    for fd in held:
                        os.close(fd)
                while got:
                    got.pop().close()
                with client.get_fd("hello.txt") as file:
                    self.assertEqual(file.pread(10), b"hello\n")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


if __name__ == "__main__":
    main()
