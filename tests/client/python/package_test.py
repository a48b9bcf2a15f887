#!/usr/bin/env python3
"""The Python package is what its pyproject.toml promises: Python 3.9, nothing but the standard
library, typed.

Usage: package_test
"""

import ast
import inspect
import pathlib
import re
import sys
import typing
import unittest

sys.path.insert(0, "client/python")

import objmapper

PACKAGE = pathlib.Path("client/python/objmapper")
SOURCES = [*PACKAGE.glob("*.py"), *pathlib.Path("client/python/examples").glob("*.py")]
# What Python 3.9's standard library has, of all that the package may want
# (docs.python.org/3.9/library).
STANDARD = {"array", "argparse", "collections", "dataclasses", "datetime", "fcntl", "io",
            "itertools", "math", "mmap",
            "multiprocessing", "os", "resource", "select", "socket", "stat", "struct", "sys",
            "threading", "time", "types", "typing", "zlib"}


class PackageTest(unittest.TestCase):
    # Every file is Python 3.9: its grammar, and no module that is not of its library. (The example
    # may find torch.)
    def test_python_3_9(self):
        self.assertGreater(len(SOURCES), 8)
        for source in SOURCES:
            tree = ast.parse(source.read_text(), source, feature_version=(3, 9))
            for node in ast.walk(tree):
                # "X | Y" in an annotation is grammar for any version, and an error at run time
                # before 3.10.
                if isinstance(node, ast.arg) and node.annotation or isinstance(node, ast.AnnAssign):
                    union = [part for part in ast.walk(node.annotation)
                             if isinstance(part, ast.BinOp)]
                    self.assertEqual(union, [], f"{source}:{node.lineno}")
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names = [node.module]
                for name in names:
                    if source.parent != PACKAGE and name in ("objmapper", "torch.utils.data"):
                        continue
                    self.assertIn(name.split(".")[0], STANDARD, f"{source}:{node.lineno}")

    # Every function's every parameter and result has a type, and what is public a docstring.
    def test_types_and_docstrings(self):
        self.assertTrue((PACKAGE / "py.typed").exists())
        for source in SOURCES:
            for node in ast.walk(ast.parse(source.read_text())):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    where = f"{source}:{node.lineno} {node.name}"
                    self.assertIsNotNone(node.returns, where)
                    arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                    for argument in arguments:
                        if argument.arg not in ("self", "cls"):
                            self.assertIsNotNone(argument.annotation, f"{where}, {argument.arg}")
        for name in objmapper.__all__:
            thing = getattr(objmapper, name)
            if not inspect.isclass(thing) and not inspect.isfunction(thing):
                continue
            self.assertTrue(inspect.getdoc(thing), name)
            for method, member in vars(thing).items() if name == "Client" else []:
                if inspect.isfunction(member) and not method.startswith("_"):
                    self.assertTrue(inspect.getdoc(member), f"{name}.{method}")
                    # NameError or TypeError when an annotation means nothing
                    typing.get_type_hints(member)

    # The package and its metadata agree on the version.
    def test_version(self):
        project = pathlib.Path("client/python/pyproject.toml").read_text()
        version = re.search(r'^version = "(.*)"$', project, re.MULTILINE)
        self.assertEqual(version.group(1), objmapper.__version__)


if __name__ == "__main__":
    unittest.main(verbosity=2)
