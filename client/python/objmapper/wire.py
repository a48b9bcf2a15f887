"""The bytes of protocol V2, as docs/protocol.md has them. No sockets here."""

import struct
from dataclasses import dataclass
from typing import List, Optional, Tuple, Union

from .errors import InvalidRequest

# Capabilities. OOO_REPLIES (0x0001) is not among them: batches give their results in the order of
# their URIs.
PIPELINING = 0x0002
LIST_THROUGH = 0x0004
FD_IN_HEADER = 0x0100
FD_BATCH = 0x0200
RANGE = 0x0400
OBJECT_OPS = 0x0800
METADATA = 0x1000
VERSIONS = 0x2000  # asked for where they are wanted: they cost the server something
CONDITIONS = 0x4000
AUTH = 0x8000  # asked for by who has a token
CAPABILITIES_TCP = PIPELINING | RANGE | OBJECT_OPS | METADATA | CONDITIONS | LIST_THROUGH
CAPABILITIES_UNIX = CAPABILITIES_TCP | FD_IN_HEADER | FD_BATCH

# Flags of a request.
_FLAG_RANGE = 0x04
_FLAG_METADATA = 0x08
_FLAG_THROUGH = 0x10

# Modes.
FDPASS = b"1"
COPY = b"2"
SPLICE = b"3"
STAT = b"S"
PUT = b"W"
PUT_FD = b"F"
DELETE = b"D"
LIST = b"L"

_NAMES = {
    FDPASS: "OP_FDPASS",
    COPY: "OP_COPY",
    SPLICE: "OP_SPLICE",
    STAT: "OP_STAT",
    PUT: "OP_PUT",
    PUT_FD: "OP_PUT_FD",
    DELETE: "OP_DELETE",
    LIST: "OP_LIST",
}

# The first byte of what the server sends.
RESPONSE = 0x02
CLOSE = 0x03
HELLO_ACK_BYTES = 10
_MAGIC = b"OBJM"
_VERSION = 2

_RESPONSE_HEAD = struct.Struct(">BIBQH")  # type, id, status, content_length, metadata_length
_V1_HEAD = struct.Struct(">BQH")  # what answers HELLO when the server will not have us
_ENTRY_HEAD = struct.Struct(">H")
_ENTRY_TAIL = struct.Struct(">Qq")

URI_BYTES_MAX = 4096
TOKEN_BYTES_MAX = 4096
METADATA_BYTES_MAX = 1024
LIST_BODY_BYTES_MAX = 1 << 20
FDS_PER_MESSAGE_MAX = 253
ETAG_BYTES_MAX = 64
TTL_SECONDS_MAX = 0xFFFFFFFF

CLOSE_REASONS = {
    0: "the connection has had all its answers",
    1: "the connection was idle for too long",
    2: "it could not understand this client",
    3: "it is shutting down",
}


class Malformed(Exception):
    """The bytes are not this protocol."""


@dataclass
class Metadata:
    """The types that mean something to a client."""

    size: Optional[int] = None
    mtime: Optional[int] = None
    etag: Optional[str] = None
    mime: Optional[str] = None
    backend: Optional[int] = None
    latency_us: Optional[int] = None
    range: Optional[Tuple[int, int]] = None
    cursor: Optional[bytes] = None
    retry_after_ms: Optional[int] = None
    error: str = ""
    expires: Optional[int] = None
    stale: bool = False


@dataclass
class Answer:
    """A RESPONSE without its body or descriptor. id is 0 in a V1 error."""

    id: int
    status: int
    content_length: int
    metadata: Metadata


def uri_bytes(uri: Union[str, bytes]) -> bytes:
    """A URI as it goes out: names are bytes, and those that are not UTF-8 are surrogates in a str,
    as in os.fsencode().

    Raises InvalidRequest for one that is empty, too long, or no name at all.
    """
    if not isinstance(uri, (str, bytes)):
        raise InvalidRequest(f"a URI is str or bytes, not {type(uri).__name__}")
    try:
        raw = uri if isinstance(uri, bytes) else uri.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidRequest(f"a URI that cannot be written as UTF-8: {ascii(uri)}") from None
    if not raw:
        raise InvalidRequest("a URI must not be empty")
    if len(raw) > URI_BYTES_MAX:
        raise InvalidRequest(
            f"a URI has at most {URI_BYTES_MAX} bytes, this one has {len(raw)}: {what(None, raw)}")
    return raw


def uri_text(raw: bytes) -> str:
    """The URI that uri_bytes() turns back into `raw`."""
    return raw.decode("utf-8", "surrogateescape")


def what(mode: Optional[bytes], uri: bytes) -> str:
    """What was asked, for messages: of one line, and not too long."""
    text = repr(uri[:200].decode("utf-8", "backslashreplace"))[1:-1] + ("..." if len(uri) > 200
                                                                        else "")
    return f'"{text}"' if mode is None else f'{_NAMES[mode]} "{text}"'


def hello(capabilities: int, max_pipeline: int) -> bytes:
    return _MAGIC + struct.pack(">BHH", _VERSION, capabilities, max_pipeline)


def auth(token: bytes) -> bytes:
    """AUTH: what is asked behind it is asked by whoever has the token."""
    return struct.pack(">BH", 0x05, len(token)) + token


def parse_hello_ack(data: bytes) -> Tuple[int, int]:
    """(capabilities, max_pipeline) of the HELLO_ACK_BYTES of `data`."""
    magic, version, capabilities, max_pipeline, _ = struct.unpack(">4sBHHB", data)
    if magic != _MAGIC or version != _VERSION:
        raise Malformed("HELLO was answered with another message")
    return capabilities, max_pipeline


def request(id: int, mode: bytes, uri: bytes, range: Optional[Tuple[int, int]] = None,
            body_length: Optional[int] = None, ttl: Optional[int] = None,
            conditions: bytes = b"", through: bool = False) -> bytes:
    """A REQUEST, up to its body. range: (offset, length), length 0: to the end. ttl: seconds; PUT
    and PUT_FD alone. conditions: from conditions(). through: to the origins; LIST alone.
    """
    has_metadata = ttl is not None or bool(conditions)
    flags = (_FLAG_RANGE if range is not None else 0) | (_FLAG_METADATA if has_metadata else 0)
    flags |= _FLAG_THROUGH if through else 0
    parts = [struct.pack(">BIBsH", 0x01, id, flags, mode, len(uri))]
    if range is not None:
        parts.append(struct.pack(">QQ", *range))
    if body_length is not None:
        parts.append(struct.pack(">Q", body_length))
    metadata = conditions
    if ttl is not None:
        metadata = struct.pack(">BHI", 0x13, 4, ttl) + metadata
    if has_metadata:
        parts.append(struct.pack(">H", len(metadata)))
    parts.append(uri)
    parts.append(metadata)
    return b"".join(parts)


def conditions(if_absent: bool = False, if_match: Optional[str] = None,
               if_none_match: Optional[str] = None) -> bytes:
    """What a request's metadata say of the object's version. Raises InvalidRequest."""
    if if_absent and if_match is not None:
        raise InvalidRequest("what is absent has no version: if_absent and if_match exclude each "
                             "other")
    entries = b"\x15\0\0" if if_absent else b""
    for kind, etag in ((0x14, if_match), (0x16, if_none_match)):
        if etag is None:
            continue
        raw = etag.encode("utf-8", "replace") if isinstance(etag, str) else b""
        if not 1 <= len(raw) <= ETAG_BYTES_MAX:
            raise InvalidRequest(f"no etag, which is a str of 1 to {ETAG_BYTES_MAX} bytes: "
                                 f"{etag!r:.100}")
        entries += struct.pack(">BH", kind, len(raw)) + raw
    return entries


def parse_response(data: Union[bytes, bytearray]) -> Optional[Tuple[Answer, int]]:
    """(the answer at the start of `data`, bytes up to its body); None when `data` holds only a part
    of it.
    """
    if len(data) < _RESPONSE_HEAD.size:
        return None
    _, id, status, content_length, metadata_length = _RESPONSE_HEAD.unpack_from(data)
    return _with_metadata(data, _RESPONSE_HEAD.size, id, status, content_length, metadata_length)


def parse_v1_error(data: Union[bytes, bytearray]) -> Optional[Tuple[Answer, int]]:
    """The same for what a server says in HELLO_ACK's place."""
    if len(data) < _V1_HEAD.size:
        return None
    status, content_length, metadata_length = _V1_HEAD.unpack_from(data)
    return _with_metadata(data, _V1_HEAD.size, 0, status, content_length, metadata_length)


def parse_entries(body: Union[bytes, bytearray], prefix: bytes = b"",
                  after: bytes = b"") -> List[Tuple[bytes, int, int]]:
    """The (uri, size, mtime) of the body of a LIST of `prefix`, of which all that came before were
    up to `after`.

    Raises Malformed, too, where an entry is not what was asked for: one that does not begin with
    the prefix, is empty, too long or holds a NUL, or does not come behind the one before.
    """
    entries: List[Tuple[bytes, int, int]] = []
    at = 0
    while at < len(body):
        if at + _ENTRY_HEAD.size > len(body):
            raise Malformed("a list ends in the middle of an entry")
        (length,) = _ENTRY_HEAD.unpack_from(body, at)
        at += _ENTRY_HEAD.size
        if at + length + _ENTRY_TAIL.size > len(body):
            raise Malformed("a list ends in the middle of an entry")
        uri = bytes(body[at:at + length])
        if not uri.startswith(prefix) or uri <= after or b"\0" in uri or len(uri) > URI_BYTES_MAX:
            raise Malformed(
                f"a list of {what(None, prefix)} has {what(None, uri)} behind {what(None, after)}")
        after = uri
        size, mtime = _ENTRY_TAIL.unpack_from(body, at + length)
        entries.append((uri, size, mtime))
        at += length + _ENTRY_TAIL.size
    return entries


def _with_metadata(data: Union[bytes, bytearray], head: int, id: int, status: int,
                   content_length: int,
                   metadata_length: int) -> Optional[Tuple[Answer, int]]:
    if metadata_length > METADATA_BYTES_MAX:
        raise Malformed(
            f"{metadata_length} bytes of metadata, where {METADATA_BYTES_MAX} are the most")
    end = head + metadata_length
    if len(data) < end:
        return None
    metadata = _parse_metadata(bytes(data[head:end])) if metadata_length else Metadata()
    return Answer(id, status, content_length, metadata), end


def _parse_metadata(data: bytes) -> Metadata:
    result = Metadata()
    at = 0
    while at < len(data):
        if at + 3 > len(data):
            raise Malformed("metadata end in the middle of a field")
        kind, length = struct.unpack_from(">BH", data, at)
        at += 3
        value = data[at:at + length]
        if len(value) < length:
            raise Malformed("metadata end in the middle of a field")
        at += length
        if kind == 0x01:
            result.size = _integer(value, 8)
        elif kind == 0x02:
            result.mtime = _integer(value, 8, signed=True)
        elif kind == 0x03:
            result.etag = value.decode("utf-8", "replace")
        elif kind == 0x04:
            result.mime = value.decode("utf-8", "replace")
        elif kind == 0x05:
            result.backend = _integer(value, 1)
        elif kind == 0x06:
            result.latency_us = _integer(value, 4)
        elif kind == 0x07:
            result.expires = _integer(value, 8, signed=True)
        elif kind == 0x08:
            if value:
                raise Malformed(f"STALE has {len(value)} bytes in place of 0")
            result.stale = True
        elif kind == 0x10:
            result.range = _integer(value[:8], 8), _integer(value[8:], 8)
        elif kind == 0x11:
            result.cursor = value
        elif kind == 0x12:
            result.retry_after_ms = _integer(value, 4)
        elif kind == 0xFF:
            result.error = value.decode("utf-8", "replace")
    return result


def _integer(value: bytes, length: int, signed: bool = False) -> int:
    if len(value) != length:
        raise Malformed(f"a field of metadata has {len(value)} bytes in place of {length}")
    return int.from_bytes(value, "big", signed=signed)
