"""`torchferry convert` turns a pickle of a whole model into a version of a store.

Reading such a file runs the code that the file names. The command says this and asks first. Only then a second process
reads the file.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
from collections.abc import Sequence

_USAGE = 2

_DESCRIPTION = """\
Turns a file of torch.save(model) into a version of a model store: the program and its weights, which a server reads
without running code of the file. Reading the file here runs the code that its pickle names, as you, on this machine."""

_EXAMPLES = """\
examples:
  torchferry convert model.pth --class nets.Unet --example x:FP32:1,3,224,224
  torchferry convert model.pth store/unet --class nets.Unet --example inputs.npz
  torchferry convert last.ckpt store/encoder --class nets.Encoder --key model --example nets:example --yes
"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="torchferry convert",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("file", metavar="FILE", help="the pickle of a model")
    made.add_argument(
        "target", metavar="STORE/NAME", nargs="?", help="folder of the model; default: model_store/ and FILE's name"
    )
    made.add_argument(
        "--class",
        dest="cls",
        metavar="PKG.MODEL",
        required=True,
        help="the model's class, from the current folder or an installed package",
    )
    made.add_argument(
        "--example",
        action="append",
        required=True,
        metavar="EXAMPLE",
        help="example input: NAME:TYPE:SIZES for each input, a .npz or .npy file, or package.module:function",
    )
    made.add_argument("--key", help="the model's key, if the file holds a dict of several")
    made.add_argument(
        "--version", type=int, metavar="N", help="number of the version; default: the one after the newest"
    )
    made.add_argument(
        "--format", choices=("export", "script", "trace", "state_dict"), help="default: the first that works"
    )
    made.add_argument(
        "--max-batch-size",
        type=int,
        metavar="ROWS",
        help="max rows of requests that share a forward pass; 0: requests share none",
    )
    made.add_argument(
        "--yes", action="store_true", help="do not ask before the code of FILE runs; needed without a terminal"
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code. 0: saved. 1: it failed, or the answer was no. 2: wrong usage, or there is no such file."""
    given = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_intermixed_args(given)
    file = pathlib.Path(options.file)
    if not file.is_file():
        print(f"torchferry convert: {file}: no such file", file=sys.stderr)
        return _USAGE
    print(
        f"torchferry convert: reading {file} runs the Python code that its pickle names, as you, on this machine. "
        "Go on only with a "
        "file whose origin you trust.",
        file=sys.stderr,
    )
    if not options.yes and not _agreed():
        return 1
    # This is a separate process: all that the file does to the interpreter ends with it.
    return subprocess.run([sys.executable, "-m", "torchferry._convert_file", *given], check=False).returncode


def _agreed() -> bool:
    if not sys.stdin.isatty():
        print("torchferry convert: there is no terminal to ask on; say --yes", file=sys.stderr)
        return False
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


if __name__ == "__main__":
    sys.exit(main())
