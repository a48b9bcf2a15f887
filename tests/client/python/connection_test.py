#!/usr/bin/env python3
"""objmapper's Python client and its connection: forks, threads, servers that go, hang or talk
nonsense.

Usage: connection_test SERVER
"""

import array
import datetime
import os
import resource
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path[:0] = ["client/python", "tests/client/python"]

import objmapper
import objmapper.address
from objmapper import client as client_module
from objmapper import wire
from server_process import PATIENCE_S, ServerTest, main, open_fds


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
                    if callable(answer):
                        answer(connection)
                    else:
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


def answer(length, said=b"", status=0, id=1):
    """The head of a RESPONSE."""
    return struct.pack(">BIBQH", 2, id, status, length, len(said)) + said


def metadata(size, granted):
    """SIZE and RANGE, as far as they are not None."""
    said = b"" if size is None else struct.pack(">BHQ", 1, 8, size)
    return said if granted is None else said + struct.pack(">BHQQ", 0x10, 16, *granted)


def entry(uri):
    """One of a list."""
    return struct.pack(">H", len(uri)) + uri + bytes(16)


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
            # nor does closing it there say goodbye for the parent
            self.assertTrue(in_child(client.close))
            self.assertEqual(client.get("o/1"), b"1" * 1000)
            self.assertEqual(os.fstat(client._connection._socket.fileno()).st_ino, inode)

    # A child that forks in the middle of a batch, or of another thread's call, is not held up by
    # it.
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

    # While a batch is open the client's other calls say so; afterwards, or when it is dropped, they
    # work.
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
        for url in ("", "run/s", "unix:", "unix:@", "unix:/a\0b", "tcp://", "tcp://host",
                    "tcp://host:0", "tcp://:1", "http://x:1",
                    "unix:" + "p" * 200):
            with self.assertRaises(objmapper.InvalidRequest):
                objmapper.connect(url)
        with self.assertRaises(objmapper.ConnectionFailed):
            objmapper.connect("unix:/tmp/there-is-no-such-socket")
        with self.assertRaises(ValueError):
            objmapper.connect(self.server.url, max_pipeline=1 << 16)
        for timeout in (0, -1, float("nan"), float("-inf")):
            with self.assertRaises(ValueError):
                objmapper.connect(self.server.url, timeout=timeout)

    # However long a timeout is.
    def test_long_timeouts(self):
        for timeout in (None, float("inf"), 1e300, 10 ** 400, 1 << 62, datetime.timedelta.max, 3e6):
            with self.subTest(timeout), objmapper.connect(self.server.url,
                                                          timeout=timeout) as client:
                self.assertEqual(client.get("o/1"), b"1" * 1000)

    # A Unix socket's path alone is an address, and the environment says where a server is that
    # nobody has named.
    def test_default_address(self):
        path = self.server.url[len("unix:"):]
        folder = os.getcwd()
        self.addCleanup(os.chdir, folder)
        os.chdir(os.path.dirname(path))
        for url in (path, "./s", f"../{os.path.basename(os.path.dirname(path))}/s"):
            with objmapper.connect(url) as client:
                self.assertEqual(client.get("o/1"), b"1" * 1000)
        before = dict(os.environ)
        self.addCleanup(os.environ.update, before)
        for server in (path, self.server.url, self.server.tcp_url):
            os.environ["OBJMAPPER_SERVER"] = server
            with objmapper.connect() as client:
                self.assertEqual(client.get("o/1"), b"1" * 1000)
        os.environ.pop("OBJMAPPER_SERVER")
        os.environ["XDG_RUNTIME_DIR"] = os.path.dirname(path)
        if not os.path.exists("/run/objmapper/objmapper.sock"):
            self.assertEqual(objmapper.address.default_url(),
                             f"unix:{os.path.dirname(path)}/objmapper.sock")
        objmapper.address._UNIT_SOCKET, unit = path, objmapper.address._UNIT_SOCKET
        self.addCleanup(setattr, objmapper.address, "_UNIT_SOCKET", unit)
        with objmapper.connect() as client:  # that of the unit, which is this user's, or root's
            self.assertEqual(client.get("o/1"), b"1" * 1000)

    # A backlog that is full is waited for, until the timeout and no longer.
    def test_full_backlog(self):
        with tempfile.TemporaryDirectory(
            prefix="om.", dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{folder}/s")
            listener.listen(0)
            with socket.socket(socket.AF_UNIX) as first:
                first.connect(f"{folder}/s")
                with self.assertRaisesRegex(objmapper.TimedOut, "no connection within"):
                    objmapper.connect(f"unix:{folder}/s", timeout=0.2)

                def serve():
                    time.sleep(0.2)
                    listener.accept()[0].close()
                    with listener.accept()[0] as connection:
                        connection.recv(65536)
                        connection.sendall(HELLO_ACK)
                        connection.recv(65536)

                server = threading.Thread(target=serve)
                server.start()
                objmapper.connect(f"unix:{folder}/s", timeout=PATIENCE_S).close()
                server.join()

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

    # A server that gives each connection only so many answers costs a batch, and single calls,
    # nothing but connections.
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

    # A timeout is a deadline, whatever signals come, and a byte now and then does not prolong that
    # of an answer.
    def test_timeout_is_a_deadline(self):
        signal.signal(signal.SIGUSR1, lambda *_: None)
        over = threading.Event()
        main_thread = threading.main_thread().ident

        def disturb():
            end = time.monotonic() + PATIENCE_S
            while not over.wait(0.02) and time.monotonic() < end:
                signal.pthread_kill(main_thread, signal.SIGUSR1)
            over.set()

        def trickle(connection):
            try:
                for byte in answer(1000, metadata(1000, None)):
                    connection.sendall(bytes([byte]))
                    over.wait(0.2)
            except OSError:
                pass  # the other side has given up

        for says in (None, trickle):
            with self.subTest(says):
                fake = self.fake(HELLO_ACK, says)
                with objmapper.connect(fake.url, timeout=0.3) as client:
                    over.clear()
                    disturber = threading.Thread(target=disturb)
                    disturber.start()
                    try:
                        with self.assertRaises(objmapper.TimedOut):
                            client.get("a")
                        self.assertFalse(over.is_set(),
                                         "it was waited for until the signals ceased")
                    finally:
                        over.set()
                        disturber.join()

    # Who was stopped while the answer came finds it.
    def test_stopped_client(self):
        asked, may_answer = threading.Event(), threading.Event()

        def say(connection):
            asked.set()
            may_answer.wait(PATIENCE_S)
            connection.sendall(answer(5) + b"hello")

        fake = self.fake(HELLO_ACK, say)
        pid = os.fork()
        if pid == 0:
            try:
                with objmapper.connect(fake.url, timeout=0.7) as client:
                    os._exit(0 if client.get("a") == b"hello" else 1)
            except BaseException as error:
                os.write(2, f"in the child: {error!r}\n".encode())
            os._exit(1)
        asked.wait(PATIENCE_S)
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        may_answer.set()
        time.sleep(1)
        os.kill(pid, signal.SIGCONT)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)

    # close() wakes the threads that are in a call, or are waiting for one; nothing stays open.
    def test_close_wakes_others(self):
        for call in (lambda client: client.get("a"),
                     lambda client: list(client.get_many(["a", "b"])),
                     lambda client: client.put("a", b"x" * 10_000_000),
                     lambda client: next(client.list())):
            with self.subTest(call):
                asked = threading.Event()

                def say(connection):
                    asked.set()
                    while connection.recv(1):  # slowly
                        if over.wait(0.01):
                            return

                over = threading.Event()
                fake = self.fake(HELLO_ACK, say)
                before = open_fds()
                client = objmapper.connect(fake.url, timeout=None)
                caught = []

                def work():
                    try:
                        call(client)
                    except objmapper.ObjmapperError as error:
                        caught.append(error)

                threads = [threading.Thread(target=work) for _ in range(3)]
                for thread in threads:
                    thread.start()
                asked.wait(PATIENCE_S)
                client.close()
                for thread in threads:
                    thread.join(PATIENCE_S)
                    self.assertFalse(thread.is_alive())
                over.set()
                # While a batch runs the others are told that it does.
                self.assertEqual(len(caught), 3)
                for error in caught:
                    self.assertIsInstance(error, (objmapper.ClientClosed, objmapper.ClientBusy))
                self.assertIn(objmapper.ClientClosed, [type(error) for error in caught])
                self.assertIsNone(client._connection)
                fake.close()
                self.assertLessEqual(open_fds(), before)

    # Who has forked beside a thread that is in a call inherits its views of the connection's
    # buffers.
    def test_fork_beside_views(self):
        with objmapper.connect(self.server.url) as client:
            connection = client._connection
            connection._in += b"x"
            views = [memoryview(connection._in), memoryview(connection._out)]
            self.assertTrue(in_child(lambda: self.assertEqual(client.get("o/1"), b"1" * 1000)))
            for view in views:
                view.release()
            connection._in.clear()

    # And for real: children of a process whose threads never rest.
    def test_fork_beside_threads(self):
        stop = threading.Event()
        clients = [objmapper.connect(self.server.url) for _ in range(3)]

        def work(client):
            while not stop.is_set():
                for item in client.get_many(f"o/{i}" for i in range(20)):
                    item.value
                client.get("o/1")

        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        try:
            def child():
                for client in clients:
                    assert client.get("o/2") == b"2" * 1000
                    client.close()

            for _ in range(20):
                self.assertTrue(in_child(child))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            for client in clients:
                client.close()

    # An object whose bytes break off is its own item's error; what else was asked goes over a new
    # connection.
    def test_a_body_that_breaks_off_in_a_batch(self):
        rest = [answer(5, id=1) + b"hello", answer(5, id=2) + b"world"]
        sent = []

        def say(connection):
            sent.append(1)
            if len(sent) == 1:
                connection.sendall(answer(100, id=1) + b"half")
                connection.shutdown(socket.SHUT_RDWR)
            else:
                connection.sendall(b"".join(rest))

        fake = self.fake(HELLO_ACK, say)
        with objmapper.connect(fake.url) as client:
            items = list(client.get_many(["broken", "b", "c"]))
        self.assertIsInstance(items[0].error, objmapper.ConnectionFailed)
        self.assertEqual([item.value for item in items[1:]], [b"hello", b"world"])

    # Whatever is wrong with one of many concerns that one.
    def test_bad_ones_among_many(self):
        bad = (None, 5, "", "x" * 5000, "\ud800", b"", "a\0b", "../etc/passwd", "o", "o/none",
               ["o/1"])
        with objmapper.connect(self.server.url, bytes_max=1000) as client:
            for many in (client.get_many, client.get_fds):
                uris = [uri for one in bad for uri in (one, "o/1")] * 20
                items = list(many(uris))
                self.assertEqual([item.uri for item in items], uris)
                for uri, item in zip(uris, items):
                    if uri != "o/1":
                        self.assertIsInstance(item.error, objmapper.ObjmapperError)
                    elif many == client.get_many:
                        self.assertEqual(item.value, b"1" * 1000)
                    else:
                        item.value.close()
            # More than is wanted costs the connection, but not the others.
            uris = ["o/1", "o/10", "o/1", "o/11", "o/12", "o/1"]
            for uri, item in zip(uris, client.get_many(uris)):
                self.assertEqual(isinstance(item.error, objmapper.TooLarge), uri != "o/1")
            self.assertEqual(client.get("o/1"), b"1" * 1000)

    # A server that goes in the middle is a ConnectionFailed that says where, and nothing is asked
    # twice.
    def test_server_goes(self):
        head = b"\2\0\0\0\1\0" + (10).to_bytes(8, "big") + b"\0\0"
        for answer, text in ((b"", "without an answer"), (head[:9], "in the middle of an answer"),
                             (head + b"abc", "after 3 bytes|after 3 of 10"),
                             (b"\3\3", "it is shutting down")):
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
        for answer in (b"HTTP/1.1 400", b"\2\0\0\0\x63\0" + bytes(8) + b"\0\0",
                       b"\2\0\0\0\1\0" + bytes(8) + b"\xff\xff",
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
        fake = self.fake(HELLO_ACK,
                         b"\2\0\0\0\1\0" + (3).to_bytes(8, "big") + b"\0\x13" + granted + b"abc")
        with objmapper.connect(fake.url) as client:
            with self.assertRaises(objmapper.ProtocolError):
                client.get("a", offset=4, length=3)

    # Nor do more bytes than were asked for, whatever the server says of them, nor fewer than there
    # are; nothing is read of them, and nothing allocated.
    def test_other_bytes(self):
        for length, size, granted, ask in (
                (100_000_000, None, None, {"offset": 4, "length": 10}),
                (100_000_000, 200_000_000, (4, 10), {"offset": 4, "length": 10}),
                (100_000_000, None, (4, 10), {"offset": 4, "length": 10}),
                (3, 100, (4, 3), {"offset": 4, "length": 10}),
                (10, 8, (4, 10), {"offset": 4, "length": 10}),
                (1000, 10, (4, 1000), {"offset": 4}),
                (5, 10, None, {}), (10, 5, None, {}), (5, 5, (1, 5), {})):
            with self.subTest(length=length, size=size, granted=granted, ask=ask):
                fake = self.fake(HELLO_ACK, answer(length, metadata(size, granted)) + b"0123456789")
                with objmapper.connect(fake.url) as client:
                    with self.assertRaises(objmapper.ProtocolError):
                        client.get("a", **ask)
                if "length" in ask:
                    fake = self.fake(HELLO_ACK,
                                     answer(length, metadata(size, granted)) + b"0123456789")
                    with objmapper.connect(fake.url) as client:
                        with self.assertRaises(objmapper.ProtocolError):
                            client.get_into("a", bytearray(ask["length"]), offset=ask["offset"])

    # A body where none belongs is not taken for answers.
    def test_bodies_where_none_belong(self):
        for call in (lambda client: client.stat("a"), lambda client: client.put("a", b"x"),
                     lambda client: client.delete("a"), lambda client: client.get_fd("a")):
            fake = self.fake(HELLO_ACK,
                             answer(5, status=int("get_fd" in call.__code__.co_names)) + b"hello")
            with objmapper.connect(fake.url) as client:
                with self.assertRaises(objmapper.ProtocolError):
                    call(client)

    # What is announced takes no memory before it comes.
    def test_announced_bytes(self):
        for call in (lambda client: client.get("a"), lambda client: next(client.list())):
            fake = self.fake(HELLO_ACK, answer(4 << 30))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            with objmapper.connect(fake.url, timeout=0.2) as client:
                with self.assertRaises(objmapper.ConnectionFailed):
                    call(client)
            # KiB
            self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, 256 << 10)

    # A body of many pieces arrives whole.
    def test_large_body(self):
        body = os.urandom(5_000_001)
        fake = self.fake(HELLO_ACK, answer(len(body)) + body)
        with objmapper.connect(fake.url) as client:
            self.assertEqual(client.get("a"), body)

    # A list of something else than was asked for, or one that never gets on, ends with the entry
    # before.
    def test_lists_that_lie(self):
        for bad in ([b"ab"], [b"/etc/passwd"], [b""], [b"abc/x\0y"], [b"abc/b", b"abc/a"],
                    [b"abc/a", b"abc/a"],
                    [b"abc" + b"x" * 4094]):
            with self.subTest(bad):
                body = b"".join(entry(uri) for uri in bad)
                fake = self.fake(HELLO_ACK, answer(len(body)) + body)
                with objmapper.connect(fake.url) as client:
                    with self.assertRaises(objmapper.ProtocolError):
                        list(client.list("abc"))
                    self.assertIsNotNone(client._connection.dropped)
        page = answer(len(entry(b"abc")), b"\x11\0\1c") + entry(b"abc")
        fake = self.fake(HELLO_ACK, page, page[:4] + b"\2" + page[5:])
        with objmapper.connect(fake.url) as client:
            items = client.list("abc")
            self.assertEqual(next(items).uri, "abc")
            with self.assertRaises(objmapper.ProtocolError):
                next(items)
        fake = self.fake(HELLO_ACK, answer((1 << 20) + 1))
        with objmapper.connect(fake.url) as client:
            with self.assertRaisesRegex(objmapper.ProtocolError, "are the most"):
                next(client.list())

    # Descriptors that nobody asked for are never this process's; behind one that was asked for,
    # they end the connection.
    def test_hoarded_descriptors(self):
        with tempfile.TemporaryFile() as file:
            file.write(b"hello")
            file.flush()
            many = array.array("i", [file.fileno()] * 253)

            def flood(first, times):
                def send(connection):
                    for i in range(times):
                        try:
                            connection.sendmsg([first if i == 0 else b"x"],
                                               [(socket.SOL_SOCKET, socket.SCM_RIGHTS, many)])
                        except PermissionError:  # SO_PASSRIGHTS is off at the other end
                            pass
                    connection.sendall(answer(5) + b"hello")
                return send

            fake = self.fake(HELLO_ACK, flood(answer(100), 10))
            before = open_fds()
            with objmapper.connect(fake.url) as client:
                try:
                    self.assertEqual(client.get("a"), b"hello")
                except objmapper.ProtocolError as error:
                    self.assertIn("more descriptors", str(error))
                self.assertLess(open_fds(), before + 10)

            sent = threading.Event()

            def pass_and_flood(connection):
                one = array.array("i", [file.fileno()])
                connection.sendmsg([answer(5)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, one)])
                connection.sendmsg([b"\2"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, many)])
                sent.set()
                connection.recv(65536)

            fake = self.fake(HELLO_ACK, pass_and_flood)
            with objmapper.connect(fake.url) as client:
                connection = client._connection
                id = connection.queue(wire.FDPASS, b"a")
                connection.flush()
                got = client_module._take_fd(connection, connection.receive(id, wire.FDPASS, "a"),
                                             "a", None)
                got.close()
                self.assertTrue(sent.wait(PATIENCE_S))
                connection.queue(wire.COPY, b"b")
                connection.flush()
                with self.assertRaisesRegex(objmapper.ProtocolError, "more descriptors"):
                    connection.receive(2, wire.COPY, "b")

    # Only an open regular file that is as long as was said is an object; all else is closed.
    def test_descriptors_of_other_things(self):
        with tempfile.TemporaryDirectory(dir="/tmp") as folder, tempfile.TemporaryFile() as file:
            file.write(b"hello")
            file.flush()
            ends = os.pipe()
            things = [ends[0], os.open(folder, os.O_RDONLY), os.open("/dev/zero", os.O_RDONLY),
                      os.open(folder + "/w", os.O_WRONLY | os.O_CREAT),
                      os.open(folder + "/w", os.O_PATH)]

            def passing(thing, length):
                return lambda connection: connection.sendmsg(
                    [answer(length)],
                    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [thing]))])

            for thing in things:
                with objmapper.connect(self.fake(HELLO_ACK, passing(thing, 0)).url) as client:
                    with self.assertRaisesRegex(objmapper.ProtocolError, "not of a regular file"):
                        client.get_fd("a")
            with objmapper.connect(self.fake(HELLO_ACK, passing(file.fileno(), 6)).url) as client:
                with self.assertRaisesRegex(objmapper.ServerFault, "only 5 of 6"):
                    client.get_fd("a")
            for fd in [ends[1], *things]:
                os.close(fd)

    # What a server says, and what names hold, is fit to be shown.
    def test_messages_are_printable(self):
        evil = "e\x1b[2J\u009b7m\r\n\u202e\u2028\x7f"
        text = evil.encode() + b"\x9b\xc3"
        fake = self.fake(HELLO_ACK,
                         answer(0, b"\xff" + len(text).to_bytes(2, "big") + text, status=1))
        with objmapper.connect(fake.url) as client:
            with self.assertRaises(objmapper.NotFound) as caught:
                client.get(evil)
        self.assertNotRegex(str(caught.exception), "[\0-\x1f\x7f-\x9f\u2028\u202e]")
        self.assertIn("e\\x1b[2J\\xc2\\x9b7m\\x0d\\x0a\\xe2\\x80\\xae", str(caught.exception))
        with self.assertRaises(objmapper.InvalidRequest) as caught:
            objmapper.connect("unix\x9b:\udcff")
        str(caught.exception).encode("utf-8")

    # Somebody else's server is told nothing.
    def test_whose_server(self):
        fake = self.fake(HELLO_ACK)
        with self.assertRaisesRegex(objmapper.ConnectionFailed,
                                    f"is uid {os.geteuid()}, not uid {os.geteuid() + 1}"):
            objmapper.connect(fake.url, server_uids=[os.geteuid() + 1])
        fake = self.fake(HELLO_ACK)
        objmapper.connect(fake.url, server_uids={os.geteuid(), 0}).close()
        with self.assertRaises(objmapper.InvalidRequest):
            objmapper.connect("tcp://127.0.0.1:1", server_uids=[0])


if __name__ == "__main__":
    main()
