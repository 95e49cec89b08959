"""The passport of a version that was pulled. It says where the version comes from."""

from __future__ import annotations

import json
from typing import Any

from torchferry._model_file import MAX_PASSPORT_BYTES
from torchferry._pull_types import Origin, PullError

FORMAT = "torchferry-passport"
VERSION = 1
# The server's limits.
MAX_TEXT_BYTES = 1024
MAX_METRICS = 64


def parse(text: str, name: str) -> dict[str, Any]:
    """A passport's fields. Raises PullError for a wrong passport. `name` is the file's name in the message."""
    if len(text.encode()) > MAX_PASSPORT_BYTES:
        raise PullError(f"{name}: has {len(text.encode())} bytes; a passport has at most {MAX_PASSPORT_BYTES}")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PullError(f"{name}: is no JSON: {error}; remove it, or write it again") from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise PullError(f'{name}: is no passport; expected {{"format": "{FORMAT}", …}}')
    if fields.get("version") != VERSION:
        raise PullError(
            f"{name}: is a passport of version {fields.get('version')!r}; this torchferry reads version "
            f"{VERSION}; update torchferry"
        )
    if not isinstance(fields.get("origin", {}), dict):
        raise PullError(f"{name}: its origin is {fields['origin']!r}; expected an object")
    return fields


def with_origin(
    beside: dict[str, Any] | None, inside: dict[str, Any] | None, origin: Origin, sha256: str
) -> tuple[dict[str, Any] | None, list[str]]:
    """The passport to write beside the model, and notes for the user, a sentence each.

    `beside` and `inside` are the passports that came with the model, as a file and in the archive; None: there was
    none. The result is `beside` with the fields of the origin that neither of them has. It adds no other field, as the
    server refuses a version whose two passports disagree. Where there is nothing to add, the result is `beside`.
    """
    said: dict[str, Any] = (inside or {}).get("origin", {}) | (beside or {}).get("origin", {})
    found: dict[str, Any] = {"source": origin.source, "sha256": sha256}
    if origin.run_id is not None:
        found["run_id"] = origin.run_id
    metrics = sorted(name for name in origin.metrics if _is_text(name))[:MAX_METRICS]
    if metrics:
        found["metrics"] = {name: origin.metrics[name] for name in metrics}
    texts = [key for key in ("source", "run_id") if key in found and not _is_text(found[key])]
    notes = [
        f"its passport leaves out origin.{key}: a text there has at most {MAX_TEXT_BYTES} bytes and no control characters"
        for key in texts
    ]
    for key in texts:
        del found[key]
    if len(metrics) < len(origin.metrics):
        notes.append(
            f"its passport has {len(metrics)} of the run's {len(origin.metrics)} metrics: at most {MAX_METRICS}, with "
            f"names of at most {MAX_TEXT_BYTES} bytes without control characters"
        )
    notes += [
        f"its passport says origin.{key} {said[key]!r}, and this pull found {value!r}; the passport's stays"
        for key, value in found.items()
        if key in said and said[key] != value and key != "metrics"
    ]
    added = {key: value for key, value in found.items() if key not in said}
    if not added:
        return beside, notes
    passport: dict[str, Any] = dict(beside) if beside is not None else {"format": FORMAT, "version": VERSION}
    return passport | {"origin": passport.get("origin", {}) | added}, notes


def _is_text(value: str) -> bool:
    return value.isprintable() and len(value.encode()) <= MAX_TEXT_BYTES


def to_text(passport: dict[str, Any]) -> str:
    """The passport as JSON. Raises PullError when it would be too large for the server."""
    text = json.dumps(passport, indent=1, ensure_ascii=False) + "\n"
    if len(text.encode()) > MAX_PASSPORT_BYTES:
        raise PullError(
            f"the passport would have {len(text.encode())} bytes with the origin, and at most "
            f"{MAX_PASSPORT_BYTES} are read; shorten its metrics or golden rows"
        )
    return text
