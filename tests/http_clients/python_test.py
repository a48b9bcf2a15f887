#!/usr/bin/env python3
"""Python's own urllib and http.client read and store.

Usage: python_test SERVER
"""

import contextlib
import http.client
import socket
import urllib.error
import urllib.request

from harness import PATIENCE_S, ClientTest, main, random_bytes

SIZE = 500_000


class UnixConnection(http.client.HTTPConnection):
    """http.client over a Unix socket, as programs write it."""

    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(self.path)


class PythonTest(ClientTest):
    def setUp(self):
        super().setUp()
        self.content = random_bytes(SIZE)
        self.server.write("path/object", self.content)

    def connections(self):
        """A connection to each of the server's doors, closed when the next is due."""
        for connection in (http.client.HTTPConnection("127.0.0.1", self.server.port,
                                                      timeout=PATIENCE_S),
                           UnixConnection(self.server.socket)):
            with contextlib.closing(connection):
                connection.connect()
                yield connection

    @staticmethod
    def ask(connection, method, target, body=None, headers=None, **more):
        """The answer and its body; on the connection that there is, or none."""
        before = connection.sock
        connection.request(method, target, body, headers or {}, **more)
        answer = connection.getresponse()
        data = answer.read()
        assert connection.sock is before, f"{method} {target}: the connection has been closed"
        return answer, data

    def test_one_connection(self):
        for connection in self.connections():
            for _ in range(3):
                answer, body = self.ask(connection, "GET", "/path/object")
                self.assertEqual((answer.status, body), (200, self.content))
                answer, body = self.ask(connection, "HEAD", "/path/object")
                self.assertEqual((answer.status, body), (200, b""))
                self.assertEqual(answer.getheader("Content-Length"), str(SIZE))
                answer, body = self.ask(connection, "GET", "/none")
                self.assertEqual(answer.status, 404)
                answer, body = self.ask(connection, "OPTIONS", "*")
                self.assertEqual((answer.status, body), (204, b""))
                self.assertIn("GET", answer.getheader("Allow"))

    def test_ranges_and_conditions(self):
        for connection in self.connections():
            answer, body = self.ask(connection, "GET", "/path/object",
                                    headers={"Range": "bytes=100-199"})
            self.assertEqual((answer.status, body), (206, self.content[100:200]))
            self.assertEqual(answer.getheader("Content-Range"), f"bytes 100-199/{SIZE}")
            tag, time = answer.getheader("ETag"), answer.getheader("Last-Modified")
            for headers, status, part in (
                    ({"If-None-Match": tag}, 304, b""),
                    ({"If-None-Match": f'"x", W/{tag}'}, 304, b""),
                    ({"If-Modified-Since": time}, 304, b""),
                    ({"If-Match": tag, "Range": "bytes=-3"}, 206, self.content[-3:]),
                    ({"If-Range": tag, "Range": "bytes=0-0"}, 206, self.content[:1]),
                    ({"If-Range": '"x"', "Range": "bytes=0-0"}, 200, self.content),
                    ({"Range": "lines=1-2"}, 200, self.content)):
                answer, body = self.ask(connection, "GET", "/path/object", headers=headers)
                self.assertEqual((answer.status, body), (status, part), headers)
            answer, _ = self.ask(connection, "GET", "/path/object",
                                 headers={"Range": f"bytes={SIZE}-"})
            self.assertEqual(answer.status, 416)
            self.assertEqual(answer.getheader("Content-Range"), f"bytes */{SIZE}")
            answer, _ = self.ask(connection, "GET", "/path/object", headers={"If-Match": '"x"'})
            self.assertEqual(answer.status, 412)

    def test_urllib(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.server.base + "/path/object", timeout=PATIENCE_S) as answer:
            self.assertEqual(answer.read(), self.content)
            self.assertEqual(answer.headers["Content-Type"], "application/octet-stream")
        with self.assertRaises(urllib.error.HTTPError) as failed:
            opener.open(self.server.base + "/none", timeout=PATIENCE_S)
        self.assertEqual(failed.exception.code, 404)
        failed.exception.close()


class PythonStoresTest(PythonTest):
    flags = ("--writable",)

    def test_stores_and_deletes_on_one_connection(self):
        content = random_bytes(3_000_000)
        for connection in self.connections():
            for status in (201, 204):
                answer, body = self.ask(connection, "PUT", "/path/new", content)
                self.assertEqual(answer.status, status)
                if status == 204:
                    self.assertEqual(body, b"")
                self.assertTrue(answer.getheader("ETag"))
            answer, body = self.ask(connection, "GET", "/path/new")
            self.assertEqual((answer.status, body), (200, content))
            self.assertEqual(self.ask(connection, "DELETE", "/path/new")[0].status, 204)
            self.assertEqual(self.ask(connection, "DELETE", "/path/new")[0].status, 404)
            self.assertEqual(self.ask(connection, "GET", "/path/new")[0].status, 404)

    def test_stores_in_chunks(self):
        pieces = [random_bytes(size, size) for size in (1, 10, 70_000, 1, 300_000)]
        for connection in self.connections():
            for _ in range(2):  # whose end is found, so that the next can begin
                answer, _ = self.ask(connection, "PUT", "/chunked", iter(pieces),
                                     encode_chunked=True)
                self.assertIn(answer.status, (201, 204))
                self.assertEqual((self.server.root / "chunked").read_bytes(), b"".join(pieces))

    def test_an_upload_that_is_cut_leaves_nothing(self):
        for connection in self.connections():
            connection.putrequest("PUT", "/path/cut")
            connection.putheader("Content-Length", "100000")
            connection.endheaders()
            connection.send(b"x" * 50_000)
            connection.close()
            connection.connect()
            self.assertEqual(self.ask(connection, "GET", "/path/cut")[0].status, 404)


if __name__ == "__main__":
    main()
