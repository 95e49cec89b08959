"""Lines of the report as text. A line: {what, value, unit, target?, met?, details}."""


def number(value):
    if value is None:
        return "–"
    magnitude = abs(value)
    return f"{value:,.0f}" if magnitude >= 100 else f"{value:.1f}" if magnitude >= 10 else f"{value:.2f}" if magnitude >= 0.1 else f"{value:.3f}"


def target(line):
    if "target" not in line:
        return ""
    return f"{line['target']}: {'met' if line['met'] else 'missed'}"


def details(line):
    return ", ".join(f"{key} {number(value) if isinstance(value, (int, float)) else value}" for key, value in line.get("details", {}).items())


def text_of(line):
    parts = [f"{line['what']}: {number(line['value'])} {line.get('unit', '')}".rstrip(), target(line), details(line)]
    return "  ".join(part for part in parts if part)


def markdown(result):
    machine = result["machine"]
    rows = [f"{result['date']}, {machine['processor']}, {machine['processors']} processors; medians of {result['repeats']} alternating repeats.", "",
            "| what | measured | target | from |", "|---|---|---|---|"]
    for line in result["lines"]:
        rows.append(f"| {line['what']} | {number(line['value'])} {line.get('unit', '')} | {target(line)} | {details(line)} |")
    return "\n".join(rows) + "\n"


# --- what lines say of a way to run a model -----------------------------------------------------------


def text_of_point(point):
    """Of torchferry-bench-libtorch."""
    return f"{point['variant']} {point['workers']}x{point['threads']} rows {point['rows']}"


def text_of_tuning(tuning):
    """Of a ModelVersion."""
    text = f"{tuning.variant} threads {tuning.intra_op_threads} rows {tuning.batch_rows}"
    if tuning.HasField("latency"):
        text += f", alone {tuning.latency.variant} threads {tuning.latency.intra_op_threads}"
    return text if tuning.is_final else text + ", not final"
