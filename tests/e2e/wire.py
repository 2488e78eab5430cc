"""The wire protocol with nothing between: a raw connection that sends what it is told, also what no client library would.

    wire = Wire(port)
    wire.call("PUSH", "jobs", "x")          # one command, one reply; errors come back as values
    wire.send_bytes(b"*1\\r\\n$4\\r\\nPI")   # half a frame
"""
import socket
import time


class Closed(Exception):
    """The other side closed, or the kernel says that it is gone: no answer will come."""


class ErrorReply(str):
    """An error as the bus said it, without the leading minus."""

    @property
    def code(self):
        return self.split(" ", 1)[0]


class SimpleReply(str):
    """A simple string: OK, QUEUED, PONG."""


class PushReply(list):
    """A push frame of RESP3."""


def encode(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(parts)


def as_map(flat):
    """A reply of names and values, whichever way the protocol version writes it."""
    pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2])
    return {(name.decode() if isinstance(name, bytes) else str(name)): value for name, value in pairs}


class Wire:
    def __init__(self, target, timeout=30):
        """`target`: a TCP port on 127.0.0.1, or the path of a Unix socket."""
        if isinstance(target, int):
            self.socket = socket.create_connection(("127.0.0.1", target), timeout=timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(target)
        self.buffer = bytearray()
        self.at = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, raw):
        try:
            self.socket.sendall(raw)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed(str(error)) from None

    def send(self, *words):
        self.send_bytes(encode(*words))

    def call(self, *words):
        self.send(*words)
        return self.reply()

    def pipeline(self, commands):
        """Sends all at once; the replies in order."""
        self.send_bytes(b"".join(encode(*words) for words in commands))
        return [self.reply() for _ in commands]

    def more(self):
        try:
            got = self.socket.recv(1 << 16)
        except ConnectionResetError as error:
            raise Closed(str(error)) from None
        if not got:
            raise Closed("end of file")
        if self.at > 1 << 20:
            del self.buffer[:self.at]
            self.at = 0
        self.buffer += got

    def line(self):
        while True:
            end = self.buffer.find(b"\r\n", self.at)
            if end >= 0:
                text = bytes(self.buffer[self.at:end])
                self.at = end + 2
                return text
            self.more()

    def bytes_of(self, size):
        while len(self.buffer) - self.at < size + 2:
            self.more()
        raw = bytes(self.buffer[self.at:self.at + size])
        self.at += size + 2
        return raw

    def reply(self):
        """The next reply; raises Closed, or TimeoutError when none comes in time."""
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return None if rest == b"-1" else self.bytes_of(int(rest))
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return SimpleReply(rest.decode())
        if kind == b"-":
            return ErrorReply(rest.decode(errors="backslashreplace"))
        if kind == b"*":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        if kind == b"%":
            return {self.reply(): self.reply() for _ in range(int(rest))}
        if kind == b">":
            return PushReply(self.reply() for _ in range(int(rest)))
        if kind == b"_":
            return None
        raise AssertionError(f"no RESP: {line!r}")

    def ends(self, seconds=10):
        """True once the other side closes within the time given; what it says before is dropped."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.socket.settimeout(max(0.01, deadline - time.monotonic()))
                if not self.socket.recv(1 << 16):
                    return True
        except ConnectionResetError:
            return True
        except (TimeoutError, socket.timeout):
            return False
