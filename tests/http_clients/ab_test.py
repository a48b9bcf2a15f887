#!/usr/bin/env python3
"""ab, which speaks HTTP/1.0, keeps its connections.

Usage: ab_test SERVER
"""

import re

from harness import ClientTest, main, random_bytes

COUNT = 400


class AbTest(ClientTest):
    programs = ("ab",)

    def ab(self, name, *arguments):
        """ab's figures, {name: value}."""
        said = self.run_program("ab", "-q", "-n", COUNT, "-c", 4, *arguments,
                                f"{self.server.base}/{name}")
        return {name: value for name, value in re.findall(r"^(\S.*?): +(\S+)", said, re.MULTILINE)}

    def test_keeps_connections(self):
        for size in (10, 100_000):
            self.server.write(f"{size}", random_bytes(size))
            for flags, kept in (((), None), (("-k",), str(COUNT)), (("-k", "-i"), str(COUNT))):
                with self.subTest(size=size, flags=flags):
                    figures = self.ab(size, *flags)
                    self.assertEqual(figures["Complete requests"], str(COUNT), figures)
                    self.assertEqual(figures["Failed requests"], "0", figures)
                    self.assertNotIn("Non-2xx responses", figures)
                    self.assertEqual(figures.get("Keep-Alive requests"), kept, figures)
                    self.assertEqual(figures["Document Length"],
                                     "0" if "-i" in flags else str(size))


if __name__ == "__main__":
    main()
