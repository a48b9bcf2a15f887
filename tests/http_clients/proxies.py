"""What goes through every proxy that stands in front of the server."""

import http.client
import json

from harness import PATIENCE_S, ClientTest, random_bytes


class ProxyTest(ClientTest):
    """A test has a `proxy(upstream)`, which starts one and returns a connection to it, and the
    `unix` that a socket's path has before it there.
    """

    flags = ("--writable",)
    unix = ""

    def setUp(self):
        super().setUp()
        self.content = random_bytes(400_000)
        self.server.write("path/object", self.content)

    def connection(self, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        return connection

    @staticmethod
    def ask(connection, method, target, body=None, headers=None):
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return answer, answer.read()

    def read_much(self, proxy):
        """All kinds of answers, again and again."""
        for _ in range(3):
            # By a name of the proxy's, as its clients know it.
            answer, body = self.ask(proxy, "GET", "/path/object",
                                    headers={"Host": "objects.example"})
            self.assertEqual((answer.status, body), (200, self.content))
            tag = answer.getheader("ETag")
            answer, body = self.ask(proxy, "HEAD", "/path/object")
            self.assertEqual((answer.status, answer.getheader("ETag")), (200, tag))
            self.assertEqual(answer.getheader("Content-Length"), str(len(self.content)))
            answer, body = self.ask(proxy, "GET", "/path/object",
                                    headers={"Range": "bytes=5-9", "If-Range": tag})
            self.assertEqual((answer.status, body), (206, self.content[5:10]))
            answer, body = self.ask(proxy, "GET", "/path/object",
                                    headers={"If-None-Match": tag})
            self.assertEqual((answer.status, body), (304, b""))
            self.assertEqual(self.ask(proxy, "GET", "/none")[0].status, 404)
            self.assertEqual(self.ask(proxy, "POST", "/none", b"few bytes")[0].status, 405)

    def list_folders(self):
        """Long listings, which come in chunks, and the way to a folder."""
        for number in range(5000):
            self.server.write(f"listed/{number:04}-{'x' * 100}", b"")
        for upstream in (f"127.0.0.1:{self.server.port}", f"{self.unix}{self.server.socket}"):
            proxy = self.proxy(upstream)
            for _ in range(2):
                answer, _ = self.ask(proxy, "GET", "/listed")
                self.assertEqual((answer.status, answer.getheader("Location")), (301, "/listed/"))
                answer, body = self.ask(proxy, "GET", "/listed/?format=json")
                self.assertEqual((answer.status, len(json.loads(body))), (200, 5000))
                answer, body = self.ask(proxy, "HEAD", "/listed/")
                self.assertEqual((answer.status, body), (200, b""))

    def tapped(self, path=None):
        """Reads through a proxy with a tap behind it, on `path` or on TCP; returns the tap."""
        if path is None:
            seen = self.tap()
            proxy = self.proxy(f"127.0.0.1:{seen.port}")
        else:
            seen = self.tap(self.server.socket, path)
            proxy = self.proxy(f"{self.unix}{path}")
        self.read_much(proxy)
        clients = [sent for sent, _ in seen.connections if sent.startswith(b"GET")]
        self.assertEqual(len(clients), 1, "one connection of the proxy's has served them all")
        self.assertEqual({one.fields["host"] for one in seen.requests("GET")}, {"localhost"})
        return seen

    def end_often(self):
        """A server that closes a connection says so before: no request meets a closed one."""
        brief = self.serve("--requests_per_conn=3")
        brief.write("object", b"small")
        for upstream in (f"127.0.0.1:{brief.port}", f"{self.unix}{brief.socket}"):
            proxy = self.proxy(upstream)
            for _ in range(20):
                answer, body = self.ask(proxy, "GET", "/object")
                self.assertEqual((answer.status, body), (200, b"small"))

    def store(self):
        for upstream in (f"127.0.0.1:{self.server.port}", f"{self.unix}{self.server.socket}"):
            proxy = self.proxy(upstream)
            for size in (0, 1000, 3_000_000):
                content = random_bytes(size)
                for body in (content, iter([content[:size // 2], content[size // 2:]])):
                    answer, _ = self.ask(proxy, "PUT", "/path/new", body)
                    self.assertIn(answer.status, (201, 204))
                    answer, got = self.ask(proxy, "GET", "/path/new")
                    self.assertEqual((answer.status, got), (200, content))
            self.assertEqual(self.ask(proxy, "DELETE", "/path/new")[0].status, 204)
            self.assertEqual(self.ask(proxy, "GET", "/path/new")[0].status, 404)
