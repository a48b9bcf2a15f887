"""What a client gets: descriptions, and objects as open files."""

import mmap
import os
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Generic, Optional, Tuple, Type, TypeVar, Union

from .errors import ObjmapperError

T = TypeVar("T")


@dataclass(frozen=True)
class ObjectInfo:
    """What the server said of an object. None: it did not say. What it says beyond the size comes
    with the answers of stat() and of what stores, and with connect(versions=True) of all that read:
    then it is of the very version that was sent.
    """

    size: int  # bytes of the whole object
    offset: int = 0  # the part that was granted: offset and length
    length: int = 0
    mtime: Optional[int] = None  # seconds since the epoch
    etag: Optional[str] = None  # changes whenever the content does
    mime: Optional[str] = None
    backend: Optional[int] = None  # the storage tier that has it: 1 disk, 2 memory
    latency_us: Optional[int] = None  # spent inside the server
    expires: Optional[int] = None  # seconds since the epoch: when it is gone; None too: never
    # It may be outdated: it comes from an origin, which the server should ask again and cannot.
    # Said with connect(versions=True) alone.
    stale: bool = False


@dataclass(frozen=True)
class Entry:
    """One object of a list."""

    uri: str
    size: int
    mtime: int  # seconds since the epoch


class Item(Generic[T]):
    """One result of a batch: `value`, or the `error` that this one URI met."""

    __slots__ = ("uri", "error", "_value")

    def __init__(self, uri: Union[str, bytes], value: Optional[T],
                 error: Optional[ObjmapperError]) -> None:
        self.uri = uri
        self.error = error
        self._value = value

    @property
    def value(self) -> T:
        """The object. Raises `error` when there is one."""
        if self.error is not None:
            raise self.error
        assert self._value is not None
        return self._value

    def __repr__(self) -> str:
        return f"Item({self.uri!r}, {self.error if self.error is not None else self._value!r})"


class Mapping(mmap.mmap):
    """An object's pages, mapped read-only.

    Views of it (memoryview, an array of numpy.frombuffer() or torch.frombuffer()) keep it alive:
    `close()`, or the end of a `with`, unmaps it at once where there are none, and else when the
    last of them has gone.
    """

    _let_go = False

    def close(self) -> None:
        """May be called again."""
        self._let_go = True
        try:
            super().close()
        except BufferError:
            pass  # the last view's end is the mapping's, too

    @property
    def closed(self) -> bool:
        """True after close(), although views may still be there."""
        return self._let_go or super().closed

    def __enter__(self) -> "Mapping":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class EmptyMapping(bytes):
    """Stands for the mapping of an empty object, which the kernel does not make (mmap(2), EINVAL).
    """

    closed = False

    def close(self) -> None:
        self.closed = True

    def size(self) -> int:
        return 0

    def read(self, count: Optional[int] = None) -> bytes:
        return b""

    def __enter__(self) -> "EmptyMapping":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()


class FdObject:
    """An object as an open file. Owns its descriptor: close it, or use it in a `with`.

    The descriptor is read-only and close-on-exec. It always names the whole object; a range that
    was asked for is in `range`. It stays good when the object is replaced or deleted, and shows the
    content it had. Use `pread()` or `mmap()` where the server runs with --fd_sharing=always: then
    its file offset is other clients' too.
    """

    def __init__(self, fd: int, info: ObjectInfo) -> None:
        """fd: owned from now on."""
        self._fd = fd
        self.info = info

    @property
    def size(self) -> int:
        """Bytes of the whole object."""
        return self.info.size

    @property
    def range(self) -> Tuple[int, int]:
        """(offset, length) of what was granted; (0, size) when no range was asked for."""
        return self.info.offset, self.info.length

    @property
    def closed(self) -> bool:
        return self._fd < 0

    def fileno(self) -> int:
        """The descriptor, borrowed. ValueError after close() or detach()."""
        if self._fd < 0:
            raise ValueError("this object's descriptor is closed, or somebody else's")
        return self._fd

    def detach(self) -> int:
        """The descriptor, the caller's from now on: os.close() it."""
        fd = self.fileno()
        self._fd = -1
        return fd

    def pread(self, length: int, offset: int = 0) -> bytes:
        """At most `length` bytes at `offset`."""
        return os.pread(self.fileno(), length, offset)

    def open(self) -> BinaryIO:
        """A file object that owns the descriptor from now on."""
        return os.fdopen(self.detach(), "rb")

    def mmap(self) -> Union[Mapping, EmptyMapping]:
        """The whole object, mapped read-only. The mapping outlives this object, and lives as long
        as its views.
        """
        size = os.fstat(self.fileno()).st_size
        if size == 0:
            return EmptyMapping()
        return Mapping(self.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ)

    def close(self) -> None:
        """Closes the descriptor. May be called again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> "FdObject":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"FdObject(fd={self._fd}, {self.info!r})"
