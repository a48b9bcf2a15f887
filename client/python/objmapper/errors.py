"""What can go wrong, as exceptions: `except NotFound`, `except Unavailable as error:
sleep(error.retry_after)`.

The server's answers leave the connection good. After a `ConnectionFailed` nobody knows whether the
call was carried out (but for `ConnectionClosed`); the client's next call connects anew.
"""

import resource
from typing import Dict, Optional, Type

from .printable import printable


class ObjmapperError(Exception):
    """The base of all that this package raises for what happened, rather than for how it was
    called.

    status: the status byte of the server's answer (docs/protocol.md, "Status"); None when there was
    no answer. The message may be shown: what names and a server's texts hold is escaped where a
    terminal would obey it.
    """

    def __init__(self, message: str, status: Optional[int] = None) -> None:
        super().__init__(printable(message))
        self.status = status


class NotFound(ObjmapperError):
    """There is no such object."""


class InvalidRequest(ObjmapperError, ValueError):
    """The URI or another argument is none that the server, or this package, takes."""


class Unsupported(ObjmapperError):
    """Not offered here: a read-only server asked to store, a descriptor asked for over TCP."""


class PermissionDenied(ObjmapperError):
    """The server's rules, or the file's permissions, do not allow it."""


class RangeNotSatisfiable(ObjmapperError):
    """The offset is past the object's end."""


class TooLarge(ObjmapperError):
    """More than the server stores, or more than `bytes_max` of this client."""


class Conflict(ObjmapperError):
    """The name is a directory, or a part of its path is an object."""


class PreconditionFailed(ObjmapperError):
    """The object is another version than `if_match` names, or is there although `if_absent`.
    Nothing has changed."""


class NotModified(ObjmapperError):
    """The object is still the version that `if_none_match` names: the caller has it."""


class ServerFault(ObjmapperError):
    """The server or its disk failed."""


class Unavailable(ObjmapperError):
    """Not now: the server is at a limit of its own, or has no room. Nothing has changed; ask again
    later.

    retry_after: seconds to wait, as the server says; None when it did not say.
    """

    def __init__(self, message: str, status: Optional[int] = None,
                 retry_after: Optional[float] = None) -> None:
        super().__init__(message, status)
        self.retry_after = retry_after


class ConnectionFailed(ObjmapperError):
    """No connection could be made, or it ended before the answer did."""


class ConnectionClosed(ConnectionFailed):
    """The server said CLOSE in place of an answer: what it has not answered was not carried out."""


class TimedOut(ConnectionFailed):
    """The server was silent, or took nothing, for the client's timeout."""


class ProtocolError(ConnectionFailed):
    """One side did not understand the other."""


class ClientClosed(ConnectionFailed, ValueError):
    """The client was closed, before the call or, by another thread, in the middle of it."""


class ClientBusy(ObjmapperError):
    """The client's answers still belong to a generator of `get_many()` or `get_fds()`: finish or
    close that first.
    """


class DescriptorsLost(ObjmapperError):
    """The kernel dropped received descriptors, since this process has reached its limit of open
    files.
    """

    def __init__(self, what: str) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        super().__init__(
            f"{what}: the kernel dropped a received descriptor: this process has reached "
            f"RLIMIT_NOFILE "
            f"({soft} descriptors; hard limit {hard}). Close objects you no longer need, have "
            f"fewer open at a time, or "
            "raise the limit: resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard)) here, "
            "'ulimit -n' in the "
            "shell, LimitNOFILE= in a systemd unit")


_BY_STATUS: Dict[int, Type[ObjmapperError]] = {
    0x01: NotFound,
    0x02: InvalidRequest,
    0x03: InvalidRequest,
    0x04: InvalidRequest,
    0x05: Unsupported,
    0x06: PermissionDenied,
    0x07: RangeNotSatisfiable,
    0x08: TooLarge,
    0x09: Conflict,
    0x0A: PreconditionFailed,
    0x0B: NotModified,
    0x13: TimedOut,
    0x20: ProtocolError,
    0x21: ProtocolError,
    0x22: Unsupported,
}
_UNAVAILABLE = 0x14


def from_answer(status: int, what: str, text: str, retry_after_ms: Optional[int]) -> ObjmapperError:
    """The exception for an answer that is not OK. what: what was asked; text: what the server says
    of it.
    """
    message = f"{what}: {text or f'status 0x{status:02x}'}"
    if status == _UNAVAILABLE:
        return Unavailable(message, status,
                           None if retry_after_ms is None else retry_after_ms / 1000)
    return _BY_STATUS.get(status, ServerFault)(message, status)
