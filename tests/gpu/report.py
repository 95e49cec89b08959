"""The table and the JSON file of a check."""

import json

COLUMNS = ("part", "what", "outcome", "seconds", "figure")


def host_line(host):
    """"NVIDIA H200, driver 580.65.06 (CUDA 13.0); torch 2.11.0+cu130; …"."""
    driver = f", driver {host['driver']} (CUDA {host['driver_cuda']})" if host["driver_cuda"] else ""
    return (f"{host['card']} as {host['device']}{driver}; torch {host['torch']}; Python {host['python']}; {host['system']}, "
            f"glibc {host['glibc']}; {host['processors']} x {host['processor']}")


def table(results):
    """Lines. The figure comes last, as it is long."""
    rows = [COLUMNS] + [(r["name"], r["what"], r["outcome"], f"{r['seconds']:.1f}", r["figure"]) for r in results]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS) - 1)]
    lines = ["  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]).rstrip() for row in rows]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def failed_of(results):
    """A part that was skipped has shown nothing either: CUDA could not be opened, say."""
    return [result["name"] for result in results if result["outcome"] != "passed"]


def has_passed(results):
    return bool(results) and not failed_of(results)


def last_line(results):
    counts = {outcome: sum(r["outcome"] == outcome for r in results) for outcome in ("passed", "failed", "skipped", "out of time")}
    line = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    failed = failed_of(results)
    return line + (f": {', '.join(failed)}" if failed else "")


def write_json(path, revision, minutes, host, results):
    """For a program: what the table says, and every number."""
    document = {"revision": revision, "minutes": minutes, "host": host, "passed": has_passed(results), "parts": results}
    path.write_text(json.dumps(document, indent=1) + "\n")
