"""How long one wait may still take: a deadline, whatever interrupts the waiting."""

import select
import time
from typing import Optional

# So long after a time that it was to wake at, a thread has not been running: its process was
# stopped.
_OVERSLEPT_S = 1.0
_POLL_MS_MAX = 1e9  # poll(2) counts milliseconds in an int


class Patience:
    """`timeout` seconds from now on; None: for ever.

    A signal does not begin the time anew, and nobody is called late before the socket has been
    looked at after the time was up: the process may have been stopped (SIGSTOP) or frozen in
    between, and what came meanwhile came in time. When that was for a second or more, the other
    side may have been frozen too: then, once, there is as much time again.
    """

    def __init__(self, timeout: Optional[float]) -> None:
        self._timeout = timeout
        self._until = None if timeout is None else time.monotonic() + timeout
        self._excused = False

    def left(self) -> Optional[float]:
        """Seconds; 0 when the time is up, None for ever."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def at_most(self, seconds: float) -> float:
        """The same, but no more than `seconds`."""
        left = self.left()
        return seconds if left is None else min(left, seconds)

    def wait(self, poll: select.poll) -> bool:
        """Waits until `poll` has something. False: the time is up, and it had nothing."""
        while True:
            if self._until is None or self._timeout is None:
                return bool(poll.poll())
            looked = time.monotonic()
            # After a signal poll() may give up at the end of its time without another look.
            if poll.poll(min(max(0.0, self._until - looked) * 1000, _POLL_MS_MAX)):
                return True
            if looked >= self._until:
                return False
            now = time.monotonic()
            if now - self._until > _OVERSLEPT_S and not self._excused:
                self._until = now + self._timeout
                self._excused = True
