"""The check inside a bundle of deploy/gpu-check.sh; gpu-check.sh there finds Python and LibTorch, and starts it.

Exit status: 0 all parts passed; 1 a part failed, was skipped or ran out of time; 2 the check could not begin."""

import argparse
import os
import pathlib
import sys

import card
import report
from part_runner import Clock, run_part
from parts import ROOT, all_parts


def arguments():
    parser = argparse.ArgumentParser(prog="gpu-check.sh", description="Checks torchferry on this host's first GPU.")
    parser.add_argument("--rehearse", action="store_true", help="run the same on the simulated accelerator sim:0")
    parser.add_argument("--minutes", type=float, default=8, help="for all parts together (8)")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("gpu-check-report"), help="folder of the logs and gpu-check.json")
    parser.add_argument("--only", default="", metavar="PART,...", help="these parts alone")
    parser.add_argument("--list", action="store_true", help="list the parts, run none")
    return parser.parse_args()


def selected(parts, only):
    names = [name for name in only.split(",") if name]
    unknown = sorted(set(names) - {part.name for part in parts})
    if unknown:
        refuse(f"no part is named {', '.join(unknown)}; --list names them")
    return [part for part in parts if not names or part.name in names]


def refuse(message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def run_all(parts, minutes, folder):
    """The results. A line for each part when it has ended."""
    clock = Clock(60 * minutes)
    results = []
    for number, part in enumerate(parts):
        result = run_part(part, clock.limit_of(part, parts[number:]), folder)
        print(f"{part.name}: {result['outcome']} after {result['seconds']} s", file=sys.stderr, flush=True)
        results.append(result)
    return results


def main():
    options = arguments()
    device = "sim:0" if options.rehearse else "cuda:0"
    binaries = pathlib.Path(os.environ["TORCHFERRY_BINARY_DIR"]) / "bin"
    parts = selected(all_parts(device, binaries), options.only)
    if options.list:
        print("\n".join(f"{part.name:18} {part.what}" for part in parts))
        return 0
    if not options.rehearse and card.gpu_count() == 0:
        refuse("the NVIDIA driver gives this process no GPU; --rehearse runs the same on a simulated one")
    folder = options.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    host = card.describe(device, os.environ["TORCHFERRY_CHECK_LIBTORCH"])
    print(report.host_line(host), flush=True)
    results = run_all(parts, options.minutes, folder)
    print("\n".join(report.table(results)))
    report.write_json(folder / "gpu-check.json", (ROOT / "REVISION").read_text().strip(), options.minutes, host, results)
    print(f"logs and gpu-check.json: {options.output}")
    print(report.last_line(results))
    return 0 if report.has_passed(results) else 1


if __name__ == "__main__":
    sys.exit(main())
