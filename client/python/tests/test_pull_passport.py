"""What the passport of a pulled version says."""

import json

import pull_files  # noqa: F401  the package's path
import pytest
from torchferry._pull_passport import parse, to_text, with_origin
from torchferry._pull_types import Origin, PullError

HEAD = {"format": "torchferry-passport", "version": 1}
ORIGIN = Origin("hf://a/b@c", run_id="r1", metrics={"accuracy": 0.5})
DIGEST = "5f" * 32


def test_a_model_without_one_gets_its_origin():
    passport, notes = with_origin(None, None, ORIGIN, DIGEST)
    assert passport == HEAD | {
        "origin": {"source": "hf://a/b@c", "sha256": DIGEST, "run_id": "r1", "metrics": {"accuracy": 0.5}}
    }
    assert notes == []


def test_a_run_without_an_id_and_metrics_leaves_them_out():
    passport, _ = with_origin(None, None, Origin("file:m.pt"), DIGEST)
    assert passport["origin"] == {"source": "file:m.pt", "sha256": DIGEST}


def test_the_one_beside_keeps_what_it_says():
    beside = HEAD | {"signature": {"max_batch_size": 4}, "origin": {"git_commit": "abc", "run_id": "r1"}, "later": [1]}
    passport, notes = with_origin(beside, None, ORIGIN, DIGEST)
    assert passport == beside | {
        "origin": {
            "git_commit": "abc",
            "run_id": "r1",
            "source": "hf://a/b@c",
            "sha256": DIGEST,
            "metrics": {"accuracy": 0.5},
        }
    }
    assert notes == []
    assert beside["origin"] == {"git_commit": "abc", "run_id": "r1"}


def test_beside_an_archive_with_one_stands_what_that_lacks():
    inside = HEAD | {"signature": {"max_batch_size": 4}, "origin": {"run_id": "r0", "metrics": {"loss": 1.0}}}
    passport, notes = with_origin(None, inside, ORIGIN, DIGEST)
    assert passport == HEAD | {"origin": {"source": "hf://a/b@c", "sha256": DIGEST}}
    assert notes == ["its passport says origin.run_id 'r0', and this pull found 'r1'; the passport's stays"]


def test_nothing_is_written_when_all_is_said():
    inside = HEAD | {"origin": {"source": "hf://a/b@c", "sha256": DIGEST, "run_id": "r1", "metrics": {}}}
    assert with_origin(None, inside, ORIGIN, DIGEST) == (None, [])


def test_what_the_server_would_refuse_is_left_out():
    metrics = {f"m{number:03}": float(number) for number in range(100)} | {"a\nb": 1.0, "x" * 1025: 2.0}
    passport, notes = with_origin(None, None, Origin("https://h/" + "x" * 1024, "r\x1b", metrics), DIGEST)
    assert passport["origin"] == {"sha256": DIGEST, "metrics": {f"m{number:03}": float(number) for number in range(64)}}
    assert [note.split(":")[0] for note in notes] == [
        "its passport leaves out origin.source",
        "its passport leaves out origin.run_id",
        "its passport has 64 of the run's 102 metrics",
    ]


@pytest.mark.parametrize(
    "text,message",
    [
        ("{", "f: is no JSON"),
        ("[" * 100_000, "f: is no JSON"),
        ("[]", "f: is no passport"),
        ("{}", "f: is no passport"),
        (json.dumps(HEAD | {"version": 2}), "is a passport of version 2; this torchferry reads version 1; update"),
        (json.dumps(HEAD | {"version": "1"}), "is a passport of version '1'"),
        (json.dumps(HEAD | {"origin": 3}), "its origin is 3; expected an object"),
        (json.dumps(HEAD) + " " * (256 << 10), "a passport has at most 262144"),
    ],
)
def test_a_passport_that_is_none_is_refused(text, message):
    with pytest.raises(PullError) as error:
        parse(text, "f")
    assert message in str(error.value)


def test_one_that_the_origin_makes_too_large_is_refused():
    beside = HEAD | {"golden": "x" * (256 << 10)}
    passport, _ = with_origin(beside, None, ORIGIN, DIGEST)
    with pytest.raises(PullError, match="at most 262144 are read"):
        to_text(passport)
