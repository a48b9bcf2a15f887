"""The client: one connection to one server, and what may be asked over it."""

import dataclasses
import datetime
import fcntl
import io
import math
import mmap
import os
import stat
import threading
from types import TracebackType
from typing import (BinaryIO, Callable, FrozenSet, Iterable, Iterator, List, Literal, NoReturn,
                    Optional, Tuple, Type, TypeVar, Union, cast)

from . import batch, objects, wire
from .address import Address, default_url, parse_url
from .connection import Connection
from .errors import (ClientBusy, ClientClosed, ConnectionClosed, InvalidRequest, ObjmapperError,
                     ProtocolError, ServerFault,
                     TooLarge)
from .memory import Buffer, sealed_memfd
from .objects import EmptyMapping, Entry, FdObject, Item, ObjectInfo

T = TypeVar("T")

# Of those that find themselves in a child. A child has its own.
_fork_lock = threading.Lock()


def _renew_fork_lock() -> None:
    global _fork_lock
    _fork_lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_fork_lock)

Mapping = mmap.mmap  # the class below has a method of that name
Uri = Union[str, bytes]
Mode = Literal["copy", "splice"]
Source = Union[Buffer, Mapping, str, "os.PathLike[str]", BinaryIO]
Ttl = Union[int, float, datetime.timedelta, None]

# So many pages of a list in a row may bring nothing but where to go on: what lies there may be for
# others.
_EMPTY_PAGES_MAX = 10000

# A wait that is longer is for ever: a clock's sums would not hold it.
_LONGEST_WAIT_S = 1e9
# Up to this size a file that takes no blocks may hold another number of bytes than it says.
_DOUBTED_BYTES_MAX = 65536

_MODES = {"copy": wire.COPY, "splice": wire.SPLICE}
# Python's own buffered files, whose file descriptor holds what they read; a gzip file's, for one,
# does not.
_PLAIN_FILES = (io.FileIO, io.BufferedReader, io.BufferedRandom)


def _token(given: Union[str, bytes, None]) -> bytes:
    if given is None:
        given = os.environb.get(b"OBJMAPPER_TOKEN", b"")
    token = os.fsencode(given)
    if len(token) > wire.TOKEN_BYTES_MAX:
        raise InvalidRequest(f"the token has {len(token)} bytes; at most {wire.TOKEN_BYTES_MAX}")
    return token


def connect(url: Optional[str] = None, *, timeout: Union[float, datetime.timedelta, None] = 30.0,
            max_pipeline: int = 0, bytes_max: int = 4 << 30,
            server_uids: Iterable[int] = (), versions: bool = False,
            token: Union[str, bytes, None] = None) -> "Client":
    """Connects to "unix:/path", "unix:@abstract" or "tcp://host:port"; a path alone, "/path" or
    "./path", is a Unix socket's.

    url: None: $OBJMAPPER_SERVER; else /run/objmapper/objmapper.sock, the systemd unit's, where
    there is one; else objmapper.sock in
    $XDG_RUNTIME_DIR, or in /tmp. These paths have to be this user's own server's, or root's, unless
    server_uids says otherwise.

    timeout: seconds that connecting may take, that a server may take to begin an answer that it
    owes, or between two pieces of a large object, or to make room for more of one; None, or
    infinity: for ever. It is a deadline, whatever signals come; and bounds each such wait, not the
    whole of a large object. max_pipeline: the most requests of a batch that are outstanding; 0: as
    many as the server allows. bytes_max: `get()` and `get_many()` refuse a larger answer, so that a
    server's word alone cannot make this process allocate any amount. server_uids: who may have made
    the Unix socket (called listen(2)); none: anybody. For addresses where others may be there
    first, such as one in /tmp; what systemd listens on is root's: 0. versions: answers say which
    version of the object they are of (`ObjectInfo`); that costs the server a system call for each.
    token: whose all requests are, to a server with --tokens_file; 1 to 4096 bytes; None:
    $OBJMAPPER_TOKEN, if that is set; empty: none. It is sent as it is: over TCP everybody on the
    way can read it. What the server does not know is PermissionDenied, request by request.

    Raises InvalidRequest (the URL, the token, or server_uids over TCP), Unsupported (the server
    takes no tokens; it was not sent), ConnectionFailed, Unavailable (the
    server is at its limit of connections).
    """
    seconds = _wait_seconds(timeout)
    if not 0 <= max_pipeline <= 0xFFFF:
        raise ValueError(f"max_pipeline is {max_pipeline}; it is 0 to {0xFFFF}")
    uids = frozenset(server_uids)
    if url is None:
        url = default_url()
        if not uids and not os.environ.get("OBJMAPPER_SERVER"):
            uids = frozenset((0, os.geteuid()))
    address = parse_url(url)
    if uids and not address.is_unix:
        raise InvalidRequest(f"{url}: the server's user is known only for a Unix socket")
    client = Client(address, seconds, max_pipeline, bytes_max, uids, versions, _token(token))
    client.ping()
    return client


class Client:
    """From `connect()`. A context manager; `close()` ends its connection.

    Errors: what the server answers comes as a subclass of ObjmapperError and leaves the connection
    good. After a ConnectionFailed nobody knows whether the call was carried out, and it is not
    repeated; the next call connects anew. Where the server says CLOSE, which tells that it was not,
    a new connection is made without a word: so an idle time-out, a limit of answers per connection,
    or a server that another takes over from are not seen.

    Threads: use one client per thread. Calls from several threads are safe, but wait for each
    other. `close()` does not wait: a call that another thread is in raises ClientClosed.

    Fork: a child may use its parent's client (the workers of a data loader): it finds itself in
    another process, lets go of the parent's connection, and makes its own with the next call. The
    two never share a socket. A generator that the parent had begun raises ConnectionFailed in the
    child.

    URIs are str or bytes. A str goes out as UTF-8; bytes that are not UTF-8 are surrogates, as in
    os.fsencode().
    """

    def __init__(self, address: Address, timeout: Optional[float], max_pipeline: int,
                 bytes_max: int,
                 server_uids: FrozenSet[int] = frozenset(), versions: bool = False,
                 token: bytes = b"") -> None:
        """For connect()."""
        self._token = token
        self._versions = versions
        self._server_uids = server_uids
        self._address = address
        self._timeout = timeout
        self._max_pipeline = max_pipeline
        self._bytes_max = bytes_max
        self._closed = False
        self._connection: Optional[Connection] = None
        self._holder: Optional[object] = None  # the call or generator whose answers come next
        self._lock = threading.RLock()
        # whose thread has it uses the connection, and alone may close its descriptor
        self._inside = threading.Lock()
        self._pid = os.getpid()

    # ---- Open files ----

    def get_fd(self, uri: Uri, *, offset: int = 0, length: Optional[int] = None,
               if_none_match: Optional[str] = None) -> FdObject:
        """The object as an open file: O(1) in its size. Unix sockets only.

        offset, length: a part, which only comes back as the object's `range`. if_none_match: the
        etag of the version that the caller has; raises NotModified where the object is still that
        one. Raises DescriptorsLost at the limit of open files.
        """
        raw = wire.uri_bytes(uri)
        conditions = wire.conditions(if_none_match=if_none_match)
        if length == 0:
            raise InvalidRequest("a part of no bytes")  # on the wire it would mean "to the end"
        wanted = _range(offset, length)

        def ask(connection: Connection) -> FdObject:
            what = wire.what(wire.FDPASS, raw)
            answer = _ask(connection, wire.FDPASS, raw, wanted, conditions)
            return _take_fd(connection, answer, what, wanted)

        return self._run(ask)

    def open(self, uri: Uri) -> BinaryIO:
        """The object as a read-only, buffered, binary file. Unix sockets only."""
        return self.get_fd(uri).open()

    def mmap(self, uri: Uri) -> Union[objects.Mapping, EmptyMapping]:
        """The object's pages, mapped read-only: no copy of it is made. Unix sockets only.

        The mapping keeps a descriptor of its own until it is closed, and lives as long as its
        views: so what numpy.frombuffer(mapping) gives may be returned from a `with client.mmap(uri)
        as mapping`. An empty object, of which the kernel makes no mapping, comes as an
        `EmptyMapping`: an empty bytes object with a mapping's methods.
        """
        with self.get_fd(uri) as opened:
            return opened.mmap()

    # ---- Bytes ----

    def get(self, uri: Uri, *, offset: int = 0, length: Optional[int] = None,
            mode: Mode = "copy", if_none_match: Optional[str] = None) -> bytes:
        """The object's bytes, or `length` of them from `offset` on; fewer at its end.

        mode: "copy" or "splice"; the same bytes, by different ways through the server.
        if_none_match: as in get_fd(). Raises RangeNotSatisfiable when the offset is past the end.
        """
        return self.get_with_info(uri, offset=offset, length=length, mode=mode,
                                  if_none_match=if_none_match)[0]

    def get_with_info(self, uri: Uri, *, offset: int = 0, length: Optional[int] = None,
                      mode: Mode = "copy",
                      if_none_match: Optional[str] = None) -> Tuple[bytes, ObjectInfo]:
        """As get(), and what the server says of the object: with connect(versions=True) which
        version these bytes are of.
        """
        raw = wire.uri_bytes(uri)
        conditions = wire.conditions(if_none_match=if_none_match)
        way = _way(mode)
        # On the wire a length of 0 means "to the end". So one byte is asked for, and cut off.
        wanted = _range(offset, 1 if length == 0 else length)

        def ask(connection: Connection) -> Tuple[bytes, ObjectInfo]:
            answer = _ask(connection, way, raw, wanted, conditions)
            return self._take_bytes(connection, answer, wire.what(way, raw), wanted)

        got, info = self._run(ask)
        return (b"", dataclasses.replace(info, length=0)) if length == 0 else (got, info)

    def get_into(self, uri: Uri, buffer: Union[bytearray, memoryview, Mapping], *, offset: int = 0,
                 mode: Mode = "copy") -> int:
        """Fills `buffer` with the object's bytes from `offset` on; returns how many there were.

        Large objects go from the socket into it without another copy. After ConnectionFailed it may
        hold a part.
        """
        raw = wire.uri_bytes(uri)
        way = _way(mode)
        out = memoryview(buffer).cast("B")
        if not out:
            self.get(uri, offset=offset, length=0, mode=mode)
            return 0
        wanted = (_offset(offset), len(out))

        def ask(connection: Connection) -> int:
            what = wire.what(way, raw)
            _take_info(connection, _ask(connection, way, raw, wanted), what, wanted)
            return connection.read_body_into(out, what)

        return self._run(ask)

    # ---- About objects ----

    def stat(self, uri: Uri, *, if_none_match: Optional[str] = None) -> ObjectInfo:
        """The object's size, time of change and etag. if_none_match: as in get_fd()."""
        raw = wire.uri_bytes(uri)
        conditions = wire.conditions(if_none_match=if_none_match)

        def ask(connection: Connection) -> ObjectInfo:
            answer = _ask(connection, wire.STAT, raw, None, conditions)
            return _take_stat(answer)

        return self._run(ask)

    def list(self, prefix: Uri = "", *, through: bool = False) -> Iterator[Entry]:
        """The objects whose URIs begin with `prefix`, sorted by URI as bytes; a page at a time, as
        they are taken.

        through: of what the server's origins have, too, whether or not it is here. Raises
        Unsupported where there is nothing behind that prefix that could be listed.

        Objects that come and go meanwhile may be among them or not. Raises ProtocolError where the
        server lists something else. How many there are is the server's word alone: who keeps them
        sets a bound of his own.
        """
        raw = wire.uri_bytes(prefix) if prefix else b""
        cursor: Optional[bytes] = b""
        last = b""
        empty_pages = 0
        while cursor is not None:
            asked = raw + b"\0" + cursor if cursor else raw
            if len(asked) > wire.URI_BYTES_MAX:
                raise InvalidRequest(
                    f"{wire.what(wire.LIST, raw)}: with the place to go on from it is too long")
            entries, following = self._run(
                lambda connection, asked=asked, last=last: _list_page(
                    connection, asked, raw, last, through))
            empty_pages = 0 if entries else empty_pages + 1
            if following is not None and (following == cursor or empty_pages == _EMPTY_PAGES_MAX):
                raise ProtocolError(
                    f"{wire.what(wire.LIST, raw)}: {self._address.url} stays at one place of the "
                    f"list")
            cursor = following
            last = entries[-1][0] if entries else last
            for uri, size, mtime in entries:
                yield Entry(wire.uri_text(uri), size, mtime)

    # ---- Changing objects ----

    def put(self, uri: Uri, source: Source, *, ttl: Ttl = None, if_absent: bool = False,
            if_match: Optional[str] = None) -> ObjectInfo:
        """Stores an object, whole or not at all, in place of what has its name.

        source: bytes or another buffer; a path (str or os.PathLike); or a binary file, which is
        read from where it stands to its end. A plain file goes to the socket inside the kernel; one
        whose size cannot be known before it is read is read into memory first. ttl: seconds, or a
        timedelta, after which the object is gone; at least 1. if_absent: only if there is no object
        of this name; if_match: only in place of the version of this etag. The server decides that
        together with the name, so of many that ask one wins; the others get PreconditionFailed.

        Raises Unsupported where the server is read-only, Conflict where the name is a directory,
        Unavailable where there is no room, TooLarge. A large body is not sent to the end once the
        server has refused it.
        """
        conditions = wire.conditions(if_absent, if_match)
        if isinstance(source, (str, os.PathLike)):
            with open(source, "rb") as file:
                return self._put_file(uri, file, ttl, conditions)
        if isinstance(source, _PLAIN_FILES) and stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            return self._put_file(uri, cast(BinaryIO, source), ttl, conditions)
        data = source.read() if hasattr(source, "read") and not isinstance(source,
                                                                           Mapping) else source
        view = memoryview(cast(Buffer, data)).cast("B")
        return self._put(uri, len(view), ttl, lambda connection: connection.flush(view),
                         conditions)

    def put_fd(self, uri: Uri, fd: Union[int, "io.IOBase", FdObject], *, ttl: Ttl = None,
               if_absent: bool = False, if_match: Optional[str] = None) -> ObjectInfo:
        """Stores the whole of an open file: the server copies it, by reflink where it can. Unix
        sockets only.

        fd: a descriptor, or something with fileno(), open for reading; borrowed; OSError where it
        is none. A sealed memfd may be kept as it is, see put_memory(), where there is no condition.
        Else as put().
        """
        number = fd if isinstance(fd, int) else fd.fileno()
        # or sendmsg(2) would find out, in the middle of a request, that it is none
        size = os.fstat(number).st_size
        raw = wire.uri_bytes(uri)
        seconds = _seconds(ttl)
        conditions = wire.conditions(if_absent, if_match)

        def ask(connection: Connection) -> ObjectInfo:
            what = wire.what(wire.PUT_FD, raw)
            id = connection.queue(wire.PUT_FD, raw, ttl=seconds, conditions=conditions)
            connection.flush_with_fd(number)
            return _take_stat(connection.receive(id, wire.PUT_FD, what), size)

        return self._run(ask)

    def put_memory(self, uri: Uri, data: Buffer, *, ttl: Ttl = None, if_absent: bool = False,
                   if_match: Optional[str] = None) -> ObjectInfo:
        """Stores `data` by way of a sealed memfd, which a server with a memory tier keeps without
        copying it. Else as put_fd()."""
        fd = sealed_memfd(data)
        try:
            return self.put_fd(uri, fd, ttl=ttl, if_absent=if_absent, if_match=if_match)
        finally:
            os.close(fd)

    def delete(self, uri: Uri, *, if_match: Optional[str] = None) -> None:
        """Removes an object; NotFound when there is none. What has been opened or mapped before
        stays good. if_match: as in put().
        """
        raw = wire.uri_bytes(uri)
        conditions = wire.conditions(if_match=if_match)
        self._run(lambda connection: _ask(connection, wire.DELETE, raw, None, conditions))

    # ---- Many at once ----

    def get_many(self, uris: Iterable[Uri], *, mode: Mode = "copy") -> Iterator[Item[bytes]]:
        """Many objects' bytes: one `Item` for each URI, in their order.

        An item's `error` concerns its own URI, whatever is wrong with that: it is no URI, there is
        no such object, it is larger than `bytes_max`, or its bytes broke off. The others go on,
        over a new connection where need be. Requests are sent ahead, as many as the server allows,
        and `uris` is read as they are. Until the last item has been taken the client answers other
        calls with ClientBusy; a generator that is closed or dropped before that costs the
        connection. Raises ConnectionFailed when the connection ends, or is silent, before an answer
        has begun: then nobody knows whose fault it is.
        """
        way = _way(mode)
        return self._batch(way, uris, lambda connection, answer,
                           what: self._take_bytes(connection, answer, what, None)[0])

    def get_fds(self, uris: Iterable[Uri]) -> Iterator[Item[FdObject]]:
        """Many objects as open files, several in one message. Unix sockets only. As get_many().

        Each item's `value` is an object to be closed. At the limit of open files items have the
        error DescriptorsLost until some are closed; at most max_pipeline descriptors are open ahead
        of those that have been taken.
        """
        return self._batch(wire.FDPASS, uris,
                           lambda connection, answer,
                           what: _take_fd(connection, answer, what, None))

    # ---- The connection ----

    @property
    def max_pipeline(self) -> int:
        """How many requests a batch keeps outstanding."""
        return self._run(lambda connection: connection.window)

    def ping(self) -> None:
        """Makes sure that there is a connection, in this process. Asks the server nothing else."""
        self._run(lambda connection: None)

    def close(self) -> None:
        """Ends the connection. May be called again; other calls then raise ClientClosed, which is a
        ValueError: those that other threads are in, too. Does not wait."""
        self._closed = True
        if self._pid != os.getpid():
            self._forked()
        while self._connection is not None:
            if self._inside.acquire(blocking=False):
                try:
                    connection, self._connection = self._connection, None
                    if connection is not None:
                        connection.close()
                finally:
                    self._inside.release()
            # a call of another thread, or the one that a signal has interrupted to come here: at
            # its end it closes it
            else:
                connection = self._connection
                if connection is not None:
                    connection.interrupt()
                return

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self.close()

    def __repr__(self) -> str:
        return f"<objmapper.Client of {self._address.url}{', closed' if self._closed else ''}>"

    # ---- Inside ----

    def _run(self, action: Callable[[Connection], T]) -> T:
        """One exchange. Whatever leaves the stream at an unknown place drops the connection."""
        if self._pid != os.getpid():
            self._forked()
        with self._lock:
            self._hold(action)
            try:
                with self._inside:
                    while True:
                        connection = self._good_connection()
                        is_new = connection.answers == 0
                        try:
                            return action(connection)
                        except ConnectionClosed:
                            # The server closed it as idle just when it was to be used.
                            if is_new:
                                raise
                        except ObjmapperError:
                            raise
                        # for one KeyboardInterrupt, which may have lost bytes
                        except BaseException as error:
                            connection.drop(f"{type(error).__name__} interrupted a call")
                            raise
                        finally:
                            self._tidy()
            finally:
                self._release(action)

    def _batch(self, mode: bytes, uris: Iterable[Uri],
               take: Callable[[Connection, wire.Answer, str], T]) -> Iterator[Item[T]]:
        if self._pid != os.getpid():
            self._forked()
        holder = object()
        with self._lock:
            self._hold(holder)
        inside = self._inside  # of this process: a child has another
        items: Optional[Iterator[Item[T]]] = None
        try:
            while True:
                with inside:
                    if items is None:
                        items = batch.run(self._good_connection(), self._connect_anew,
                                          lambda: self._release(holder),
                                          mode, uris, take)
                    item = next(items, None)
                if self._closed:
                    self.close()  # what it had to leave to us
                if item is None:
                    return
                yield item
        finally:
            # Else it was released before the last item was given out, and others may be inside.
            if self._holder is holder:
                with inside:
                    items = None
                    self._tidy()
                self._release(holder)

    def _connect_anew(self) -> Connection:
        """Who calls it is inside."""
        connection = Connection(self._address, self._timeout, self._server_uids,
                                lambda: not self._closed)
        self._connection = connection  # from now on close() finds it
        if self._closed:
            connection.interrupt()
        connection.shake_hands(self._max_pipeline, self._versions, self._token)
        return connection

    def _hold(self, holder: object) -> None:
        """The client is `holder`'s alone, until _release(). The lock alone would let a thread's
        calls into one another.
        """
        if self._closed:
            raise ClientClosed("this client is closed")
        if self._holder is not None:
            raise ClientBusy(
                "this client is in the middle of get_many(), get_fds() or another call: end that "
                "first, "
                             "or use another client")
        self._holder = holder

    def _good_connection(self) -> Connection:
        """Who calls it is inside."""
        if self._closed:
            raise ClientClosed("this client is closed")
        connection = self._connection
        if connection is None or connection.dropped or connection.is_stale():
            if connection is not None:
                connection.drop("the server had closed it")
            connection = self._connect_anew()
        return connection

    def _release(self, holder: object) -> None:
        if self._holder is not holder:
            return  # this process forked from the one that held it
        self._holder = None
        if self._closed:
            self.close()  # what it had to leave to us

    def _tidy(self) -> None:
        """At the end of an exchange. Who calls it is inside."""
        if self._connection is not None and not self._connection.idle():
            self._connection.drop("what was asked on it was not taken to the end")

    def _forked(self) -> None:
        """In a child, at its first call: nothing of the parent's is used, not even its locks, which
        may be taken.
        """
        with _fork_lock:
            if self._pid == os.getpid():
                return  # another thread of the child's was first
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.drop("it belongs to the process that forked this one")
            self._holder = None
            self._lock = threading.RLock()
            self._inside = threading.Lock()
            self._pid = os.getpid()

    def _take_bytes(self, connection: Connection, answer: wire.Answer, what: str,
                    wanted: Optional[Tuple[int, int]]) -> Tuple[bytes, ObjectInfo]:
        info = _take_info(connection, answer, what, wanted)
        if info.length > self._bytes_max:
            why = f"{what}: its {info.length} bytes are more than bytes_max ({self._bytes_max})"
            connection.drop(why)
            raise TooLarge(f"{why}: get a part, a descriptor or a mapping")
        return connection.read_body(what), info

    def _put_file(self, uri: Uri, file: BinaryIO, ttl: Ttl, conditions: bytes) -> ObjectInfo:
        if isinstance(file, io.BufferedRandom):
            file.flush()
        begin = file.tell()
        told = os.fstat(file.fileno())
        if told.st_blocks == 0 and told.st_size <= _DOUBTED_BYTES_MAX:
            # It may hold more than its size (procfs: 0) or less (sysfs: a page); empty and small
            # sparse ones do not.
            view = memoryview(file.read())
            return self._put(uri, len(view), ttl, lambda connection: connection.flush(view),
                             conditions)
        length = max(0, told.st_size - begin)
        info = self._put(uri, length, ttl,
                         lambda connection: connection.flush_file(file.fileno(), begin, length),
                         conditions)
        file.seek(begin + length)
        return info

    def _put(self, uri: Uri, length: int, ttl: Ttl, send: Callable[[Connection], None],
             conditions: bytes = b"") -> ObjectInfo:
        raw = wire.uri_bytes(uri)
        seconds = _seconds(ttl)

        def ask(connection: Connection) -> ObjectInfo:
            what = wire.what(wire.PUT, raw)
            id = connection.queue(wire.PUT, raw, body_length=length, ttl=seconds,
                                  conditions=conditions)
            send(connection)
            return _take_stat(connection.receive(id, wire.PUT, what), length)

        return self._run(ask)


def _ask(connection: Connection, mode: bytes, uri: bytes,
         wanted: Optional[Tuple[int, int]] = None, conditions: bytes = b"") -> wire.Answer:
    id = connection.queue(mode, uri, wanted, conditions=conditions)
    connection.flush()
    return connection.receive(id, mode, wire.what(mode, uri))


def _info(said: wire.Metadata, size: int, offset: int, length: int) -> ObjectInfo:
    return ObjectInfo(size, offset, length, said.mtime, said.etag, said.mime, said.backend,
                      said.latency_us, said.expires, said.stale)


def _broken(connection: Connection, message: str) -> NoReturn:
    connection.drop(message)
    raise ProtocolError(message)


def _check_granted(connection: Connection, what: str, wanted: Optional[Tuple[int, int]],
                   offset: int,
                   length: int) -> None:
    """Bytes from another place than asked for must not pass for the right ones, nor more than were
    asked for.
    """
    if wanted is not None and (offset != wanted[0] or (wanted[1] and length > wanted[1])):
        _broken(connection,
                f"{what}: asked for {wanted[1]} bytes at {wanted[0]}, the server granted {length} "
                f"at "
                            f"{offset}")


def _take_stat(answer: wire.Answer, size: int = 0) -> ObjectInfo:
    """What the answer to STAT says, or to what stored an object of `size` bytes."""
    size = size if answer.metadata.size is None else answer.metadata.size
    return _info(answer.metadata, size, 0, size)


def _take_info(connection: Connection, answer: wire.Answer, what: str,
               wanted: Optional[Tuple[int, int]]) -> ObjectInfo:
    """What the answer to COPY or SPLICE says of the content_length bytes that follow."""
    said = answer.metadata
    length = answer.content_length
    size = length if said.size is None else said.size
    offset, granted = said.range or (wanted[0] if wanted else 0, length)
    if granted != length:
        _broken(connection,
                f"{what}: the server contradicts itself: a part of {granted} bytes in {length}")
    _check_granted(connection, what, wanted, offset, length)
    if said.size is not None:
        # Nothing is left out of what was asked for but what lies behind the object's end.
        left = max(0, size - offset)
        due = min(wanted[1] or left, left) if wanted else size
        if length != due or (wanted is None and offset != 0):
            _broken(connection,
                    f"{what}: the server contradicts itself: {length} bytes at {offset} of an "
                    f"object of {size}")
    return _info(said, size, offset, length)


def _take_fd(connection: Connection, answer: wire.Answer, what: str,
             wanted: Optional[Tuple[int, int]]) -> FdObject:
    fd = connection.take_fd(what)
    try:
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        attributes = os.fstat(fd)
        if not stat.S_ISREG(
            attributes.st_mode) or flags & os.O_PATH or flags & os.O_ACCMODE == os.O_WRONLY:
            _broken(connection,
                    f"{what}: the descriptor is not of a regular file that is open for reading")
        said = answer.metadata
        length_known = connection.has(wire.FD_IN_HEADER | wire.FD_BATCH)
        size = said.size
        if length_known and wanted is None:
            if size is not None and size != answer.content_length:
                _broken(connection,
                        f"{what}: the server contradicts itself: {size} bytes and "
                        f"{answer.content_length}")
            size = answer.content_length
        if size is None:
            size = attributes.st_size
        offset, length = 0, size
        if wanted is not None:
            left = max(0, size - wanted[0])
            length = answer.content_length if length_known else min(wanted[1] or left, left)
            offset, granted = said.range or (wanted[0], length)
            if length_known and granted != length:
                _broken(connection,
                        f"{what}: the server contradicts itself: a part of {granted} bytes and of "
                        f"{length}")
            length = granted
        _check_granted(connection, what, wanted, offset, length)
        if offset + length > attributes.st_size:  # it may have been cut meanwhile
            raise ServerFault(
                f"{what}: the received file has only {max(0, attributes.st_size - offset)} of "
                f"{length} "
                              "bytes")
        return FdObject(fd, _info(said, size, offset, length))
    except BaseException:
        os.close(fd)
        raise


def _list_page(connection: Connection, asked: bytes, prefix: bytes,
               last: bytes, through: bool) -> Tuple[List[Tuple[bytes, int, int]], Optional[bytes]]:
    """The entries, all of them behind `last`, and where the next page begins; None: there is none.
    """
    what = wire.what(wire.LIST, prefix)
    id = connection.queue(wire.LIST, asked, through=through)
    connection.flush()
    answer = connection.receive(id, wire.LIST, what)
    if answer.content_length > wire.LIST_BODY_BYTES_MAX:
        _broken(connection,
                f"{what}: a page of {answer.content_length} bytes, where "
                f"{wire.LIST_BODY_BYTES_MAX} are "
                            "the most")
    try:
        return wire.parse_entries(connection.read_body(what), prefix,
                                  last), answer.metadata.cursor or None
    except wire.Malformed as error:
        _broken(connection, f"{what}: {error}")


def _wait_seconds(timeout: Union[float, datetime.timedelta, None]) -> Optional[float]:
    """What connect() was given, as what the waits go by: None for ever."""
    if timeout is None:
        return None
    try:
        seconds = timeout.total_seconds() if isinstance(timeout,
                                                        datetime.timedelta) else float(timeout)
    except OverflowError:
        seconds = math.inf
    if not seconds > 0:  # nor is "not a number" longer than nothing
        raise ValueError(f"a timeout of {timeout}: it must be positive; None means no limit")
    return None if seconds > _LONGEST_WAIT_S else seconds


def _way(mode: str) -> bytes:
    if mode not in _MODES:
        raise ValueError(f"mode is {mode!r}; there are 'copy' and 'splice'")
    return _MODES[mode]


def _offset(offset: int) -> int:
    if not 0 <= offset < 1 << 64:
        raise InvalidRequest(f"an offset of {offset}")
    return offset


def _range(offset: int, length: Optional[int]) -> Optional[Tuple[int, int]]:
    """What a request carries: nothing for the whole object."""
    if length is not None and not 0 <= length < 1 << 64:
        raise InvalidRequest(f"a length of {length}")
    if offset == 0 and length is None:
        return None
    return _offset(offset), length or 0


def _seconds(ttl: Ttl) -> Optional[int]:
    """Whole seconds, rounded up."""
    if ttl is None:
        return None
    exact = ttl.total_seconds() if isinstance(ttl, datetime.timedelta) else ttl
    seconds = math.ceil(exact) if math.isfinite(exact) else 0
    if not 1 <= seconds <= wire.TTL_SECONDS_MAX:
        raise InvalidRequest(f"a time to live of {ttl}: it is 1 to {wire.TTL_SECONDS_MAX} seconds")
    return seconds
