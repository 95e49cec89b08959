#!/usr/bin/env python3
"""What the server costs and gains, in one run on one machine, as ratios to gRPC alone and to LibTorch alone.

    run.sh [--only SECTION,…] [--repeats 5] [--seconds 4] [--output DIR]     builds what is needed and calls this

Each figure is the median of `--repeats` alternating repeats: what is compared is measured in turns. Writes DIR/report.json and
DIR/report.md, and prints the table. Sections: mlp, networks, latency, switches, beside, streams,
foreign, bf16, start, ready, tuning, disturbed, memory, together, overload, growth.
"""
import argparse
import json
import os
import pathlib
import platform
import sys
import time


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("bench-report"))
    arguments = parser.parse_args()

    import report
    import sections

    names = arguments.only.split(",") if arguments.only else list(sections.ALL)
    unknown = set(names) - set(sections.ALL)
    if unknown:
        parser.error(f"--only names {', '.join(sorted(unknown))}; there are {', '.join(sections.ALL)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    result = {"machine": machine(), "date": time.strftime("%Y-%m-%d"), "repeats": arguments.repeats, "seconds": arguments.seconds, "lines": []}
    for name in names:
        print(f"== {name}", file=sys.stderr, flush=True)
        for line in sections.ALL[name](arguments.repeats, arguments.seconds):
            result["lines"].append({"section": name, **line})
            print(report.text_of(line), file=sys.stderr, flush=True)
            (arguments.output / "report.json").write_text(json.dumps(result, indent=1) + "\n")
    (arguments.output / "report.md").write_text(report.markdown(result))
    print(report.markdown(result))


def machine():
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in cpuinfo.splitlines())}
    flags = fields.get("flags", "").split()
    return {"processor": f"{fields.get('model name', platform.machine())} (family {fields.get('cpu family')}, model {fields.get('model')})",
            "processors": len(os.sched_getaffinity(0)), "bf16": [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags]}


if __name__ == "__main__":
    main()
