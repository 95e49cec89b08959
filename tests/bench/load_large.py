#!/usr/bin/env python3
"""Memory and time to load a large state_dict, against PyTorch alone, in one run.

    load_large.py --python PYTHON_WITH_TORCH [--binaries build/bin] [--megabytes 1024] [--rounds 5]

Memory: the peak resident set (VmHWM) of a server that loads the file, minus that of a server with an empty store, over the
bytes of its tensors. Time: the server's load_seconds, over torch.load(mmap=True) + load_state_dict, the file in the page
cache, a fresh process for each load, the two taken in turns; medians. PyTorch is timed twice: into a module whose memory
nobody has touched (torch.nn.utils.skip_init), which must get its pages as the server must (time_ratio), and once more into the
same module, which has them now (resident_ratio). Right before each load as much memory is touched and given back, so that both
find free pages in the same state: in a virtual machine Linux hands pages that are free for two seconds back to the host, the
next touch of one costs more than all the rest, and whose load pays for it would be chance. Writes one line of JSON.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

SIDE = 2048  # of each square FP32 layer: 16 MiB
LAYER_BYTES = SIDE * SIDE * 4

WRITE = """
import sys, torch
path, count, side = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.save({f"layers.{i}.weight": torch.randn(side, side) for i in range(count)}, path)
"""

SETTLE = """
import mmap, time
def settle(size):
    time.sleep(3)  # what was freed before is with the host now, and no report is on its way
    with mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages:
        pages.madvise(mmap.MADV_HUGEPAGE)
        pages[::4096] = bytes(size // 4096)
"""

REFERENCE = SETTLE + """
import sys, time, torch
path, count, side = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def load(model):
    start = time.perf_counter()
    model.load_state_dict(torch.load(path, mmap=True, map_location="cpu"))
    return time.perf_counter() - start
model = torch.nn.Module()
model.layers = torch.nn.ModuleList(
    torch.nn.utils.skip_init(torch.nn.Linear, side, side, bias=False) for _ in range(count))
settle(int(sys.argv[4]))
print(load(model), load(model))
"""


class Server:
    """A server on free ports, until it is ready; stopped at the end of the block."""

    def __init__(self, binaries, store, folder):
        self.binaries, self.store, self.ports = binaries, store, folder / "ports.json"

    def __enter__(self):
        self.ports.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [self.binaries / "torchferry-server", "--model-store", self.store, "--grpc-address", "127.0.0.1:0",
             "--metrics-address", "127.0.0.1:0", "--port-file", self.ports, "--log-level", "error"])
        deadline = time.monotonic() + 120
        while not self.ports.exists() or self.cli("health", check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the server did not become ready")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def cli(self, *arguments, check=True):
        address = json.loads(self.ports.read_text())["grpc_address"]
        return subprocess.run([self.binaries / "torchferry", "--address", address, *arguments], check=check,
                              capture_output=True, text=True)

    def peak_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def measure(arguments, folder):
    count = arguments.megabytes * 2**20 // LAYER_BYTES
    model = folder / "store" / "large"
    (model / "1").mkdir(parents=True)
    (folder / "empty").mkdir()
    weights = model / "1" / "weights.pth"
    subprocess.run([arguments.python, "-c", WRITE, weights, str(count), str(SIDE)], check=True)
    (model / "forward.py").write_text("def forward(self, x: Tensor) -> Tensor:\n    return x * self.layers[0].weight[0, 0]\n")
    with Server(arguments.binaries, folder / "empty", folder) as server:
        empty = server.peak_bytes()
    ours, theirs, resident, peaks = [], [], [], []
    tensors = count * LAYER_BYTES
    touched = str(tensors * 3 // 2)
    for _ in range(arguments.rounds):
        subprocess.run([arguments.python, "-c", SETTLE + "import sys; settle(int(sys.argv[1]))", touched], check=True)
        with Server(arguments.binaries, folder / "store", folder) as server:
            version = json.loads(server.cli("--json", "model", "large").stdout)["versions"][0]
            ours.append(version["load_seconds"])
            peaks.append(server.peak_bytes())
        reference = subprocess.run([arguments.python, "-c", REFERENCE, weights, str(count), str(SIDE), touched], text=True,
                                   check=True, stdout=subprocess.PIPE)
        fresh, again = map(float, reference.stdout.split())
        theirs.append(fresh)
        resident.append(again)
    return {"tensor_bytes": tensors,
            "empty_peak_bytes": empty,
            "peak_bytes": max(peaks),
            "memory_ratio": (max(peaks) - empty) / tensors,
            "load_seconds": statistics.median(ours),
            "torch_seconds": statistics.median(theirs),
            "torch_resident_seconds": statistics.median(resident),
            "time_ratio": statistics.median(ours) / statistics.median(theirs),
            "resident_ratio": statistics.median(ours) / statistics.median(resident),
            "load_seconds_all": ours,
            "torch_seconds_all": theirs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="a Python with torch")
    parser.add_argument("--binaries", type=pathlib.Path, default=pathlib.Path("build/bin"))
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(arguments, pathlib.Path(folder))))


if __name__ == "__main__":
    main()
