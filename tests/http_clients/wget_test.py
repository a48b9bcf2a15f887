#!/usr/bin/env python3
"""wget fetches, goes on, and leaves alone what it has.

Usage: wget_test SERVER
"""

import os

from harness import ClientTest, main, random_bytes


class WgetTest(ClientTest):
    programs = ("wget",)
    flags = ("--fd_cache_valid_ms=0",)  # what is replaced is seen at once

    def setUp(self):
        super().setUp()
        self.content = random_bytes(200_000)
        self.server.write("path/object", self.content)
        self.seen = self.tap()
        self.url = self.seen.base + "/path/object"
        self.copy = self.folder / "object"

    def wget(self, *arguments, code=0):
        return self.run_program("wget", "--no-verbose", "--tries=1", *arguments, code=code)

    def test_goes_on_where_it_was(self):
        self.copy.write_bytes(self.content[:1234])
        self.wget("-c", self.url)
        self.assertEqual(self.copy.read_bytes(), self.content)
        self.assertEqual(self.seen.statuses(), [206])

    def test_what_is_complete_stays(self):
        self.wget(self.url)
        self.seen.forget()
        self.wget("-c", self.url)  # ends well: 416 says that there is no more
        self.assertEqual(self.seen.statuses(), [416])
        self.assertEqual(self.copy.read_bytes(), self.content)

    def test_fetches_again_what_has_changed(self):
        self.wget("-N", self.url)
        self.assertEqual(int(self.copy.stat().st_mtime),
                         int((self.server.root / "path/object").stat().st_mtime))
        self.wget("-N", self.url)
        self.assertEqual(self.seen.statuses(), [200, 304])
        newer = self.server.root / "path/newer"
        newer.write_bytes(b"newer")
        os.utime(newer, (self.copy.stat().st_mtime - 1000,) * 2)
        newer.replace(self.server.root / "path/object")
        # Older than the copy: not fetched, as -N means it.
        self.wget("-N", self.url)
        self.assertEqual(self.copy.read_bytes(), self.content)
        os.utime(self.copy, (1_000_000_000,) * 2)
        self.wget("-N", self.url)
        self.assertEqual(self.copy.read_bytes(), b"newer")

    def test_one_connection_for_several(self):
        self.wget(self.url, self.seen.base + "/none", self.url, "--spider", code=8)
        self.assertEqual([one.method for one in self.seen.requests()], ["HEAD"] * 3)
        self.assertEqual(self.seen.statuses(), [200, 404, 200])
        self.assertEqual(len(self.seen.connections), 1)

    def test_1_0(self):
        # What an old proxy, or an old wget, asks for.
        self.wget("--no-http-keep-alive", self.url)
        self.assertEqual(self.seen.requests()[0].fields["connection"].lower(), "close")
        self.assertEqual(self.copy.read_bytes(), self.content)

    def test_mirrors_a_tree(self):
        """By the links of listings, with names that need care, and no more than what is there."""
        names = ("a b", "ä€", "plus+and&", "hash#", "100% sure", "quote'\"", "<b>",
                 "deep/er/still", "deep/colon:1")
        for name in names:
            self.server.write(f"tree/{name}", name.encode())
        for number in range(300):
            self.server.write(f"tree/many/{number}", str(number).encode())
        self.wget("-r", "-np", "-nH", "--reject=index.html*", "--restrict-file-names=nocontrol",
                  self.seen.base + "/tree/")
        fetched = {str(path.relative_to(self.folder / "tree")): path.read_text()
                   for path in (self.folder / "tree").rglob("*") if path.is_file()}
        wanted = {name: name for name in names} | {f"many/{n}": str(n) for n in range(300)}
        self.assertEqual(fetched, wanted)
        self.assertEqual(len(self.seen.connections), 1)


if __name__ == "__main__":
    main()
