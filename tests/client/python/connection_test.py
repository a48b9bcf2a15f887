#!/usr/bin/env python3
"""objmapper's Python client and its connection: forks, threads, servers that go, hang or talk nonsense.

Usage: connection_test SERVER
"""

import os
import socket
import sys
import tempfile
import threading
import time

sys.path[:0] = ["client/python", "tests/client/python"]

import objmapper
from server_process import PATIENCE_S, ServerTest, main


def in_child(action):
    """Runs `action` in a forked child; True when it returned without an exception."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
            os._exit(0)
        except BaseException as error:
            os.write(2, f"in the child: {error!r}\n".encode())
        os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


class FakeServer:
    """Accepts connections, one after the other, and says what it is told to whatever comes."""

    def __init__(self, *answers):
        self._folder = tempfile.TemporaryDirectory(prefix="om.", dir="/tmp")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._folder.name}/s")
        self._listener.listen()
        self.url = f"unix:{self._folder.name}/s"
        self._answers = answers
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # close() has shut it down
            with connection:
                self.connections += 1
                for answer in self._answers:
                    if not connection.recv(65536):
                        return
                    if answer is None:
                        connection.recv(65536)  # until the other side gives up
                        break
                    connection.sendall(answer)

    def close(self):
        # A thread in accept() does not notice close(); shutdown(2) wakes it.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join(PATIENCE_S)
        self._listener.close()
        self._folder.cleanup()


HELLO_ACK = b"OBJM\2\7\2\0\x08\1"


class ConnectionTest(ServerTest):
    flags = ("--max_connections=50",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i in range(20):
            cls.server.write(f"o/{i}", b"%d" % i * 1000)

    def fake(self, *answers):
        server = FakeServer(*answers)
        self.addCleanup(server.close)
        return server

    # A forked child has a connection of its own; the parent's is as it was.
    def test_fork(self):
        with objmapper.connect(self.server.url) as client:
            inode = os.fstat(client._connection._socket.fileno()).st_ino

            def child():
                for i in range(20):
                    assert client.get(f"o/{i}") == b"%d" % i * 1000
                assert os.fstat(client._connection._socket.fileno()).st_ino != inode

            self.assertTrue(in_child(child))
            self.assertTrue(in_child(client.close))  # nor does closing it there say goodbye for the parent
            self.assertEqual(client.get("o/1"), b"1" * 1000)
            self.assertEqual(os.fstat(client._connection._socket.fileno()).st_ino, inode)

    # A child that forks in the middle of a batch, or of another thread's call, is not held up by it.
    def test_fork_in_the_middle(self):
        with objmapper.connect(self.server.url) as client:
            items = client.get_many(f"o/{i % 20}" for i in range(1000))
            next(items)

            def child():
                assert client.get("o/3") == b"3" * 1000
                try:
                    list(items)
                except objmapper.ConnectionFailed as error:
                    assert "process" in str(error)
                else:
                    raise AssertionError("the parent's generator went on in the child")
                assert client.get("o/4") == b"4" * 1000

            self.assertTrue(in_child(child))
            self.assertEqual(len(list(items)), 999)
            entered, leave = threading.Event(), threading.Event()

            def hold(connection):
                entered.set()
                leave.wait(PATIENCE_S)

            other = threading.Thread(target=client._run, args=(hold,))
            other.start()
            entered.wait(PATIENCE_S)
            try:
                self.assertTrue(in_child(lambda: client.get("o/5")))
            finally:
                leave.set()
                other.join()

    # Calls of several threads do not get each other's answers.
    def test_threads(self):
        wrong = []
        with objmapper.connect(self.server.url) as client:
            def work(i):
                for _ in range(50):
                    if client.get(f"o/{i}") != b"%d" % i * 1000:
                        wrong.append(i)

            threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])

    # While a batch is open the client's other calls say so; afterwards, or when it is dropped, they work.
    def test_a_batch_has_the_client_to_itself(self):
        with objmapper.connect(self.server.url) as client:
            items = client.get_fds(f"o/{i}" for i in range(20))
            next(items).value.close()
            with self.assertRaises(objmapper.ClientBusy):
                client.get("o/1")
            with self.assertRaises(objmapper.ClientBusy):
                next(client.get_many(["o/1"]))
            del items
            self.assertEqual(client.get("o/1"), b"1" * 1000)
            for item in client.get_many(["o/1"]):
                self.assertEqual(item.value, b"1" * 1000)
            self.assertEqual(client.get("o/1"), b"1" * 1000)
            # The last item is the end, also for those who do not come back to hear it.
            uris = [f"o/{i % 20}" for i in range(2 * client.max_pipeline)]
            items = client.get_many(uris)
            self.assertEqual(len(list(zip(uris, items))), len(uris))
            self.assertEqual(client.get("o/1"), b"1" * 1000)
            self.assertEqual(list(items), [])

    # A call that an exception of the caller's interrupts leaves no answer behind for the next one.
    def test_interrupted_call(self):
        with objmapper.connect(self.server.url) as client:
            def interrupted(connection):
                connection.queue(b"2", b"o/2")
                connection.flush()
                raise KeyboardInterrupt

            with self.assertRaises(KeyboardInterrupt):
                client._run(interrupted)
            self.assertEqual(client.get("o/1"), b"1" * 1000)

    # A closed client says so; it may be closed again.
    def test_close(self):
        client = objmapper.connect(self.server.url)
        client.close()
        client.close()
        with self.assertRaises(ValueError):
            client.get("o/1")

    # What is no URL, and where nobody listens.
    def test_no_connection(self):
        for url in ("", "/run/s", "unix:", "tcp://", "tcp://host", "tcp://host:0", "tcp://:1", "http://x:1",
                    "unix:" + "p" * 200):
            with self.assertRaises(objmapper.InvalidRequest):
                objmapper.connect(url)
        with self.assertRaises(objmapper.ConnectionFailed):
            objmapper.connect("unix:/tmp/there-is-no-such-socket")
        with self.assertRaises(ValueError):
            objmapper.connect(self.server.url, timeout=0)

    # A server at its limit of connections is Unavailable, and says when to come back.
    def test_refused(self):
        clients = []
        try:
            with self.assertRaises(objmapper.Unavailable) as caught:
                while len(clients) < 60:
                    clients.append(objmapper.connect(self.server.url))
            self.assertGreater(caught.exception.retry_after, 0)
        finally:
            for client in clients:
                client.close()

    # A server that closed the idle connection costs the next call nothing.
    def test_idle_connection_closed(self):
        fake = self.fake(HELLO_ACK + b"\3\1")
        with objmapper.connect(fake.url) as client:
            end = time.monotonic() + PATIENCE_S
            while not client._connection.is_stale() and time.monotonic() < end:
                time.sleep(0.01)
            client.ping()
        self.assertEqual(fake.connections, 2)

    # A server that gives each connection only so many answers costs a batch, and single calls, nothing but connections.
    def test_answers_per_connection(self):
        short = type("Short", (ServerTest,), {"flags": ("--requests_per_conn=7",)})
        short.setUpClass()
        try:
            for i in range(20):
                short.server.write(f"o/{i}", b"%d" % i * 1000)
            uris = [f"o/{i % 21}" for i in range(200)]
            with objmapper.connect(short.server.url) as client:
                for uri in uris[:20]:
                    self.assertEqual(client.get(uri), b"%d" % int(uri[2:]) * 1000)
                for items in (client.get_many(uris), client.get_fds(uris)):
                    for uri, item in zip(uris, items):
                        if uri == "o/20":
                            self.assertIsInstance(item.error, objmapper.NotFound)
                        elif isinstance(item.value, bytes):
                            self.assertEqual(item.value, b"%d" % int(uri[2:]) * 1000)
                        else:
                            with item.value as got:
                                self.assertEqual(got.pread(9000), b"%d" % int(uri[2:]) * 1000)
        finally:
            short.doClassCleanups()

    # A server that only ever says CLOSE is not asked for ever.
    def test_close_alone(self):
        fake = self.fake(HELLO_ACK, b"\3\0")
        with objmapper.connect(fake.url) as client:
            with self.assertRaises(objmapper.ConnectionClosed):
                client.get("a")
            with self.assertRaises(objmapper.ConnectionClosed):
                list(client.get_many(["a", "b"]))
        self.assertEqual(fake.connections, 2)

    # A server that goes in the middle is a ConnectionFailed that says where, and nothing is asked twice.
    def test_server_goes(self):
        head = b"\2\0\0\0\1\0" + (10).to_bytes(8, "big") + b"\0\0"
        for answer, text in ((b"", "without an answer"), (head[:9], "in the middle of an answer"),
                             (head + b"abc", "after 3 bytes|after 3 of 10"), (b"\3\3", "it is shutting down")):
            with self.subTest(text):
                fake = self.fake(HELLO_ACK, answer)
                with objmapper.connect(fake.url) as client:
                    with self.assertRaisesRegex(objmapper.ConnectionFailed, text):
                        client.get("a")
                self.assertEqual(fake.connections, 1)

    # A silent server is TimedOut.
    def test_silence(self):
        fake = self.fake(HELLO_ACK, None)
        with objmapper.connect(fake.url, timeout=0.2) as client:
            with self.assertRaises(objmapper.TimedOut):
                client.get("a")

    # What is not this protocol is a ProtocolError, and an OK without its descriptor is, too.
    def test_nonsense(self):
        ok = b"\2\0\0\0\1\0" + bytes(8) + b"\0\0"
        for answer in (b"HTTP/1.1 400", b"\2\0\0\0\x63\0" + bytes(8) + b"\0\0", b"\2\0\0\0\1\0" + bytes(8) + b"\xff\xff",
                       b"\2\0\0\0\1\0" + bytes(8) + b"\0\2\1\0", ok):
            with self.subTest(answer):
                fake = self.fake(HELLO_ACK, answer)
                with objmapper.connect(fake.url) as client:
                    with self.assertRaises(objmapper.ProtocolError):
                        client.get_fd("a")
        with self.assertRaises(objmapper.ProtocolError):
            objmapper.connect(self.fake(b"OBJX\2\7\2\0\x08\1").url)

    # Bytes from another place than asked for do not pass for the right ones.
    def test_wrong_range(self):
        granted = b"\x10\0\x10" + (5).to_bytes(8, "big") + (3).to_bytes(8, "big")
        fake = self.fake(HELLO_ACK, b"\2\0\0\0\1\0" + (3).to_bytes(8, "big") + b"\0\x13" + granted + b"abc")
        with objmapper.connect(fake.url) as client:
            with self.assertRaises(objmapper.ProtocolError):
                client.get("a", offset=4, length=3)


if __name__ == "__main__":
    main()
