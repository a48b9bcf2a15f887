#!/usr/bin/env python3
"""The code in docs/clients.md is that of the example files, which other tests run: line by line.

Usage: clients_doc_test

A fenced block of C, C++ or Python is a part of the example that the page linked to last. The one
about RLIMIT_NOFILE, which needs no client, runs as it stands.
"""

import pathlib
import re
import resource
import textwrap
import unittest

PAGE = pathlib.Path("docs/clients.md")


def blocks():
    """[(line number, language, text, the example that was linked to last)] of the page."""
    found = []
    source = None
    block = None
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        named = re.search(r"\]\(\.\./(client/\S+?)\)", line)
        if block is None and named:
            source = pathlib.Path(named.group(1))
        if block is None and re.match(r"```(c|cpp|python)$", line):
            block = (number, line[3:], [], source)
        elif block is not None and line == "```":
            found.append((block[0], block[1], textwrap.dedent("\n".join(block[2])), block[3]))
            block = None
        elif block is not None:
            block[2].append(line)
    return found


def holds(source, text):
    """True when `text` is a part of the file, whole lines, but for how far they are indented."""
    lines = source.read_text().splitlines()
    count = len(text.splitlines())
    return any(textwrap.dedent("\n".join(lines[i:i + count])) == text
               for i in range(len(lines) - count + 1))


class ClientsDocTest(unittest.TestCase):
    def test_code_is_the_examples(self):
        found = blocks()
        self.assertGreater(len(found), 5)
        self.assertEqual({language for _, language, _, _ in found}, {"c", "cpp", "python"})
        for number, language, text, source in found:
            with self.subTest(f"line {number}"):
                if "setrlimit" in text:
                    before = resource.getrlimit(resource.RLIMIT_NOFILE)
                    exec(text, {"resource": resource})
                    self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE),
                                     (before[1], before[1]))
                    resource.setrlimit(resource.RLIMIT_NOFILE, before)
                    continue
                self.assertIsNotNone(source)
                self.assertTrue(holds(source, text), f"not in {source}:\n{text}")

    # Every file that the page links to is there.
    def test_links(self):
        for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
            self.assertTrue((PAGE.parent / target).exists(), target)


if __name__ == "__main__":
    unittest.main(verbosity=2)
