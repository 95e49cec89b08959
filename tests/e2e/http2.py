"""HTTP/2 frame by frame, for clients that do what no library would: the tests' hostile ones.

Frames are RFC 9113's, header blocks RFC 7541's, without compression. What the server sends is read as frames alone.
"""

import contextlib
import socket
import ssl
import struct
import typing

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0x0, 0x1, 0x2, 0x3
CANCEL, ENHANCE_YOUR_CALM = 0x8, 0xB

MAX_FRAME = 16384  # what every peer takes
INITIAL_WINDOW_SIZE = 0x4  # a setting

TIMEOUT_SECONDS = 60
ENDED = (ConnectionError, ssl.SSLError)  # what tells of a connection that the other side has ended


class Frame(typing.NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def error(self):
        """The code of RST_STREAM or GOAWAY."""
        at = 4 if self.kind == GOAWAY else 0
        return struct.unpack(">I", self.payload[at:at + 4])[0]


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


# --- header blocks --------------------------------------------------------------------------------


def integer(value, prefix_bits, first=0):
    """RFC 7541, 5.1; `first` has the bits before the prefix."""
    limit = (1 << prefix_bits) - 1
    if value < limit:
        return bytes([first | value])
    out = [first | limit]
    value -= limit
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return integer(len(value), 7) + value


def field(name, value):
    """A literal that is not indexed."""
    return b"\x00" + text(name) + text(value)


def indexed_field(name, value):
    """A literal that goes into the dynamic table, as entry 62."""
    return b"\x40" + text(name) + text(value)


def call_fields(path, **more):
    """The header block of a gRPC call: "/package.Service/Method"."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test", "te": "trailers",
              "content-type": "application/grpc"} | {name.replace("_", "-"): value for name, value in more.items()}
    return b"".join(field(name, value) for name, value in fields.items())


def message(body):
    """What DATA frames carry of one message."""
    return struct.pack(">BI", 0, len(body)) + body


# --- a connection ---------------------------------------------------------------------------------


class Connection:
    """A client's end. Nothing is sent but what the test says, except for the preface and the first SETTINGS."""

    def __init__(self, address, *, preface=True, settings=b"", receive_buffer=None, wrap=None):
        """`address` is HOST:PORT; `settings` the payload of the first SETTINGS; `wrap` makes TLS of the socket."""
        host, port = address.rsplit(":", 1)
        raw = socket.socket()
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(TIMEOUT_SECONDS)
        raw.connect((host, int(port)))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = wrap(raw) if wrap else raw
        self._received = b""
        self._stream = -1
        if preface:
            self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def next_stream(self):
        self._stream += 2
        return self._stream

    def send(self, data):
        self.socket.sendall(data)

    def try_send(self, data):
        """False when the server has ended the connection."""
        try:
            self.socket.sendall(data)
            return True
        except (*ENDED, TimeoutError):
            return False

    def call(self, path, body, **more):
        """A whole unary request; its stream."""
        stream = self.next_stream()
        self.send(frame(HEADERS, END_HEADERS, stream, call_fields(path, **more)))
        data = message(body)
        for at in range(0, len(data), MAX_FRAME):
            end = END_STREAM if at + MAX_FRAME >= len(data) else 0
            self.send(frame(DATA, end, stream, data[at:at + MAX_FRAME]))
        return stream

    # What has come.

    def read_frame(self):
        """The next frame; None when the server has ended the connection."""
        head = self._take(9)
        if head is None:
            return None
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = self._take(int.from_bytes(head[:3], "big"))
        return None if payload is None else Frame(kind, flags, stream & 0x7FFFFFFF, payload)

    def frames(self):
        while (got := self.read_frame()) is not None:
            yield got

    def wait_for(self, kind, stream=None):
        """The first frame of that kind, of that stream or of any; None when the connection ends before."""
        for got in self.frames():
            if got.kind == kind and stream in (None, got.stream):
                return got
        return None

    def wait_until_answered(self, stream):
        """The bytes of the stream's DATA; None when it was reset or the connection has ended."""
        data = b""
        for got in self.frames():
            if got.stream != stream:
                continue
            if got.kind == RST_STREAM:
                return None
            if got.kind == DATA:
                data += got.payload
            if got.flags & END_STREAM and got.kind in (DATA, HEADERS):
                return data
        return None

    def ping(self):
        """Whether the connection is served: an acknowledgement has come."""
        if not self.try_send(frame(PING, 0, 0, b"torchfer")):
            return False
        for got in self.frames():
            if got.kind == PING and got.flags & ACK and got.payload == b"torchfer":
                return True
        return False

    def wait_until_closed(self):
        """True when the server ends the connection in time; what comes until then is dropped."""
        with contextlib.suppress(*ENDED):
            try:
                while self.socket.recv(1 << 16):
                    pass
            except TimeoutError:
                return False
        return True

    def _take(self, count):
        while len(self._received) < count:
            try:
                got = self.socket.recv(1 << 16)
            except ENDED:
                return None
            if not got:
                return None
            self._received += got
        taken, self._received = self._received[:count], self._received[count:]
        return taken
