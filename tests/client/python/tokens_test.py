#!/usr/bin/env python3
"""objmapper's Python client says whose its requests are. Against the real server.

Usage: tokens_test SERVER
"""

import os
import sys
from unittest import mock

sys.path[:0] = ["client/python", "tests/client/python"]

import objmapper
from server_process import ServerTest, main, wait_until, with_tokens

ALICE = "secret-of-alice-0"
RULES = "name alice /alice read,write\nany /open read\n"


class TokensTest(ServerTest):
    flags = ("--writable", *with_tokens(RULES))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.write("alice/a", b"of alice")
        cls.server.write("open/a", b"anybody's")
        # What is written below the root by others is listed a moment later.
        with objmapper.connect(cls.server.url, token=ALICE) as client:
            wait_until(lambda: len(list(client.list())) == 2, "both are listed")

    def connect(self, url=None, **options):
        client = objmapper.connect(url or self.server.url, **options)
        self.addCleanup(client.close)
        return client

    # All that a client asks is asked by the one who has the token: on both transports, by every
    # call, and on a connection that it makes anew.
    def test_all_is_the_tokens(self):
        for url in (self.server.url, self.server.tcp_url):
            for token in (ALICE, ALICE.encode()):
                client = self.connect(url, token=token)
                for _ in range(2):
                    self.assertEqual(client.get("alice/a"), b"of alice")
                    self.assertEqual([item.value for item in client.get_many(["alice/a"] * 3)],
                                     [b"of alice"] * 3)
                    self.assertEqual([entry.uri for entry in client.list()], ["alice/a", "open/a"])
                    client._connection.drop("for the test")
                client.put("alice/new", b"x")
                client.delete("alice/new")
        with self.connect(token=ALICE).get_fd("alice/a") as opened:
            self.assertEqual(os.pread(opened.fileno(), 100, 0), b"of alice")
        # The descriptor of the very first request.
        client = self.connect(token=ALICE)
        client.put_memory("alice/new", b"x")
        client.delete("alice/new")

    # Without one, what the rules leave to anybody; with one that is not known, nothing.
    def test_others(self):
        for url in (self.server.url, self.server.tcp_url):
            client = self.connect(url)
            self.assertEqual(client.get("open/a"), b"anybody's")
            self.assertRaises(objmapper.PermissionDenied, client.get, "alice/a")
            client = self.connect(url, token="secret-of-nobody")
            for uri in ("open/a", "alice/a"):
                with self.assertRaises(objmapper.PermissionDenied) as denied:
                    client.get(uri)
                self.assertIn("token", str(denied.exception))
                self.assertNotIn("secret", str(denied.exception))

    # The environment's counts where no other is given; an empty one is none.
    def test_environment(self):
        with mock.patch.dict(os.environ, {"OBJMAPPER_TOKEN": ALICE}):
            self.assertEqual(self.connect().get("alice/a"), b"of alice")
            for options in ({"token": ""}, {"token": "secret-of-nobody"}):
                self.assertRaises(objmapper.PermissionDenied, self.connect(**options).get,
                                  "alice/a")
        with mock.patch.dict(os.environ, {"OBJMAPPER_TOKEN": ""}):
            self.assertEqual(self.connect().get("open/a"), b"anybody's")

    def test_too_long(self):
        self.assertRaisesRegex(objmapper.InvalidRequest, "4097 bytes; at most 4096",
                               objmapper.connect, self.server.url, token="t" * 4097)
        client = self.connect(token="t" * 4096)
        self.assertRaises(objmapper.PermissionDenied, client.get, "open/a")


# A server that takes none does not get it, and is not asked as anybody instead.
class WithoutTokensTest(ServerTest):
    def test_refused(self):
        for url in (self.server.url, self.server.tcp_url):
            with self.assertRaises(objmapper.Unsupported) as refused:
                objmapper.connect(url, token=ALICE)
            self.assertIn(f"{url} takes no tokens", str(refused.exception))
            self.assertNotIn("secret", str(refused.exception))


if __name__ == "__main__":
    main()
