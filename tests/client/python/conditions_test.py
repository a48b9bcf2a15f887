#!/usr/bin/env python3
"""objmapper's Python client knows versions, and asks on conditions. Against the real server.

Usage: conditions_test SERVER
"""

import sys
import threading
import time

sys.path[:0] = ["client/python", "tests/client/python"]

import objmapper
from server_process import ServerTest, main


class ConditionsTest(ServerTest):
    flags = ("--writable",)

    def connect(self, **options):
        client = objmapper.connect(self.server.url, **options)
        self.addCleanup(client.close)
        return client

    # What reads an object says which version it is, where that was asked for.
    def test_versions(self):
        client = self.connect(versions=True)
        stored = client.put("versions/b.json", b"{}", ttl=1000)
        self.assertEqual(stored.mime, "application/json")
        self.assertAlmostEqual(stored.expires, time.time() + 1000, delta=60)
        content, got = client.get_with_info("versions/b.json")
        self.assertEqual(content, b"{}")
        with client.get_fd("versions/b.json") as opened:
            facts = [got, opened.info, client.stat("versions/b.json")]
        (item,) = client.get_fds(["versions/b.json"])
        with item.value as opened:
            facts.append(opened.info)
        for info in facts:
            self.assertEqual((info.etag, info.mtime, info.mime, info.expires),
                             (stored.etag, stored.mtime, stored.mime, stored.expires))
        quiet = self.connect()
        self.assertEqual(quiet.get("versions/b.json"), b"{}")
        with quiet.get_fd("versions/b.json") as opened:
            self.assertIsNone(opened.info.etag)
        self.assertIsNone(quiet.get_with_info("versions/b.json", offset=1, length=0)[1].etag)

    # What the caller has is not sent again.
    def test_if_none_match(self):
        client = self.connect()
        etag = client.put("read", b"one", ttl=1000).etag
        for ask in (client.get, client.get_with_info, client.get_fd, client.stat):
            with self.subTest(ask.__name__):
                with self.assertRaises(objmapper.NotModified) as caught:
                    ask("read", if_none_match=etag)
                self.assertEqual(caught.exception.status, 0x0B)
                with self.assertRaises(objmapper.NotFound):
                    ask("missing", if_none_match=etag)
        self.assertEqual(client.get("read", if_none_match="other"), b"one")
        client.get_fd("read", if_none_match="other").close()

    # An object is created, replaced, removed as the version that the caller names, or not at all.
    def test_changes(self):
        client = self.connect()
        etag = client.put("changed", b"one", if_absent=True).etag
        with self.assertRaises(objmapper.PreconditionFailed) as caught:
            client.put("changed", b"x" * 3_000_000, if_absent=True)
        self.assertIn(etag, str(caught.exception))
        path = self.server.folder / "file"
        path.write_bytes(b"from a file")
        with self.assertRaises(objmapper.PreconditionFailed):
            client.put("changed", path, if_match="other")
        etag = client.put("changed", path, if_match=etag).etag
        with open(path, "rb") as file:
            with self.assertRaises(objmapper.PreconditionFailed):
                client.put_fd("changed", file, if_absent=True)
            etag = client.put_fd("changed", file, if_match=etag).etag
        etag = client.put_memory("changed", b"memory", if_match=etag).etag
        with self.assertRaises(objmapper.PreconditionFailed):
            client.delete("changed", if_match="other")
        self.assertEqual(client.get("changed"), b"memory")
        client.delete("changed", if_match=etag)
        with self.assertRaises(objmapper.PreconditionFailed):
            client.delete("changed", if_match=etag)

    # What makes no sense is not sent.
    def test_senseless(self):
        client = self.connect()
        for options in ({"if_absent": True, "if_match": "e"}, {"if_match": ""},
                        {"if_match": "e" * 65}, {"if_match": 5}):
            with self.subTest(options), self.assertRaises(objmapper.InvalidRequest):
                client.put("senseless", b"", **options)
        with self.assertRaises(objmapper.InvalidRequest):
            client.get("senseless", if_none_match="")
        with self.assertRaises(objmapper.NotFound):
            client.get("senseless")

    # Of many that create one object exactly one does.
    def test_one_wins(self):
        outcomes = []

        def create(number):
            with objmapper.connect(self.server.url) as client:
                try:
                    client.put("race", str(number).encode(), if_absent=True)
                    outcomes.append(number)
                except objmapper.PreconditionFailed:
                    outcomes.append(None)

        writers = [threading.Thread(target=create, args=(number,)) for number in range(8)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        self.assertEqual(len(outcomes), 8)
        (winner,) = [number for number in outcomes if number is not None]
        self.assertEqual(self.connect().get("race"), str(winner).encode())


if __name__ == "__main__":
    main()
