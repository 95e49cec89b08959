"""Where torchferry.save puts a version: numbers, an existing config.pbtxt, and a store in which nothing half is ever
seen."""

import logging
import os
import pathlib
import subprocess
import sys

import pytest

import torchferry
from saving import config_of, said
from torchferry import _save_store

torch = pytest.importorskip("torch")
nn = torch.nn

X = torch.ones(2, 4)


def network(out=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, out))


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def save(store, model=None, example=X, name="m", **options):
    return torchferry.save(model or network(), example, store, name=name, **options)


def visible(store):
    """What a server may look at."""
    return sorted(str(p.relative_to(store)) for p in store.rglob("*") if not any(n.startswith(".") for n in p.parts))


def test_versions_follow_one_another(store):
    assert [save(store).version for _ in range(2)] == [1, 2]
    assert save(store, version=7).version == 7
    assert save(store).version == 8
    (store / "m" / "09").mkdir()
    (store / "m" / ".12").mkdir()
    assert save(store).path == store / "m" / "9"


def test_a_version_that_is_there_is_not_touched(store):
    first = save(store, version=3)
    bytes_before = (first.path / "model.pt2").read_bytes()
    with pytest.raises(torchferry.SaveError, match="m/3 is there already; leave version away for the next one"):
        save(store, network(5), version=3)
    assert (first.path / "model.pt2").read_bytes() == bytes_before


@pytest.mark.parametrize(
    "options, message",
    [
        ({"name": ""}, "the name is ''"),
        ({"name": ".hidden"}, "without a point in front"),
        ({"name": "a/b"}, "without a slash"),
        ({"name": "\ud800"}, "the name is"),
        ({"version": 0}, "the version is 0; expected an integer from 1"),
        ({"version": True}, "the version is True"),
        ({"format": "onnx"}, "format is 'onnx'; expected one of export, script, trace, state_dict"),
        ({"max_batch_size": -1}, "max_batch_size is -1"),
        ({"output_names": "y"}, "expected a list of names"),
        ({"tolerance": (1e-3, float("nan"))}, "tolerance is"),
        ({"metrics": {"loss": float("nan")}}, "expected a finite number"),
        ({"metrics": {"loss": "low"}}, r"metrics\['loss'\] is 'low'; expected a number"),
        ({"metrics": {str(i): 0.0 for i in range(65)}}, "65 entries; expected at most 64"),
        ({"run_id": ""}, "run_id is ''"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(store, options, message):
    with pytest.raises(torchferry.SaveError, match=message):
        save(store, **options)
    assert not store.exists()


def test_a_config_that_agrees_stays(store):
    save(store)
    config = store / "m" / "config.pbtxt"
    text = (
        'name: "m"  # by hand\nmax_batch_size: 8 input: [{ name: "input", data_type: TYPE_FP32, dims: [ -1 ] }]\n'
        "version_policy { latest { num_versions: 2 } } torchferry { precision: KEEP }\n"
    )
    config.write_text(text)
    saved = save(store)
    assert config.read_text() == text and said(saved, "m/config.pbtxt stays as it is")
    assert saved.signature.max_batch_size == 8 and said(saved, "max_batch_size is 8, as in m/config.pbtxt")
    with pytest.raises(torchferry.SaveError, match="it has max_batch_size: 8, and the model is saved with 4"):
        save(store, max_batch_size=4)
    config.write_text('input { name: "input" data_type: TYPE_FP32 dims: [ -1, 4 ] }')
    assert save(store).signature.max_batch_size == 0
    with pytest.raises(torchferry.SaveError, match="it has no max_batch_size, and the model is saved with 4"):
        save(store, max_batch_size=4)


@pytest.mark.parametrize(
    "text, message",
    [
        (
            'max_batch_size: 4 output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 5 ] }',
            r"output OUTPUT__0 with dims \[5\]",
        ),
        (
            'max_batch_size: 4 output { name: "y" data_type: TYPE_FP32 dims: [ 3 ] }',
            "it has the output y, and the model gives OUTPUT__0",
        ),
        (
            'max_batch_size: 4 input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }',
            "it has the inputs x, and the model takes input",
        ),
        ('max_batch_size: 4 input { name: "input" data_type: TYPE_FP16 dims: [ 4 ] }', "input input as TYPE_FP16"),
        ('input { name: "input" data_type: TYPE_FP32 dims: [ 4 ] }', r"dims \[4\], and the model's are \[2, 4\]"),
        ("max_batch_size: [", "it cannot be read"),
    ],
)
def test_a_config_that_disagrees_is_an_error_with_a_way_out(store, text, message):
    save(store)
    config = store / "m" / "config.pbtxt"
    config.write_text(text)
    with pytest.raises(torchferry.SaveError, match=f"does not agree with the model: .*{message}.*replace_config=True"):
        save(store)
    assert config.read_text() == text and [p.name for p in store.iterdir()] == ["m"]
    saved = save(store, replace_config=True)
    assert saved.version == 2 and 'name: "OUTPUT__0"' in config_of(saved) and said(saved, "config.pbtxt was replaced")


def test_a_model_that_shares_no_batch_disagrees_with_one_that_does(store):
    save(store)
    with pytest.raises(
        torchferry.SaveError, match="it has max_batch_size: 64, and requests to the model share no batch"
    ):
        save(store, max_batch_size=0)


def test_a_model_without_a_config_gets_none(store):
    save(store)
    (store / "m" / "config.pbtxt").unlink()
    saved = save(store)
    assert not (store / "m" / "config.pbtxt").exists() and said(saved, "has no config.pbtxt and gets none")


def test_an_architecture_serves_all_versions_that_it_fits(store):
    assert "architecture.pt2" in [p.name for p in save(store, format="state_dict").path.parent.iterdir()]
    torch.manual_seed(1)
    other = nn.Sequential(nn.Linear(4, 3))
    assert sorted(p.name for p in save(store, other, format="state_dict").path.iterdir()) == [
        "torchferry.json",
        "weights.pth",
    ]
    deeper = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
    own = save(store, deeper, format="state_dict")
    assert sorted(p.name for p in own.path.iterdir()) == ["architecture.pt2", "torchferry.json", "weights.pth"]


def test_nothing_half_is_ever_visible(store, monkeypatch):
    """Each file is in a folder that servers step over until all of the version is on the disk."""
    seen = []
    rename = os.rename

    def watched(source, target):
        seen.append(visible(store))
        rename(source, target)

    monkeypatch.setattr(os, "rename", watched)
    save(store)
    save(store)
    assert seen == [[], ["m", "m/1", "m/1/model.pt2", "m/config.pbtxt", "m/warmup", "m/warmup/input_0.bin"]]
    assert [p.name for p in store.iterdir()] == ["m"]


def test_a_failure_leaves_nothing(store, monkeypatch):
    save(store)
    before = visible(store)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_save_store, "sync", full)
    with pytest.raises(OSError, match="No space left"):
        save(store)
    assert visible(store) == before and [p.name for p in store.iterdir()] == ["m"]


def test_a_version_of_somebody_else_is_not_replaced(store, monkeypatch):
    """Another process publishes the same number between the choice and the move."""
    sync = _save_store.sync

    def racing(folder):
        sync(folder)
        (store / "m" / "2").mkdir(exist_ok=True)
        (store / "m" / "2" / "theirs").write_text("x")

    save(store)
    monkeypatch.setattr(_save_store, "sync", racing)
    assert save(store).version == 3
    monkeypatch.setattr(_save_store, "sync", lambda folder: (store / "m" / "5").mkdir())
    with pytest.raises(torchferry.SaveError, match="another process has saved it meanwhile"):
        save(store, version=5)
    assert [p.name for p in (store / "m" / "2").iterdir()] == ["theirs"]


def test_the_new_model_of_somebody_else_is_joined(store, monkeypatch):
    sync = _save_store.sync

    def racing(folder):
        sync(folder)
        (store / "m" / "1").mkdir(parents=True)

    monkeypatch.setattr(_save_store, "sync", racing)
    assert save(store).version == 2


def test_folders_are_readable_by_others(store):
    """A server often runs as another user; temporary folders of Python are not for others."""
    before = os.umask(0o022)
    try:
        saved = save(store)
    finally:
        os.umask(before)
    assert {oct(p.stat().st_mode & 0o777) for p in (store, saved.path.parent, saved.path)} == {"0o755"}
    assert (saved.path / "model.pt2").stat().st_mode & 0o777 == 0o644


def test_sentences_are_logged(store, caplog):
    with caplog.at_level(logging.INFO, "torchferry"):
        saved = save(store)
    logged = [record.message for record in caplog.records if record.name == "torchferry"]
    assert tuple(logged) == saved.sentences and said(saved, "m was saved with torch.export as version 1")


def test_importing_the_package_imports_no_torch():
    code = (
        "import sys, torchferry; assert 'torch' not in sys.modules and 'numpy' not in sys.modules; "
        "torchferry.save; assert 'torch' in sys.modules"
    )
    root = pathlib.Path(torchferry.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(root)})
