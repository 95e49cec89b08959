"""What loading takes is known before: what has no room is refused, and the estimate is what is then measured."""

import json
import os
import pathlib
import struct
import subprocess
import zipfile

import pytest

import harness
from harness import Client, Code, check_message
from inspecting import inspect_files
from wire import pb, reference
from wrong_makers import safetensors

MIB = 1 << 20
CGROUPS = pathlib.Path("/sys/fs/cgroup/memory")  # of version 1
LIMIT = 512 * MIB
NO_ROOM = Code.RESOURCE_EXHAUSTED.value[0]
# Of the estimate over the peak that is measured.
MOST_OVER = 1.34
FORWARD = "def forward(self, x: Tensor) -> Tensor:\n    return x + self.w[0]\n"
CONFIG = """
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }
"""
EXPORTER = harness.BINARIES / "torchferry-export-sample"


def put(store, name, file, write, extra=""):
    """A model whose state_dict is one tensor `w`, written by `write(path)`."""
    version = store.path / name / "1"
    version.mkdir(parents=True)
    (store.path / name / "forward.py").write_text(FORWARD)
    (store.path / name / "config.pbtxt").write_text(f'name: "{name}"' + CONFIG + extra)
    write(version / file)


def put_safetensors(store, name, size, dtype="F32", extra=""):
    width = {"F32": 4, "F16": 2}[dtype]

    def write(path):
        header = json.dumps({"w": {"dtype": dtype, "shape": [size // width], "data_offsets": [0, size]}})
        with open(path, "wb") as file:
            file.write(safetensors(header))
            file.truncate(file.tell() + size)  # zeros that take no room on the disk

    put(store, name, "w.safetensors", write, extra)


def put_state_dict(store, name, size):
    """As torch.save writes it."""
    count = struct.pack("<i", size // 4)

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    pickled = (b"\x80\x02}" + text("w") + b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage")
               + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"J" + count + b"tQK\x00J" + count
               + b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtRs.")

    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickled)
            with archive.open("archive/data/0", "w", force_zip64=True) as entry:
                for _ in range(size // MIB):
                    entry.write(bytes(MIB))
            archive.writestr("archive/version", b"3\n")

    put(store, name, "w.pth", write)


def put_torchscript(store, name, size):
    put_safetensors(store, "to_export", size)
    version = store.path / name / "1"
    version.mkdir(parents=True)
    subprocess.run([str(EXPORTER), str(store.path / "to_export"), str(version / "model.pt")], check=True,
                   timeout=harness.DEADLINE_SECONDS)
    (store.path / name / "config.pbtxt").write_text(f'name: "{name}"' + CONFIG)
    for path in sorted((store.path / "to_export").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (store.path / "to_export").rmdir()


@pytest.fixture
def limited(tmp_path):
    """The command that runs a server in a cgroup of LIMIT bytes."""
    group = CGROUPS / f"torchferry-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(LIMIT))
    except OSError as error:
        pytest.skip(f"no memory cgroup of version 1 can be made here: {error}")
    try:
        yield ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group))
    finally:
        harness.wait_until(lambda: not (group / "cgroup.procs").read_text(), "the group is empty")
        group.rmdir()


def failed_for_room(server, name):
    with Client(server.address) as client:
        version = client.model(name)
        assert version.state == pb.MODEL_STATE_FAILED, version
        assert version.error_code == NO_ROOM
        check_message(version.error_message, "no_room", name, "--no-check-load-memory", "MiB")
        assert client.predict("mlp", {"x": reference("mlp", "x", 1)}).outputs


def test_a_file_without_room_is_refused_and_the_others_serve(store, tmp_path, limited):
    store.add("mlp")
    put_safetensors(store, "too_large", 600 * MIB)
    put_safetensors(store, "fits", 100 * MIB)
    with harness.serving(store, tmp_path / "server", prefix=limited) as server:
        server.wait_settled()
        failed_for_room(server, "too_large")
        with Client(server.address) as client:
            assert client.model("fits").state == pb.MODEL_STATE_READY


def test_a_cast_without_room_is_refused(store, tmp_path, limited):
    store.add("mlp")
    put_safetensors(store, "halves", 150 * MIB, dtype="F16")
    with harness.serving(store, tmp_path / "server", prefix=limited) as server:
        server.wait_settled()
        failed_for_room(server, "halves")


def test_a_warm_up_without_room_is_refused(store, tmp_path, limited):
    store.add("mlp")
    put_safetensors(store, "warm", MIB, extra="""
model_warmup { name: "w" batch_size: 4 inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 67108864 ] zero_data: true } } }
""")
    with harness.serving(store, tmp_path / "server", prefix=limited) as server:
        server.wait_settled()
        failed_for_room(server, "warm")


def test_files_in_the_page_cache_take_no_room(store, tmp_path, limited):
    """The cgroup is full of what was read: that goes when there is need, and is no reason to refuse."""
    read_before = tmp_path / "read_before"
    with open(read_before, "wb") as file:
        file.truncate(2 * LIMIT)
    put_safetensors(store, "fits", 100 * MIB)
    prefix = (*limited[:2], limited[2].replace("exec", f"cat {read_before} > /dev/null && exec"), limited[3])
    with harness.serving(store, tmp_path / "server", "--readiness", "all", prefix=prefix):
        pass


def peak_bytes(server):
    """The most that the process has had in memory."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


@pytest.mark.parametrize("kind", ["safetensors", "state_dict", "torchscript", "cast"])
def test_the_estimate_is_the_peak(store, tmp_path, kind):
    size = 192 * MIB
    if kind == "torchscript" and not EXPORTER.exists():
        pytest.skip("torchferry-export-sample is not built")
    {"safetensors": lambda: put_safetensors(store, "large", size),
     "cast": lambda: put_safetensors(store, "large", size // 2, dtype="F16"),
     "state_dict": lambda: put_state_dict(store, "large", size),
     "torchscript": lambda: put_torchscript(store, "large", size)}[kind]()
    (file,) = (f for f in (store.path / "large" / "1").iterdir())
    estimate = inspect_files(store.path, f"large/1/{file.name}")[f"large/1/{file.name}"]["plan"]["load_memory_bytes"]
    (store.path / "large").rename(tmp_path / "set_aside")
    with harness.serving(store, tmp_path / "server", "--enable-admin", ready=False) as server:
        before = peak_bytes(server)
        (tmp_path / "set_aside").rename(store.path / "large")
        loaded = harness.cli(server.address, "load", "large")
        assert loaded.returncode == 0, loaded.stderr
        peak = peak_bytes(server) - before
        print(f"{kind}: estimated {estimate / MIB:.1f} MiB, measured {peak / MIB:.1f} MiB")
        assert peak <= estimate <= MOST_OVER * peak
