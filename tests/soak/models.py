"""The models of a soak, and how each is asked and its answer compared."""

from __future__ import annotations

import pathlib

import exported_programs
import numpy as np
import portable_files
from passports import passport, put_into_archive, row, spec
from stores import Store
from test_swaps import deploy, write_model
from wire import FIXTURES, reference

TEXTS = ["hello", "Hello world", "", "café"]
TEXT_ANSWERS = np.array([[5, 1], [11, 2], [0, 0], [5, 0]], np.int64)
TEXT_CONFIG = ('max_batch_size: 8\ninput { name: "texts" data_type: TYPE_STRING dims: [ 1 ] }\n'
               'output { name: "y" data_type: TYPE_INT64 dims: [ 2 ] }\ndynamic_batching { }\n')
LOSSY_DEVICES = range(2, 8)  # sim:N, of which each is lost once
CHECKED_DEVICE = "sim:1"  # whose products are wrong at times; only a model that checks its answers is there


def lossy(number: int) -> str:
    """The model that is on a device which will be lost."""
    return f"lossy{number}"


def device_config(device: str) -> str:
    return f'torchferry {{ device: "{device}" }}\n'


def fill(store: Store, folder: pathlib.Path) -> None:
    """One of each kind: TorchScript, a state_dict with its forward.py, a program, a model with state, one of text, a slow one,
    one that is swapped, one that checks its answers, and some on devices that will be lost."""
    store.add("mlp")  # TorchScript
    store.add("lstm")  # a state_dict and its forward.py
    store.add("running_sum", extra_config=device_config("cpu"))  # a step that a device has failed is not run twice
    store.add("slow")
    exported_programs.unpacked(folder, "programs")
    store.add_file("program", folder / "net.cpu.FP32.pt2", "model.pt2")
    portable_files.unpack(FIXTURES / "inputs" / "inputs.tar.xz", folder)
    (store.add_file("text", folder / "takes_text.pt") / "config.pbtxt").write_text(TEXT_CONFIG)
    store.add_file("product", FIXTURES / "pair" / "1" / "model.pt")  # answers as large as the request
    for name in ("m", "other"):
        write_model(store, name)
        deploy(store, name, 1)
    checked = store.add("mlp", "checked")
    (checked / "config.pbtxt").write_text(device_config(CHECKED_DEVICE))
    golden = row({"x": reference("mlp", "x", 1)}, {"probabilities": reference("mlp", "probabilities", 1)})
    put_into_archive(checked / "1" / "mlp.pt", passport(inputs=[spec("x", [4])], outputs=[spec("probabilities", [3])],
                                                        rows=[golden], rtol=0, atol=1e-5))
    for number in LOSSY_DEVICES:
        store.add("mlp", lossy(number), extra_config=device_config(f"sim:{number}"))
