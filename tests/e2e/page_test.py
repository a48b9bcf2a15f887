#!/usr/bin/env python3
"""The status page in a browser: it draws, its figures move under load, it fits a phone, it can be
read in the dark.

Usage: page_test SERVER

Skipped where chromium or its driver is missing (tools/setup --browser installs them).
"""

import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
from browser import PATIENCE_S, Browser, answers, free_port, installed, wait_until

SERVER = pathlib.Path(sys.argv[1]).resolve()
CHARTS = ["c-rate", "c-p99", "c-busy", "c-queue", "c-conns", "c-hits"]


class Load(threading.Thread):
    """Somebody who asks for an object, again and again, by COPY and by FDPASS in turn."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.asked = 0
        self.over = threading.Event()

    def run(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_S)
            client.connect(self.path)
            while not self.over.is_set():
                for mode in b"2", b"1":
                    client.sendall(mode + (6).to_bytes(2, "big") + b"object")
                    head = client.recv(11, socket.MSG_WAITALL)
                    rest = 1 if mode == b"1" else int.from_bytes(head[1:9], "big")
                    assert head[0] == 0 and len(client.recv(rest, socket.MSG_WAITALL)) == rest
                    self.asked += 1
                time.sleep(0.001)


@unittest.skipUnless(installed(),
                     "there is no chromium with its chromedriver here (tools/setup --browser)")
class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # short, for the socket
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="om.", dir="/tmp"))
        (cls.folder / "root").mkdir()
        (cls.folder / "root/object").write_bytes(b"o" * 5000)
        cls.admin = free_port()
        cls.path = str(cls.folder / "socket")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        with open(cls.folder / "log", "ab") as log:
            server = subprocess.Popen(
                [str(SERVER), f"--root={cls.folder}/root", f"--listen_unix={cls.path}",
                 f"--admin_listen=127.0.0.1:{cls.admin}"], stdout=log, stderr=log,
                env={"HOME": str(cls.folder), "PATH": "/usr/bin:/bin"})
        cls.addClassCleanup(server.wait, PATIENCE_S)
        cls.addClassCleanup(server.terminate)
        wait_until(lambda: answers(f"http://127.0.0.1:{cls.admin}/readyz"), "the server")
        cls.chromium = Browser(cls.folder)
        cls.addClassCleanup(cls.chromium.close)
        cls.chromium.open(f"http://127.0.0.1:{cls.admin}/")

    def run_script(self, script):
        return self.chromium.run(script)

    def text(self, element):
        return self.run_script(f"return document.getElementById('{element}').textContent")

    def number(self, element):
        try:
            return float(self.text(element).replace(",", ""))
        except ValueError:
            return None  # not yet drawn

    def set_size(self, width, height):
        # A headless window may not become as narrow as a phone; what the page sees may.
        self.browser("Emulation.setDeviceMetricsOverride",
                     {"width": width, "height": height, "deviceScaleFactor": 1,
                      "mobile": width < 600})

    def browser(self, command, parameters):
        self.chromium.devtools(command, parameters)

    def test_figures_move_with_the_load(self):
        wait_until(lambda: self.number("rate") is not None, "a first figure")
        self.assertEqual(self.text("state"), "serving")
        load = Load(self.path)
        load.start()
        try:
            busy = wait_until(lambda: self.number("rate"), "requests a second, above none")
            wait_until(lambda: self.number("rate") not in (busy, None),
                       "another figure a moment later")
            wait_until(lambda: self.number("open") == 1, "the connection")
            # As much as was asked, by eye: more than nothing and no more than there was.
            self.assertGreater(load.asked, 0)
            self.assertLess(busy, 1e6)
            rows = self.run_script(
                "return [...document.querySelectorAll('#modes tr')].map((row) => row.innerText)")
            self.assertTrue(any(row.startswith("fdpass") for row in rows), rows)
            for chart in CHARTS:
                points = self.run_script(
                    f"const chart = Chart.getChart('{chart}');"
                    "return chart ? chart.data.datasets.reduce((all, set) => all + "
                    "set.data.length, 0) : -1")
                self.assertGreater(points, 0, chart)
                inked = self.run_script(
                    f"const canvas = document.getElementById('{chart}');"
                    "const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, "
                    "canvas.height).data;"
                    "return pixels.some((value) => value !== 0)")
                self.assertTrue(inked, f"{chart} is blank")
        finally:
            load.over.set()
            load.join(PATIENCE_S)
        self.assertFalse(load.is_alive())
        wait_until(lambda: self.number("rate") == 0, "rest, when nobody asks")

    def test_it_says_what_it_is_and_holds(self):
        wait_until(lambda: self.number("rate") is not None, "a first figure")
        who = self.text("who")
        for word in ("version ", f"on {socket.gethostname()}", "up ", f"{self.folder}/root",
                     "read only"):
            self.assertIn(word, who)
        wait_until(lambda: self.number("objects") == 1, "the one object")
        self.assertIn("5 KB", self.text("objects-more"))
        self.assertIn("--memory_limit", self.text("tier-more"))
        wait_until(lambda: self.text("disk") != "–", "what is left on the disk")
        self.assertEqual(self.text("rules"), "none")
        self.assertEqual(self.text("origins"), "none")

    def test_a_miss_is_no_error_and_a_descriptor_moves_nothing(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_S)
            client.connect(self.path)

            def ask(mode, name):
                client.sendall(mode + len(name).to_bytes(2, "big") + name)
                head = client.recv(11, socket.MSG_WAITALL)
                carrier = 1 if mode == b"1" and head[0] == 0 else 0  # of the descriptor
                client.recv(int.from_bytes(head[9:11], "big") + carrier, socket.MSG_WAITALL)

            def asked():
                for _ in range(20):
                    ask(b"1", b"object")
                    ask(b"1", b"nothing")
                return "for what is not there" in self.text(
                    "misses") and ", 0 for" not in self.text("misses")

            wait_until(asked, "misses")
            self.assertEqual(self.number("errors"), 0)
            self.assertEqual(self.text("bytes"), "0 B")
            self.assertFalse(self.text("passed").endswith("; beside it, 0 B behind descriptors"))

    def test_charts_can_be_read(self):
        wait_until(lambda: self.number("rate") is not None
                   and self.run_script("return Chart.getChart('c-p99') !== undefined"), "charts")
        self.assertEqual(self.run_script("return Chart.getChart('c-p99').options.scales.y.type"),
                         "logarithmic")
        self.addCleanup(self.browser, "Emulation.clearDeviceMetricsOverride", {})
        for width in (390, 1280):
            self.set_size(width, 900)
            time.sleep(0.5)
            for chart in CHARTS:
                colours = self.run_script(
                    f"return Chart.getChart('{chart}').data.datasets.map((set) => set.borderColor)")
                self.assertEqual(len(colours), len(set(colours)),
                                 f"{chart}: two lines of one colour")
                # Left and right edge of each label, as drawn: none touches the next.
                edges = self.run_script(
                    f"const scale = Chart.getChart('{chart}').scales.x; const context = "
                    f"Chart.getChart('{chart}').ctx;"
                    "return scale.ticks.filter((tick) => tick.label).map((tick) => {"
                    "const right = scale.getPixelForValue(tick.value); return [right - "
                    "context.measureText(tick.label).width, right]; })")
                self.assertGreaterEqual(len(edges), 3, chart)
                for (_, right), (left, _) in zip(edges, edges[1:]):
                    self.assertGreater(left - right, 4, f"{chart} at {width}: {edges}")

    def test_it_fits_a_phone(self):
        self.addCleanup(self.browser, "Emulation.clearDeviceMetricsOverride", {})
        for width in (360, 390, 768, 1200):
            self.set_size(width, 800)
            # Charts take their new size a moment after the window has.
            try:
                wait_until(
                    lambda: self.run_script("return document.documentElement.scrollWidth") <= width,
                    "a page that fits")
            except AssertionError:
                wide = self.run_script(
                    f"return [...document.querySelectorAll('body *')].filter((e) => "
                    f"e.getBoundingClientRect().right > {width} && "
                    "!e.closest('.scroll')).map((e) => e.tagName + '#' + e.id + ' ' + "
                    "e.textContent.slice(0, 40))")
                self.fail(f"at {width} the page has to be moved sideways, for {wide}")
            small = self.run_script(
                "return [...document.querySelectorAll('main *')].filter((e) => "
                "e.textContent.trim() && "
                "parseFloat(getComputedStyle(e).fontSize) < 11).map((e) => e.tagName)")
            self.assertEqual(small, [], "too small to read")

    def test_it_can_be_read_by_day_and_in_the_dark(self):
        def light(colour):  # WCAG 2.1, relative luminance
            parts = [float(part) / 255 for part in colour[colour.index("(") + 1:-1].split(",")[:3]]
            parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
                     for part in parts]
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

        self.addCleanup(self.browser, "Emulation.setEmulatedMedia", {"features": []})
        backs = {}
        for scheme in ("light", "dark"):
            self.browser("Emulation.setEmulatedMedia",
                         {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
            pairs = self.run_script(
                "const back = (e) => { for (; e; e = e.parentElement) { const c = "
                "getComputedStyle(e).backgroundColor;"
                " if (!c.startsWith('rgba(0, 0, 0, 0')) return c; } return 'rgb(255, 255, 255)'; };"
                "return [...document.querySelectorAll('h1, p, b, span, figcaption, td, th, "
                "a')].filter((e) => e.textContent.trim())"
                ".map((e) => [e.tagName + ' ' + e.textContent.slice(0, 30), "
                "getComputedStyle(e).color, back(e)])")
            self.assertGreater(len(pairs), 10)
            for what, front, back in pairs:
                lighter, darker = sorted((light(front), light(back)), reverse=True)
                self.assertGreaterEqual((lighter + 0.05) / (darker + 0.05), 4.5,
                                        f"{scheme}: {what}: {front} on {back}")
            backs[scheme] = light(pairs[0][2])
        self.assertGreater(backs["light"], 0.7)
        self.assertLess(backs["dark"], 0.1)

    def test_zz_nothing_was_complained_of(self):
        """Last, of all that the others did."""
        time.sleep(2.5)  # two more rounds of the page
        self.assertEqual(self.chromium.complaints(), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
