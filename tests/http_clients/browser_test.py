#!/usr/bin/env python3
"""A browser plays a sound out of the server, and seeks in it.

Usage: browser_test SERVER
"""

import sys
import unittest
import wave

sys.dont_write_bytecode = True
sys.path.insert(0, "tests/e2e")
from browser import Browser

from harness import ClientTest, main, wait_until

RATE_HZ = 8000
LENGTH_S = 1800  # 28 MB: more than is fetched ahead
PAGE = """<!DOCTYPE html>
<html lang="en"><title>sound</title><link rel="icon" href="data:,">
<audio id="sound" src="{source}" preload="metadata" muted></audio></html>
"""


class BrowserTest(ClientTest):
    programs = ("chromium", "chromedriver")

    def setUp(self):
        super().setUp()
        self.seen = self.tap()
        self.server.write("page.html", PAGE.format(source="sound.wav").encode())
        with wave.open(str(self.server.root / "sound.wav"), "wb") as sound:
            sound.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
            for second in range(LENGTH_S):  # a click each second
                sound.writeframesraw(b"\x00\x40" * 10 + bytes(2 * RATE_HZ - 20))
        self.size = (self.server.root / "sound.wav").stat().st_size

    def open(self, url, *arguments):
        self.browser = Browser(self.folder, *arguments)
        self.addCleanup(self.browser.close)
        self.browser.open(url)

    def sound(self, what):
        return self.browser.run(f"return document.getElementById('sound').{what}")

    def ranges(self):
        return [one.fields["range"] for one in self.seen.requests()
                if one.target == "/sound.wav" and "range" in one.fields]

    def test_plays_and_seeks(self):
        self.open(self.seen.base + "/page.html", "--autoplay-policy=no-user-gesture-required")
        wait_until(lambda: self.sound("readyState") >= 1, "the sound's length")
        self.assertAlmostEqual(self.sound("duration"), LENGTH_S, delta=0.1)
        self.assertEqual(self.ranges()[0], "bytes=0-")
        self.assertIn(206, self.seen.statuses())
        # Far behind what it has fetched: it asks for what is there, and for nothing before it.
        self.sound(f"currentTime = {LENGTH_S - 10}")
        wait_until(lambda: not self.sound("seeking") and self.sound("readyState") >= 2, "the place")
        self.assertAlmostEqual(self.sound("currentTime"), LENGTH_S - 10, delta=0.1)
        self.assertEqual(self.sound("seekable.end(0)"), self.sound("duration"))
        first = int(self.ranges()[-1].removeprefix("bytes=").partition("-")[0])
        self.assertGreater(first, self.size // 2, self.ranges())
        self.assertEqual(self.seen.statuses().count(206), len(self.ranges()))
        # From there it plays to its end.
        self.browser.run("document.getElementById('sound').play()")
        wait_until(lambda: self.sound("ended"), "its end")
        self.assertIsNone(self.sound("error"))
        self.assertEqual(self.browser.complaints(), [])

    def names(self):
        return self.browser.run("return [...document.querySelectorAll('tbody a')]"
                                ".map((link) => link.textContent)")

    def click(self, what):
        self.browser.run(f"document.querySelector({what!r}).click()")

    def test_a_folder_is_a_page(self):
        for name, size in (("small", 1), ("large", 5000), ("<i>middle", 300)):
            self.server.write(f"tree/{name}", b"x" * size)
        self.server.write("tree/sub folder/in it.txt", b"what is in it")
        self.open(self.seen.base + "/tree")  # without the slash
        self.assertEqual(self.browser.run("return location.pathname"), "/tree/")
        self.assertEqual(self.names(), ["sub folder/", "<i>middle", "large", "small"])
        self.click("th:nth-child(2) button")  # by size
        self.assertEqual(self.names(), ["sub folder/", "small", "<i>middle", "large"])
        self.click("th:nth-child(2) button")
        self.assertEqual(self.names(), ["sub folder/", "large", "<i>middle", "small"])
        for scheme in ("light", "dark"):
            self.browser.devtools("Emulation.setEmulatedMedia", {
                "features": [{"name": "prefers-color-scheme", "value": scheme}]})
            self.assertEqual(len(set(self.browser.run(
                "return [getComputedStyle(document.body).color,"
                "getComputedStyle(document.body).backgroundColor]"))), 2)
        for width in (360, 1200):
            self.browser.devtools("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600})
            wait_until(lambda width=width: self.browser.run(
                "return document.documentElement.scrollWidth") <= width, "a page that fits")
        # Down and up again, by what a reader clicks on.
        self.click("tbody a")
        wait_until(lambda: self.names() == ["in it.txt"], "the folder below")
        self.click("tbody a")
        wait_until(lambda: self.browser.run("return document.body.innerText") == "what is in it",
                   "the object")
        self.browser.open(self.seen.base + "/tree/" + "sub%20folder/")
        self.click("h1 a:nth-last-child(2)")
        wait_until(lambda: "large" in self.names(), "the folder above")
        # All that it needs is in it: a favicon is what browsers ask for by themselves.
        self.assertLessEqual({one.target for one in self.seen.requests()}, {
            "/tree", "/tree/", "/tree/" + "sub%20folder/", "/tree/" + "sub%20folder/in%20it.txt",
            "/favicon.ico"})
        complaints = [one for one in self.browser.complaints() if "favicon" not in one["message"]]
        self.assertEqual(complaints, [])

    def test_by_another_name(self):
        """A page of a stranger's, whose name means this machine, gets nothing."""
        self.open(self.seen.base.replace("127.0.0.1", "stranger.example") + "/page.html",
                  "--host-resolver-rules=MAP stranger.example 127.0.0.1")
        self.assertEqual(self.seen.statuses()[0], 421)
        self.assertIn("--http_hosts", self.browser.run("return document.body.innerText"))

    def test_a_page_from_elsewhere_reads_and_changes_nothing(self):
        """It may ask by the address; the browser keeps the answer from it, and does not store."""
        other = self.serve("--writable")
        other.write("object", b"as it was")
        self.open(self.seen.base + "/page.html")
        for options in ("{}", "{method: 'PUT', body: 'changed'}", "{method: 'DELETE'}"):
            self.browser.run(f"window.what = null; fetch('{other.base}/object', {options}).then("
                             "() => window.what = 'done', () => window.what = 'refused')")
            self.assertEqual(wait_until(lambda: self.browser.run("return window.what"), "an end"),
                             "refused", options)
        self.assertEqual((other.root / "object").read_bytes(), b"as it was")

    def test_reads_again_only_what_has_changed(self):
        self.open(self.seen.base + "/page.html")
        self.seen.forget()
        self.browser.run("window.asked = fetch('page.html', {cache: 'no-cache'})"
                         ".then((answer) => answer.text()).then((text) => window.text = text)")
        wait_until(lambda: self.browser.run("return window.text"), "the page")
        self.assertEqual(self.browser.run("return window.text"),
                         PAGE.format(source="sound.wav"))
        self.assertEqual(self.seen.statuses()[0], 304)


if __name__ == "__main__":
    main()
