"""A file of a web server. A download that was cut off is continued. The file is taken as a whole or not at all."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import IO, Any

from torchferry._pull_copy import PIECE_BYTES, HashedFile, check_size
from torchferry._pull_types import Fetch, Origin, PullError, SourceFile

MAX_REDIRECTS = 5
# Max attempts for one file. Each continues where the one before was cut off.
MAX_ATTEMPTS = 5
# The pause before the second attempt. It doubles before each further one.
PAUSE_SECONDS = 1.0
# These are worth a retry: errors of the server itself, "too many requests", and a range that is gone.
PASSING_STATUS = (408, 416, 425, 429, 500, 502, 503, 504)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows up to MAX_REDIRECTS redirects, each to https or to the scheme that the address has already."""

    max_redirections = MAX_REDIRECTS
    max_repeats = 2

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urllib.parse.urlsplit(req.full_url).scheme, urllib.parse.urlsplit(newurl).scheme
        if new != "https" and new != old:
            raise PullError(
                f"{public_url(req.full_url)}: redirects to {public_url(newurl)}, which is no https address; "
                "give the address that it should lead to"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _CutOff(Exception):
    """The connection ended or failed, or the answer was a passing error. A retry may succeed."""


def public_url(url: str) -> str:
    """The URL without its secrets: the user's name and password, and the query, which may have signatures."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rsplit("@", 1)[-1]
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))


class HttpFile:
    """A source that is one file. `url` is its address. `sha256` is the digest that it must have; None: any.

    `name` is the file's name in the version; None: the last part of the address.
    """

    is_one_file = True

    def __init__(self, url: str, name: str | None, sha256: str | None, timeout_seconds: float) -> None:
        parts = urllib.parse.urlsplit(url)
        self._shown = public_url(url)
        if not parts.hostname:
            raise PullError(f"{self._shown}: has no host; expected https://HOST/PATH")
        if parts.username or parts.password:
            raise PullError(
                f"{self._shown}: a name and a password in the address are not sent; put them into the "
                "query that the server expects, or fetch the file yourself and pull it from its path"
            )
        self._url = urllib.parse.urldefrag(url).url
        self._timeout = timeout_seconds
        name = name or urllib.parse.unquote(parts.path.rsplit("/", 1)[-1])
        if not name:
            raise PullError(f"{self._shown}: the address names no file; give --as FILENAME")
        self._file = SourceFile(name, sha256=sha256)
        opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Redirects(),
        ):
            opener.add_handler(handler)
        self._opener = opener
        # Shows that a continued answer is of the same file. None: the next attempt has to begin anew.
        self._validator: str | None = None

    def files(self) -> Sequence[SourceFile]:
        return [self._file]

    def origin(self) -> Origin:
        return Origin(self._shown)

    def fetch(self, file: SourceFile, how: Fetch) -> str:
        self._validator = None
        with open(how.to, "xb") as out:
            target = HashedFile(out, self._shown, how.max_bytes, None, how.on_progress)
            for attempt in range(1, MAX_ATTEMPTS + 1):
                try:
                    self._attempt(target, how.max_bytes)
                    break
                except _CutOff as error:
                    if attempt == MAX_ATTEMPTS:
                        raise PullError(f"{self._shown}: {error}; tried {attempt} times; try again later") from None
                    time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        return target.sha256()

    def _attempt(self, target: HashedFile, max_bytes: int) -> None:
        headers = {"User-Agent": "torchferry", "Accept-Encoding": "identity"}
        if target.written and self._validator:
            headers |= {"Range": f"bytes={target.written}-", "If-Range": self._validator}
        try:
            answer = self._opener.open(urllib.request.Request(self._url, headers=headers), timeout=self._timeout)
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            raise self._broken(error) from None
        with answer:
            self._begin(answer, target, max_bytes)
            while piece := self._read(answer, target):
                target.write(piece)
        if target.total is not None and target.written < target.total:
            raise _CutOff(f"the connection ended after {target.written} of {target.total} bytes")

    def _read(self, answer: http.client.HTTPResponse, target: HashedFile) -> bytes:
        try:
            return answer.read1(PIECE_BYTES)
        except (http.client.HTTPException, OSError) as error:
            what = "nothing more came in time" if isinstance(error, TimeoutError) else "the connection ended"
            raise _CutOff(f"{what} after {target.written} bytes") from None

    def _begin(self, answer: http.client.HTTPResponse, target: HashedFile, max_bytes: int) -> None:
        etag = answer.headers.get("ETag", "")
        self._validator = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")
        if answer.status != 206:
            target.restart()
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {target.written}-"):
            self._validator = None  # the next attempt asks for all of it
            raise _CutOff(f"the server answered with another part than the one from byte {target.written} on")
        length = answer.headers.get("Content-Length", "")
        if not length and not answer.chunked and self._file.sha256 is None:
            raise PullError(
                f"{self._shown}: the server does not say how long the file is, so that a part would pass for "
                "the whole; give --sha256"
            )
        target.total = target.written + int(length) if length.isdecimal() else None
        if target.total is not None:
            check_size(self._shown, target.total, max_bytes)

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        error.close()
        if error.code == 416:
            self._validator = None  # the file is another one now: the next attempt asks for all of it
        if error.code in PASSING_STATUS:
            return _CutOff(f"the server answered {error.code} {error.reason}")
        if 300 <= error.code < 400:
            return PullError(f"{self._shown}: redirects more than {MAX_REDIRECTS} times; give the address at the end")
        hint = {401: "; it asks for a login", 403: "; it may ask for a login", 404: "; look at the address"}
        return PullError(f"{self._shown}: the server answered {error.code} {error.reason}{hint.get(error.code, '')}")

    def _broken(self, error: Exception) -> Exception:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return PullError(
                f"{self._shown}: the server's certificate is not trusted ({reason.verify_message}); "
                "SSL_CERT_FILE names the certificates that are"
            )
        if isinstance(reason, TimeoutError):
            return _CutOff("no answer came in time")
        return _CutOff(str(reason) or type(reason).__name__)
