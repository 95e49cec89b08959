"""A web server that misbehaves as it is told, on a port of its own."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator


class Web:
    """Answers by path. `plans[path]`: a list of answers, each a function of the handler; the last one stays."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.plans: dict[str, list] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    def serve(self, path: str, *answers) -> str:
        self.plans[path] = list(answers)
        return self.url + path

    def requested(self, path: str) -> list[dict[str, str]]:
        """The headers of each request for it."""
        return [headers for asked, headers in self.requests if asked == path]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.web.requests.append((path, {name.lower(): value for name, value in self.headers.items()}))
        plan = self.web.plans.get(path)
        if plan is None:
            return status(404)(self)
        (plan.pop(0) if len(plan) > 1 else plan[0])(self)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web_server() -> Iterator[Web]:
    handler = type("Handler", (_Handler,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        handler.web = Web(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield handler.web
        finally:
            server.shutdown()
            thread.join()


def _begin(handler, code, length, headers):
    handler.send_response(code)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


def whole(content: bytes, **headers: str):
    """As it should be; continues where a request's Range says, if its If-Range is this ETag."""
    tag = headers.get("ETag", "")

    def answer(handler):
        wanted = handler.headers.get("Range", "")
        if wanted.startswith("bytes=") and handler.headers.get("If-Range") == tag and tag:
            start = int(wanted[6:].rstrip("-"))
            place = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            _begin(handler, 206, len(content) - start, {**headers, **place})
            body = content[start:]
        else:
            _begin(handler, 200, len(content), headers)
            body = content
        if handler.command == "GET":
            handler.wfile.write(body)

    return answer


def cut(content: bytes, after: int, **headers: str):
    """Says the whole length and ends earlier."""

    def answer(handler):
        _begin(handler, 200, len(content), headers)
        handler.wfile.write(content[:after])
        handler.close_connection = True

    return answer


def silent(content: bytes, after: int, until: threading.Event, **headers: str):
    """Says the whole length, and nothing more after some bytes."""

    def answer(handler):
        _begin(handler, 200, len(content), headers)
        handler.wfile.write(content[:after])
        handler.wfile.flush()
        until.wait(60)
        handler.close_connection = True

    return answer


def without_length(content: bytes):
    """Until the connection ends."""

    def answer(handler):
        _begin(handler, 200, None, {"Connection": "close"})
        handler.wfile.write(content)
        handler.close_connection = True

    return answer


def chunked(content: bytes, is_complete: bool = True):
    def answer(handler):
        _begin(handler, 200, None, {"Transfer-Encoding": "chunked"})
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        if is_complete:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    return answer


def endless():
    """A length that is not said, and bytes for as long as somebody reads."""

    def answer(handler):
        _begin(handler, 200, None, {"Transfer-Encoding": "chunked"})
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        handler.close_connection = True

    return answer


def status(code: int, **headers: str):
    return lambda handler: _begin(handler, code, 0, headers)


def redirect(to: str, code: int = 302):
    return status(code, Location=to)
