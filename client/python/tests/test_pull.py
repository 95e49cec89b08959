"""torchferry pull from paths of this host: what lands, what it says, and what it refuses."""

import json
import os
import subprocess

import pull_files
import pytest
from pull_files import TESTDATA, landed, sha256

TIED = (TESTDATA / "tied.pt").read_bytes()
HEAD = {"format": "torchferry-passport", "version": 1}


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def passport(store, version=1):
    return json.loads((store / "m" / str(version) / "torchferry.json").read_text())


def test_a_file_lands_as_the_next_version(store, capsys):
    for version in (1, 2):
        status, _, err = pull_files.pull(capsys, TESTDATA / "tied.pt", store / "m")
        assert status == 0
        assert err.startswith(f"version {version}: a state_dict, tied.pt, 1.6 KiB, from file:tied.pt\n")
    assert (
        pull_files.pull(capsys, f"file://{TESTDATA}/tied.pt", f"{store}/m/", "--version", "9", "--as", "w.bin")[0] == 0
    )
    assert {name: content for name, content in landed(store).items() if not name.endswith(".json")} == {
        "m/1/tied.pt": TIED,
        "m/2/tied.pt": TIED,
        "m/9/w.bin": TIED,
    }
    assert passport(store) == HEAD | {"origin": {"source": "file:tied.pt", "sha256": sha256(TIED)}}


def test_standard_output_is_a_list_for_sha256sum(store, capsys, tmp_path):
    source = tmp_path / "back\\slash.pt"
    source.write_bytes(TIED)
    _, out, _ = pull_files.pull(capsys, source, store / "m")
    assert out.splitlines()[0] == f"\\{sha256(TIED)}  m/1/back\\\\slash.pt"
    check = subprocess.run(
        ["sha256sum", "--check", "--strict"], input=out, cwd=store, text=True, capture_output=True, check=False
    )
    assert check.returncode == 0, check.stderr
    assert check.stdout.count(": OK") == 2


def test_a_folder_lands_as_a_repository_does(store, capsys, tmp_path):
    files = pull_files.shards() | {"forward.py": b"def forward(self, x): return x", ".git/config": b"x"}
    pull_files.write(tmp_path / "clone", files)
    status, _, err = pull_files.pull(capsys, tmp_path / "clone", store / "m")
    assert status == 0, err
    assert "left out 3 files" in err and "weights alone" not in err
    names = [name for name in files if name.startswith("model")] + ["forward.py", "torchferry.json"]
    assert set(landed(store)) == {f"m/1/{name}" for name in names}
    assert passport(store)["origin"]["source"] == "file:clone"


def test_a_passport_beside_the_model_keeps_what_it_says(store, capsys, tmp_path):
    signature = {"max_batch_size": 4, "inputs": [], "outputs": []}
    beside = HEAD | {"signature": signature, "origin": {"git_commit": "abc"}}
    pull_files.write(tmp_path / "src", {"m.pt": TIED, "torchferry.json": json.dumps(beside).encode()})
    status, out, _ = pull_files.pull(capsys, tmp_path / "src", store / "m")
    assert status == 0
    assert passport(store) == beside | {"origin": {"git_commit": "abc", "source": "file:src", "sha256": sha256(TIED)}}
    assert sha256((store / "m/1/torchferry.json").read_bytes()) in out


def test_an_archive_with_a_passport_keeps_it(store, capsys, tmp_path):
    inside = HEAD | {"signature": {}, "origin": {"source": "hf://a/b@c", "run_id": "7"}}
    content = pull_files.program(inside)
    (tmp_path / "net.pt2").write_bytes(content)
    status, _, err = pull_files.pull(capsys, tmp_path / "net.pt2", store / "m")
    assert status == 0
    assert landed(store)["m/1/net.pt2"] == content
    assert passport(store) == HEAD | {"origin": {"sha256": sha256(content)}}
    assert (
        "its passport says origin.source 'hf://a/b@c', and this pull found 'file:net.pt2'; the passport's stays" in err
    )


@pytest.mark.parametrize(
    "name,message",
    [
        ("whole_model.pt", "of the class __main__.Net: loading it runs the code that it names"),
        ("legacy_whole_model.pt", "torchferry convert legacy_whole_model.pt --class __main__.Net"),
        ("expected.json", "is no file that the server loads"),
        ("nowhere.pt", "nowhere.pt: No such file or directory"),
    ],
)
def test_what_is_not_served_does_not_land(store, capsys, name, message):
    status, out, err = pull_files.pull(capsys, TESTDATA / name, store / "m")
    assert (status, out, landed(store)) == (1, "", {})
    assert message in err


@pytest.mark.parametrize(
    "files,message",
    [
        ({"model.safetensors.index.json": json.dumps({"weight_map": {"a": "p"}}).encode()}, "src: lacks p, which"),
        ({"model.safetensors.index.json": b'{"weight_map": 3}'}, "is no index of weights: expected"),
        (
            {
                "model.safetensors.index.json": json.dumps({"weight_map": {"a": "p"}}).encode(),
                "p": pull_files.program(),
            },
            "one of its parts is no state_dict",
        ),
        ({"m.pt": TIED, "torchferry.json": b"{}"}, "torchferry.json: is no passport"),
        ({"m.pt": TIED, "torchferry.json": b"\xff"}, "torchferry.json: is no JSON"),
        ({"m.pt2": pull_files.program(HEAD | {"version": 2})}, "the passport in m.pt2: is a passport of version 2"),
    ],
)
def test_a_folder_that_makes_no_version_does_not_land(store, capsys, tmp_path, files, message):
    pull_files.write(tmp_path / "src", files)
    status, _, err = pull_files.pull(capsys, tmp_path / "src", store / "m")
    assert (status, landed(store)) == (1, {})
    assert message in err


def test_an_index_alone_does_not_land(store, capsys, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_bytes(pull_files.shards()["model.safetensors.index.json"])
    status, _, err = pull_files.pull(capsys, tmp_path / "model.safetensors.index.json", store / "m")
    assert (status, landed(store)) == (1, {})
    assert "without these; pull the folder" in err


@pytest.mark.parametrize(
    "target,message",
    [
        (".", "names no model"),
        ("store/.m", "names no model"),
        ("store/3", "--version 3"),
        ("nowhere/m", "nowhere: is no folder; expected a model store"),
        ("store/m\udc80", "with a NAME in UTF-8"),
    ],
)
def test_a_target_that_is_no_model_is_refused(store, capsys, monkeypatch, target, message):
    monkeypatch.chdir(store.parent)
    before = landed(store.parent)
    status, _, err = pull_files.pull(capsys, TESTDATA / "tied.pt", target)
    assert (status, landed(store.parent)) == (1, before)
    assert message in err


@pytest.mark.parametrize(
    "flags,message",
    [
        (["--version", "0"], "'0' is no version"),
        (["--version", "01"], "'01' is no version"),
        (["--version", str(1 << 63)], "is no version"),
        (["--sha256", "abc"], "'abc' is no SHA-256"),
        (["--as", "../x"], "is no file's name that a server reads"),
        (["--as", ".x"], "is no file's name"),
        (["--max-size", "0"], "'0' is no size"),
        (["--max-size", "nan"], "'nan' is no size"),
        (["--max-size", "3 parsecs"], "is no size"),
        (["--timeout-seconds", "nan"], "expected seconds"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_a_flag_that_is_wrong_is_named(store, capsys, flags, message):
    status, _, err = pull_files.pull(capsys, TESTDATA / "tied.pt", store / "m", *flags)
    assert (status, landed(store)) == (2, {})
    assert message in err


def test_flags_for_one_file_are_refused_for_a_folder(store, capsys, tmp_path):
    pull_files.write(tmp_path / "src", {"m.pt": TIED})
    for flags in (["--sha256", "0" * 64], ["--as", "x.pt"]):
        status, _, err = pull_files.pull(capsys, tmp_path / "src", store / "m", *flags)
        assert (status, landed(store)) == (1, {})
        assert f"{flags[0]} is for a source that is one file" in err


def test_help_ends_well(capsys):
    status, out, _ = pull_files.pull(capsys, "--help")
    assert status == 0
    assert "hf://ORG/REPO[@REVISION]" in out


def test_another_digest_is_refused(store, capsys):
    status, _, err = pull_files.pull(capsys, TESTDATA / "tied.pt", store / "m", "--sha256", "0" * 64)
    assert (status, landed(store)) == (1, {})
    assert f"has the SHA-256 {sha256(TIED)}, and {'0' * 64} was expected" in err


def test_a_pipe_is_not_waited_for(store, capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    status, _, err = pull_files.pull(capsys, tmp_path / "pipe.pt", store / "m")
    assert (status, landed(store)) == (1, {})
    assert "is no file; expected a file or a folder" in err


def test_a_version_that_is_there_is_said_before_anything_is_fetched(store, capsys):
    assert pull_files.pull(capsys, TESTDATA / "tied.pt", store / "m")[0] == 0
    before = landed(store)
    status, _, err = pull_files.pull(
        capsys, "http://127.0.0.1:1/x", store / "m", "--version", "1", "--sha256", "0" * 64
    )
    assert (status, landed(store)) == (1, before)
    assert "m/1 is there already" in err


def test_sizes_are_read_with_their_units():
    from torchferry._pull_copy import parse_size

    assert [parse_size(text) for text in ("1", "2kB", "1.5 MiB", "20GiB", "3TB")] == [
        1,
        2000,
        3 << 19,
        20 << 30,
        3 * 10**12,
    ]


def test_a_terminal_has_a_line_of_progress(store, monkeypatch):
    import io

    from torchferry import _progress, _pull

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(_pull.sys, "stderr", terminal)
    monkeypatch.setattr(_progress, "INTERVAL_SECONDS", 0)
    assert _pull.main([str(TESTDATA / "tied.pt"), str(store / "m")]) == 0
    assert "\rtied.pt: 1.6 KiB of 1.6 KiB, 100 %" in terminal.getvalue()
    assert terminal.getvalue().index("100 %") < terminal.getvalue().index("\r" + " " * 10)
