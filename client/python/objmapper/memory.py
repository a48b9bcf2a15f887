"""Objects made in memory."""

import fcntl
import os
from typing import Union

Buffer = Union[bytes, bytearray, memoryview]

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def sealed_memfd(data: Buffer, name: str = "objmapper") -> int:
    """A memfd (memfd_create(2)) that holds `data` and that nobody can change any more; the caller's
    to close.

    A server with a memory tier keeps such a descriptor as the object, without copying it
    (`Client.put_fd()`).
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        left = memoryview(data).cast("B")
        while left:
            left = left[os.write(fd, left):]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd
