#!/usr/bin/env python3
"""Serves what export.py wrote, asks with 1 and with 5 rows, and compares with PyTorch's answers.

    serve.py FOLDER [--binaries build/bin] [--delete] [--report REPORT.md]     with the tests' Python (deploy/locks/python-tests.txt)

Each folder gets answers.json; one that has it is left alone. --delete removes the files of a model that was right. --report
writes the table of all.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

AT_ONCE = 6  # models on one server
BOUND = 1e-5  # of the largest difference to PyTorch, absolute up to magnitude 1 and relative to the output's largest number above


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--binaries", type=pathlib.Path, default=pathlib.Path("build/bin"))
    parser.add_argument("--delete", action="store_true")
    parser.add_argument("--report", type=pathlib.Path)
    arguments = parser.parse_args()
    os.environ["TORCHFERRY_BINARY_DIR"] = str(arguments.binaries.resolve().parent)
    waiting = [folder for folder in sorted(arguments.folder.resolve().iterdir())
               if (folder / "said.json").exists() and not (folder / "answers.json").exists()]
    exported = [folder for folder in waiting if (folder / "model.pt2").exists()]
    for begin in range(0, len(exported), AT_ONCE):
        serve(exported[begin:begin + AT_ONCE])
        if arguments.delete:
            delete(exported[begin:begin + AT_ONCE])
    if arguments.report:
        arguments.report.write_text(report(arguments.folder))


def name_of(folder):
    return folder.name.replace("+", "/")


def serve(folders):
    import harness
    from stores import Store

    with tempfile.TemporaryDirectory(dir=folders[0].parent, prefix=".store") as scratch:
        scratch = pathlib.Path(scratch)
        store = Store(scratch / "store")
        for number, folder in enumerate(folders):
            version = store.path / f"model{number}" / "1"
            version.mkdir(parents=True)
            os.link(folder / "model.pt2", version / "model.pt2")
        with harness.serving(store, scratch / "server", "--device", "cpu", ready=False) as server:
            server.wait_settled()
            with harness.Client(server.address) as client:
                for number, folder in enumerate(folders):
                    answers = ask(client, f"model{number}", folder)
                    (folder / "answers.json").write_text(json.dumps(answers) + "\n")
                    print(name_of(folder), answers, flush=True)


def ask(client, model, folder):
    import numpy as np

    from wire import pb

    version = client.model(model)
    if version.state != pb.MODEL_STATE_READY:
        return {"refused": version.error_message}
    answers = {"load_seconds": version.load_seconds, "batched": version.dynamic_batching, "difference": {}}
    if not version.dynamic_batching:
        answers["decisions"] = list(version.placement.decisions)
    cases = np.load(folder / "cases.npz")
    names = [spec.name for spec in version.inputs]
    outputs = [spec.name for spec in version.outputs]
    for rows in sorted({key.split(".")[1] for key in cases.files}):
        given = {key.split(".", 2)[2]: cases[key] for key in cases.files if key.startswith(f"in.{rows}.")}
        if len(names) == 1:
            given = {names[0]: next(iter(given.values()))}
        expected = [cases[f"out.{rows}.{place}"] for place in range(sum(key.startswith(f"out.{rows}.") for key in cases.files))]
        try:
            answer = client.predict_arrays(model, given)
        except Exception as error:
            return answers | {"failed": f"{rows} rows: {error.details() if hasattr(error, 'details') else error}"}
        if len(outputs) != len(expected):
            return answers | {"failed": f"outputs {outputs}, expected {len(expected)}"}
        answers["difference"][rows] = max(difference(answer[name], wanted) for name, wanted in zip(outputs, expected, strict=True))
    return answers


def difference(actual, expected):
    import numpy as np

    if actual.shape != expected.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    finite = np.isfinite(expected)
    if not np.array_equal(actual[~finite], expected[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return float("inf")  # such an answer would say nothing
    return float(np.max(np.abs(actual[finite] - expected[finite])) / max(1, np.max(np.abs(expected[finite]))))


def is_right(answers):
    return bool(answers.get("difference")) and "failed" not in answers and max(answers["difference"].values()) <= BOUND


def delete(folders):
    for folder in folders:
        if is_right(json.loads((folder / "answers.json").read_text())):
            for name in ("model.pt2", "cases.npz"):
                (folder / name).unlink(missing_ok=True)


def report(root):
    """Markdown: the numbers, then a row for each model."""
    rows, counts = [], {}
    for folder in sorted(root.iterdir()):
        if not (folder / "said.json").exists():
            continue
        said = json.loads((folder / "said.json").read_text())
        answers = json.loads((folder / "answers.json").read_text()) if (folder / "answers.json").exists() else {}
        kind, row = row_of(name_of(folder), said, answers)
        counts[kind] = counts.get(kind, 0) + 1
        rows.append(row)
    total = sum(counts.values())
    lines = ["# Coverage of torch.export programs", "",
             "Made by `tests/coverage/export.py` and `tests/coverage/serve.py`: models with random weights, exported with a free batch,",
             "served by torchferry-server without a config on a CPU, and compared with eager PyTorch for 1 and for 5 rows.", "",
             f"{total} models: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda item: -item[1])) + ".",
             f"Right: the largest difference to PyTorch is at most {BOUND:g}, relative to the output's largest number where that is above 1.", "",
             "| Model | Nodes | Parameters | Batch | Difference, 1 row | 5 rows | |", "|---|---|---|---|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def row_of(name, said, answers):
    def cell(text):
        return " ".join(str(text).replace("|", "\\|").split())[:200]

    if "error" in said:
        return "not exported by PyTorch", f"| {name} | | | | | | not exported: {cell(said['error'])} |"
    head = f"| {name} | {said['nodes']} | {said['parameters']:,} | {said['batch']} "
    if "refused" in answers:
        return "refused", f"{head}| | | refused: {cell(answers['refused'])} |"
    if not answers or "failed" in answers:
        return ("failed" if answers else "not asked"), f"{head}| | | {cell(answers.get('failed', 'not asked'))} |"
    differences = answers["difference"]
    shown = [f"{differences[rows]:.1e}" if rows in differences else "–" for rows in ("1", "5")]
    note = "" if said["batch"] == "free" else f"exported with {', '.join(differences)} rows alone: {cell(said['free_batch_error'])}"
    notes = [note, f"exported with {said['decomposed']}" if "decomposed" in said else ""]
    if not answers["batched"]:
        why = next((d for d in answers["decisions"] if "share" in d), "")
        notes.append("not batched: " + ("the row trial differs" if "two rows that run together" in why else cell(why)))
    note = "; ".join(part for part in notes if part)
    right = is_right(answers)
    return ("right" if right else "wrong"), f"{head}| {shown[0]} | {shown[1]} | {note if right else 'WRONG ' + str(differences)} |"


if __name__ == "__main__":
    main()
