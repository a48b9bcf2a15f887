#!/usr/bin/env python3
"""curl reads and stores, over TCP and over the Unix socket.

Usage: curl_test SERVER
"""

import email
import json
import os
import unittest

from harness import ClientTest, main, random_bytes

SIZE = 300_000
MIB = 1 << 20


class CurlTest(ClientTest):
    programs = ("curl",)
    flags = ("--fd_cache_valid_ms=0",)  # what is replaced is seen at once

    def setUp(self):
        super().setUp()
        self.content = random_bytes(SIZE)
        self.server.write("path/object", self.content)
        self.url = self.server.base + "/path/object"

    def doors(self):
        """The arguments for each of the server's two doors, and its name."""
        yield "tcp", ()
        yield "unix", ("--unix-socket", self.server.socket)

    def curl(self, *arguments, code=0, **more):
        return self.run_program("curl", "--silent", "--show-error", *arguments, code=code, **more)

    def status(self, *arguments, **more):
        """The status of one request; what came goes to the file `got`."""
        return self.curl("-o", self.folder / "got", "-w", "%{http_code}", *arguments, **more)

    def got(self):
        return (self.folder / "got").read_bytes()

    def fields(self, *arguments):
        """The status and the fields of a head that `-D` prints."""
        head = self.curl("-D", "-", "-o", self.folder / "got", *arguments)
        line, _, rest = head.partition("\r\n")
        return line, dict(email.message_from_string(rest).items())

    def test_reads(self):
        for door, by in self.doors():
            with self.subTest(door):
                self.assertEqual(self.status(*by, self.url), "200")
                self.assertEqual(self.got(), self.content)
                self.assertEqual(self.status(*by, self.server.base + "/none"), "404")
                self.assertEqual(self.got().count(b"\n"), 1)
                # With --compressed it offers codings, and takes none as well.
                self.assertEqual(self.status(*by, "--compressed", self.url), "200")
                self.assertEqual(self.got(), self.content)

    def test_head_has_the_fields_of_get(self):
        for door, by in self.doors():
            with self.subTest(door):
                line, of_get = self.fields(*by, self.url)
                head_line, of_head = self.fields(*by, "-I", self.url)
                for fields in (of_get, of_head):
                    del fields["Date"]  # a second may have passed
                self.assertEqual((line, of_get), (head_line, of_head))
                self.assertEqual(of_head["Content-Length"], str(SIZE))
                self.assertEqual(self.curl(*by, "-I", self.url, "-o", os.devnull), "")

    def test_goes_on_where_it_was(self):
        tap = self.tap()
        partial = self.folder / "partial"
        for door, by in (("tcp", ()), ("unix", ("--unix-socket", self.server.socket))):
            with self.subTest(door):
                url = tap.base + "/path/object" if door == "tcp" else self.url
                partial.write_bytes(self.content[:100_000])
                self.curl(*by, "-C", "-", "-o", partial, url)
                self.assertEqual(partial.read_bytes(), self.content)
                # What is complete stays as it is: 416 is no error to it then.
                self.curl(*by, "-C", "-", "-o", partial, url)
                self.assertEqual(partial.read_bytes(), self.content)
        self.assertEqual([one.fields["range"] for one in tap.requests()],
                         ["bytes=100000-", f"bytes={SIZE}-"])
        self.assertEqual(tap.statuses(), [206, 416])

    def test_several_ranges(self):
        for door, by in self.doors():
            with self.subTest(door):
                line, fields = self.fields(*by, "-r", "10-19,1000-1009,-5", self.url)
                self.assertIn("206", line)
                kind = fields["Content-Type"]
                self.assertTrue(kind.startswith("multipart/byteranges; boundary="), kind)
                whole = email.message_from_bytes(
                    f"Content-Type: {kind}\r\n\r\n".encode() + self.got())
                # As bytes: a parser of mail would take their line ends for its own.
                boundary = b"--" + whole.get_boundary().encode()
                parts = self.got().split(b"\r\n" + boundary)
                parts[0] = parts[0].removeprefix(boundary)
                self.assertEqual(parts.pop(), b"--\r\n")
                bodies = [part.split(b"\r\n\r\n", 1)[1] for part in parts]
                self.assertEqual(bodies, [self.content[10:20], self.content[1000:1010],
                                          self.content[-5:]])
                for part, first, last in zip(parts, (10, 1000, SIZE - 5), (19, 1009, SIZE - 1)):
                    self.assertIn(f"\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\n".encode(),
                                  part)

    def test_only_what_has_changed(self):
        for door, by in self.doors():
            with self.subTest(door):
                copy, etag = self.folder / "copy", self.folder / "etag"
                copy.unlink(missing_ok=True)
                etag.unlink(missing_ok=True)
                self.curl(*by, "-R", "-o", copy, self.url)
                # -R gave the copy the object's time.
                self.assertEqual(self.status(*by, "-z", copy, self.url), "304")
                self.assertEqual(self.status(*by, "-z", "20010203", self.url), "200")
                self.assertEqual(self.status(*by, "-z", "-20010203", self.url), "412")
                both = ("--etag-save", etag, "--etag-compare", etag)
                self.assertEqual(self.status(*by, *both, self.url), "200")
                self.assertEqual(self.status(*by, *both, self.url), "304")
        self.server.write("path/object", self.content[::-1])
        self.assertEqual(self.status("--etag-compare", etag, self.url), "200")
        self.assertEqual(self.got(), self.content[::-1])

    def test_a_connection_is_used_again(self):
        # URLs of all kinds of answers: none closes the connection.
        paths = ("path/object", "none", "path/object", "path%2Fobject", "%ff", "path/none")
        urls = [part for path in paths for part in ("-o", os.devnull, f"{self.server.base}/{path}")]
        for door, by in self.doors():
            for flags in ((), ("-I",), ("-r", "0-9"), ("-z", "20300101"), ("-X", "OPTIONS"),
                          ("-X", "POST", "-d", "few bytes")):
                with self.subTest(door, flags=flags):
                    new = self.curl(*by, "-w", "%{num_connects}\n", *flags, *urls).split()
                    self.assertEqual(new, ["1"] + ["0"] * (len(paths) - 1))

    def test_1_0(self):
        keep = ("-H", "Connection: keep-alive")
        two = ("-o", os.devnull, self.url, "-o", os.devnull, self.url)
        for door, by in self.doors():
            with self.subTest(door):
                self.assertEqual(self.status(*by, "--http1.0", self.url), "200")
                self.assertEqual(self.got(), self.content)
                count = ("-w", "%{num_connects}\n", "--http1.0")
                self.assertEqual(self.curl(*by, *count, *two).split(), ["1", "1"])
                self.assertEqual(self.curl(*by, *count, *keep, *two).split(), ["1", "0"])

    def test_other_protocols(self):
        for door, by in self.doors():
            with self.subTest(door):
                # An offer to go over to HTTP/2 need not be taken.
                self.assertEqual(self.status(*by, "--http2", self.url), "200")
                self.assertEqual(self.got(), self.content)
                # Without asking, and TLS: not understood, and said so at once.
                for flags in (("--http2-prior-knowledge", self.url),
                              ("-k", self.url.replace("http:", "https:"))):
                    self.curl(*by, "-m", "60", *flags, code=None)
                    self.assertNotIn(self.last_code, (0, 28))
                self.assertEqual(self.status(*by, self.url), "200")

    def test_names(self):
        for name in ("a b", "ä€", "plus+and&", "hash#", "question?", "per%cent", ".hidden"):
            self.server.write(f"names/{name}", name.encode())
        for door, by in self.doors():
            for escaped, name in (("a%20b", "a b"), ("%c3%a4%E2%82%AC", "ä€"),
                                  ("plus+and&?query=1", "plus+and&"), ("hash%23", "hash#"),
                                  ("question%3F?q", "question?"), ("per%25cent", "per%cent"),
                                  (".hidden", ".hidden")):
                with self.subTest(door, name=name):
                    url = f"{self.server.base}/names/{escaped}"
                    self.assertEqual(self.status(*by, url), "200")
                    self.assertEqual(self.got(), name.encode())
            for path in ("names/../names/.hidden", "../object", "names/%2e%2e/path/object"):
                with self.subTest(door, path=path):
                    url = f"{self.server.base}/{path}"
                    self.assertIn(self.status(*by, "--path-as-is", url), ("400", "403"))

    def test_lists(self):
        for number in range(3000):
            self.server.write(f"listed/{number}", b"")
        for door, by in self.doors():
            with self.subTest(door):
                url = self.server.base + "/listed"
                self.assertEqual(self.status(*by, url), "301")
                self.assertEqual(self.status(*by, "-L", url), "200")
                page = self.got()
                for version in ("--http1.0", "--http1.1"):
                    self.assertEqual(self.status(*by, version, url + "/"), "200")
                    self.assertEqual(self.got(), page)
                    self.assertEqual(self.status(*by, version, "-H", "Accept: application/json",
                                                 url + "/"), "200")
                    self.assertEqual(len(json.loads(self.got())), 3000)
                two = ("-o", os.devnull, url + "/", "-o", os.devnull, url + "/")
                self.assertEqual(self.curl(*by, "-w", "%{num_connects}\n", *two).split(),
                                 ["1", "0"])

    def test_many_at_once(self):
        for number in range(40):
            self.server.write(f"many/{number}", random_bytes(1000 * number, number))
        for door, by in self.doors():
            with self.subTest(door):
                self.curl(*by, "-Z", "--parallel-max", "20", "--create-dirs", "-o",
                          f"{self.folder}/{door}/#1", f"{self.server.base}/many/[0-39]")
                for number in range(40):
                    self.assertEqual((self.folder / door / str(number)).read_bytes(),
                                     random_bytes(1000 * number, number))

    def test_a_refused_upload_is_told_why(self):
        """And not cut off while it still sends."""
        body = self.folder / "body"
        body.write_bytes(bytes(8 * MIB))
        for door, by in self.doors():
            for flags in ((), ("-H", "Expect:"), ("-H", "Transfer-Encoding: chunked")):
                with self.subTest(door, flags=flags):
                    self.assertEqual(
                        self.status(*by, *flags, "-T", body, self.server.base + "/new"), "405")
                    self.assertIn(b"--writable", self.got())


class CurlStoresTest(CurlTest):
    """With --writable."""

    flags = ("--fd_cache_valid_ms=0", "--writable")

    def test_a_refused_upload_is_told_why(self):
        body = self.folder / "body"
        body.write_bytes(bytes(8 * MIB))
        for door, by in self.doors():
            for flags in ((), ("-H", "Expect:"), ("-H", "Transfer-Encoding: chunked")):
                with self.subTest(door, flags=flags):
                    old = ("-H", 'If-Match: "another"')
                    self.assertEqual(self.status(*by, *flags, *old, "-T", body, self.url), "412")
                    self.assertEqual(self.got().count(b"\n"), 1)
        self.assertEqual(self.status(self.url), "200")
        self.assertEqual(self.got(), self.content)

    def test_stores_and_deletes(self):
        for door, by in self.doors():
            for size in (0, 1, 1000, MIB - 1, MIB, 5 * MIB):
                with self.subTest(door, size=size):
                    body = self.folder / "body"
                    body.write_bytes(random_bytes(size))
                    url = f"{self.server.base}/new/{door}/{size}"
                    self.assertEqual(self.status(*by, "-T", body, url), "201")
                    self.assertEqual(self.status(*by, url), "200")
                    self.assertEqual(self.got() if size else b"", body.read_bytes())
                    self.assertEqual(self.status(*by, "-T", body, url), "204")
                    self.assertEqual(self.status(*by, "-X", "DELETE", url), "204")
                    self.assertEqual(self.status(*by, "-X", "DELETE", url), "404")
                    self.assertEqual(self.status(*by, url), "404")

    def test_asks_before_it_sends_much(self):
        tap = self.tap()
        body = self.folder / "body"
        body.write_bytes(random_bytes(2 * MIB))
        self.assertEqual(self.status("-T", body, tap.base + "/new"), "201")
        self.assertEqual(tap.requests()[0].fields["expect"], "100-continue")
        self.assertEqual(tap.statuses(), [100, 201])
        self.assertTrue(bytes(tap.connections[0][1]).startswith(b"HTTP/1.1 100 Continue\r\n\r\n"))
        self.assertEqual((self.server.root / "new").read_bytes(), body.read_bytes())

    def test_stores_what_has_no_length(self):
        tap = self.tap()
        content = random_bytes(3 * MIB)
        for door, by in (("tcp", ()), ("unix", ("--unix-socket", self.server.socket))):
            with self.subTest(door):
                base = tap.base if door == "tcp" else self.server.base
                self.assertEqual(self.status(*by, "-T", "-", f"{base}/{door}", input=content),
                                 "201")
                self.assertEqual((self.server.root / door).read_bytes(), content)
        self.assertEqual(tap.requests()[0].fields["transfer-encoding"], "chunked")

    def test_stores_on_conditions(self):
        first, second = self.folder / "first", self.folder / "second"
        first.write_bytes(b"first")
        second.write_bytes(b"second")
        for door, by in self.doors():
            with self.subTest(door):
                url = f"{self.server.base}/conditions/{door}"
                once = ("-H", "If-None-Match: *")
                self.assertEqual(self.status(*by, *once, "-T", first, url), "201")
                self.assertEqual(self.status(*by, *once, "-T", second, url), "412")
                _, fields = self.fields(*by, "-I", url)
                same = ("-H", f"If-Match: {fields['ETag']}")
                self.assertEqual(self.status(*by, *same, "-T", second, url), "204")
                self.assertEqual(self.status(*by, *same, "-T", first, url), "412")
                self.assertEqual(self.status(*by, *same, "-X", "DELETE", url), "412")
                self.assertEqual(self.status(*by, url), "200")
                self.assertEqual(self.got(), b"second")
                # A part of an object cannot be stored: curl -C with -T sends Content-Range.
                self.assertEqual(self.status(*by, "-C", "1", "-T", first, url), "400")

    def test_stores_on_one_connection(self):
        body = self.folder / "body"
        for size in (1000, 2 * MIB):
            body.write_bytes(random_bytes(size))
            for door, by in self.doors():
                with self.subTest(door, size=size):
                    urls = [part for number in range(4)
                            for part in ("-T", str(body), "-o", os.devnull,
                                         f"{self.server.base}/one/{door}/{number}")]
                    new = self.curl(*by, "-w", "%{num_connects} %{http_code}\n", *urls)
                    statuses = [line.split()[1] for line in new.splitlines()]
                    self.assertEqual(len(set(statuses)), 1, new)
                    self.assertEqual([line.split()[0] for line in new.splitlines()],
                                     ["1", "0", "0", "0"])


if __name__ == "__main__":
    main()
