"""The table that a matrix of models, devices and element types prints at its end."""

import collections
import contextlib


@contextlib.contextmanager
def deviation_table(what, devices, tolerances, left_out):
    """{(row, place saved): {(device, dtype): text}}, for the block to fill. `what`: what a row is; `left_out`: a sentence for
    each cell that is not there."""
    results = collections.defaultdict(dict)
    yield results
    columns = [(device, dtype) for device in devices for dtype in tolerances]
    print(f"\nlargest deviation from PyTorch, by {what} and place saved, device served on and dtype")
    print(f"{'':34}" + "".join(f"{device + ' ' + dtype:>14}" for device, dtype in columns))
    for (row, saved), cells in results.items():
        print(f"{row + ' saved on ' + saved:34}" + "".join(f"{cells.get(column, '-'):>14}" for column in columns))
    for sentence in left_out:
        print(f"no cell: {sentence}")
    print("tolerances: " + ", ".join(f"{dtype} {bound:g}" for dtype, bound in tolerances.items()))
