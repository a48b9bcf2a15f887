#!/usr/bin/env python3
"""What objmapper answers to the requests of docs/http-cases.md, and what nginx, HAProxy in front of
objmapper, and h2o answer to them.

Usage: http_differential_test SERVER HTTP_CASES_MD [--write]

The page holds the one table: this test fails where anybody's answer is another than it says, and
where ours is not another's and the table gives no reason. A peer is skipped where it is not
installed (tools/setup --http installs all), or in another version than the page tells.

--write puts what was answered into the page, instead of comparing.
"""

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SERVER, PAGE = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
WRITE = sys.argv[3:] == ["--write"]
PATIENCE_S = 60  # for what will come: long, since only a broken server needs it
QUIET_S = 2      # --write: who has said nothing for so long waits for more

# What stands for itself in no other way; "\n" is a line's end, CR LF.
ESCAPES = {"n": b"\r\n", "r": b"\r", "t": b"\t", "\\": b"\\"}
SMUGGLED = rb"GET /smuggled HTTP/1.1\nHost: localhost\n\n".decode()
MACROS = {
    "{GET}": r"GET /a HTTP/1.1\nHost: localhost\n",
    "{C}": r"GET /a HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n",
    "{B}": r"\n2b\n" + SMUGGLED + r"\n0\n\n",
    "{S}": SMUGGLED,
}
BEHIND = b"GET /behind HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
OBJECTS = {"a": b"what a holds", "behind": b"what is behind", "smuggled": b"what was smuggled",
           "path/b": b"what b holds"}


def decode(text):
    """The bytes that a case's notation stands for."""
    for macro, meaning in MACROS.items():
        text = text.replace(macro, meaning)
    text = re.sub(r"\{([^}]+)\*(\d+)\}", lambda part: part[1] * int(part[2]), text)
    return re.sub(rb"\\(x[0-9a-f]{2}|.)",
                  lambda part: bytes.fromhex(part[1][1:].decode()) if part[1][:1] == b"x"
                  else ESCAPES[part[1].decode()], text.encode())


class Case:
    def __init__(self, line):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        self.name, request, *self.told, self.reason = cells
        self.text = request.strip("`")
        self.bytes = decode(self.text)

    def row(self, told):
        return "| " + " | ".join([self.name, f"`{self.text}`", *told, self.reason]).rstrip() + " |"


def cases_of(page):
    """{index of its line: Case}"""
    lines = page.splitlines()
    return {i: Case(line) for i, line in enumerate(lines)
            if line.startswith("|") and line.count("`") == 2}


def take_reply(data, to_head):
    """The first reply's status and body, and what is behind it."""
    head, end, rest = data.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.[01] (\d{3})[ \r]", head)
    if not status or not end:
        return "no HTTP", data, b""
    status = status[1].decode()
    fields = dict((line.split(b":", 1) + [b""])[:2] for line in head.lower().split(b"\r\n")[1:])
    if to_head or status in ("204", "304") or status[0] == "1":
        return status, b"", rest
    if fields.get(b"transfer-encoding", b"").strip() == b"chunked":
        body = b""
        while True:
            size, _, rest = rest.partition(b"\r\n")
            size = int(size.split(b";")[0] or b"0", 16)
            body += rest[:size]
            rest = rest[size + 2:]
            if size == 0:
                return status, body, rest
    length = int(fields.get(b"content-length", len(rest)))
    return status, rest[:length], rest[length:]


def verdict(answered, waited, to_head):
    """"200": it was answered so, and then what is behind it. "400 close": and nothing behind it.
    "400 waits": and that only once no more could come.
    """
    words = []
    while answered:
        status, body, answered = take_reply(answered, to_head and not words)
        if status[0] == "1":
            continue
        for name in ("behind", "smuggled"):
            if OBJECTS[name] in body:
                status = name
        words.append(status)
    goes_on = len(words) > 1 and words[-1] == "behind"
    if goes_on:
        words.pop()
    end = "waits" if waited else "" if goes_on else "close"
    return f"{', '.join(words)} {end}".strip()


def ask(port, request, waits):
    """All that the server says to `request` and BEHIND, and whether it waited for more. waits: it
    will; None: nobody knows.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
        def half_close():
            with contextlib.suppress(OSError):  # it has gone, and what it said is still to be read
                client.shutdown(socket.SHUT_WR)

        with contextlib.suppress(ConnectionError):
            client.sendall(request + BEHIND)
        if waits:
            half_close()
        answered = b""
        while True:
            patience = QUIET_S if waits is None else PATIENCE_S
            if not select.select([client], [], [], patience)[0]:
                if waits is not None:
                    return answered, True  # told by nobody: a failure, but of this case alone
                half_close()
                waits = True
                continue
            try:
                data = client.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                return answered, bool(waits)
            answered += data


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


NGINX = """{root_user}pid {folder}/nginx.pid;
error_log stderr emerg;
daemon off;
master_process off;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/nginx.body;
  proxy_temp_path {folder}/nginx.proxy;
  fastcgi_temp_path {folder}/nginx.fastcgi;
  uwsgi_temp_path {folder}/nginx.uwsgi;
  scgi_temp_path {folder}/nginx.scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
HAPROXY = """defaults
  mode http
  option http-buffer-request
  timeout connect 60s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  server objmapper 127.0.0.1:{behind}
"""
H2O = """{root_user}hosts:
  default:
    listen: {{ host: 127.0.0.1, port: {port} }}
    paths:
      /: {{ file.dir: {root} }}
num-threads: 1
"""


class Peers(unittest.TestCase):
    """Servers of one folder, each on a port of its own."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        for name, content in OBJECTS.items():
            path = cls.folder / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        cls.ours = cls.launch([SERVER, f"--root={cls.folder}/root",
                               f"--listen_unix={cls.folder}/socket",
                               "--listen_tcp=127.0.0.1:{port}"])
        cls.page = PAGE.read_text(encoding="utf-8")
        cls.cases = cases_of(cls.page)
        cls.saw = {}

    @classmethod
    def launch(cls, command, configuration=None, user="", **values):
        """Starts it, with what stands in a file of its own behind its arguments; its port. user:
        of its configuration, that it stays root where root starts it, and can read the folder.
        """
        port = free_port()
        command = [str(word).replace("{port}", str(port)) for word in command]
        if configuration:
            path = cls.folder / f"{os.path.basename(command[0])}.conf"
            path.write_text(configuration.format(
                port=port, folder=cls.folder, root=cls.folder / "root",
                root_user=user if os.geteuid() == 0 else "", **values))
            command.append(str(path))
        log = open(cls.folder / f"{os.path.basename(command[0])}.log", "w+b")
        process = subprocess.Popen(command, stdout=log, stderr=log)

        def stop():
            died = process.poll() is not None
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.seek(0)
            with log:
                if died or (command[0] == str(SERVER) and process.returncode != 0):
                    raise AssertionError(f"{command} ended with {process.returncode}: {log.read()}")
        cls.addClassCleanup(stop)
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
                return port
            except ConnectionRefusedError:
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise AssertionError(f"{command} does not listen: {log.read()}") from None
                time.sleep(0.05)

    def peer(self, name, package, version):
        """The program, or the end of the test: it is not here, or not the one that was asked."""
        program = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
        if program is None:
            self.skipTest(f"there is no {name} here (tools/setup --http installs {package})")
        said = subprocess.run([program, version], capture_output=True, check=True)
        found = re.search(r"\d+\.\d+\.\d+", (said.stdout + said.stderr).decode())[0]
        if not WRITE and f"{name} {found}" not in self.page:
            self.skipTest(f"this is {name} {found}, of which the page tells nothing")
        return program

    def compare(self, column, port):
        for line, case in self.cases.items():
            told = case.told[column].split(" or ")  # who forwards as it reads may be overtaken
            waits = None if WRITE else told[0].endswith("waits")
            got = verdict(*ask(port, case.bytes, waits), case.bytes.startswith(b"HEAD "))
            if WRITE and got not in told:
                self.saw[line, column] = got
            elif not WRITE:
                with self.subTest(case.name):
                    self.assertIn(got, told, case.text)

    def test_objmapper(self):
        self.compare(0, self.ours)

    def test_nginx(self):
        nginx = self.peer("nginx", "nginx-light", "-v")
        self.compare(1, self.launch([nginx, "-e", "stderr", "-p", self.folder, "-c"], NGINX,
                                    user="user root;\n"))

    def test_haproxy(self):
        haproxy = self.peer("haproxy", "haproxy", "-v")
        self.compare(2, self.launch([haproxy, "-db", "-f"], HAPROXY, behind=self.ours))

    def test_h2o(self):
        self.compare(3, self.launch([self.peer("h2o", "h2o", "--version"), "-c"], H2O,
                                    user="user: root\n"))

    def test_reasons(self):
        """Who answers otherwise than others says why."""
        self.assertGreater(len(self.cases), 200)  # or the page's notation has changed
        for case in self.cases.values():
            with self.subTest(case.name):
                self.assertEqual(len(case.told), 4, case.text)
                self.assertEqual(bool(case.reason), len(set(case.told)) > 1, case.told)

    @classmethod
    def tearDownClass(cls):
        if not WRITE:
            return
        lines = cls.page.splitlines()
        for line, case in cls.cases.items():
            lines[line] = case.row([cls.saw.get((line, column), told)
                                    for column, told in enumerate(case.told)])
        PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
