#!/usr/bin/env python3
"""What the dashboard and the alerts ask for is what /metrics gives, and Prometheus takes the
alerts.

Usage: grafana_test SERVER DASHBOARD ALERTS ALERTS_FIRE OPERATIONS_MD
"""

import http.client
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SERVER, DASHBOARD, ALERTS, FIRE, OPERATIONS = (pathlib.Path(path).resolve()
                                               for path in sys.argv[1:6])
PATIENCE_S = 60
METRIC = re.compile(r"\b((?:objmapper|process)_[a-z0-9_]+)(\{[^}]*\})?")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(self.path)


def metrics_of(folder):
    """/metrics of a server that has everything: names, each with its labels' names."""
    (folder / "root").mkdir()
    (folder / "rules").write_text("any / read\n")
    server = subprocess.Popen(
        [SERVER, f"--root={folder}/root", f"--listen_unix={folder}/s", "--listen_udp=127.0.0.1:0",
         f"--admin_listen={folder}/admin", "--origin=http://127.0.0.1:1/none slow=0",
         "--writable", "--memory_limit=1M", f"--rules_file={folder}/rules", "--logtostderr=false",
         "--stderrthreshold=2"])
    try:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                connection = UnixConnection(f"{folder}/admin")
                connection.request("GET", "/metrics")
                answer = connection.getresponse()
                text = answer.read().decode()
                # The disk is asked by a thread of its own, a moment later.
                if answer.status == 200 and "objmapper_root_size_bytes" in text:
                    break
            except OSError:
                pass
            if time.monotonic() > end or server.poll() is not None:
                raise AssertionError("the server does not show its metrics")
            time.sleep(0.05)
    finally:
        server.terminate()
        server.wait(PATIENCE_S)
    found = {}
    for line in text.splitlines():
        if not line.startswith("#") and line:
            name, labels = re.match(r"([a-z0-9_]+)(\{.*\})?", line).groups()
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ""))
    return found


class GrafanaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="om.", dir="/tmp")  # short, for the sockets
        cls.addClassCleanup(folder.cleanup)
        cls.metrics = metrics_of(pathlib.Path(folder.name))
        cls.dashboard = json.loads(DASHBOARD.read_text())

    def exist(self, text):
        asked = METRIC.findall(text)
        for name, labels in asked:
            self.assertIn(name, self.metrics, text)
            for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels):
                self.assertIn(label, self.metrics[name] | {"instance", "job"}, text)
        return len(asked)

    def test_the_dashboards_figures_exist(self):
        count = 0
        for panel in self.dashboard["panels"]:
            for target in panel.get("targets", []):
                count += self.exist(target["expr"])
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    self.assertTrue(f"({label}" in target["expr"] or f", {label}" in target["expr"]
                                    or label == "instance", target)
        for variable in self.dashboard["templating"]["list"]:
            if variable["type"] == "query":
                count += self.exist(variable["definition"])
        self.assertGreater(count, 40)

    def test_the_dashboards_panels_fit(self):
        ids = [panel["id"] for panel in self.dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        taken = set()
        for panel in self.dashboard["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            taken |= cells

    def test_the_alerts_figures_exist(self):
        expressions = re.findall(r"expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)", ALERTS.read_text())
        self.assertGreater(len(expressions), 8)
        for block, line in expressions:
            self.exist(block or line)

    def test_the_documents_figures_exist(self):
        section = OPERATIONS.read_text().split("## What to look at")[1]
        names = re.findall(r"\b(objmapper_[a-z0-9_]+|process_[a-z0-9_]+)", section)
        self.assertGreater(len(names), 8)
        for name in names:
            self.assertTrue(name in self.metrics or name + "_count" in self.metrics, name)

    @unittest.skipUnless(shutil.which("promtool"),
                         "there is no promtool here (Debian's package prometheus has it)")
    def test_prometheus_takes_the_alerts(self):
        done = subprocess.run(["promtool", "check", "rules", str(ALERTS)], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with tempfile.TemporaryDirectory() as folder:
            test = pathlib.Path(folder) / "test.yml"
            test.write_text(f"rule_files: [{ALERTS}]\n" + FIRE.read_text())
            done = subprocess.run(["promtool", "test", "rules", str(test)], capture_output=True,
                                  text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
