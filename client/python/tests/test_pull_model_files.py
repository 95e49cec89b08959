"""What a file is, by its content; nothing of it is run."""

import json
import pickle
import struct

import pull_files
import pytest
from pull_files import TESTDATA, archive, program, safetensors, whole_model
from torchferry._model_file import Kind, recognise
from torchferry._pull_types import PullError


def of(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    return recognise(path)


@pytest.mark.parametrize(
    "name,kind",
    [
        ("tied.pt", Kind.STATE_DICT),
        ("deflated.pt", Kind.STATE_DICT),
        ("zip64.pt", Kind.STATE_DICT),
        ("protocol4.pt", Kind.STATE_DICT),
        ("plain_dict.pt", Kind.STATE_DICT),
        ("training.pt", Kind.STATE_DICT),
        ("legacy.pt", Kind.STATE_DICT),
        ("legacy_tied.pt", Kind.STATE_DICT),
        ("scripted.pt", Kind.TORCHSCRIPT),
        ("whole_model.pt", Kind.WHOLE_OBJECT),
        ("legacy_whole_model.pt", Kind.WHOLE_OBJECT),
    ],
)
def test_files_of_pytorch(name, kind):
    found = recognise(TESTDATA / name)
    assert found.kind is kind
    assert (found.class_name == "__main__.Net") == (kind is Kind.WHOLE_OBJECT)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_whole_model_is_told_and_not_run(tmp_path, protocol):
    found = of(tmp_path, whole_model(tmp_path / "run", protocol))
    assert found.kind is Kind.WHOLE_OBJECT
    assert found.class_name.endswith(".mkdir")
    assert not (tmp_path / "run").exists()


def test_other_formats(tmp_path):
    assert of(tmp_path, safetensors()).kind is Kind.SAFETENSORS
    assert of(tmp_path, program()).kind is Kind.PROGRAM
    index = of(tmp_path, json.dumps({"weight_map": {"a": "x-1", "b": "x-2", "c": "x-1"}}).encode())
    assert (index.kind, index.parts) == (Kind.SHARD_INDEX, ("x-1", "x-2"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"text",
        b"\x80\x02",
        b"\x80\x02K\x01.",
        b"\x89HDF\r\n\x1a\n",
        struct.pack("<Q", 1 << 60) + b"{",
        archive({"x": "y"}),
        archive({"data.pkl": b"?"}),
    ],
)
def test_what_is_none_of_them(tmp_path, content):
    assert of(tmp_path, content).kind is Kind.OTHER


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04cut off",
        struct.pack("<Q", 100) + b"{",
        safetensors(metadata=[]),  # type: ignore[arg-type]
        b'{"weight_map": ["a"]}',
        b'{"weight_map": {"a": "../x"}}',
        b'{"weight_map": {"a": ""}}',
        b'{"weight_map": ',
        b'{"weight_map": ' + b"[" * 100_000,
        program()[:-30],
        b'{"weight_map": {"a": "\xff"}}',
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content):
    with pytest.raises(PullError, match="file: is damaged: .*; fetch it again"):
        of(tmp_path, content)


def test_the_passport_inside_is_found(tmp_path):
    passport = {"format": "torchferry-passport", "version": 1}
    assert json.loads(of(tmp_path, program(passport)).passport) == passport
    scripted = archive({"data.pkl": b"", "constants.pkl": b"", "extra/torchferry.json": json.dumps(passport)})
    assert json.loads(of(tmp_path, scripted).passport) == passport
    assert json.loads(of(tmp_path, safetensors(metadata={"torchferry": json.dumps(passport)})).passport) == passport
    assert of(tmp_path, program()).passport is None


def test_a_passport_inside_is_bounded(tmp_path):
    with pytest.raises(PullError, match="a passport has at most 262144"):
        of(tmp_path, pull_files.archive({"models/m.json": "", "extra/torchferry.json": " " * (1 << 20)}))
