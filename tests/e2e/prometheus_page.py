"""The text page that Prometheus scrapes, as samples."""

import re


class Metrics:
    """Samples of a Prometheus text page."""

    _SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$")
    _LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        self.text = text
        self.samples = []  # (name, labels, value)
        for line in text.splitlines():
            if line and not line.startswith("#"):
                match = self._SAMPLE.match(line)
                assert match, f"not a sample: {line!r}"
                name, labels, value = match.groups()
                self.samples.append((name, dict(self._LABEL.findall(labels or "")), float(value)))

    def find(self, name, **labels):
        return [(has, value) for n, has, value in self.samples if n == name and labels.items() <= has.items()]

    def sum(self, name, **labels):
        return sum(value for _, value in self.find(name, **labels))
