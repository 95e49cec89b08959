"""What a JUnit file of pytest or GoogleTest says of its cases."""

import collections
import xml.etree.ElementTree as ET


class Report:
    """`counts` of cases by outcome, `failures` and `figures` as texts, `values`: {name: numbers}."""

    def __init__(self, path):
        self.counts = collections.Counter()
        self.failures, self.figures, self.values = [], [], {}
        for case in ET.parse(path).getroot().iter("testcase"):
            self._add(case)

    def _add(self, case):
        outcome = outcome_of(case)
        self.counts[outcome] += 1
        if outcome == "failed":
            self.failures.append(case.get("name"))
        for entry in case.iter("property"):
            name, value = entry.get("name"), entry.get("value")
            if name == "figure":
                self.figures.append(value)
            else:
                self.values.setdefault(name, []).append(float(value))

    def figure(self):
        """A line for the table."""
        parts = [", ".join(f"{count} {outcome}" for outcome, count in sorted(self.counts.items()))]
        deviations = {name.split()[1]: max(values) for name, values in self.values.items() if name.startswith("deviation ")}
        if deviations:
            parts.append("largest deviation " + ", ".join(f"{dtype} {worst:.1e}" for dtype, worst in sorted(deviations.items())))
        return "; ".join(parts + self.figures)


def outcome_of(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    # GoogleTest 1.12 has an attribute, later ones and pytest an element.
    return "skipped" if case.find("skipped") is not None or case.get("result") == "skipped" else "passed"
