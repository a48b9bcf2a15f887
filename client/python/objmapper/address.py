"""Where a server listens, and how to get there."""

import socket
import struct
from dataclasses import dataclass
from typing import FrozenSet, Optional

from .errors import ConnectionFailed, InvalidRequest, TimedOut

_UNIX_PATH_BYTES_MAX = 107  # unix(7): sun_path, with a NUL behind it


@dataclass(frozen=True)
class Address:
    """One server's door. path: of a Unix socket, "\\0name" for an abstract one; empty for TCP."""

    url: str
    path: str = ""
    host: str = ""
    port: int = 0

    @property
    def is_unix(self) -> bool:
        return bool(self.path)


def parse_url(url: str) -> Address:
    """Takes "unix:/path", "unix:@abstract", "tcp://host:port" and "tcp://[ipv6]:port". Raises InvalidRequest."""
    if url.startswith("unix:"):
        path = url[len("unix:"):]
        if path.startswith("@"):
            path = "\0" + path[1:]
        if len(path) < 2 or len(path.encode("utf-8", "surrogateescape")) > _UNIX_PATH_BYTES_MAX:
            raise InvalidRequest(f"{url!r}: a Unix socket's path has 1 to {_UNIX_PATH_BYTES_MAX} bytes")
        return Address(url, path=path)
    if url.startswith("tcp://"):
        host, colon, port = url[len("tcp://"):].rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        if colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
            return Address(url, host=host, port=int(port))
    raise InvalidRequest(f"{url!r} is no server: write unix:/path, unix:@abstract or tcp://host:port")


def dial(address: Address, timeout: Optional[float], server_uids: FrozenSet[int] = frozenset()) -> socket.socket:
    """A connected, blocking socket whose every send and receive waits at most `timeout` seconds (None: for ever).

    server_uids: who may have made it, unless there are none: of a Unix socket alone.

    The kernel keeps the time (SO_RCVTIMEO): Python's own time-outs cost a poll(2) before each call.
    """
    try:
        if address.is_unix:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(timeout)
                connection.connect(address.path)
                _check_owner(connection, address, server_uids)
            except BaseException:
                connection.close()
                raise
        else:
            connection = socket.create_connection((address.host, address.port), timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except socket.timeout:
        raise TimedOut(f"{address.url}: no connection within {timeout} s") from None
    except OSError as error:
        raise ConnectionFailed(f"{address.url}: {error.strerror or error}") from error
    connection.settimeout(None)
    if timeout is not None:
        # A zero timeval means "for ever" (socket(7)); a wait that rounds to zero must not become one.
        microseconds = max(1, int(timeout * 1e6))
        value = struct.pack("@ll", microseconds // 1000000, microseconds % 1000000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
    return connection


def _check_owner(connection: socket.socket, address: Address, server_uids: FrozenSet[int]) -> None:
    """Raises ConnectionFailed unless it is one of those, or there are none."""
    if not server_uids:
        return
    # Of a connection that was made, the peer is who called listen(2) (unix(7), SO_PEERCRED): pid, uid, gid.
    _, uid, _ = struct.unpack("@iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid not in server_uids:
        wanted = " or ".join(str(one) for one in sorted(server_uids))
        raise ConnectionFailed(f"{address.url}: who listens there is uid {uid}, not uid {wanted}; nothing was asked")
