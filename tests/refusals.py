#!/usr/bin/env python3
"""Lists every refusal of a model's files, with its way out, from the source itself: server/docs/reference/refusals.md.

    refusals.py           compares the list with the source; what is missing is shown, and the exit status is 1
    refusals.py --write   writes the list

A refusal is an error that the code makes where files are found, read, planned and compiled. Its way out is what the message
says to do. A message without one must be damage (DATA_LOSS), a failure of the system, or stand in SAID with the reason.
"""
import argparse
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "server" / "docs" / "reference" / "refusals.md"
# Each with what happens there.
FOLDERS = {"server/checkpoint": "Reading files", "server/plan": "Planning", "server/torch/load": "Loading",
           "server/torch/graph": "Looking through the module"}

# Characters of a message in a row; the rest goes into rows below it.
MESSAGE_WIDTH = 140

# What stands for an error's making, up to its message.
CODES = "DataLoss|InvalidArgument|FailedPrecondition|NotFound|PermissionDenied|ResourceExhausted|Unimplemented|Unavailable"
MAKERS = re.compile(rf"""
    (?:base::)?MakeStatus\(\s*(?P<choice>[^",]*\?\s*)?(?:absl::)?(?:StatusCode::)k(?P<made>{CODES})(?:\s*:[^,"]*)?\s*,
  | absl::(?P<plain>{CODES})Error\(
  | (?P<precondition>\bPrecondition)\(
  | \bInvalid\(
  | Magic\{{[^{{}}]*?StatusCode::k(?P<magic>{CODES}),
  | (?P<kind>UnsupportedKind)\{{"[^"]*",
""", re.VERBOSE | re.DOTALL)
LITERALS = re.compile(r'\s*(?:fmt::format\(\s*)?((?:"(?:[^"\\]|\\.)*"\s*)+)')

# Words with which a message says what to do.
WAY_OUT = re.compile(r"""\b(?:allow|ask\ for|at\ most|expected|export|give|import|in\ Python|is:\ torch|lower|make|makes|may\ be|merge|name|one\ that|put|
    python|remove|rename|save|say|says\ so|set|stack|start|takes|torch\.jit\.script|uncompressed|unpack|use|wrap|write|download|copy|
    call|convert|declare|load\ the|read\ access|which\ is\ as)\b""", re.VERBOSE | re.IGNORECASE)
DAMAGE = "none: it is damaged, or was made to harm"
SYSTEM = "none in the file: the system says why"
NO_MODEL = "none: it is no model, and holds none that is known"
SERVED_WITHOUT = "none is needed: the program is served without its example"
# What stands in a message whose way out the words above do not show.
SAID = {
    "is an SQLite database": NO_MODEL,
    "is a Parquet table": NO_MODEL,
    "is a PDF document": NO_MODEL,
    "is a PNG image": NO_MODEL,
    "is a JPEG image": NO_MODEL,
    "is JSON text, not a model; {}": "in the message, behind the semicolon: which files are served",
    "is a text file, not a model; {}": "in the message, behind the semicolon: which files are served",
    "is of no known format": "in the message, behind the semicolon: which files are served",
    "is no tensor": "none: never seen, as the caller has asked whether it is one",
    "{}: no such file": "the file that the message names, put there",
    "{}: is {}, not a file": "a file in its place",
    "zlib has no memory": "memory for the server",
    "{} has no room for the weights": "none: the next device is tried",
    "has an element type that is not served": "none: never seen, as the plan has refused it",
    "the architecture expects {}": "a state_dict and an architecture of the same model",
    "holds a {}{}": "in the message, at its end: what a state_dict is",
    "holds a dict without tensors": "in the message, at its end: what a state_dict is",
    "key {} is a tensor's": "in the message, at its end: rename one, or what bitsandbytes' weights need",
    "the module has no method {}; {}": "in the message, at its end: its methods, or a forward.py",
    "the module has no {} method": "none: never seen, as the plan has refused it",
    "two inputs of {} are the same": "in config.pbtxt: an argument of its own for each input",
    "holds no program {}; it has {}": "in the message, at its end: the programs that it has",
    "the program has no example inputs": SERVED_WITHOUT,
    "the example inputs are not as many as": SERVED_WITHOUT,
    "the example inputs hold a {} of Python": SERVED_WITHOUT,
    "the example inputs have {} bytes": SERVED_WITHOUT,
    "the example of input {} has another type": SERVED_WITHOUT,
    "the config gives its inputs other shapes": SERVED_WITHOUT,
    "its text {}": "the passport written anew, or removed",
    "it nests more than": "the passport written anew, or removed",
    "has the name {} once more": "the passport written anew, or removed",
    "is no base64": "the passport written anew, or removed",
    "which the signature does not declare": "the passport written anew, or removed",
    "when it was saved": "none: the next placement is tried",
    "an example is missing": SERVED_WITHOUT,
    "of {} is result {} of forward": "in config.pbtxt: results that forward gives, each once",
}


def text_of(literals):
    """The literals in a row, as one text."""
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"', literals)
    joined = "".join(parts)
    return joined.replace('\\"', '"').replace("\\n", " ").replace("{{", "{").replace("}}", "}").strip()


def refusals():
    """(folder, code, message) of each, in the order of the source; each message once."""
    found, seen = [], set()
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).glob("*.cc")):
            if path.name.endswith("_test.cc"):
                continue
            source = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
            for match in MAKERS.finditer(source):
                literals = LITERALS.match(source, match.end())
                if literals is None:
                    continue
                code = match["made"] or match["plain"] or match["magic"] or "InvalidArgument"
                if match["precondition"]:
                    code = "FailedPrecondition"
                message = text_of(literals[1])
                if message and (folder, message) not in seen:
                    seen.add((folder, message))
                    found.append((folder, re.sub(r"(?<!^)(?=[A-Z])", "_", code).upper(), message))
    return found


def way_out(code, message):
    """What the message says to do, or why it says nothing; None where there is neither."""
    for words, said in SAID.items():
        if words in message:
            return said
    if re.fullmatch(r"[{}: ]*", message):
        return "in the message, which is put together elsewhere"
    if WAY_OUT.search(message):
        return "in the message"
    if code == "DATA_LOSS":
        return DAMAGE
    if code in ("UNAVAILABLE", "PERMISSION_DENIED"):
        return SYSTEM
    return None


def page(rows):
    lines = ["# Refusals", "", "`tests/refusals.py --write` makes this page from the source: every error that refuses a model's files, and its way out.",
             "`{}` stands for a value that the message names. `tests/e2e/test_ways_out.py` follows the ways out.",
             "`tests/e2e/test_wrong_files.py` compares the words of the others.", ""]
    for folder, title in FOLDERS.items():
        lines += [f"## {title} (`{folder}`)", "", "| Code | Message | Way out |", "|---|---|---|"]
        for where, code, message, out in rows:
            if where == folder:
                shown = message.replace("|", "\\|").replace("<", "&lt;")
                first, *more = textwrap.wrap(shown, MESSAGE_WIDTH, break_long_words=False, break_on_hyphens=False)
                lines += [f"| {code} | {first} | {out} |", *(f"| | {line} | |" for line in more)]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rows = [(folder, code, message, way_out(code, message)) for folder, code, message in refusals()]
    if lost := [(folder, message) for folder, _, message, out in rows if out is None]:
        for folder, message in lost:
            print(f"{folder}: no way out in: {message}", file=sys.stderr)
        return 1
    text = page(rows)
    if arguments.write:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        print(f"{PAGE.relative_to(ROOT)} is not what the source says; run tests/refusals.py --write", file=sys.stderr)
        return 1
    print(f"{len(rows)} refusals")
    return 0


if __name__ == "__main__":
    sys.exit(main())
