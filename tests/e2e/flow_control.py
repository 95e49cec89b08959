"""A connection of HTTP/2 that sends within the windows which the server grants, and grants only what it is told to."""

import struct
import time

from http2 import (ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, MAX_FRAME, PING, RST_STREAM, SETTINGS,
                   WINDOW_UPDATE, Connection, call_fields, frame)

LARGEST_WINDOW = (1 << 31) - 1


def window_setting(size):
    """The payload of SETTINGS that gives each of the server's streams so many bytes."""
    return struct.pack(">HI", INITIAL_WINDOW_SIZE, size)


def claim(length, compressed=False):
    """The five bytes before a message of so many bytes, which need not follow."""
    return struct.pack(">BI", int(compressed), length)


class FlowConnection(Connection):
    """What the server sends is taken by `pump` alone; it is dropped, but for its windows and the ends of streams."""

    def __init__(self, address, **options):
        super().__init__(address, **options)
        self.window = self.stream_window = 65535
        self.windows = {}
        self.ended = set()  # streams that the server has ended
        self.taken = 0  # bytes of DATA
        self.is_open = True
        self._unread = b""

    def open(self, path, end=False, **more):
        stream = self.next_stream()
        self.windows[stream] = self.stream_window
        self.put(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, call_fields(path, **more)))
        return stream

    def put(self, data):
        """As send; a connection that the server has ended is no error."""
        self.is_open = self.is_open and self.try_send(data)

    def write(self, stream, data, end=False, seconds=10):
        """As DATA. The number of bytes that went out: less when the server ends the stream, or grants nothing for so long."""
        sent = 0
        deadline = time.monotonic() + seconds
        while sent < len(data) and self.is_open and stream not in self.ended:
            size = min(MAX_FRAME, len(data) - sent, self.window, self.windows[stream])
            if size > 0:
                self.put(frame(DATA, END_STREAM if end and sent + size == len(data) else 0, stream, data[sent:sent + size]))
                sent += size
                self.window -= size
                self.windows[stream] -= size
                deadline = time.monotonic() + seconds
            elif time.monotonic() > deadline:
                break
            self.pump(0 if size > 0 else 0.05)
        return sent

    def wait_for_end(self, stream, seconds):
        """False when the server has not ended the stream, or the connection, by then."""
        deadline = time.monotonic() + seconds
        while self.is_open and stream not in self.ended:
            if time.monotonic() > deadline:
                return False
            self.pump(0.1)
        return True

    def grant(self, size, stream=0):
        self.put(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size)))

    def pump(self, seconds):
        """Takes what has come, waiting for so long for something. SETTINGS and PING are acknowledged."""
        if not self.is_open:
            return
        try:
            self.socket.settimeout(seconds)
            got = self.socket.recv(1 << 20)
            self.is_open = bool(got)
            self._unread += got
        except (TimeoutError, BlockingIOError):
            return
        except OSError:
            self.is_open = False
            return
        finally:
            self.socket.settimeout(10)
        at = 0
        while len(self._unread) - at >= 9:
            end = at + 9 + int.from_bytes(self._unread[at:at + 3], "big")
            if len(self._unread) < end:
                break
            kind, flags, stream = struct.unpack(">BBI", self._unread[at + 3:at + 9])
            self._take_frame(kind, flags, stream & LARGEST_WINDOW, self._unread[at + 9:end])
            at = end
        self._unread = self._unread[at:]

    def _take_frame(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                key, value = struct.unpack(">HI", payload[at:at + 6])
                if key == INITIAL_WINDOW_SIZE:
                    for each in self.windows:
                        self.windows[each] += value - self.stream_window
                    self.stream_window = value
            self.put(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.put(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            size = struct.unpack(">I", payload)[0] & LARGEST_WINDOW
            if stream == 0:
                self.window += size
            elif stream in self.windows:
                self.windows[stream] += size
        elif kind == GOAWAY:
            self.is_open = False
        elif kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self.ended.add(stream)
        if kind == DATA:
            self.taken += len(payload)
