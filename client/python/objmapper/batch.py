"""Many objects over one connection, asked for before the answers come."""

from collections import deque
from typing import Callable, Deque, Iterable, Iterator, Optional, Tuple, TypeVar, Union

from . import wire
from .connection import Connection
from .errors import ConnectionFailed, InvalidRequest, ObjmapperError
from .objects import Item

T = TypeVar("T")

Uri = Union[str, bytes]

# What was asked: its id, the URI as given and as sent, and the error of one that could not be asked.
_Pending = Tuple[int, Uri, bytes, Optional[ObjmapperError]]


def run(connection: Connection, mode: bytes, uris: Iterable[Uri],
        take: Callable[[Connection, wire.Answer, str], T]) -> Iterator[Item[T]]:
    """One item for each of `uris`, in their order, with at most `connection.window` requests outstanding.

    take: gets what follows an OK answer off the connection.
    Raises ConnectionFailed when the connection ends: what had been asked by then has no items.
    """
    source = iter(uris)
    pending: Deque[_Pending] = deque()
    more = True
    while True:
        # In half windows, so that requests and answers travel several at a time. After a lost descriptor nobody knows
        # whose the next ones are, until nothing is outstanding.
        if more and len(pending) <= connection.window // 2 and not (connection.fds_lost and connection.outstanding):
            more = _fill_window(connection, mode, source, pending)
        if not pending:
            return
        id, uri, raw, error = pending.popleft()
        if error is not None:
            yield Item(uri, None, error)
            continue
        what = wire.what(mode, raw)
        connection.flush_or_await_input()
        try:
            value = take(connection, connection.receive(id, mode, what), what)
        except ConnectionFailed:
            raise
        except ObjmapperError as answered:
            yield Item(uri, None, answered)
        else:
            yield Item(uri, value, None)


def _fill_window(connection: Connection, mode: bytes, source: Iterator[Uri], pending: Deque[_Pending]) -> bool:
    """False when `source` has come to its end."""
    while len(pending) < connection.window:
        try:
            uri = next(source)
        except StopIteration:
            return False
        try:
            raw = wire.uri_bytes(uri)
        except InvalidRequest as error:
            pending.append((0, uri, b"", error))
        else:
            pending.append((connection.queue(mode, raw), uri, raw, None))
    return True
