#!/usr/bin/env python3
"""Every worked example in docs/protocol.md is what the real server says, byte for byte.

Usage: protocol_examples_test.py SERVER PROTOCOL_MD

An example is a fenced block that opens with "```wire unix" or "```wire tcp"; the page's section
"Worked examples" tells the notation. Each runs on a connection of its own.
"""

import array
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

WAIT_SECONDS = 20  # for one byte of an answer: long, since only a broken server needs it
CONTENT = b"hello\n"
MTIME = 1704164645
KNOWN_TOKEN = "q2tC9mGJ4wXbY0dP"

TOKEN = re.compile(
    r'\s*(?:#.*|"((?:[^"\\]|\\")*)"|(\d+)\*\.\.|(\.\.)|(fd)|(eof)|([0-9a-f]{2})(?=\s|$))')


class Any:
    """Stands for any byte."""


class Fd:
    """Stands before a byte that a descriptor must ride on, or rides on."""


class Eof:
    """Stands for the end of the stream."""


def parse_tokens(text):
    """Returns the line's list of bytes (as int), Any, Fd and Eof."""
    tokens = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if not match:
            raise ValueError(f"not in the examples' notation: {text[position:]!r}")
        position = match.end()
        quoted, many, any_byte, fd, eof, hexadecimal = match.groups()
        if quoted is not None:
            tokens.extend(quoted.replace('\\"', '"').encode())
        elif many:
            tokens.extend([Any] * int(many))
        elif any_byte:
            tokens.append(Any)
        elif fd:
            tokens.append(Fd)
        elif eof:
            tokens.append(Eof)
        elif hexadecimal:
            tokens.append(int(hexadecimal, 16))
    return tokens


def read_examples(path):
    """Returns [(title, transport, [(speaker, tokens)])] of the page."""
    examples = []
    title = ""
    turns = None
    with open(path, encoding="utf-8") as page:
        for number, line in enumerate(page, 1):
            if turns is None:
                if line.startswith("#"):
                    title = line.strip("# \n")
                elif line.startswith("```wire "):
                    turns = []
                    examples.append((f"{title}, line {number}", line.split()[1], turns))
                continue
            if line.startswith("```"):
                turns = None
                continue
            speaker, rest = line[:8].strip(), line[8:]
            if speaker:
                turns.append((speaker, []))
            turns[-1][1].extend(parse_tokens(rest))
    return examples


def read_byte(connection):
    """Returns (one byte or b"", the descriptors that came with it)."""
    data, control, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(8 * 4))
    fds = array.array("i")
    for level, kind, payload in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    return data, list(fds)


class ProtocolExamplesTest(unittest.TestCase):
    server_path = ""
    page_path = ""

    @classmethod
    def setUpClass(cls):
        # Not $TEST_TMPDIR: its path is longer than a socket's may be (unix(7): 107 bytes).
        cls.folder = tempfile.TemporaryDirectory(prefix="objmapper-")
        root = os.path.join(cls.folder.name, "root")
        os.mkdir(root)
        with open(os.path.join(root, "hello.txt"), "wb") as file:
            file.write(CONTENT)
        os.utime(os.path.join(root, "hello.txt"), (MTIME, MTIME))
        cls.socket_path = os.path.join(cls.folder.name, "s")
        files = {}
        for name, text in (("rules", "any / read,write\n"), ("tokens", f"reader {KNOWN_TOKEN}\n")):
            files[name] = os.path.join(cls.folder.name, name)
            with open(os.open(files[name], os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(text)
        cls.server = subprocess.Popen(
            [cls.server_path, f"--root={root}", f"--listen_unix={cls.socket_path}",
             "--listen_tcp=127.0.0.1:0", "--writable", f"--rules_file={files['rules']}",
             f"--tokens_file={files['tokens']}"],
            stderr=subprocess.PIPE, text=True)
        signal.alarm(WAIT_SECONDS * 5)  # a server that never gets ready must not hang the test
        cls.tcp_port = 0
        for line in cls.server.stderr:
            match = re.search(r"tcp://127\.0\.0\.1:(\d+)", line)
            if match:
                cls.tcp_port = int(match.group(1))
            if "ready" in line:
                break
        else:
            raise AssertionError(f"the server ended with {cls.server.wait()} before it was ready")

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        exit_code = cls.server.wait(WAIT_SECONDS)
        log = cls.server.stderr.read()
        cls.server.stderr.close()
        cls.folder.cleanup()
        if exit_code != 0:  # a sanitizer's finding, for one
            raise AssertionError(f"the server ended with {exit_code}:\n{log}")

    def connect(self, transport):
        if transport == "unix":
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(WAIT_SECONDS)
            connection.connect(self.socket_path)
            return connection
        self.assertEqual(transport, "tcp")
        return socket.create_connection(("127.0.0.1", self.tcp_port), WAIT_SECONDS)

    def expect(self, connection, tokens):
        """Reads what `tokens` say, and nothing else."""
        got = b""
        fd_expected = False
        for token in tokens:
            if token is Fd:
                fd_expected = True
                continue
            data, fds = read_byte(connection)
            contents = []
            for fd in fds:
                contents.append(os.pread(fd, 2 * len(CONTENT), 0))
                os.close(fd)
            self.assertEqual(contents, [CONTENT] if fd_expected else [],
                             f"descriptors after {got!r}")
            fd_expected = False
            if token is Eof:
                self.assertEqual(data, b"", f"after {got!r}")
                return
            self.assertNotEqual(data, b"", f"the stream ended after {got!r}")
            if token is not Any:
                self.assertEqual(data[0], token, f"byte {len(got)} is {data!r}, after {got!r}")
            got += data

    def say(self, connection, tokens):
        """Sends what `tokens` say, the object's descriptor on the byte that Fd marks, which is the
        first.
        """
        fds = []
        if tokens[0] is Fd:
            tokens = tokens[1:]
            fds.append(os.open(os.path.join(self.folder.name, "root", "hello.txt"),
                               os.O_RDONLY | os.O_CLOEXEC))
        socket.send_fds(connection, [bytes(tokens)], fds)
        for fd in fds:
            os.close(fd)

    def test_examples(self):
        examples = read_examples(self.page_path)
        self.assertGreaterEqual(len(examples), 10)  # or the page's notation has changed
        for title, transport, turns in examples:
            with self.subTest(title), self.connect(transport) as connection:
                for speaker, tokens in turns:
                    if speaker == "client":
                        self.say(connection, tokens)
                    else:
                        self.assertEqual(speaker, "server")
                        self.expect(connection, tokens)
                if turns[-1][1][-1] is not Eof:
                    # Nothing but the end may follow an example.
                    connection.shutdown(socket.SHUT_WR)
                    self.expect(connection, [Eof])


if __name__ == "__main__":
    ProtocolExamplesTest.server_path, ProtocolExamplesTest.page_path = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1], verbosity=2)
