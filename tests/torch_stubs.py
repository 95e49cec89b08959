"""Lets `import torch` work without the CUDA libraries that a torch from PyPI is linked to: 2.5 GB that no test on a
CPU uses.

    python torch_stubs.py SITE_PACKAGES

For each library that torch's own need and that is not there, a stub with the same name and symbols is compiled into
torch/lib. A stub's function ends the process: nothing may call one. torch then finds no CUDA device, as on a host
without a driver. Needs binutils and a C compiler."""

import pathlib
import re
import subprocess
import sys
import tempfile
from collections import defaultdict

# What `import torch` loads; the others are opened by name where a device is used.
ROOTS = ("libtorch_global_deps.so", "libtorch_python.so", "libtorch_cuda.so")


def output_of(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def needed_by(library):
    return re.findall(r"\(NEEDED\).*\[(.+)\]", output_of("readelf", "-dW", library))


def symbols_of(library):
    """(defined, undefined), each a set of (name, version or "")."""
    defined, undefined = set(), set()
    for line in output_of("readelf", "--dyn-syms", "-W", library).splitlines():
        parts = line.split()
        if len(parts) < 8 or not parts[0].endswith(":") or parts[4] not in ("GLOBAL", "WEAK"):
            continue
        name, _, version = parts[7].partition("@")
        if parts[6] != "UND":
            defined.add((name, version.lstrip("@")))
        elif parts[4] == "GLOBAL":
            undefined.add((name, version))
    return defined, undefined


def find(name, folders):
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    return None


def main(site):
    lib = site / "torch" / "lib"
    folders = [lib, *sorted((site / "nvidia").glob("*/lib")), *map(pathlib.Path, ("/lib/x86_64-linux-gnu", "/lib64"))]
    missing, loaded, waiting = set(), {}, list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in loaded or name in missing:
            continue
        path = find(name, folders)
        if path is None:
            missing.add(name)
            continue
        loaded[name] = path
        waiting += needed_by(path)
    if not missing:
        print("all libraries are there")
        return
    defined, undefined = set(), set()
    for path in loaded.values():
        own = symbols_of(path)
        defined |= {name for name, _ in own[0]}
        undefined |= own[1]
    wanted = {(name, version) for name, version in undefined if name not in defined}
    by_library = defaultdict(set)
    rest = sorted(missing)[0]
    for name, version in wanted:
        # NVIDIA's versions are the libraries' names; symbols without a version may be anywhere.
        version = version.split()[0] if version else ""
        by_library[version if version in missing else rest].add((name, version))
    for library in sorted(missing):
        compile_stub(lib / library, by_library[library])
    print(f"stubs of {', '.join(sorted(missing))} in {lib}")


def compile_stub(path, symbols):
    with tempfile.TemporaryDirectory() as folder:
        source, script = pathlib.Path(folder, "stub.c"), pathlib.Path(folder, "stub.map")
        source.write_text(
            "".join(f"void {name}(void) {{ __builtin_trap(); }}\n" for name in sorted({n for n, _ in symbols}))
        )
        versions = defaultdict(set)
        for name, version in symbols:
            versions[version].add(name)
        script.write_text(
            "".join(
                f"{version} {{ global: {'; '.join(sorted(names))}; }};\n"
                for version, names in versions.items()
                if version
            )
        )
        command = ["cc", "-shared", "-fPIC", "-w", "-fno-builtin", f"-Wl,-soname,{path.name}", "-o", path, source]
        if any(versions):
            command.append(f"-Wl,--version-script={script}")
        output_of(*command)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]).resolve())
