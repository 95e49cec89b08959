"""A memory cgroup (v1) around a process, where this host lets one be made."""

import os
import pathlib
import time

ROOT = pathlib.Path("/sys/fs/cgroup/memory")


class MemoryCgroup:
    """`prefix` runs a command inside it. Its processes must have ended when it is closed."""

    def __init__(self):
        self.path = ROOT / f"torchferry-test-{os.getpid()}-{time.monotonic_ns()}"
        self.path.mkdir()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        deadline = time.monotonic() + 10
        while True:
            try:
                self.path.rmdir()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    @property
    def prefix(self):
        return ("sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh")

    def read(self, name):
        return int((self.path / name).read_text())

    def limit(self, size):
        """From now on the kernel ends what takes more."""
        (self.path / "memory.limit_in_bytes").write_text(str(size))

    def anonymous(self):
        """What is not a file's."""
        lines = (self.path / "memory.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("rss "))


def why_not():
    """Empty when one can be made."""
    if not (ROOT / "memory.limit_in_bytes").exists():
        return "no memory cgroup (v1) at /sys/fs/cgroup/memory"
    try:
        MemoryCgroup().__exit__()
    except OSError as error:
        return f"no memory cgroup can be made: {error}"
    return ""
