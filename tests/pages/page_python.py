"""Runs the python examples of one page in one module: a line of JSON with code comes in, one with what it printed goes out.

The module's file grows by each example, as TorchScript reads the source of what it compiles.
"""
import contextlib
import io
import json
import linecache
import pathlib
import sys
import traceback
import types

FILE = pathlib.Path(".page.py").resolve()


def run(module, code, begin):
    """Runs `code`, which stands in FILE behind `begin` lines; what it printed, and its traceback."""
    out, error = io.StringIO(), ""
    linecache.checkcache(str(FILE))
    with contextlib.redirect_stdout(out):
        try:
            exec(compile("\n" * begin + code, str(FILE), "exec"), module.__dict__)
        except BaseException:  # a page's SystemExit is a fault, too
            error = traceback.format_exc()
    return out.getvalue(), error


def main():
    module = sys.modules["page"] = types.ModuleType("page")
    module.__file__ = str(FILE)
    replies, begin = sys.stdout, 0
    FILE.write_text("")
    for line in sys.stdin:
        code = json.loads(line)["code"].rstrip("\n") + "\n"
        with open(FILE, "a", encoding="utf-8") as file:
            file.write(code)
        out, error = run(module, code, begin)
        begin += code.count("\n")
        print(json.dumps({"out": out, "error": error}), file=replies, flush=True)


if __name__ == "__main__":
    main()
