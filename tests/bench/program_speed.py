#!/usr/bin/env python3
"""What a torch.export program costs against the traced TorchScript file of the same model, in one run, through the server's own path.

    program_speed.py make FOLDER       with tests/coverage/requirements.txt: MLP, resnet18, an encoder, an LSTM, both files of each
    program_speed.py measure FOLDER [--binaries build/bin] [--rounds 15] [--optimize auto]    with the tests' Python

One server has both files of a model. The two are asked in turns, one request at a time on one thread, so that a busy machine slows
both. Throughput is by processor time of the server's process (of all its threads, gRPC's work included) and by the forward passes'
own time; the ratio is TorchScript's over the program's, so 1 is the same and more is better. Load time: load_seconds (the least of
some fresh servers, with the same warm-up for both) and the processor time of such a server until it is ready. Memory: the peak of a
server with the one file alone. Writes a table, and one line of JSON.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

MODELS = {  # requests a round, rows
    "mlp": (2000, 1), "mlp_rows": (1000, 64), "resnet18": (6, 2), "encoder": (6, 2), "lstm": (100, 2)}
FILES = {"torchscript": "model.pt", "program": "model.pt2"}


def make(folder):
    import torch
    import torchvision
    import transformers
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = transformers.BertModel(transformers.BertConfig(
                vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536),
                add_pooling_layer=False)

        def forward(self, ids, mask):
            return self.model(input_ids=ids, attention_mask=mask).last_hidden_state

    class Lstm(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(32, 64, num_layers=2, batch_first=True)
            self.head = nn.Linear(64, 5)

        def forward(self, x):
            return self.head(self.lstm(x)[0])

    def mlp():
        return nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 3), nn.Softmax(-1))

    mask = torch.ones(2, 128, dtype=torch.int64)
    table = {
        "mlp": (mlp, (torch.randn(2, 4),)),
        "mlp_rows": (mlp, (torch.randn(2, 4),)),
        "resnet18": (torchvision.models.resnet18, (torch.randn(2, 3, 224, 224),)),
        "encoder": (Encoder, (torch.randint(0, 30522, (2, 128)), mask)),
        "lstm": (Lstm, (torch.randn(2, 20, 32),)),
    }
    torch.set_grad_enabled(False)
    batch = torch.export.Dim("batch", min=1, max=64)
    for name, (maker, example) in table.items():
        torch.manual_seed(1)
        model = maker().eval()
        (folder / name).mkdir(parents=True, exist_ok=True)
        torch.jit.trace(model, example, check_trace=False, strict=False).save(str(folder / name / "model.pt"))
        program = torch.export.export(model, example, dynamic_shapes=tuple({0: batch} for _ in example))
        torch.export.save(program, str(folder / name / "model.pt2"))
        inputs = [{"dtype": "INT64" if t.dtype == torch.int64 else "FP32", "shape": list(t.shape[1:])} for t in example]
        said = {"inputs": inputs, "output": list(model(*example).shape[1:])}
        (folder / name / "said.json").write_text(json.dumps(said) + "\n")


def requests_of(folder, name, version, rows):
    """A request's inputs, by the names that the server shows."""
    import numpy as np

    random = np.random.default_rng(1)
    made = []
    for said in json.loads((folder / name / "said.json").read_text())["inputs"]:
        shape = (rows, *said["shape"])
        made.append(random.integers(0, 2, shape) if said["dtype"] == "INT64" else random.standard_normal(shape, np.float32))
    return {spec.name: array for spec, array in zip(version.inputs, made, strict=True)}


def processor_seconds(server):
    """Of all threads, in nanoseconds' steps."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir()) / 1e9


def peak_bytes(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def config_of(folder, name, kind):
    """The same for both: a trace says neither shapes nor rows, a program all of it."""
    said = json.loads((folder / name / "said.json").read_text())
    config = f"max_batch_size: {max(8, MODELS[name][1])}\ndynamic_batching {{ }}\n"
    if kind == "torchscript":
        for number, given in enumerate(said["inputs"]):
            config += f'input {{ name: "INPUT__{number}" data_type: TYPE_{given["dtype"]} dims: {given["shape"]} }}\n'
        config += f'output {{ name: "OUTPUT__0" data_type: TYPE_FP32 dims: {said["output"]} }}\n'
    return config


def serving(harness, stores, folder, name, kinds, scratch, optimize):
    """A server with these files of the model, each as a model of its own."""
    store = stores.Store(pathlib.Path(tempfile.mkdtemp(dir=scratch)) / "store")
    for kind in kinds:
        version = store.path / kind / "1"
        version.mkdir(parents=True)
        os.link(folder / name / FILES[kind], version / FILES[kind])
        (store.path / kind / "config.pbtxt").write_text(config_of(folder, name, kind))
    flags = ("--device", "cpu", "--optimize", optimize, "--workers", "1")
    return harness.serving(store, store.path.parent / "server", *flags, environment={"OMP_NUM_THREADS": "1"})


def speed(harness, stores, folder, name, scratch, rounds, optimize):
    count, rows = MODELS[name]
    spent, passes, tuned = {kind: [] for kind in FILES}, {kind: [] for kind in FILES}, {}
    with serving(harness, stores, folder, name, FILES, scratch, optimize) as server:
        server.wait_settled()
        with harness.Client(server.address) as client:
            inputs = {}
            for kind in FILES:
                version = client.model(kind)
                inputs[kind] = requests_of(folder, name, version, rows)
                tuned[kind] = version.placement.tuning.variant
                for _ in range(5):
                    client.predict(kind, inputs[kind])
            for number in range(rounds):
                for kind in list(FILES)[:: 1 if number % 2 else -1]:
                    before = processor_seconds(server)
                    for _ in range(count):
                        passes[kind].append(client.predict(kind, inputs[kind]).execution.compute_seconds)
                    spent[kind].append((processor_seconds(server) - before) / count)
    result = {"rows": rows, "variant": tuned}
    result["processor_ms"] = {kind: 1000 * statistics.median(values) for kind, values in spent.items()}
    result["pass_ms"] = {kind: 1000 * statistics.median(values) for kind, values in passes.items()}
    result["processor_ratio"] = statistics.median(a / b for a, b in zip(spent["torchscript"], spent["program"], strict=True))
    result["pass_ratio"] = result["pass_ms"]["torchscript"] / result["pass_ms"]["program"]
    return result


def loading(harness, stores, folder, name, scratch, rounds):
    seconds, spent, memory = ({kind: [] for kind in FILES} for _ in range(3))
    for _ in range(rounds):
        for kind in FILES:
            with serving(harness, stores, folder, name, [kind], scratch, "off") as server:
                server.wait_settled()
                spent[kind].append(processor_seconds(server))
                memory[kind].append(peak_bytes(server))
                with harness.Client(server.address) as client:
                    seconds[kind].append(client.model(kind).load_seconds)
    return {"load_ms": {kind: 1000 * min(values) for kind, values in seconds.items()},
            "start_processor_ms": {kind: 1000 * statistics.median(values) for kind, values in spent.items()},
            "peak_mib": {kind: statistics.median(values) / (1 << 20) for kind, values in memory.items()}}


def measure(folder, rounds, optimize):
    import harness
    import stores

    results = {}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".scratch") as scratch:
        for name in MODELS:
            results[name] = speed(harness, stores, folder, name, scratch, rounds, optimize)
            results[name] |= loading(harness, stores, folder, name, scratch, 5)
    print("| Model | Rows | Throughput by processor time | by the passes' time | Load | Processor until ready | Peak memory |")
    print("|---|---|---|---|---|---|---|")
    for name, r in results.items():
        pairs = [f"{r[key]['torchscript']:.0f} / {r[key]['program']:.0f} {unit}"
                 for key, unit in (("load_ms", "ms"), ("start_processor_ms", "ms"), ("peak_mib", "MiB"))]
        print(f"| {name} | {r['rows']} | {r['processor_ratio']:.3f} | {r['pass_ratio']:.3f} | {' | '.join(pairs)} |")
    print("Pairs: TorchScript / program.")
    print(json.dumps(results))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["make", "measure"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--binaries", type=pathlib.Path, default=pathlib.Path("build/bin"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--optimize", choices=["off", "auto"], default="off")
    arguments = parser.parse_args()
    os.environ["TORCHFERRY_BINARY_DIR"] = str(arguments.binaries.resolve().parent)
    if arguments.step == "make":
        make(arguments.folder)
    else:
        measure(arguments.folder.resolve(), arguments.rounds, arguments.optimize)


if __name__ == "__main__":
    main()
