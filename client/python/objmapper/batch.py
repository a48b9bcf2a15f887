"""Many objects over one connection, asked for before the answers come."""

import itertools
from collections import deque
from typing import Callable, Deque, Iterable, Iterator, Optional, Tuple, TypeVar, Union

from . import wire
from .connection import Connection
from .errors import ClientClosed, ConnectionClosed, ConnectionFailed, InvalidRequest, ObjmapperError
from .objects import Item

T = TypeVar("T")

Uri = Union[str, bytes]

# What was asked: its id, the URI as given and as sent, and the error of one that could not be
# asked.
_Pending = Tuple[int, Uri, bytes, Optional[ObjmapperError]]


def run(connection: Connection, connect_anew: Callable[[], Connection],
        all_taken: Callable[[], None], mode: bytes,
        uris: Iterable[Uri],
        take: Callable[[Connection, wire.Answer, str], T]) -> Iterator[Item[T]]:
    """One item for each of `uris`, in their order, with at most `connection.window` requests
    outstanding.

    take: gets what follows an OK answer off the connection. all_taken: called before the last item
    is given out, since a caller who counts, or zip(), does not come back for the end. Where the
    server says CLOSE (it gives each connection only so many answers, or another server takes over),
    the rest is asked over a new connection. An object that costs the connection (its bytes broke
    off, or are more than are wanted) has that as its own item's error; the rest is asked over a new
    one, too. Raises ConnectionFailed when the connection ends before an answer: what had been asked
    by then has no items.
    """
    source = iter(uris)
    pending: Deque[_Pending] = deque()
    more = _fill_window(connection, mode, source, pending)
    while pending:
        id, uri, raw, error = pending.popleft()
        item: Item[T] = Item(uri, None, error)
        if error is None:
            what = wire.what(mode, raw)
            taking = False
            try:
                connection.flush_or_await_input()
                answer = connection.receive(id, mode, what)
                taking = True
                item = Item(uri, take(connection, answer, what), None)
            except ClientClosed:
                raise
            except ConnectionClosed:
                if connection.answers == 0:
                    raise  # a server that only ever says CLOSE
                source = itertools.chain([uri], [asked for _, asked, _, _ in pending], source)
                pending.clear()
                connection = connect_anew()
                more = _fill_window(connection, mode, source, pending)
                continue
            except ConnectionFailed as failed:
                if not taking:
                    raise
                item = Item(uri, None, failed)  # it is this object that broke off
            except ObjmapperError as answered:
                item = Item(uri, None, answered)
            if connection.dropped and (pending or more):
                # What else was asked over it has no answers.
                source = itertools.chain([asked for _, asked, _, _ in pending], source)
                pending.clear()
                connection = connect_anew()
                more = _fill_window(connection, mode, source, pending)
        # In half windows, so that requests and answers travel several at a time. After a lost
        # descriptor nobody knows whose the next ones are, until nothing is outstanding.
        if more and len(pending) <= connection.window // 2 and not (connection.fds_lost
                                                                    and connection.outstanding):
            more = _fill_window(connection, mode, source, pending)
        if not pending:
            all_taken()
        yield item


def _fill_window(connection: Connection, mode: bytes, source: Iterator[Uri],
                 pending: Deque[_Pending]) -> bool:
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
