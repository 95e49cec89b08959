"""The files of fixtures/portable and fixtures/traced are what their tables say; no server. What they answer is compared with
PyTorch where they are made."""

import itertools

import numpy as np
import pytest

import device_tags
import portable_files
from torch_archives import ALIGNMENT, entries

FILES, LEFT_OUT = portable_files.portable_rows()
TRACED = {f"{row['model']}_{row['dtype']}": row for row in portable_files.traced_rows()}
ARCHIVES = ("scripted", "scripted_literal", "traced")
DEVICES = {"cpu": {"cpu"}, "cuda:0": {"cuda:0"}, "cuda:1": {"cuda:1"}, "two": {"cuda:0", "cuda:1"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portable")
    portable_files.unpack_portable(folder)
    return folder


def test_every_cell_has_a_file_or_a_reason(folder):
    cells = [(row["format"], row["saved"], row["dtype"]) for row in FILES + LEFT_OUT]
    formats = {format for format, _, _ in cells}
    assert len(formats) == 10
    assert sorted(cells) == sorted(itertools.product(formats, DEVICES, ("FP32", "FP16", "BF16")))
    assert all(row["reason"] for row in LEFT_OUT)
    assert {row["file"] for row in FILES} == {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("row", [row for row in FILES if row["format"] in ARCHIVES], ids=lambda row: row["file"])
def test_archive_names_the_devices_of_its_row(folder, row):
    found = device_tags.mentions(folder / row["file"])
    assert set(found.pop("constants.pkl", ["cpu"])) == {"cpu"}
    assert {device for devices in found.values() for device in devices} == DEVICES[row["saved"]]


@pytest.mark.parametrize("format", ["scripted", "traced"])
def test_rewriting_there_and_back_changes_nothing(folder, tmp_path, format):
    source = folder / f"{format}.cpu.FP16.pt"
    device_tags.rewrite_devices(source, tmp_path / "there.pt", "cuda:12")
    device_tags.rewrite_devices(tmp_path / "there.pt", tmp_path / "back.pt", "cpu", "cuda:12")
    assert any("cuda:12" in devices for devices in device_tags.mentions(tmp_path / "there.pt").values())

    def shown(path):  # a name that was fetched from the pickle's memo is written out after rewriting
        return device_tags.mentions(path), [(entry, content, method) for entry, _, content, method in entries(path)
                                            if entry not in device_tags.PICKLES]
    assert shown(tmp_path / "back.pt") == shown(source)


@pytest.mark.parametrize("name", TRACED)
def test_inflated_archive_has_every_storage(tmp_path, name):
    path = tmp_path / "model.pt"
    portable_files.inflate(portable_files.FIXTURES / "traced" / TRACED[name]["file"], path)
    storages = {entry for entry, _, content, _ in entries(path) if entry.startswith("data/") and content}
    assert storages == {f"data/{i}" for i in range(len(storages))} and storages
    content = path.read_bytes()
    for entry, full_name, data, _ in entries(path):
        if entry in storages and len(data) > 64:
            assert content.index(data) % ALIGNMENT == 0, full_name


@pytest.mark.parametrize("name", TRACED)
def test_case_has_inputs_and_answers(name):
    row = TRACED[name]
    for case in row["cases"]:
        inputs = portable_files.inputs_of(row, case)
        rows = {array.shape[0] for array in inputs.values()}
        fp32, own = (portable_files.answer_of(row, case, which) for which in ("fp32", "own"))
        own = portable_files.fp32_of(own) if own.dtype == np.uint16 else own.astype(np.float32)
        assert rows == {fp32.shape[0]} and np.isfinite(fp32).all()
        assert np.abs(own - fp32).max() <= {"FP32": 0.0, "FP16": 0.01, "BF16": 0.08}[row["dtype"]] * max(1, fp32.std())


def test_bf16_rounds_to_nearest_even():
    values = np.array([1.0, 1.00390625, 1.01171875, 1.00390637, -1.00390625, 3.4e38], np.float32)
    assert portable_files.fp32_of(portable_files.bf16_of(values)).tolist() == [
        1.0, 1.0, 1.015625, 1.0078125, -1.0, np.inf]
