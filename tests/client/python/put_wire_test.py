#!/usr/bin/env python3
"""The bytes that objmapper's Python client sends to store and to list, against a server that takes
one request.

Usage: put_wire_test
"""

import array
import mmap
import os
import socket
import sys
import tempfile
import threading
import unittest

sys.path[:0] = ["client/python", "tests/client/python"]

import objmapper
from server_process import PATIENCE_S


class PutWireTest(unittest.TestCase):
    """What goes out, to a server that takes one request and answers it as told."""

    def asked(self, length, answer, action, reads_on=True):
        """(the bytes after HELLO that `action` sent, the inodes of descriptors on the first of
        them).
        """
        with tempfile.TemporaryDirectory(
            prefix="om.", dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{folder}/s")
            listener.listen()
            got, inodes = b"", []
            done = threading.Event()

            def serve():
                nonlocal got
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(PATIENCE_S)
                    connection.recv(9, socket.MSG_WAITALL)
                    connection.sendall(b"OBJM\2\x1f\2\0\x08\1")
                    while len(got) < length:
                        data, control, _, _ = connection.recvmsg(65536 if got else 1, 1000)
                        for _, _, payload in control:
                            fds = array.array("i", payload)
                            for fd in fds:
                                inodes.append((len(got), os.fstat(fd).st_ino))
                                os.close(fd)
                        got += data
                    connection.sendall(answer)
                    if reads_on:
                        connection.recv(100)
                    done.wait(PATIENCE_S)

            thread = threading.Thread(target=serve)
            thread.start()
            with objmapper.connect(f"unix:{folder}/s", timeout=PATIENCE_S) as client:
                result = action(client)
            done.set()
            thread.join()
            return got, inodes, result

    OK = b"\2\0\0\0\1\0" + bytes(8) + b"\0\x0b\1\0\x08" + (5).to_bytes(8, "big")

    # PUT: the body's length before the URI, the body behind it; with a TTL flag METADATA, its
    # length and itself.
    def test_put(self):
        plain = b"\1\0\0\0\1\0W\0\1" + (5).to_bytes(8, "big") + b"ahello"
        sent, inodes, info = self.asked(len(plain), self.OK,
                                        lambda client: client.put("a", b"hello"))
        self.assertEqual((sent, inodes, info.size), (plain, [], 5))
        mortal = b"\1\0\0\0\1\x08W\0\1" + (5).to_bytes(8, "big") + b"\0\7a\x13\0\4\0\0\x0e\x10hello"
        sent, inodes, _ = self.asked(len(mortal), self.OK,
                                     lambda client: client.put("a", b"hello", ttl=3600))
        self.assertEqual((sent, inodes), (mortal, []))

    # PUT_FD: one descriptor, on the request's first byte.
    def test_put_fd(self):
        with tempfile.TemporaryFile() as file:
            mine = [(0, os.fstat(file.fileno()).st_ino)]
            plain = b"\1\0\0\0\1\0F\0\1a"
            sent, inodes, _ = self.asked(len(plain), self.OK,
                                         lambda client: client.put_fd("a", file))
            self.assertEqual((sent, inodes), (plain, mine))
            mortal = b"\1\0\0\0\1\x08F\0\1\0\7a\x13\0\4\0\0\0\1"
            sent, inodes, _ = self.asked(len(mortal), self.OK,
                                         lambda client: client.put_fd("a", file, ttl=0.5))
            self.assertEqual((sent, inodes), (mortal, mine))

    # A body that the server refuses at once is not sent to its end, and the next call has a new
    # connection.
    def test_refused_body(self):
        refused = b"\2\0\0\0\1\6" + bytes(8) + b"\0\0"
        with tempfile.TemporaryFile() as file:
            file.truncate(1 << 30)
            for source in (mmap.mmap(file.fileno(), 1 << 30, prot=mmap.PROT_READ), file):
                def put(client):
                    with self.assertRaises(objmapper.PermissionDenied):
                        client.put("a", source)
                    return client._connection.dropped

                _, _, dropped = self.asked(18, refused, put, reads_on=False)
                self.assertTrue(dropped)
                source.close()

    # LIST: the prefix, and behind a NUL where the page before ended.
    def test_list(self):
        def both(client):
            pages = client.list("p")
            return [next(pages)]

        entry = b"\0\2pa" + (7).to_bytes(8, "big") + (8).to_bytes(8, "big")
        page = b"\2\0\0\0\1\0" + len(entry).to_bytes(8, "big") + b"\0\4\x11\0\1c" + entry
        ask = b"\1\0\0\0\1\0L\0\1p"
        sent, _, entries = self.asked(len(ask), page, both)
        self.assertEqual(sent, ask)
        self.assertEqual(entries, [objmapper.Entry("pa", 7, 8)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
