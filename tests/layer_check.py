#!/usr/bin/env python3
"""Holds the includes of server/ and client/ against the layer table in server/README.md.

    layer_check.py [--root DIR]   fails with file:line for each include that the table does not allow
    layer_check.py --self-test    breaks a copy of the tree and expects the check to find it

The table is the first fenced block with lines of this form, from the bottom layer up:

    L1 tensor      → base                       what it is for, after two spaces or more
       metrics     → base, prometheus-cpp
       torch/graph → torch/device, base, LibTorch
    client/tensor  → client/text, base

A layer is a folder of server/, a folder in such a folder where the table has a row for it, client/, or a folder of
client/ where the table has a row for it. A layer may include itself and what its row names: layers in rows above it and
libraries. "everything" is all of them but LibTorch. Libraries that are not in LIBRARIES below are free for all (absl, fmt, ...).
Headers in FORBIDDEN are for none.
"""
import argparse
import pathlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

README = "server/README.md"
SOURCES = {".h", ".cc"}

# Libraries that belong to the layers that name them: what their includes look like.
LIBRARIES = {
    "spdlog": re.compile(r"spdlog/"),
    "prometheus-cpp": re.compile(r"prometheus/"),
    "proto": re.compile(r"google/protobuf/|.*(?<!\.grpc)\.pb\.h$"),
    "gRPC": re.compile(r"grpcpp/|grpc/(?!.*\.pb\.h$)|.*\.grpc\.pb\.h$"),
    "Boost": re.compile(r"boost/"),
    "OpenSSL": re.compile(r"openssl/"),
    "LibTorch": re.compile(r"torch/|ATen/|c10/|caffe2/"),
}
# Headers for nobody, and why: what is read here is somebody else's text.
FORBIDDEN = {
    "regex": "std::regex recurses with the text, and a long line ends the process; read text by hand, in one pass",
}
FREE = {"absl"}  # named for the reader; every layer has it by base
EVERYTHING = "everything"

# A remark further to the right may hold an arrow of its own.
ROW = re.compile(r"^(?:L\d+ +| {0,8})([\w/]+) +→ +(\S.*)$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class TableError(Exception):
    pass


class Include(NamedTuple):
    file: str  # relative to the root
    line: int
    layer: str
    quoted: bool
    path: str


def fenced_blocks(text: str) -> Iterator[list[str]]:
    block: list[str] | None = None
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            if block is not None:
                yield block
            block = [] if block is None else None
        elif block is not None:
            block.append(line)


def row_targets(row: str, above: set[str], where: str) -> set[str]:
    """What a row's arrow points at; the row's remark goes after two spaces."""
    names = [name for name in re.split(r",\s*", re.split(r"\s{2,}", row.strip())[0]) if name]
    if EVERYTHING in names:
        return above | set(LIBRARIES) - {"LibTorch"}
    for name in names:
        if name not in above and name not in LIBRARIES and name not in FREE:
            raise TableError(f"{where}: \"{name}\" is neither a layer of a row above nor a known library")
    return set(names)


def read_table(root: pathlib.Path) -> dict[str, set[str]]:
    """Layer → what it may include, in the table's order."""
    for block in fenced_blocks((root / README).read_text(encoding="utf-8")):
        rows = [match for match in map(ROW.match, block) if match]
        if not rows:
            continue
        table: dict[str, set[str]] = {}
        for match in rows:
            layer = match[1]
            if layer in table:
                raise TableError(f"{README}: two rows for {layer}")
            table[layer] = row_targets(match[2], set(table), f"{README}: {layer}")
        return table
    raise TableError(f"{README}: no fenced block with rows like \"L1 tensor → base\"")


def layer_of(path: str, table: dict[str, set[str]]) -> str | None:
    """The layer of a file, by its path from the root: the row for its folder, or else for the folder above."""
    parts = path.split("/")
    if parts[0] == "client":
        nested = "/".join(parts[:2])
        return nested if len(parts) > 2 and nested in table else "client"
    if parts[0] != "server" or len(parts) < 3:
        return None
    nested = "/".join(parts[1:3])
    return nested if len(parts) > 3 and nested in table else parts[1]


def sources(root: pathlib.Path) -> Iterator[pathlib.Path]:
    for top in ("server", "client"):
        if (root / top).is_dir():
            yield from (file for file in sorted((root / top).rglob("*")) if file.suffix in SOURCES)


def includes_of(root: pathlib.Path, table: dict[str, set[str]], file: pathlib.Path) -> Iterator[Include]:
    name = file.relative_to(root).as_posix()
    layer = layer_of(name, table)
    if layer is None:
        return
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        match = INCLUDE.match(line)
        if match:
            yield Include(name, number, layer, match[1] == '"', match[2])


def target_of(include: Include, table: dict[str, set[str]]) -> str | None:
    """The layer or library that an include points at; None if it is free for all."""
    layer = layer_of(include.path, table)
    if layer is not None:
        return layer
    for library, pattern in LIBRARIES.items():
        if pattern.match(include.path):
            return library
    return None


def fault(include: Include, table: dict[str, set[str]]) -> str | None:
    if include.path in FORBIDDEN:
        return FORBIDDEN[include.path]
    is_test = include.file.endswith("_test.cc")
    if include.path.startswith("tests/"):
        return None if is_test and include.path.startswith("tests/testing/") else "tests are not for code that ships"
    target = target_of(include, table)
    if target is None:
        if include.quoted:
            return "is not by its path from the repository's root"
        return None
    if target == include.layer or target in table[include.layer]:
        return None
    return f"there is no arrow {include.layer} → {target} in {README}"


def check(root: pathlib.Path) -> list[str]:
    """One line for each fault; empty if the tree keeps to the table."""
    try:
        table = read_table(root)
    except (OSError, TableError) as error:
        return [str(error)]
    faults, unknown = [], set()
    for file in sources(root):
        for include in includes_of(root, table, file):
            if include.layer not in table:
                unknown.add(include.layer)
                continue
            reason = fault(include, table)
            if reason:
                faults.append(f"{include.file}:{include.line}: {include.path}: {reason}")
    return [f"{layer}: no row for it in {README}" for layer in sorted(unknown)] + faults


def copy_tree(root: pathlib.Path, to: pathlib.Path) -> None:
    for name in ("server", "client"):
        if (root / name).is_dir():
            shutil.copytree(root / name, to / name)


# File → a line that must not be there.
BREACHES = {
    "server/base/status.h": '#include "server/registry/registry.h"',
    "server/tensor/shape.cc": "#include <torch/script.h>",
    "server/config/model_config.cc": "#include <ATen/ATen.h>",
    "server/batching/batch_queue.cc": '#include "inference/model_config.pb.h"',
    "server/checkpoint/zip.h": '  #  include "server/config/model_config.h"',
    "server/registry/registry.cc": "#include <grpcpp/grpcpp.h>",
    "server/host/host.cc": "#include <prometheus/registry.h>",
    "server/rpc/transport/listener.cc": "#include <openssl/ssl.h>",
    "server/tls/credentials.cc": "#include <grpcpp/grpcpp.h>",
    "server/model/model_test.cc": '#include "server/torch/device/runtime.h"',
    "server/plan/placement.cc": '#include "tests/testing/fake_clock.h"',
    "server/rpc/torchferry_v1/codec.cc": '#include "client/tensor/array.h"',
    "server/serving/servable.h": '#include "servable_state.h"',
    "server/torch/device/convert.h": '#include "server/torch/graph/stateful.h"',
    "server/torch/graph/stateful.cc": '#include "server/torch/load/loader.h"',
    "server/app/server_app.cc": "#include <ATen/ATen.h>",
    "client/text/console.h": '#include "client/tensor/array.h"',
    "client/tensor/array.h": '#include "client/rpc/connection.h"',
    "client/rpc/errors.cc": '#include "client/text/text.h"',
    "client/bench/bench_plan.h": '#include "client/commands/commands.h"',
    "client/inspect/inspection.h": '#include "client/bench/bench_plan.h"',
    "client/commands/commands.h": '#include "client/integration/cli_fixture.h"',
    "client/main.cc": '#include "client/bench/bench_load.h"',
    "server/config/suggestion.cc": "#include <regex>",
    "client/tensor/npy.cc": "# include <regex>",
}


def find_breach(copy: pathlib.Path, name: str, line: str, before: list[str]) -> str | None:
    """Adds `line` to the copy's file `name`; what is wrong with what the check then says."""
    file = copy / name
    if not file.is_file():
        return f"{name} is gone: give the self-test another file"
    good = file.read_text(encoding="utf-8")
    file.write_text(f"{good}{line}\n", encoding="utf-8")
    new = [fault for fault in check(copy) if fault not in before]
    file.write_text(good, encoding="utf-8")
    expected = f"{name}:{len(good.splitlines()) + 1}: "
    if len(new) == 1 and new[0].startswith(expected):
        return None
    return f"with {line} in {name}: expected one fault \"{expected}...\", got {new}"


def self_test(root: pathlib.Path) -> list[str]:
    """What the check fails to find in a copy of the tree that is broken on purpose."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        copy_tree(root, copy)
        before = check(copy)
        results = [find_breach(copy, name, line, before) for name, line in BREACHES.items()]
    return [result for result in results if result]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    faults = self_test(arguments.root) if arguments.self_test else check(arguments.root)
    for line in faults:
        print(line, file=sys.stderr)
    print("layer check: " + (f"{len(faults)} faults" if faults else "ok"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
