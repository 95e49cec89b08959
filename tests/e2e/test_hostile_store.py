"""One good model in a store of files that somebody made to end, stall or fool the server: it serves right answers, the server
and `inspect` say the same of each, nothing is run or written, and memory stays bounded."""

import json
import os
import re
import subprocess

import pytest

import harness
import stuck_models
from harness import Client, Code, Health, check_message
from hostile_files import HOSTILE, TUNING_RECORDS, put, put_unnamable
from inspecting import inspect_files
from stores import Store
from test_wrong_files import reason
from wire import assert_close, pb, reference

CODES = {code.value[0]: code.name for code in Code}
# A server without models has some 300 MiB. Nothing in this store is a reason for more than what its largest text takes.
MOST_MEMORY_KIB = 1_500 * 1024
LOAD_SECONDS = 600
RECORD = ".torchferry-tuning.json"


def listing(folder):
    """What is in the folder and when it was written: {path: (mode, size, time)}, as bytes, whatever the names are."""
    entries = {}
    for parent, folders, files in os.walk(os.fsencode(folder)):
        for name in [*folders, *files, b"."]:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            entries[path] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return entries


def peak_memory_kib(pid):
    """Of the process, ever."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", status.read(), re.MULTILINE)[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile_store")


@pytest.fixture(scope="module")
def store(folder):
    store = Store(folder / "store")
    store.add("mlp", "good")
    for name, row in HOSTILE.items():
        put(store.path, name, row)
    put_unnamable(store.path)
    stuck_models.add_endless_setstate(store, "endless", stuck_models.load_limit(5))
    return store


@pytest.fixture(scope="module")
def server(store, folder):
    before = listing(store.path)
    with harness.serving(store, folder / "server", "--log-format", "json") as server:
        with Client(server.address) as client:
            busy = (pb.MODEL_STATE_PENDING, pb.MODEL_STATE_LOADING)
            harness.wait_until(lambda: all(v.state not in busy for v in client.models().values()),
                               "all versions are loaded or failed", LOAD_SECONDS)
        server.before = before
        yield server


@pytest.fixture(scope="module")
def versions(server):
    with Client(server.address) as client:
        return {name: version for (name, _), version in client.models().items()}


@pytest.fixture(scope="module")
def inspected(store):
    paths = {name: f"{name}/1/{row.file}" for name, row in HOSTILE.items()}
    files = inspect_files(store.path, *paths.values())
    return {name: files[path] for name, path in paths.items()}


@pytest.mark.parametrize("name", HOSTILE)
def test_each_is_refused_with_a_reason(versions, name):
    row, version = HOSTILE[name], versions[name]
    assert version.state == pb.MODEL_STATE_FAILED
    check_message(version.error_message, *row.fragments)
    assert CODES[version.error_code] == row.code, version.error_message
    assert len(version.error_message) < 4_000


@pytest.mark.parametrize("name", HOSTILE)
def test_inspect_says_what_the_server_says(versions, inspected, name):
    assert not inspected[name]["servable"]
    assert (CODES[versions[name].error_code], versions[name].error_message) == reason(inspected[name])


def test_a_load_that_does_not_end_is_refused_too(versions):
    """Only the server can tell: `inspect` runs nothing."""
    assert versions["endless"].state == pb.MODEL_STATE_FAILED
    check_message(versions["endless"].error_message, "does not end", "load_timeout_seconds")


def test_good_model_serves_right_answers(server, versions):
    with Client(server.address) as client:
        assert client.health("") == Health.SERVING
        assert versions["good"].state == pb.MODEL_STATE_READY
        outputs = client.predict_arrays("good", {"x": reference("mlp", "x", 7)})
        assert_close(outputs["probabilities"], reference("mlp", "probabilities", 7))
    for path in ("/readyz", "/livez", "/metrics"):
        assert server.http(path)[0] == 200


def test_log_has_one_line_for_each_event(server, versions):
    for line in server.log().splitlines():
        assert line.startswith("{"), f"no file's name makes a line of its own: {line!r}"
        assert "\x1b" not in line


def test_nothing_was_written_and_memory_is_bounded(server, versions, inspected, folder):
    assert listing(server.store.path) == server.before
    assert list(server.cwd.iterdir()) == []
    assert [str(f) for f in folder.rglob("torchferry_pwned*")] == []
    assert peak_memory_kib(server.process.pid) < MOST_MEMORY_KIB


def test_tuning_believes_no_record_and_writes_through_no_link(tmp_path):
    """The record of a version lies in a folder that somebody else may write to."""
    store = Store(tmp_path / "store")
    for name, record in TUNING_RECORDS.items():
        (store.add("mlp", name) / "1" / RECORD).write_text(record)
    version = store.add("mlp", "linked") / "1"
    precious = tmp_path / "precious"
    precious.write_text("precious")
    # The server's process id is not known before it runs; it is one of those after this.
    first = next_process_id()
    for process in range(first, first + 2_000):
        (version / f"{RECORD}.{process}").symlink_to(precious)
    (version / RECORD).symlink_to(precious)
    with harness.serving(store, tmp_path / "server", "--optimize", "auto") as server, Client(server.address) as client:
        server.wait_settled()
        for name in (*TUNING_RECORDS, "linked"):
            outputs = client.predict_arrays(name, {"x": reference("mlp", "x", 7)})
            assert_close(outputs["probabilities"], reference("mlp", "probabilities", 7))
        assert first <= server.process.pid < first + 2_000
    assert precious.read_text() == "precious"
    for name in (*TUNING_RECORDS, "linked"):
        path = store.path / name / "1" / RECORD
        assert not path.is_symlink()
        assert json.loads(path.read_text())["records"][0]["variant"]


def next_process_id():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid + 1
