"""Headless Chromium, driven by WebDriver (https://www.w3.org/TR/webdriver2/), spoken here by plain
HTTP, through Debian's chromium-driver (tools/setup --browser).
"""

import json
import pathlib
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, "tests/client/python")
from server_process import PATIENCE_S, free_port, wait_until


def installed():
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
        return True
    except OSError:
        return False


class Browser:
    """A browser of its own, with its settings below `folder`."""

    def __init__(self, folder, *arguments):
        self.session = None
        port = free_port()
        with open(pathlib.Path(folder) / "browser.log", "ab") as log:
            self.driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=log,
                                           stderr=log, env={"HOME": str(folder),
                                                            "PATH": "/usr/bin:/bin"})
        try:
            driver = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(driver + "/status"), "the driver")
            options = {
                "binary": shutil.which("chromium"),
                "args": ["--headless=new", "--no-sandbox", "--disable-gpu",
                         "--disable-dev-shm-usage", f"--user-data-dir={folder}/profile",
                         "--window-size=1200,900", *arguments],
            }
            session = self.call(f"{driver}/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"}}}})
            self.session = f"{driver}/session/{session['sessionId']}"
        except BaseException:
            self.close()
            raise

    @staticmethod
    def call(url, body):
        """What the driver answers to a command; its errors are ours."""
        request = urllib.request.Request(url, data=json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{url}: {error.read().decode()[:600]}") from None

    def open(self, url):
        self.call(f"{self.session}/url", {"url": url})

    def run(self, script):
        """What a script returns."""
        return self.call(f"{self.session}/execute/sync", {"script": script, "args": []})

    def devtools(self, command, parameters):
        self.call(f"{self.session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def complaints(self):
        """What the browser has found wrong since it was asked last."""
        return [entry for entry in self.call(f"{self.session}/se/log", {"type": "browser"})
                if entry["level"] in ("SEVERE", "WARNING")]

    def close(self):
        try:
            if self.session is not None:
                request = urllib.request.Request(self.session, method="DELETE")
                urllib.request.urlopen(request, timeout=PATIENCE_S).close()
        finally:
            self.driver.terminate()
            self.driver.wait(PATIENCE_S)
