#!/usr/bin/env python3
"""ccache keeps its results in the server, as docs/http-recipes.md has it.

Usage: ccache_test SERVER
"""

import shutil

from harness import ClientTest, filled, main, recipe

COUNT = 5  # sources


class CcacheTest(ClientTest):
    programs = ("ccache", "gcc")
    flags = ("--writable",)

    def setUp(self):
        super().setUp()
        self.seen = self.tap()
        for number in range(COUNT):
            (self.folder / f"{number}.c").write_text(f"int f{number} = {number};\n")
        self.cache = self.folder / "cache"
        self.environment["CCACHE_DIR"] = str(self.cache)
        self.environment["CCACHE_CONFIGPATH"] = str(self.folder / "ccache.conf")
        self.text = filled(recipe("ccache", 1)[0],
                           {"127.0.0.1:7070": f"127.0.0.1:{self.seen.port}"})

    def compile_all(self):
        """With a local cache that is empty; returns ccache's figures, and the objects."""
        shutil.rmtree(self.cache, ignore_errors=True)
        objects = []
        for number in range(COUNT):
            self.run_program("ccache", "gcc", "-c", f"{number}.c", "-o", f"{number}.o")
            objects.append((self.folder / f"{number}.o").read_bytes())
            (self.folder / f"{number}.o").unlink()
        lines = self.run_program("ccache", "--print-stats").splitlines()
        return {line.split("\t")[0]: int(line.split("\t")[1]) for line in lines}, objects

    def test_the_second_time_all_is_there(self):
        for layout in ("flat", "subdirs", "bazel"):
            with self.subTest(layout):
                text = filled(self.text, {"layout=flat": f"layout={layout}",
                                          "/ccache|": f"/ccache-{layout}|"})
                (self.folder / "ccache.conf").write_text(text)
                figures, objects = self.compile_all()
                self.assertEqual(figures["cache_miss"], COUNT, figures)
                self.assertEqual(figures["remote_storage_error"], 0, figures)
                self.assertEqual(figures["remote_storage_timeout"], 0, figures)
                self.assertGreaterEqual(figures["remote_storage_write"], COUNT, figures)
                figures, again = self.compile_all()
                self.assertEqual(again, objects)
                self.assertEqual(figures["cache_miss"], 0, figures)
                self.assertEqual(figures["remote_storage_hit"], COUNT, figures)
                self.assertEqual(figures["remote_storage_error"], 0, figures)
        self.assertLessEqual(set(self.seen.statuses()), {200, 201, 204, 404})
        self.assertLessEqual({"GET", "PUT"}, {one.method for one in self.seen.requests()})

    def test_a_read_only_server_is_a_cache_too(self):
        """What it has is used, and what it does not take is compiled all the same."""
        (self.folder / "ccache.conf").write_text(self.text)
        self.compile_all()
        reader = self.serve()
        shutil.copytree(self.server.root / "ccache", reader.root / "ccache")
        (self.folder / "ccache.conf").write_text(filled(self.text, {
            f":{self.seen.port}/": f":{reader.port}/"}))
        figures, _ = self.compile_all()
        self.assertEqual(figures["remote_storage_hit"], COUNT, figures)
        (self.folder / "0.c").write_text("int another;\n")
        figures, _ = self.compile_all()
        self.assertEqual(figures["remote_storage_hit"], COUNT - 1, figures)


if __name__ == "__main__":
    main()
