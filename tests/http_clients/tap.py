"""Hands the bytes of connections on between a client and a server, and keeps them, so that a test
sees what the client really asked for.
"""

import re
import socket
import threading

REQUEST = re.compile(rb"(GET|HEAD|PUT|DELETE|OPTIONS|POST) (\S+) (HTTP/1\.[01])\r\n"
                     rb"((?:[^\r\n]+\r\n)*)\r\n")
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


def connect(target):
    """A connection to a port of loopback, or to a socket's path."""
    if isinstance(target, int):
        return socket.create_connection(("127.0.0.1", target))
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(target))
    return client


class Request:
    """One request's head."""

    def __init__(self, match):
        self.method, self.target, self.version = (part.decode() for part in match.group(1, 2, 3))
        lines = match.group(4).decode("latin-1").split("\r\n")
        self.fields = {name.strip().lower(): value.strip()
                       for name, _, value in (line.partition(":") for line in lines if line)}

    def __repr__(self):
        return f"{self.method} {self.target} {self.fields}"


class Tap:
    """Listens on a port of loopback, `port`, or on `path`; every connection is one to `target`."""

    def __init__(self, target, path=None):
        self.target = target
        if path is None:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
            self.base = f"http://127.0.0.1:{self.port}"
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen(64)
        self.kept = []
        self.sockets = []
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # closed
            try:
                server = connect(self.target)
            except OSError:
                client.close()
                continue
            said = (bytearray(), bytearray())
            self.kept.append(said)
            self.sockets += [client, server]
            for source, sink, kept in ((client, server, said[0]), (server, client, said[1])):
                thread = threading.Thread(target=self.hand_on, args=(source, sink, kept),
                                          daemon=True)
                self.threads.append(thread)
                thread.start()

    @staticmethod
    def hand_on(source, sink, kept):
        try:
            while data := source.recv(1 << 16):
                kept += data
                sink.sendall(data)
        except OSError:
            pass  # one side has gone; the other is to know
        for end, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
            try:
                end.shutdown(how)
            except OSError:
                pass

    @property
    def connections(self):
        """[(what the client sent, what it got)] of those on which something was said."""
        return [said for said in list(self.kept) if said[0]]

    def requests(self, method=None):
        """The requests of all connections, each connection's in their order."""
        found = [Request(match) for sent, _ in self.connections
                 for match in REQUEST.finditer(bytes(sent))]
        return [one for one in found if method in (None, one.method)]

    def statuses(self):
        """The statuses of all connections, each connection's in their order."""
        return [int(status) for _, got in self.connections
                for status in STATUS.findall(bytes(got))]

    def forget(self):
        """Begins anew: what has been said is not told any more."""
        for said in self.kept:
            for half in said:
                half.clear()

    def close(self):
        """Ends all connections, and listens no longer. May be called again."""
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.threads[0].join(60)
        for end in self.sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(60)
        for end in self.sockets:
            end.close()
