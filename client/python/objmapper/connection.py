"""One connection's bytes: requests out; answers with their descriptors and bodies in.

The whole connection is read with recvmsg(2): the kernel may join the end of one message and the
next, descriptor- carrying one in one read, and a plain read would drop that descriptor. Descriptors
arrive in stream order, and the k-th one belongs to the k-th OK FDPASS answer. They are taken only
while such an answer is due, and never more of them than there are such answers: others are the
kernel's to close, and drop the connection. While none is due the kernel does not even let the
server send one (Linux 6.16).

Whatever leaves the stream at an unknown place drops the connection, and closes the descriptors it
still holds.
"""

import array
import os
import select
import socket
from collections import deque
from typing import Callable, Deque, FrozenSet, List, NoReturn, Optional, Tuple, Union

from . import wire
from .address import Address, dial
from .errors import (ClientClosed, ConnectionClosed, ConnectionFailed, DescriptorsLost,
                     InvalidRequest, ObjmapperError,
                     ProtocolError, TimedOut, Unsupported, from_answer)
from .patience import Patience

_READ_BYTES = 64 * 1024
# The rest of a body that is smaller comes through the buffer, which may bring the next answer too.
_DIRECT_READ_BYTES = 4096
_PIECE_BYTES = 1 << 20  # of a body, sent between two looks at whether the server has refused it

# Of a body, before its bytes come.
_FIRST_BODY_BYTES = 1 << 20
# In their answers content_length says something: of FDPASS, how large the file is.
_WITH_LENGTH = (wire.COPY, wire.SPLICE, wire.LIST, wire.FDPASS)
_SO_PASSRIGHTS = 83  # include/uapi/asm-generic/socket.h

_Control = List[Tuple[int, int, bytes]]


class Connection:
    """Used by one thread at a time, in the process that made it; but any thread may interrupt()
    that one.
    """

    def __init__(self, address: Address, timeout: Optional[float],
                 server_uids: FrozenSet[int] = frozenset(),
                 is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Connects; shake_hands() is next. Raises ConnectionFailed."""
        self.pid = os.getpid()
        self.url = address.url
        self.is_unix = address.is_unix
        self.capabilities = 0
        self.window = 1  # how many requests may be outstanding
        self.fds_lost = False  # since `outstanding` was last 0
        self.outstanding = 0
        self.answers = 0  # that have come, ever
        self.dropped = ""  # why
        self._timeout = timeout
        self._next_id = 1  # 0 is the id of answers that concern no request
        self._in = bytearray()  # read, and not parsed
        self._out = bytearray()  # queued, and not sent
        self._scratch = memoryview(bytearray(_READ_BYTES))
        self._body_left = 0  # of the last answer
        # The peer takes no more, or a body was broken off. What it said may explain why, so reading
        # goes on.
        self._send_failed = False
        self._fds: Deque[int] = deque()  # received, and not taken, in stream order
        # The most of them that there may be: FDPASS requests without an answer, and answers whose
        # one was not taken.
        self._fds_due = 0
        self._rights_pass = True  # whether the kernel lets descriptors come
        self._mode = b""  # of what is outstanding: all are of one
        self._interrupted = False
        self._socket = dial(address, timeout, server_uids, is_wanted)
        self._let_rights_pass(False)
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(self._socket, select.POLLOUT)
        self._ready = select.poll()
        self._ready.register(self._socket, select.POLLIN | select.POLLOUT)

    def shake_hands(self, max_pipeline: int, versions: bool = False, token: bytes = b"") -> None:
        """Says HELLO. versions: answers are to say which version they are of. token: whose all
        requests are; empty: nobody's in particular. Raises Unsupported (the server takes no
        tokens), ConnectionFailed, or what the server says in place of HELLO_ACK; then it is
        dropped.
        """
        try:
            self._shake_hands(max_pipeline, versions, bool(token))
            if token:
                self._say_token(token)
        except BaseException:
            self.drop("there was no handshake")
            raise

    def has(self, capability: int) -> bool:
        return bool(self.capabilities & capability)

    def idle(self) -> bool:
        """True when the stream stands between two exchanges: all that was asked is answered and
        taken.
        """
        return not (self.dropped or self.outstanding or self._body_left or self._out or self._in
                    or self._fds
                    or self._send_failed)

    def is_stale(self) -> bool:
        """True when an idle connection has come to its end meanwhile: the server has said CLOSE, or
        is gone.
        """
        return bool(self._readable.poll(0))

    def drop(self, why: str) -> None:
        """Ends the connection, without a word to the server. `why`: for those who use it all the
        same.
        """
        if self.dropped:
            return
        self.dropped = why
        self._socket.close()
        # Not cleared: in a process that forked beside a thread in a call, that thread's views of
        # them are there for ever.
        self._in = bytearray()
        self._out = bytearray()
        while self._fds:
            os.close(self._fds.popleft())

    def close(self) -> None:
        """Says CLOSE and ends the connection. Does not wait: nothing is owed, or nobody wants it.
        """
        if self.pid == os.getpid() and not self.dropped:
            try:
                self._socket.send(bytes([wire.CLOSE, 0]), socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
            except OSError:
                pass  # it has gone already
        self._interrupted = True
        self.drop("the client is closed")

    def interrupt(self) -> None:
        """Wakes the thread that is in a call, which raises ClientClosed. Any thread."""
        self._interrupted = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has gone already

    # ---- Out ----

    def queue(self, mode: bytes, uri: bytes, range: Optional[Tuple[int, int]] = None,
              body_length: Optional[int] = None, ttl: Optional[int] = None,
              conditions: bytes = b"", through: bool = False) -> int:
        """Puts a request behind those not sent yet; returns its id. Raises Unsupported when it was
        not agreed on.
        """
        self._check()
        if mode in (wire.FDPASS, wire.PUT_FD) and not self.is_unix:
            raise Unsupported(
                f"{wire.what(mode, uri)}: descriptors pass only through Unix sockets, not "
                f"{self.url}")
        if range is not None and not self.has(wire.RANGE):
            raise Unsupported(f"{wire.what(mode, uri)}: {self.url} does not know ranges")
        if ttl is not None and not self.has(wire.METADATA):
            raise Unsupported(f"{wire.what(mode, uri)}: {self.url} does not know times to live")
        if conditions and not self.has(wire.CONDITIONS):
            # It would skip them, and do what was asked for in any case.
            raise Unsupported(f"{wire.what(mode, uri)}: {self.url} does not know conditions")
        if through and not self.has(wire.LIST_THROUGH):
            raise Unsupported(f"{wire.what(mode, uri)}: {self.url} does not list what origins have")
        if self.outstanding == 0:
            # All answers are in, so every descriptor that came has found its own.
            self.fds_lost = False
            self._mode = mode
            self._let_rights_pass(mode == wire.FDPASS)
        assert mode == self._mode
        if mode == wire.FDPASS:
            self._fds_due += 1
        id = self._next_id
        self._next_id = self._next_id % 0xFFFFFFFF + 1
        self._out += wire.request(id, mode, uri, range, body_length, ttl, conditions,
                                  through)
        self.outstanding += 1
        return id

    def flush(self, body: memoryview = memoryview(b"")) -> None:
        """Sends what is queued, and `body` behind it: in one message, when it is small."""
        self._check()
        while (self._out or body) and not self._is_refused(len(body)):
            parts = [part for part in (self._out, body[:_PIECE_BYTES]) if part]
            sent = self._send(parts)
            if sent == 0:
                self._await_room(len(body))
            in_head = min(sent, len(self._out))
            del self._out[:in_head]
            body = body[sent - in_head:]

    def flush_with_fd(self, fd: int) -> None:
        """Sends what is queued, `fd` riding on its first byte. fd: borrowed."""
        self._check()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]).tobytes())]
        while not self._send_failed:
            sent = self._send([self._out], rights)
            if sent > 0:
                del self._out[:sent]
                break
            self._await_room(0)
        self.flush()

    def flush_file(self, fd: int, offset: int, length: int) -> None:
        """Sends what is queued, and `length` bytes of the file behind it, inside the kernel."""
        self.flush()
        end = offset + length
        self._socket.setblocking(False)
        try:
            while offset < end and not self._is_refused(end - offset):
                try:
                    sent = os.sendfile(self._socket.fileno(), fd, offset,
                                       min(end - offset, _PIECE_BYTES))
                except BlockingIOError:
                    self._await_room(end - offset)
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    self._send_failed = True
                    continue
                if sent == 0:
                    why = "the file became shorter while it was sent"
                    self.drop(why)
                    raise InvalidRequest(why)
                offset += sent
        finally:
            if not self.dropped:
                self._socket.setblocking(True)

    def flush_or_await_input(self) -> None:
        """Sends what is queued, while no answer comes: or two sides with full sockets could wait
        for each other.
        """
        self._check()
        while self._out and not self._in and not self._send_failed:
            try:
                del self._out[:self._socket.send(self._out,
                                                 socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)]
            except BlockingIOError:
                self._await(self._ready)
                if self._readable.poll(0):
                    return
            except (BrokenPipeError, ConnectionResetError):
                self._send_failed = True

    # ---- In ----

    def receive(self, id: int, mode: bytes, what: str) -> wire.Answer:
        """The answer to request `id`. Raises what it says when it is not OK."""
        patience: Optional[Patience] = None
        while True:
            self._check()
            try:
                if self._in and self._in[0] == wire.CLOSE and len(self._in) >= 2:
                    reason = wire.CLOSE_REASONS.get(self._in[1],
                                                    "for a reason unknown to this client")
                    self._end(
                        ConnectionClosed(f"{what}: {self.url} closed the connection: {reason}"))
                if self._in and self._in[0] not in (wire.RESPONSE, wire.CLOSE):
                    raise wire.Malformed(f"a message of type {self._in[0]}")
                parsed = wire.parse_response(
                    self._in) if self._in and self._in[0] == wire.RESPONSE else None
            except wire.Malformed as error:
                self._end(ProtocolError(f"{self.url} does not use this protocol: {error}"))
            if parsed is not None:
                break
            # One deadline for the whole of it: a byte now and then does not prolong it.
            patience = patience or Patience(self._timeout)
            self._fill(what, patience=patience)
        answer, consumed = parsed
        del self._in[:consumed]
        self.outstanding -= 1
        self.answers += 1
        if mode == wire.FDPASS and answer.status != 0:
            self._fds_due -= 1  # else take_fd() does
        if len(self._fds) > self._fds_due:
            self._end(self._too_many_fds())
        if answer.content_length and (answer.status != 0 or mode not in _WITH_LENGTH):
            self._end(
                ProtocolError(
                    f"{what}: {self.url} sent an unexpected body of {answer.content_length} bytes"))
        if answer.status != 0:
            error = from_answer(answer.status, what, answer.metadata.error,
                                answer.metadata.retry_after_ms)
            if answer.id == 0 or isinstance(error, ConnectionFailed):
                # The server no longer knows its place in our stream, says so, and hangs up.
                self._end(error)
            if answer.id == id:
                raise error
        if answer.id != id:
            self._end(ProtocolError(f"{what}: asked as {id}, {self.url} answered {answer.id}"))
        if mode in (wire.COPY, wire.SPLICE, wire.LIST):
            self._body_left = answer.content_length
        return answer

    def take_fd(self, what: str) -> int:
        """The descriptor of the OK FDPASS answer that receive() returned last; the caller's. Raises
        DescriptorsLost.
        """
        if not self.has(wire.FD_IN_HEADER | wire.FD_BATCH):
            if not self._in:
                self._fill(what)
            if self._in[:1] != b"X":
                self._end(
                    ProtocolError(
                        f"{what}: other bytes in place of the byte that carries a descriptor"))
            del self._in[:1]
        self._fds_due -= 1
        if self._fds:
            return self._fds.popleft()
        if self.fds_lost:
            raise DescriptorsLost(what)
        self._end(ProtocolError(f"{what}: {self.url} answered OK without a descriptor"))

    def read_body(self, what: str) -> bytes:
        """The whole body of the answer that receive() returned last."""
        length = self._body_left
        if length <= len(self._in):
            body = bytes(memoryview(self._in)[:length])
            del self._in[:length]
            self._body_left = 0
            return body
        # The server's word alone takes little memory: more comes as the bytes do.
        whole = bytearray(min(length, _FIRST_BODY_BYTES))
        done = 0
        while True:
            with memoryview(whole) as out:
                self._read_part(out[done:], done, length, what)
            done = len(whole)
            if done == length:
                return bytes(whole)
            whole += bytes(min(length - done, done))

    def read_body_into(self, out: memoryview, what: str) -> int:
        """The same into `out`, which has room for it; returns its length."""
        length = self._body_left
        self._read_part(out[:length], 0, length, what)
        return length

    def _read_part(self, out: memoryview, before: int, length: int, what: str) -> None:
        """Fills `out` with the next bytes of a body of `length` bytes, of which `before` have been
        read.
        """
        done = 0
        while done < len(out):
            left = len(out) - done
            if not self._in and left < _DIRECT_READ_BYTES:
                self._fill(what, before + done)
            if self._in:
                got = min(len(self._in), left)
                with memoryview(self._in) as ready:
                    out[done:done + got] = ready[:got]
                del self._in[:got]
            else:
                got = self._receive_into(out[done:])
                if got == 0:
                    self._end(ConnectionFailed(
                        f"{what}: the connection ended after {before + done} of {length} bytes"))
            done += got
            self._body_left -= got

    # ---- The socket ----

    def _check(self) -> None:
        if self.pid != os.getpid():
            raise ConnectionFailed(
                f"this connection belongs to process {self.pid}, which forked this one")
        if self._interrupted:
            self._end(ClientClosed("this client is closed"))
        if self.dropped:
            raise ConnectionFailed(f"this connection can no longer be used: {self.dropped}")

    def _end(self, error: ObjmapperError) -> NoReturn:
        if self._interrupted:  # which looks from here as if the server had gone
            error = ClientClosed("this client was closed in the middle of a call")
        self.drop(str(error))
        raise error

    def _say_token(self, token: bytes) -> None:
        if not self.has(wire.AUTH):
            raise Unsupported(f"{self.url} takes no tokens: it runs without --tokens_file, or does "
                              "not know them; the token was not sent")
        self._out += wire.auth(token)
        self.flush()  # a descriptor rides on the first byte of what is sent with it

    def _shake_hands(self, max_pipeline: int, versions: bool, auth: bool) -> None:
        offer = wire.CAPABILITIES_UNIX if self.is_unix else wire.CAPABILITIES_TCP
        if versions:
            offer |= wire.VERSIONS
        if auth:
            offer |= wire.AUTH
        self._out += wire.hello(offer, max_pipeline)
        self.flush()
        what = f"HELLO to {self.url}"
        patience = Patience(self._timeout)
        try:
            while len(self._in) < wire.HELLO_ACK_BYTES:
                self._fill(what, patience=patience)
            if self._in[:1] != b"O":
                # A V1 error in HELLO_ACK's place; the server hangs up behind it.
                while True:
                    error = wire.parse_v1_error(self._in)
                    if error is not None:
                        break
                    self._fill(what, patience=patience)
                answer, _ = error
                raise from_answer(answer.status, what, answer.metadata.error,
                                  answer.metadata.retry_after_ms)
            self.capabilities, window = wire.parse_hello_ack(bytes(self._in[:wire.HELLO_ACK_BYTES]))
            if self.capabilities & ~offer:
                raise wire.Malformed("it agrees to what was not offered")
        except wire.Malformed as error_in_ack:
            raise ProtocolError(f"{self.url} does not use this protocol: {error_in_ack}") from None
        del self._in[:wire.HELLO_ACK_BYTES]
        if self.has(wire.PIPELINING):
            self.window = max(1, min(window, max_pipeline or window))

    def _send(self, parts: List[Union[bytearray, memoryview]], rights: _Control = []) -> int:
        """How many bytes went; 0: there is no room, or the peer has gone. Never waits."""
        try:
            return self._socket.sendmsg(parts, rights, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ConnectionResetError):
            self._send_failed = True
            return 0
        except PermissionError as error:
            # the server takes none on this connection (SO_PASSRIGHTS): without them, it says why
            if rights:
                return self._send(parts)
            self._end(ConnectionFailed(f"{self.url}: {error.strerror}"))
        except OSError as error:
            self._end(ConnectionFailed(f"{self.url}: {error.strerror}"))

    def _await(self, poll: select.poll) -> None:
        if not Patience(self._timeout).wait(poll):
            self._end(TimedOut(f"{self.url} read nothing for {self._timeout} s"))

    def _await_room(self, left: int) -> None:
        """Until the socket takes more or, while _is_refused() would look at it, the server says
        something.
        """
        if not self._send_failed:
            self._await(self._ready if left > _PIECE_BYTES else self._writable)

    def _is_refused(self, left: int) -> bool:
        """True when there is no sense in sending the `left` bytes of a body: the peer takes no
        more, or has answered already and would only throw them away. That answer is all that the
        connection is still good for."""
        if left > _PIECE_BYTES and self._readable.poll(0):
            self._send_failed = True
        return self._send_failed

    def _fill(self, what: str, done: Optional[int] = None,
              patience: Optional[Patience] = None) -> None:
        self._check()
        got = self._receive_into(self._scratch, patience)
        if got == 0:
            if done is not None:
                where = f"after {done} bytes of its body"
            else:
                where = "in the middle of an answer" if self._in else "without an answer"
            self._end(ConnectionFailed(f"{what}: {self.url} closed the connection {where}"))
        self._in += self._scratch[:got]

    def _too_many_fds(self) -> ProtocolError:
        return ProtocolError(f"{self.url} sent more descriptors than OK answers that carry one")

    def _let_rights_pass(self, on: bool) -> None:
        if self.is_unix and self._rights_pass != on:
            self._rights_pass = on
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS, on)
            except OSError:
                pass  # an older kernel

    def _receive_into(self, out: memoryview, patience: Optional[Patience] = None) -> int:
        """How many bytes came; 0: the end. Waits as long as `patience` lasts, which mostly begins
        here.
        """
        if patience is None:
            patience = Patience(self._timeout)
        due = min(self._fds_due - len(self._fds), wire.FDS_PER_MESSAGE_MAX)
        # Not CMSG_SPACE(), whose padding has room for one more.
        control_bytes = socket.CMSG_LEN(due * 4) if due else 0
        while True:
            # Waiting in recvmsg(2) would be a call less, but Python begins it anew, and its time,
            # after each signal.
            if not patience.wait(self._readable):
                self._end(TimedOut(f"{self.url} was silent for {self._timeout} s"))
            try:
                got, control, flags, _ = self._socket.recvmsg_into([out], control_bytes,
                                                                   socket.MSG_CMSG_CLOEXEC
                                                                   | socket.MSG_DONTWAIT)
                break
            except BlockingIOError:
                continue  # somebody has looked, and it was nothing
            except OSError as error:
                self._end(ConnectionFailed(f"{self.url}: {error.strerror}"))
        came = self._own(control) if control else 0
        if flags & socket.MSG_CTRUNC:
            self.fds_lost = True
            # Where our table is full, fewer come than there is room for.
            if came == due:
                self._end(self._too_many_fds())
        return got

    def _own(self, control: _Control) -> int:
        came = 0
        for level, kind, payload in control:
            if level != socket.SOL_SOCKET or kind != socket.SCM_RIGHTS:
                continue
            fds = array.array("i")
            fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
            came += len(fds)
            # Behind a lost descriptor nobody knows whose the next ones are.
            for fd in fds:
                if self.fds_lost:
                    os.close(fd)
                else:
                    self._fds.append(fd)
        return came
