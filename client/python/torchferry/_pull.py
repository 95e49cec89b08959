"""`torchferry pull` puts a model from a registry, a server or a path into a model store, as a whole version."""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import sys
import urllib.parse
from collections.abc import Sequence

from torchferry._pull_copy import parse_size
from torchferry._pull_http import HttpFile
from torchferry._pull_hub import HubRepository
from torchferry._pull_local import LocalFile, LocalFolder
from torchferry._pull_mlflow import MlflowArtifacts
from torchferry._pull_types import PullError, Source
from torchferry._pull_version import Pulled, Wanted, pull
from torchferry._store_landing import StoreError, is_readable_name, next_version, staging
from torchferry._store_stage import is_version

DESCRIPTION = """\
Puts a model into STORE/NAME as a new version, whole or not at all, with a passport that says where it comes from.
No code of the model is run. A server with --watch serves the version as soon as it is there."""

EPILOG = """\
SRC is one of
  hf://ORG/REPO[@REVISION]            a repository of the Hugging Face hub (pip install huggingface_hub)
  mlflow:/models:/NAME/VERSION        a model of an MLflow registry (pip install mlflow), also NAME@ALIAS
  mlflow:/runs:/RUN_ID/PATH           what a run has logged
  https://…, http://…                 a file; http needs --sha256
  file:///PATH or PATH                a file, or a folder of files

The standard output has the SHA-256 of each file of the version as sha256sum writes it: append it to the list of
torchferry-server --trusted-digests. All else goes to the standard error.

Examples:
  torchferry pull hf://distilbert/distilbert-base-uncased@main models/distilbert
  torchferry pull mlflow:/models:/churn/3 models/churn >> published.sha256
  torchferry pull https://example.org/net.pt2 models/net --sha256 1f0e…"""

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def parser() -> argparse.ArgumentParser:
    """The parser of the command line after "torchferry pull"."""
    made = argparse.ArgumentParser(
        "torchferry pull", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("source", metavar="SRC", help="where the model is")
    made.add_argument("target", metavar="STORE/NAME", help="the model's folder in a store; NAME may be new")
    made.add_argument("--version", type=_version, metavar="N", help="number of the version (default: the next one)")
    made.add_argument(
        "--sha256", type=_sha256, metavar="HEX", help="digest that the file must have; for a source of one file"
    )
    made.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="PATTERN",
        help="take only these files of a repository or a folder, such as 'unet/*'; may be repeated",
    )
    made.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="leave these files out; may be repeated"
    )
    made.add_argument(
        "--as",
        dest="name",
        type=_file_name,
        metavar="FILENAME",
        help="name of the file in the version; for a source of one file",
    )
    made.add_argument(
        "--max-size",
        type=_size,
        default=100 << 30,
        metavar="SIZE",
        help="max size of all files together, such as 500MB or 20GiB (default: 100GiB)",
    )
    made.add_argument(
        "--timeout-seconds",
        type=_seconds,
        default=60.0,
        metavar="S",
        help="max time that a web server may be silent (default: 60)",
    )
    return made


def main(argv: Sequence[str]) -> int:
    """The exit code. 0: pulled. 1: it failed. 2: the command line is wrong. 130: interrupted by Ctrl-C."""
    try:
        options = parser().parse_intermixed_args(argv)
    except SystemExit as end:  # argparse's, after --help or its message
        return end.code if isinstance(end.code, int) else EXIT_USAGE
    try:
        store, model = _target(options.target)
        pulled = _pull(options, store, model)
    except (PullError, StoreError) as error:
        return _fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        return _fail(f"{where}{error.strerror or error}")
    except KeyboardInterrupt:
        _fail("interrupted; nothing was put into the store")
        return EXIT_INTERRUPTED
    for note in pulled.notes:
        print(_printable(note), file=sys.stderr)
    for name, digest in pulled.digests:
        print(_sha256sum_line(digest, f"{model}/{pulled.version}/{name}"))
    return 0


def _fail(message: str) -> int:
    print(f"torchferry pull: {_printable(message)}", file=sys.stderr)
    return EXIT_FAILED


def _printable(text: str) -> str:
    """The text with unprintable characters escaped. Names come from elsewhere, and must not control the terminal."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _sha256sum_line(digest: str, path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == path else chr(92)}{digest}  {escaped}"


def _pull(options: argparse.Namespace, store: pathlib.Path, model: str) -> Pulled:
    # These checks run before gigabytes are fetched.
    if options.version is not None and os.path.lexists(store / model / str(options.version)):
        raise StoreError(
            f"{model}/{options.version} is there already; give another --version, or leave it out for the next one"
        )
    next_version(store, model)
    with staging(store, model) as stage:
        source = _source(options, stage.scratch)
        if not source.is_one_file:
            _refuse_for_many(options)
        wanted = Wanted(options.include, options.exclude, options.max_size)
        return pull(source, wanted, stage, options.version, sys.stderr)


def _source(options: argparse.Namespace, scratch: pathlib.Path) -> Source:
    text: str = options.source
    scheme = text.partition(":")[0].lower() if ":" in text else ""
    if scheme == "hf":
        return HubRepository(text)
    if scheme == "mlflow":
        return MlflowArtifacts(text, scratch)
    if scheme in ("https", "http"):
        if scheme == "http" and options.sha256 is None:
            raise PullError(
                "http:// is not encrypted, so that anybody on the way may change the file; give --sha256, or "
                "an https address"
            )
        return HttpFile(text, options.name, options.sha256, options.timeout_seconds)
    if "://" in text and scheme != "file":
        raise PullError(
            f"{text!r}: no source of the kind {scheme}://; expected hf://, mlflow:/, https://, http://, "
            "file:// or a path"
        )
    path = _path(text) if scheme == "file" else pathlib.Path(text)
    return LocalFolder(path) if path.is_dir() else LocalFile(path, options.name, options.sha256)


def _path(url: str) -> pathlib.Path:
    parts = urllib.parse.urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise PullError(f"{url!r}: names no file of this host; expected file:///PATH")
    return pathlib.Path(urllib.parse.unquote(parts.path))


def _refuse_for_many(options: argparse.Namespace) -> None:
    for flag, value in (("--sha256", options.sha256), ("--as", options.name)):
        if value is not None:
            raise PullError(f"{flag} is for a source that is one file, and {options.source} has many; leave it out")


def _target(text: str) -> tuple[pathlib.Path, str]:
    store, slash, name = text.rstrip("/").rpartition("/")
    store = store or ("/" if slash else ".")
    if name in ("", ".", "..") or name.startswith(".") or "\0" in name or not _is_utf8(name):
        raise StoreError(
            f"{text!r} names no model: expected STORE/NAME, with a NAME in UTF-8 that begins with no point"
        )
    if is_version(name):
        raise StoreError(f"{text!r} ends like a version; expected STORE/NAME, and the number with --version {name}")
    if not os.path.isdir(store):
        raise StoreError(f"{store}: is no folder; expected a model store, which mkdir makes")
    return pathlib.Path(store), name


def _is_utf8(text: str) -> bool:
    with contextlib.suppress(UnicodeEncodeError):
        return bool(text.encode())
    return False


def _version(text: str) -> int:
    if not is_version(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no version; expected a positive integer")
    return int(text)


def _sha256(text: str) -> str:
    if len(text) != 64 or any(digit not in "0123456789abcdefABCDEF" for digit in text):
        raise argparse.ArgumentTypeError(f"{text!r} is no SHA-256; expected 64 hexadecimal digits")
    return text.lower()


def _file_name(text: str) -> str:
    if "/" in text or not is_readable_name(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no file's name that a server reads; expected one without /, of at "
            "most 255 bytes, that begins with no point"
        )
    return text


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; expected one as 500MB or 20GiB") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds, more than 0 and at most 86400")
    return seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
