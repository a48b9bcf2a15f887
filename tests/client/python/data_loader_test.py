#!/usr/bin/env python3
"""The data loader of client/python/examples runs as it says, with workers that fork and workers
that are spawned.

Usage: data_loader_test SERVER
"""

import os
import subprocess
import sys
import zlib

sys.path[:0] = ["client/python", "tests/client/python"]

from server_process import PATIENCE_S, ServerTest, main

WORKERS = 3


class DataLoaderTest(ServerTest):
    flags = ("--max_connections=20",)

    # Every sample comes once, in order, with the object's own bytes, loaded by other processes than
    # the main one.
    def test_workers(self):
        # the first one is empty
        contents = {f"samples/{i:03}": os.urandom(i * 100) for i in range(100)}
        for uri, content in contents.items():
            self.server.write(uri, content)
        uris = self.server.folder / "uris"
        uris.write_text("".join(f"{uri}\n" for uri in contents))
        for start in ("fork", "spawn"):
            with self.subTest(start):
                process = subprocess.Popen(
                    [sys.executable, "client/python/examples/data_loader.py", self.server.url,
                     "samples/",
                     f"--workers={WORKERS}", "--batch_size=4", f"--start={start}",
                     f"--uris={uris}"],
                    env={**os.environ, "PYTHONPATH": os.path.abspath("client/python")},
                    stdout=subprocess.PIPE, text=True)
                output, _ = process.communicate(timeout=PATIENCE_S)
                self.assertEqual(process.returncode, 0)
                lines = [line.split() for line in output.splitlines()]
                self.assertEqual([line[1:] for line in lines],
                                 [[uri, str(len(content)), f"{zlib.crc32(content):08x}"]
                                  for uri, content in contents.items()])
                loaders = {line[0] for line in lines}
                self.assertNotIn(str(process.pid), loaders)
                self.assertLessEqual(len(loaders), WORKERS)


if __name__ == "__main__":
    main()
