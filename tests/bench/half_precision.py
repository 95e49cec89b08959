#!/usr/bin/env python3
"""What FP16 and BF16 weights cost on this CPU, against the same model in FP32, in one run.

    half_precision.py [--binaries build/bin] [--rounds 40]      with the tests' Python (deploy/locks/python-tests.txt)

Serves resnet18 (3 rows of 3x64x64), a Hugging Face encoder (2 rows of 16 tokens) and a two-layer LSTM (fixtures/traced) in each
dtype with `precision: AUTO`, asks them in turns, one request at a time, and takes the median of the forward passes' times
(copies and casts included). Writes a table and one line of JSON: ratio = the dtype's median over FP32's.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", type=pathlib.Path, default=pathlib.Path("build/bin"))
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    os.environ["TORCHFERRY_BINARY_DIR"] = str(arguments.binaries.resolve().parent)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(pathlib.Path(folder), arguments.rounds)))


def measure(folder, rounds):
    import numpy as np

    import harness
    import portable_files
    from stores import Store
    from wire import bf16_tensor, tensor

    rows = [row for row in portable_files.traced_rows() if row["model"] != "lstm_traced"]
    store = Store(folder / "store")
    requests = {}
    for row in rows:
        name = f"{row['model']}_{row['dtype']}"
        portable_files.inflate(portable_files.FIXTURES / "traced" / row["file"], folder / "model.pt")
        others = {} if row["format"] == "traced" else {"forward_py": portable_files.FIXTURES / "traced" / "lstm_forward.py"}
        store.add_file(name, folder / "model.pt", **others)
        case = sorted(row["cases"])[-1]
        requests[name] = {key: bf16_tensor(array) if array.dtype == np.uint16 else tensor(array)
                          for key, array in portable_files.inputs_of(row, case).items()}
    seconds = {name: [] for name in requests}
    with harness.serving(store, folder / "server", "--device", "cpu") as server:
        server.wait_settled()
        with harness.Client(server.address) as client:
            precision = {name: client.model(name).placement.precision for name in requests}
            for _ in range(rounds + 5):
                for name, inputs in requests.items():
                    seconds[name].append(client.predict(name, inputs).execution.compute_seconds)
    result = {}
    for name, times in seconds.items():
        model, dtype = name.rsplit("_", 1)
        median = statistics.median(times[5:])  # the first ones optimise
        full = statistics.median(seconds[f"{model}_FP32"][5:])
        result[name] = {"median_ms": 1000 * median, "ratio": median / full, "computes_in": precision[name]}
        print(f"{model:10} {dtype} computed in {precision[name]}: {1000 * median:8.2f} ms, {median / full:.2f} x FP32", file=sys.stderr)
    return result


if __name__ == "__main__":
    main()
