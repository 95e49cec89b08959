#!/usr/bin/env python3
"""Draws the README's picture, for light and for dark pages: request-light.svg and request-dark.svg beside this file.

    draw.py           writes both
    draw.py --check   compares them with what it would write; the exit status is 1 when one differs
"""
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
PALETTES = {
    "light": {"ink": "#1f2328", "dim": "#59636e", "fill": "#f6f8fa", "line": "#8c959f", "good": "#1a7f37", "bad": "#cf222e"},
    "dark": {"ink": "#f0f6fc", "dim": "#9198a1", "fill": "#161b22", "line": "#656c76", "good": "#3fb950", "bad": "#f85149"},
}
WIDTH, HEIGHT = 860, 320
# Name, x, y, width, title, and the line below it.
BOXES = (
    ("client", 16, 80, 160, "Client", "sends tensors over gRPC"),
    ("call", 216, 80, 190, "Call loop", "decodes, checks the signature"),
    ("queue", 446, 80, 170, "Queue of the model", "joins rows into a batch"),
    ("worker", 656, 80, 180, "Worker", "runs the batch on a device"),
    ("gpu", 656, 204, 180, "GPU", "preferred device"),
    ("cpu", 446, 204, 170, "CPU", "standby, kept warm"),
)


def box(name, x, y, width, title, line, c):
    edge = c["bad"] if name == "gpu" else c["good"] if name == "cpu" else c["line"]
    middle = x + width / 2
    return (f'<rect x="{x}" y="{y}" width="{width}" height="56" rx="8" fill="{c["fill"]}" stroke="{edge}" stroke-width="1.5"/>'
            f'<text x="{middle}" y="{y + 24}" text-anchor="middle" font-weight="600" fill="{c["ink"]}">{title}</text>'
            f'<text x="{middle}" y="{y + 43}" text-anchor="middle" font-size="10.5" fill="{c["dim"]}">{line}</text>')


def arrow(points, color, dashed=False):
    path = "M" + " L".join(f"{x} {y}" for x, y in points)
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke="{color}" stroke-width="1.8"{dash} marker-end="url(#{color[1:]})"/>'


def label(x, y, text, color, anchor="middle"):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="11.5" fill="{color}">{text}</text>'


def picture(c):
    """The picture in the colours `c`."""
    heads = "".join(f'<marker id="{color[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
                    f'<path d="M0 0 L8 4 L0 8 z" fill="{color}"/></marker>' for color in (c["line"], c["good"], c["bad"]))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="system-ui, sans-serif" '
        f'font-size="14"><title>The way of a request, and of a batch whose GPU fails</title><defs>{heads}</defs>',
        *(box(*one, c) for one in BOXES),
        arrow([(176, 108), (214, 108)], c["line"]),
        arrow([(406, 108), (444, 108)], c["line"]),
        arrow([(616, 108), (654, 108)], c["line"]),
        arrow([(746, 136), (746, 202)], c["line"]),
        arrow([(746, 80), (746, 48), (96, 48), (96, 78)], c["line"]),
        label(421, 40, "the answer leaves from the worker, and names its device", c["dim"]),
        arrow([(656, 232), (618, 232)], c["bad"], dashed=True),
        label(637, 284, "the device fails: the batch runs again, within each request’s deadline", c["bad"]),
        arrow([(446, 232), (96, 232), (96, 138)], c["good"]),
        label(271, 224, "the same answer, “device: cpu”, with the reason", c["good"]),
        label(16, 310, "Later batches skip the device: until it works again, or, after a fatal fault, until the process ends.", c["dim"],
              "start"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main():
    stale = []
    for name, colors in PALETTES.items():
        file, text = FOLDER / f"request-{name}.svg", picture(colors)
        if "--check" not in sys.argv[1:]:
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            stale.append(file.name)
    for name in stale:
        print(f"{name} differs from what draw.py draws; run server/docs/pictures/draw.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
