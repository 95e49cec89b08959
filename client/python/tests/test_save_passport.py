"""The passport that torchferry.save writes: signature, what was saved from where, provenance, and a golden row."""

import json
import os
import subprocess

import numpy as np
import pytest

import torchferry
from saving import array_of, passport_of, said, splitmix64
from torchferry import _save_fill, _save_passport
from torchferry._save_fill import generated

torch = pytest.importorskip("torch")
nn = torch.nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Linear(6, 5)

    def forward(self, x, mask):
        y = torch.tanh(self.body(x)) * mask[:, None]
        return {"y": y, "best": y.argmax(1)}


EXAMPLE = (torch.linspace(-1, 1, 24).reshape(4, 6), torch.tensor([True, False, True, True]))


@pytest.fixture
def save(tmp_path):
    def one(model=None, example=EXAMPLE, name="m", **options):
        return torchferry.save(model or Net(), example, tmp_path / "store", name=name, **options)

    return one


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository with a commit, as the current folder."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "train.py").write_text("a = 1\n")
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "one"]):
        subprocess.run(["git", *command], cwd=folder, check=True, env=os.environ | identity)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("format", ["export", "script", "trace", "state_dict"])
def test_the_signature_is_that_of_the_config(save, format):
    passport = passport_of(save(format=format))
    assert (passport["format"], passport["version"]) == ("torchferry-passport", 1)
    assert passport["signature"] == {
        "max_batch_size": 64,
        "inputs": [{"name": "x", "type": "FP32", "dims": [6]}, {"name": "mask", "type": "BOOL", "dims": []}],
        "outputs": [{"name": "y", "type": "FP32", "dims": [5]}, {"name": "best", "type": "INT64", "dims": []}],
    }
    assert passport["saved"]["device"] == "cpu" and passport["saved"]["dtypes"] == ["FP32"]
    assert passport["saved"]["torch"] == torch.__version__.partition("+")[0]


def test_the_golden_row_is_the_examples_first(save):
    golden = passport_of(save())["golden"]
    (row,) = golden["rows"]
    np.testing.assert_array_equal(array_of(row["inputs"]["x"]), EXAMPLE[0][:1].numpy())
    np.testing.assert_array_equal(array_of(row["inputs"]["mask"]), [True])
    with torch.no_grad():
        want = Net()(EXAMPLE[0][:1], EXAMPLE[1][:1])
    np.testing.assert_allclose(array_of(row["outputs"]["y"]), want["y"].numpy(), rtol=1e-6)
    np.testing.assert_array_equal(array_of(row["outputs"]["best"]), want["best"].numpy())
    assert golden["rtol"] == 0.01 and golden["atol"] == pytest.approx(0.01 * float(want["y"].abs().max()))


def test_without_a_batch_the_golden_row_is_the_example(save):
    golden = passport_of(save(max_batch_size=0))["golden"]
    assert golden["rows"][0]["inputs"]["x"]["shape"] == [4, 6] and golden["rows"][0]["outputs"]["best"]["shape"] == [4]


@pytest.mark.parametrize("dtype, rtol", [(torch.float16, 0.02), (torch.bfloat16, 0.05)])
def test_half_precision_has_golden_outputs_in_fp32_and_more_tolerance(save, dtype, rtol):
    model = Net().to(dtype)
    passport = passport_of(save(model, (EXAMPLE[0].to(dtype), EXAMPLE[1])))
    row = passport["golden"]["rows"][0]
    assert passport["golden"]["rtol"] == rtol and row["outputs"]["y"]["type"] == "FP32"
    with torch.no_grad():
        want = model(EXAMPLE[0][:1].to(dtype), EXAMPLE[1][:1])["y"].float().numpy()
    np.testing.assert_array_equal(array_of(row["outputs"]["y"]), want)


def test_the_tolerance_is_the_callers(save):
    golden = passport_of(save(tolerance=(0.5, 0.25)))["golden"]
    assert (golden["rtol"], golden["atol"]) == (0.5, 0.25)


def test_generated_numbers_are_those_of_splitmix64():
    # As its author's program prints them for the seed 1234567.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert list(splitmix64(1234567, 4)) == published
    for seed in (0, 7, 1234567, 2**63 - 1):
        for dtype, name in ((torch.float32, "FP32"), (torch.float64, "FP64")):
            got = generated(seed, (2, 3, 5), dtype)
            assert got.dtype is dtype
            value = {"type": name, "shape": [2, 3, 5], "fill": {"seed": seed}}
            np.testing.assert_array_equal(got.numpy(), array_of(value))
    assert generated(1, (3, 0), torch.float32).shape == (3, 0)


class Large(nn.Module):
    """Of `size` numbers a row, and a few more; `forward` is what a test gives."""

    def __init__(self, forward, size=20000):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.does = nn.Linear(size, 2), forward

    def forward(self, image, scale):
        return self.does(self.body, image, scale)


LARGE = (torch.rand(2, 20000), torch.tensor([[2.0], [3.0]]))


def test_large_inputs_are_generated_and_small_ones_are_the_examples(save):
    model = Large(lambda body, image, scale: body(image) * scale)
    saved = save(model, LARGE)
    passport = passport_of(saved)
    (row,) = passport["golden"]["rows"]
    assert row["inputs"]["image"] == {"type": "FP32", "shape": [1, 20000], "fill": {"seed": 0}}
    np.testing.assert_array_equal(array_of(row["inputs"]["scale"]), [[2.0]])
    with torch.no_grad():
        want = model(torch.from_numpy(array_of(row["inputs"]["image"])), LARGE[1][:1]).numpy()
    np.testing.assert_allclose(array_of(row["outputs"]["OUTPUT__0"]), want, rtol=1e-5)
    assert passport["golden"]["atol"] == pytest.approx(0.01 * np.abs(want).max(), rel=1e-4)
    assert said(saved, "generated numbers and not the example's as image", "one has 80012 bytes")


def test_each_generated_input_has_its_own_seed_and_type(save):
    class Sum(nn.Module):
        def forward(self, a, b):
            return a.mean(1) + b.mean(1)

    saved = save(Sum(), (torch.ones(2, 9000, dtype=torch.float64), torch.ones(2, 17000)))
    inputs = passport_of(saved)["golden"]["rows"][0]["inputs"]
    assert inputs["a"] == {"type": "FP64", "shape": [1, 9000], "fill": {"seed": 0}}
    assert inputs["b"] == {"type": "FP32", "shape": [1, 17000], "fill": {"seed": 1}}


def test_without_a_batch_whole_inputs_are_generated(save):
    row = passport_of(save(nn.Linear(9000, 2), torch.ones(2, 9000), max_batch_size=0))["golden"]["rows"][0]
    assert row["inputs"]["input"] == {"type": "FP32", "shape": [2, 9000], "fill": {"seed": 0}}


def test_whole_numbers_that_a_small_change_of_noise_changes_are_left_out(save):
    model = Large(
        lambda body, image, scale: {"y": body(image), "best": body(image).argmax(1), "order": image.argsort(1)[:, :9]}
    )
    saved = save(model, LARGE, format="trace")
    assert set(passport_of(saved)["golden"]["rows"][0]["outputs"]) == {"y", "best"}
    assert said(saved, "the golden row has no order")


def fails_on_noise(body, image, scale):
    if image.min() < 0:
        raise ValueError("a pixel is negative")
    return body(image)


@pytest.mark.parametrize(
    "forward, example, why",
    [
        (lambda body, image, scale: body(image.sqrt()), LARGE, "output OUTPUT__0 is NaN for generated inputs"),
        (
            lambda body, image, scale: body(image) / (image.min() >= 0),
            LARGE,
            "output OUTPUT__0 is infinite for generated inputs",
        ),
        (fails_on_noise, LARGE, "forward fails on generated inputs: ValueError: a pixel is negative"),
        (
            lambda body, image, scale: body(image).half() if image.min() < 0 else body(image),
            LARGE,
            "other names, types or sizes",
        ),
        (lambda body, image, scale: image.argsort(1)[:, :9], LARGE, "changes all outputs"),
        (lambda body, image, scale: image * scale, LARGE, "its outputs alone are larger"),
        (
            lambda body, image, scale: body(image.float()),
            (torch.ones(2, 20000, dtype=torch.int64), LARGE[1]),
            "not FP32 or FP64, have 160",
        ),
    ],
)
def test_a_row_for_which_nothing_can_be_generated_is_left_out_and_said(save, forward, example, why):
    saved = save(Large(forward), example, format="trace")
    assert "golden" not in passport_of(saved)
    assert said(saved, "no golden row: one has ", why, "will not compare its answers")


def test_generated_inputs_are_bounded(save, monkeypatch):
    monkeypatch.setattr(_save_fill, "MAX_BYTES", 79999)
    saved = save(nn.Linear(20000, 2), torch.ones(2, 20000))
    assert "golden" not in passport_of(saved)
    assert said(saved, "generated inputs would have 80000 bytes, and a server generates up to 79999")


def test_the_run_and_its_metrics(save):
    origin = passport_of(save(run_id="run-7", metrics={"accuracy": np.float32(0.5), "epoch": 3}))["origin"]
    assert origin["run_id"] == "run-7" and origin["metrics"] == {"accuracy": 0.5, "epoch": 3.0}


def test_the_commit_and_whether_files_had_changed(save, repository):
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True
    ).stdout.strip()
    clean = passport_of(save(name="clean"))["origin"]
    assert clean == {"git_commit": head, "git_dirty": False}
    (repository / "train.py").write_text("a = 2\n")
    assert passport_of(save(name="dirty"))["origin"] == {"git_commit": head, "git_dirty": True}


def test_no_git_is_no_failure(save, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert "origin" not in passport_of(save(name="no_repository"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "origin" not in passport_of(save(name="no_git"))


def test_a_passport_beyond_what_a_server_reads_is_refused(save, monkeypatch, tmp_path):
    monkeypatch.setattr(_save_passport, "MAX_BYTES", 500)
    with pytest.raises(torchferry.SaveError, match="a server reads up to 500"):
        save()
    assert not list((tmp_path / "store").glob("*"))


def test_pytorch_reads_it_back(save):
    files = {"torchferry.json": ""}
    torch.export.load(save(name="program").path / "model.pt2", extra_files=files)
    assert json.loads(files["torchferry.json"])["saved"]["program"] == "torch.export"
    files = {"torchferry.json": ""}
    torch.jit.load(save(name="script", format="script").path / "model.pt", _extra_files=files)
    assert json.loads(files["torchferry.json"])["saved"]["program"] == "torchscript-script"
