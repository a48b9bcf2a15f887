#!/usr/bin/env python3
"""Every file that a document names is there: a document outlives a file that moves, and nobody
notices.

Usage: file_names_test

Looked at are README.md, ARCHITECTURE.md and all of docs/:

  links           [text](target), seen from the document
  paths           folder/file or folder/, where the folder is one of the root's
  names of files  `name.cc`, `sub/name.h` in code, as the end of some path of the tree

"*" in a name stands for anything, and so do alternatives in braces: one file at least has to
match. A path without an ending may be a folder, a script, or a program, whose source is there with
".cc". What names an object to be served has none of the endings in SOURCES, and what has a
placeholder for its last part, like "copypath/N", is no file.

The documents are data of this test and the tree is not: it is found where the documents' links
lead to, and looked at each time (BUILD.bazel, "external").
"""

import fnmatch
import os
import pathlib
import re
import unittest

TREE = pathlib.Path("README.md").resolve().parent
DOCUMENTS = [TREE / "README.md", TREE / "ARCHITECTURE.md", *sorted((TREE / "docs").rglob("*.md"))]

SOURCES = r"(?:cc|h|c|py|md|sh|bazel|bzl|flags|service|socket|yml|html|map)"
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
CODE = re.compile(r"`([^`]+)`")
NAME = re.compile(rf"(?<![\w./:*-])([\w*][\w.*/-]*\.{SOURCES})(?![\w/*-])")


def tree_files():
    """Every file of the tree and every folder, the latter with "/" at their end."""
    found = []
    for folder, folders, files in os.walk(TREE):
        folders[:] = [name for name in folders if not name.startswith((".git", "bazel-"))]
        here = pathlib.Path(folder).relative_to(TREE)
        found += [str(here / name) for name in files] + [f"{here / name}/" for name in folders]
    return found


def named_in(line, rooms):
    """The paths from the root, and the other names of files, that a line of a document has."""
    line = re.sub(r"\{[\w,]+\}", "*", line)
    paths = re.compile(rf"(?<![\w./:*@-])((?:{'|'.join(rooms)})/[\w.*/-]*)")
    below = {path.rstrip(".-") for path in paths.findall(line)}
    below = {path for path in below
             if re.search(rf"(^|/)([\w-]*[a-z][\w-]*)?$|\.(\*|{SOURCES})$|\*$", path)}
    names = {name for code in CODE.findall(line) for name in NAME.findall(code)}
    return below, names - below


class FileNamesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = tree_files()
        cls.rooms = sorted(path.rstrip("/") for path in cls.files if re.fullmatch(r"\w+/", path))

    def exists(self, path):
        """True when the path from the root, which may have a "*", is that of a file or a folder."""
        return any(fnmatch.fnmatchcase(file.rstrip("/"), path.rstrip("/"))
                   or file == path + ".cc" for file in self.files)

    def is_an_end(self, name):
        return any(fnmatch.fnmatchcase("/" + file, "*/" + name) for file in self.files)

    def test_links(self):
        for document in DOCUMENTS:
            for number, line in enumerate(document.read_text().splitlines(), 1):
                for target in LINK.findall(line):
                    if re.match(r"\w+:", target):
                        continue
                    with self.subTest(f"{document.relative_to(TREE)}:{number}"):
                        self.assertTrue((document.parent / target).exists(), f"no file {target}")

    def test_names(self):
        count = 0
        for document in DOCUMENTS:
            for number, line in enumerate(document.read_text().splitlines(), 1):
                paths, names = named_in(line, self.rooms)
                count += len(paths) + len(names)
                with self.subTest(f"{document.relative_to(TREE)}:{number}"):
                    self.assertEqual([path for path in paths if not self.exists(path)], [])
                    self.assertEqual([name for name in names if not self.is_an_end(name)], [])
        self.assertGreater(count, 100)  # that the patterns find what they are for


if __name__ == "__main__":
    unittest.main(verbosity=2)
