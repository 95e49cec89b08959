#!/usr/bin/env python3
"""A report's ratios as bars, with their targets.   plot.py report.json report.png"""
import json
import re
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as pyplot


def main(source, target):
    with open(source) as file:
        report = json.load(file)
    lines = [line for line in report["lines"] if "target" in line and not line.get("unit")]
    if not lines:
        lines = [line for line in report["lines"] if "target" in line]
    figure, axes = pyplot.subplots(figsize=(11, 1.2 + 0.45 * len(lines)))
    for row, line in enumerate(reversed(lines)):
        bound = float(re.search(r"[0-9.]+", line["target"]).group())
        axes.barh(row, line["value"], color="#3b7a57" if line["met"] else "#b3573c")
        axes.plot([bound, bound], [row - 0.45, row + 0.45], color="black")
        axes.text(line["value"], row, f" {line['value']:.2f}", va="center", fontsize=8)
    axes.set_yticks(range(len(lines)), [line["what"] for line in reversed(lines)], fontsize=8)
    machine = report["machine"]
    axes.set_title(f"{report['date']}, {machine['processor']}, {machine['processors']} processors (black: the target)", fontsize=9)
    figure.tight_layout()
    figure.savefig(target, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:])
