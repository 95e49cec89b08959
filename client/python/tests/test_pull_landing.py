"""How a version gets into a store: whole, once, and without a trace of what did not get there."""

import concurrent.futures
import os
import signal
import stat
import subprocess
import sys

import pull_files
import pytest
from torchferry import _store_landing
from torchferry._store_landing import StoreError, next_version, staging


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def land(store, model, version=None, content=b"x"):
    with staging(store, model) as stage:
        (stage.folder / "m.pt").write_bytes(content)
        (stage.scratch / "half").write_bytes(content)
        return stage.land(version)


def test_versions_follow_one_another(store):
    assert [land(store, "m"), land(store, "m"), land(store, "m", 7), land(store, "m"), land(store, "m", 3)] == [
        1,
        2,
        7,
        8,
        3,
    ]
    assert set(pull_files.landed(store)) == {f"m/{version}/m.pt" for version in (1, 2, 3, 7, 8)}


def test_what_is_no_version_is_not_counted(store):
    for name in ("05", "-3", "x", "9.0", ".12", "٣"):
        (store / "m" / name).mkdir(parents=True)
    (store / "m" / "config.pbtxt").write_text("")
    assert next_version(store, "m") == 1
    assert land(store, "m") == 1


def test_a_version_that_is_there_stays(store):
    land(store, "m", 2, b"first")
    with pytest.raises(StoreError, match="m/2 is there already; give another --version"):
        land(store, "m", 2, b"second")
    assert pull_files.landed(store) == {"m/2/m.pt": b"first"}


def test_a_file_in_its_place_stays(store):
    (store / "m").write_text("a file")
    with pytest.raises((StoreError, OSError)):
        land(store, "m", 1)
    assert pull_files.landed(store) == {"m": b"a file"}


def test_the_last_version_has_none_behind_it(store):
    land(store, "m", _store_landing.MAX_VERSION)
    with pytest.raises(StoreError, match="the last version that there can be"):
        land(store, "m")


def test_nothing_stays_of_what_fails(store):
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), staging(store, "m") as stage:
            (stage.folder / "m.pt").write_bytes(b"half")
            (stage.scratch / "m.pt").write_bytes(b"half")
            raise error
    assert pull_files.landed(store) == {}


def test_until_it_lands_all_is_hidden(store):
    with staging(store, "m") as stage:
        (stage.folder / "m.pt").write_bytes(b"x")
        assert {path.name[0] for path in store.iterdir()} == {"."}
        stage.land(None)
    assert [path.name for path in store.iterdir()] == ["m"]


def test_whoever_runs_the_server_may_read_it(store):
    old = os.umask(0o022)
    try:
        land(store, "m")
        land(store, "m")
    finally:
        os.umask(old)
    for version in ("1", "2"):
        assert stat.S_IMODE((store / "m" / version / "m.pt").stat().st_mode) == 0o644
        assert stat.S_IMODE((store / "m" / version).stat().st_mode) == 0o755
    assert stat.S_IMODE((store / "m").stat().st_mode) == 0o755


def test_two_at_once_get_a_version_each(store):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(lambda number: land(store, "m", content=b"%d" % number), range(40)))
    assert sorted(versions) == list(range(1, 41))
    for number, version in enumerate(versions):
        assert (store / "m" / str(version) / "m.pt").read_bytes() == b"%d" % number
    assert all(not path.name.startswith(".") for path in store.iterdir())


KILLED = """
import os, pathlib, signal, sys
from torchferry._store_landing import staging
with staging(pathlib.Path(sys.argv[1]), "m") as stage:
    (stage.folder / "m.pt").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_one_left_goes_with_the_next(store):
    path = os.pathsep.join([str(pull_files.REPO / "client" / "python"), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run([sys.executable, "-c", KILLED, store], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert run.returncode == -signal.SIGKILL
    assert any(name.endswith("m.pt") for name in pull_files.landed(store))
    with staging(store, "other") as stage:  # and what another one is at stays
        (stage.folder / "m.pt").write_bytes(b"in progress")
        assert land(store, "m") == 1
        assert stage.land(None) == 1
    assert pull_files.landed(store) == {"m/1/m.pt": b"x", "other/1/m.pt": b"in progress"}


def test_a_model_that_is_a_link_gets_its_version(store, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (store / "m").symlink_to(tmp_path / "elsewhere")
    assert land(store, "m") == 1
    assert pull_files.landed(tmp_path / "elsewhere") == {"1/m.pt": b"x"}
