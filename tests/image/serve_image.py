"""Serves from the unpacked tree of an image as a container engine would, and asks from outside.

    serve_image.py --target cpu|cuda CONFIG TREE

CONFIG is what `buildah inspect --type image` says. The server is the first process of a namespace of its own: with the image's user,
environment and entry point, no capability, a read-only root, and the store at /models. It needs root.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import Client, Health, wait_until
from wire import FIXTURES, array, assert_close, reference

UID = 10001
BUDGET = {"cpu": 700e6}
LABELS = ("title", "description", "licenses", "version", "revision")
# The first of these that a file's path begins with is its part.
PARTS = (
    ("opt/torchferry/torch/lib/libtorch_cpu.so", "LibTorch: libtorch_cpu.so"),
    ("opt/torchferry/torch/", "LibTorch: the rest"),
    ("opt/torchferry/nvidia/", "CUDA libraries"),
    ("opt/torchferry/lib/", "libraries of Debian for the server"),
    ("opt/torchferry/bin/", "torchferry"),
    ("opt/torchferry/libexec/", "torchferry"),
    ("opt/torchferry/", "licences and SBOM"),
    ("", "Debian"),
)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("tree", type=pathlib.Path)
    arguments = parser.parse_args()
    config = json.loads(arguments.config.read_text())["Docker"]["config"]
    check_config(config)
    check_size(arguments.tree, BUDGET.get(arguments.target))
    if arguments.target == "cuda":
        check_cuda(arguments.tree)
    with tempfile.TemporaryDirectory() as folder:
        check_serving(config, arguments.tree, pathlib.Path(folder))


def check_config(config):
    assert config["User"] == f"{UID}:{UID}", config["User"]
    assert config["Entrypoint"] == ["torchferry-server"], config["Entrypoint"]
    assert config["Healthcheck"]["Test"] == ["CMD", "torchferry", "health"], config["Healthcheck"]
    assert set(config["ExposedPorts"]) == {"8001/tcp", "8002/tcp"}, config["ExposedPorts"]
    labels = config["Labels"]
    for label in LABELS:
        value = labels.get(f"org.opencontainers.image.{label}")
        assert value and value not in ("unreleased", "unknown"), f"{label}: {value}"
    print(f"labels: version {labels['org.opencontainers.image.version']}, user {config['User']}")


def check_size(tree, budget):
    """The sum of all files, each hard link once, as a registry counts them before it compresses."""
    sizes, seen = {}, set()
    for folder, _, names in os.walk(tree):
        for name in names:
            path = pathlib.Path(folder, name)
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_ino in seen:
                continue
            seen.add(status.st_ino)
            relative = path.relative_to(tree).as_posix()
            part = next(part for prefix, part in PARTS if relative.startswith(prefix))
            sizes[part] = sizes.get(part, 0) + status.st_size
    total = sum(sizes.values())
    for part, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size / 1e6:8.1f} MB  {part}")
    print(f"{total / 1e6:8.1f} MB  in all" + (f", of {budget / 1e6:.0f}" if budget else ""))
    assert not budget or total <= budget, "the image is over its budget"


def check_cuda(tree):
    """What LibTorch's GPU half is linked to is there, and it can be opened; the driver's library comes from the host."""
    for library in sorted((tree / "opt/torchferry/torch/lib").glob("lib*cuda*.so")):
        linked = subprocess.run(["chroot", tree, "ldd", f"/opt/torchferry/torch/lib/{library.name}"], check=True,
                                capture_output=True, text=True).stdout
        missing = [line.split()[0] for line in linked.splitlines() if "not found" in line]
        assert set(missing) <= {"libcuda.so.1"}, f"{library.name} lacks {missing}"
        print(f"{library.name}: all {len(linked.splitlines())} libraries there" + (", but the driver's" if missing else ""))
    opened = "import ctypes, sys\nfor path in sys.argv[1:]: ctypes.CDLL(path, ctypes.RTLD_GLOBAL)"
    libraries = [tree / "opt/torchferry/torch/lib" / f"libtorch_{half}.so" for half in ("cpu", "cuda", "cuda_linalg")]
    subprocess.run([sys.executable, "-c", opened, *libraries], check=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# $1: the tree, $2: the store; the rest is the command.
CONTAINER = """
set -e
tree=$1 store=$2
shift 2
mount --make-rprivate /
mount --bind "$tree" "$tree"
mount -t proc -o nosuid,nodev,noexec proc "$tree/proc"
mount --rbind /sys "$tree/sys"
mount -t tmpfs -o mode=755,nosuid tmpfs "$tree/dev"
for device in null zero full random urandom; do touch "$tree/dev/$device"; mount --bind "/dev/$device" "$tree/dev/$device"; done
mkdir -m 1777 "$tree/dev/shm"
mount -t tmpfs -o nosuid,nodev tmpfs "$tree/tmp"
mount --bind "$store" "$tree/models"
mount -o remount,bind,ro "$tree/models"
mount -o remount,bind,ro "$tree"
exec chroot "$tree" "$@"
"""


def as_user(config, command, changes):
    """The command as the image's user, with its environment and nothing else."""
    environment = dict(entry.split("=", 1) for entry in config["Env"]) | changes
    drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
            "--no-new-privs"]
    return [*drop, "env", "-i", *(f"{name}={value}" for name, value in environment.items()), *command]


@contextlib.contextmanager
def container(config, tree, store, log, changes):
    """The process id of the server, and the process whose exit status is the server's."""
    command = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-c", CONTAINER, "container",
               str(tree), str(store), *as_user(config, config["Entrypoint"], changes)]
    with open(log, "wb") as output:
        outer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        children = pathlib.Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        yield int(wait_until(lambda: children.read_text().split(), "unshare has a child")[0]), outer
    finally:
        outer.kill()
        outer.wait()


def inside(pid, command):
    """Runs the command, given as root's, in the container."""
    entered = ["nsenter", f"--target={pid}", "--mount", "--pid", "--root", "--wd=/", *command]
    return subprocess.run(entered, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def check_serving(config, tree, folder):
    store, log = folder / "store", folder / "server.log"
    shutil.copytree(FIXTURES / "mlp", store / "mlp")
    folder.chmod(0o755)
    address = f"127.0.0.1:{free_port()}"
    changes = {"TORCHFERRY_GRPC_ADDRESS": address, "TORCHFERRY_METRICS_ADDRESS": f"127.0.0.1:{free_port()}",
               "TORCHFERRY_ADDRESS": address}
    try:
        with container(config, tree, store, log, changes) as (pid, outer), Client(address) as client:
            def ready():
                assert outer.poll() is None, f"the server ended with {outer.returncode}"
                try:
                    return client.health("") == Health.SERVING
                except grpc.RpcError:
                    return False  # it does not listen yet

            wait_until(ready, "the server is ready")
            check_predict(client)
            check_confined(pid)
            health = inside(pid, as_user(config, config["Healthcheck"]["Test"][1:], changes))
            assert health.returncode == 0, f"{shlex.join(config['Healthcheck']['Test'])}: {health.stderr}"
            os.kill(pid, signal.SIGTERM)
            assert outer.wait(60) == 0, f"SIGTERM: the server ended with {outer.returncode}"
    except BaseException:
        print(f"--- the server's log\n{log.read_text(errors='replace') if log.exists() else ''}")
        raise
    print(f"served as {UID} on a read-only root; health check and SIGTERM: well")


def check_predict(client):
    for rows in (1, 7):
        answer = client.predict("mlp", {"x": reference("mlp", "x", rows)})
        assert_close(array(answer.outputs["probabilities"]), reference("mlp", "probabilities", rows), f"{rows} rows")
        print(f"Predict of {rows} rows on {answer.execution.device}: as PyTorch's")


def check_confined(pid):
    fields = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert set(fields["Uid"].split() + fields["Gid"].split()) == {str(UID)}, fields["Uid"]
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0, fields["CapEff"]
    assert fields["NoNewPrivs"] == "1"
    for path in ("/opt/torchferry/written", "/var/lib/torchferry/written", "/models/written"):
        written = inside(pid, ["touch", path])
        assert "Read-only file system" in written.stderr, f"{path}: {written}"


if __name__ == "__main__":
    main()
