#!/usr/bin/env python3
"""aria2 fetches an object in parts at once, and goes on where it was stopped.

Usage: aria2_test SERVER
"""

from harness import ClientTest, main, random_bytes

SIZE = 8 << 20


class Aria2Test(ClientTest):
    programs = ("aria2c",)

    def setUp(self):
        super().setUp()
        self.content = random_bytes(SIZE)
        self.server.write("large", self.content)
        self.seen = self.tap()

    def aria2(self, *arguments):
        self.run_program("aria2c", "--no-conf", "--quiet", "--max-tries=1",
                         "--file-allocation=none", "--min-split-size=1M", "--out=copy", *arguments,
                         self.seen.base + "/large")
        self.assertEqual((self.folder / "copy").read_bytes(), self.content)

    def test_four_at_once(self):
        self.aria2("--split=4", "--max-connection-per-server=4")
        asked = [one.fields.get("range") for one in self.seen.requests()]
        self.assertGreaterEqual(len(self.seen.connections), 4)
        self.assertGreaterEqual(len({one for one in asked if one}), 3, asked)
        self.assertLessEqual(set(self.seen.statuses()), {200, 206})
        self.assertGreaterEqual(self.seen.statuses().count(206), 3)
        # All parts are of one version.
        tags = {line for _, got in self.seen.connections for line in bytes(got).split(b"\r\n")
                if line.startswith(b"ETag: ")}
        self.assertEqual(len(tags), 1)

    def test_goes_on_where_it_was(self):
        (self.folder / "copy").write_bytes(self.content[:SIZE // 2])
        self.aria2("--continue", "--split=1")
        asked = self.seen.requests()[-1].fields["range"]
        self.assertEqual(asked.partition("-")[0], f"bytes={SIZE // 2}")
        self.assertEqual(self.seen.statuses()[-1], 206)

    def test_pipelines(self):
        self.aria2("--enable-http-pipelining", "--split=4", "--max-connection-per-server=1")

    def test_only_what_is_newer(self):
        self.aria2()
        self.seen.forget()
        self.aria2("--conditional-get", "--allow-overwrite")
        self.assertEqual(self.seen.statuses(), [304])


if __name__ == "__main__":
    main()
