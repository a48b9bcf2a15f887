"""Client of objmapper, the node-local object server. Linux, Python 3.9 or later, the standard
library alone.

    import objmapper

    with objmapper.connect("unix:/run/objmapper.sock") as client:
        with client.open("models/a.bin") as file:      # the object itself, not a copy: O(1) in its
            size header = file.read(16)
        weights = client.mmap("models/a.bin")          # its pages, shared with everybody who maps
        it config = client.get("models/a.json")           # a copy of its bytes

`connect()` gives a `Client`; what it raises is below `ObjmapperError`. docs/clients.md is the
guide.
"""

from .client import Client, Mode, Source, connect
from .errors import (
    ClientBusy,
    ClientClosed,
    Conflict,
    ConnectionClosed,
    ConnectionFailed,
    DescriptorsLost,
    InvalidRequest,
    NotFound,
    NotModified,
    ObjmapperError,
    PermissionDenied,
    PreconditionFailed,
    ProtocolError,
    RangeNotSatisfiable,
    ServerFault,
    TimedOut,
    TooLarge,
    Unavailable,
    Unsupported,
)
from .memory import sealed_memfd
from .objects import EmptyMapping, Entry, FdObject, Item, Mapping, ObjectInfo

__version__ = "1.0.0"

__all__ = [
    "Client",
    "ClientBusy",
    "ClientClosed",
    "Conflict",
    "ConnectionClosed",
    "ConnectionFailed",
    "DescriptorsLost",
    "EmptyMapping",
    "Entry",
    "FdObject",
    "InvalidRequest",
    "Item",
    "Mapping",
    "Mode",
    "NotFound",
    "NotModified",
    "ObjectInfo",
    "ObjmapperError",
    "PermissionDenied",
    "PreconditionFailed",
    "ProtocolError",
    "RangeNotSatisfiable",
    "ServerFault",
    "Source",
    "TimedOut",
    "TooLarge",
    "Unavailable",
    "Unsupported",
    "connect",
    "sealed_memfd",
]
