"""Where a server listens, and how to get there."""

import os
import socket
import stat
import struct
import time
from dataclasses import dataclass
from typing import Callable, FrozenSet, Optional

from .errors import ClientClosed, ConnectionFailed, InvalidRequest, TimedOut
from .patience import Patience

_UNIX_PATH_BYTES_MAX = 107  # unix(7): sun_path, with a NUL behind it
_UNIT_SOCKET = "/run/objmapper/objmapper.sock"  # tools/systemd/objmapper.socket
# Between two tries to get into a full backlog.
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05


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


def default_url() -> str:
    """Where a server is looked for when nobody says otherwise, as the command line does:
    $OBJMAPPER_SERVER; else the systemd unit's socket, where there is one; else objmapper.sock in
    $XDG_RUNTIME_DIR, or in /tmp."""
    url = os.environ.get("OBJMAPPER_SERVER")
    if url:
        return url
    own = f"{os.environ.get('XDG_RUNTIME_DIR') or '/tmp'}/objmapper.sock"
    try:
        is_there = stat.S_ISSOCK(os.stat(_UNIT_SOCKET).st_mode)
    except OSError:
        is_there = False
    # Who is not in the unit's group may have a server of his own; if not, the unit's says what is
    # missing.
    if is_there and (os.access(_UNIT_SOCKET, os.W_OK) or not os.access(own, os.W_OK)):
        return f"unix:{_UNIT_SOCKET}"
    return f"unix:{own}"


def parse_url(url: str) -> Address:
    """Takes "unix:/path", "unix:@abstract", "tcp://host:port" and "tcp://[ipv6]:port", and for a
    Unix socket its path alone, when it begins with "/", "./" or "../". Raises InvalidRequest."""
    if url.startswith(("/", "./", "../")):
        url = f"unix:{url}"
    if url.startswith("unix:"):
        path = url[len("unix:"):]
        if path.startswith("@"):
            path = "\0" + path[1:]
        if not path.strip(
            "\0") or "\0" in path[1:] or len(os.fsencode(path)) > _UNIX_PATH_BYTES_MAX:
            raise InvalidRequest(
                f"{url!r}: a Unix socket's path has 1 to {_UNIX_PATH_BYTES_MAX} bytes, and no NUL")
        return Address(url, path=path)
    if url.startswith("tcp://"):
        host, colon, port = url[len("tcp://"):].rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        if colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
            return Address(url, host=host, port=int(port))
    raise InvalidRequest(
        f"{url!r} is no server: write unix:/path, /path, unix:@abstract or tcp://host:port")


def dial(address: Address, timeout: Optional[float], server_uids: FrozenSet[int] = frozenset(),
         is_wanted: Callable[[], bool] = lambda: True) -> socket.socket:
    """A connected, blocking socket. Takes at most `timeout` seconds (None: for ever), all of a
    host's addresses together.

    server_uids: who may have made it, unless there are none: of a Unix socket alone. is_wanted:
    asked now and then; ClientClosed when it is not.
    """
    patience = Patience(timeout)
    try:
        if address.is_unix:
            return _dial_unix(address, patience, server_uids, is_wanted)
        return _dial_tcp(address, patience, is_wanted)
    except socket.timeout:
        raise TimedOut(f"{address.url}: no connection within {timeout} s") from None
    except OSError as error:
        raise ConnectionFailed(f"{address.url}: {error.strerror or error}") from error


def _dial_unix(address: Address, patience: Patience, server_uids: FrozenSet[int],
               is_wanted: Callable[[], bool]) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        pause = _FIRST_PAUSE_S
        while True:
            is_last = patience.left() == 0
            try:
                connection.connect(address.path)
                break
            # the listener's backlog is full, which nothing but another try tells the end of
            # (unix(7))
            except BlockingIOError:
                if is_last:
                    raise socket.timeout from None
                if not is_wanted():
                    raise ClientClosed(
                        f"{address.url}: the client was closed before it was connected") from None
                time.sleep(patience.at_most(pause))
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        _check_owner(connection, address, server_uids)
        connection.setblocking(True)
        return connection
    except BaseException:
        connection.close()
        raise


def _dial_tcp(address: Address, patience: Patience, is_wanted: Callable[[], bool]) -> socket.socket:
    last: OSError = OSError(f"{address.host} has no address")
    for family, kind, protocol, _, name in socket.getaddrinfo(address.host, address.port, 0,
                                                              socket.SOCK_STREAM):
        if not is_wanted():
            raise ClientClosed(f"{address.url}: the client was closed before it was connected")
        connection = socket.socket(family, kind, protocol)
        try:
            # Of this Python keeps the time, whatever signals come. A try that has begun looks at
            # least once.
            left = patience.left()
            connection.settimeout(None if left is None else max(left, _FIRST_PAUSE_S))
            connection.connect(name)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(None)
            return connection
        except OSError as error:
            connection.close()
            last = error
            if patience.left() == 0:
                break
        except BaseException:
            connection.close()
            raise
    raise last


def _check_owner(connection: socket.socket, address: Address, server_uids: FrozenSet[int]) -> None:
    """Raises ConnectionFailed unless it is one of those, or there are none."""
    if not server_uids:
        return
    # Of a connection that was made, the peer is who called listen(2) (unix(7), SO_PEERCRED): pid,
    # uid, gid.
    _, uid, _ = struct.unpack("@iII",
                              connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid not in server_uids:
        wanted = " or ".join(str(one) for one in sorted(server_uids))
        raise ConnectionFailed(
            f"{address.url}: the server there is uid {uid}, not uid {wanted}; no request was sent")
