"""Files that somebody made to end, stall or fool a server, each with the code and the words that it must meet with. Rows are
those of wrong_files.py. Run as a script, it fills a folder with them: python hostile_files.py FOLDER
"""

import io
import json
import os
import pathlib
import struct
import sys
import zipfile

from torch_archives import entries, write_entry
from wrong_files import Wrong
from wrong_makers import FIXTURES, TORCHSCRIPT, WEIGHTS, checkpoint_of, rezipped, safetensors, script_with, zipped

FORWARD = (("forward.py", FIXTURES / "loader" / "forward.py"),)
REFUSED = "--trust-model-code"
LONG = 3_000_000


def forward(source):
    """A good state_dict beside that forward.py."""
    return {"content": WEIGHTS, "others": (("forward.py", source.encode()),), "about": "forward.py"}


def body(*lines):
    return "def forward(self, x: Tensor) -> Tensor:\n" + "".join(f"    {line}\n" for line in lines)


def chain(count, before=""):
    """Functions of which each calls the next."""
    calls = "".join(f"def f{i}(self, x):\n    return {before}self.f{i + 1}(x)\n" for i in range(count))
    return body("return self.f0(x)") + calls + f"def f{count}(self, x):\n    return x\n"


def blocks(count, deep):
    """The same, each call inside many blocks."""
    calls = ""
    for i in range(count):
        ifs = "".join(f"{' ' * (d + 1)}if n > {d}:\n" for d in range(deep))
        calls += f"def f{i}(self, x, n: int):\n{ifs}{' ' * (deep + 1)}x = self.f{i + 1}(x, n)\n return x\n"
    return body("return self.f0(x, 1)") + calls + f"def f{count}(self, x, n: int):\n    return x\n"


def keys(names):
    """A safetensors file with a tensor of each name."""
    header = {name: {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i, name in enumerate(names)}
    return safetensors(json.dumps(header), bytes(len(header)))


def hidden(code):
    """The scripted Mlp whose forward runs `code` first."""
    return lambda: script_with(b"    _0 = torch.softmax(", b"    " + code + b"\n    _0 = torch.softmax(")


def archive_with(name, content):
    """The scripted Mlp with one entry more."""
    def make():
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for _, entry, kept, method in entries(FIXTURES / "mlp" / "1" / "mlp.pt"):
                write_entry(archive, entry, kept, method)
            write_entry(archive, f"model/{name}", content)
        return file.getvalue()
    return make


def deep_pickle(opening, closing=b""):
    return checkpoint_of(b"\x80\x02" + opening * 1_000_000 + b"N" + closing * 1_000_000 + b".")


def global_of(module, name):
    return b"c" + module + b"\n" + name + b"\n"


def string(text):
    return b"X" + struct.pack("<I", len(text)) + text


def tensor_of(sizes, storage_elements=4, rebuild=b"_rebuild_tensor_v2", more=b""):
    """A state_dict {"w": a tensor over a storage of 16 bytes}."""
    storage = (b"(" + string(b"storage") + global_of(b"torch", b"FloatStorage") + string(b"0") + string(b"cpu")
               + b"\x8a\x08" + struct.pack("<q", storage_elements) + b"tQ")
    numbers = b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", size) for size in sizes) + b"t"
    rebuilt = (global_of(b"torch._utils", rebuild) + b"(" + storage + b"K\0" + numbers + numbers + more + b"\x89}tR")
    pickled = b"\x80\x02}" + string(b"w") + rebuilt + b"s."
    return zipped({"archive/data.pkl": pickled, "archive/data/0": bytes(16), "archive/byteorder": b"little",
                   "archive/version": b"3\n"})


def quantised_of(sizes):
    """The same of a quantised tensor, whose scheme is per_tensor_affine."""
    scheme = b"(" + global_of(b"torch", b"per_tensor_affine") + b"G?\xf0\0\0\0\0\0\0K\0t"
    return tensor_of(sizes, rebuild=b"_rebuild_qtensor", more=scheme)


class Sparse:
    """A file of so many bytes, of which none is there."""

    def __init__(self, size, begin=b""):
        self.size, self.begin = size, begin

    def put(self, path):
        with open(path, "wb") as file:
            file.write(self.begin)
            file.truncate(self.size)


def code_of(source):
    """The scripted Mlp with other code."""
    return lambda: rezipped(TORCHSCRIPT, {"code/__torch__.py": lambda _: source.encode()})


INVALID, DATA_LOSS, PRECONDITION = "INVALID_ARGUMENT", "DATA_LOSS", "FAILED_PRECONDITION"

HOSTILE = {
    # Text of a forward.py.
    "long_string": Wrong(INVALID, ("import",), **forward(f"import '{'a' * LONG}'\n")),
    "long_import": Wrong(INVALID, ("is not understood",), **forward(f"import {'torch.' * (LONG // 6)}\n")),
    "open_bracket": Wrong(INVALID, ("is not understood",), **forward("from torch import (" + "\n" * 500_000)),
    "many_functions": Wrong(INVALID, ("calls functions",), **forward(chain(3_000))),
    "deep_calls": Wrong(INVALID, ("calls functions",), **forward(chain(10, "-" * 900))),
    "deep_blocks": Wrong(INVALID, ("calls functions",), **forward(blocks(50, 90))),
    "many_comments": Wrong(DATA_LOSS, ("comments",), **forward("# c\n" * 100_000 + body("return x"))),
    "many_blank_lines": Wrong(DATA_LOSS, ("comments",), **forward(body("return x") + "\n" * 1_000_000)),
    "many_continued_lines": Wrong(DATA_LOSS, ("comments",), **forward(body("return x + " + "\\\n" * 100_000 + "1"))),
    "long_list": Wrong(DATA_LOSS, ("20000 items",), **forward(body(f"y = [{'1,' * LONG}1]", "return x"))),
    "much_code": Wrong(DATA_LOSS, ("1000000 words",), **forward(body(*["x = x + 1"] * 400_000, "return x"))),
    "deep_type_comment": Wrong(DATA_LOSS, ("nest",), **forward(body(f"# type: ({'List[' * 100_000}", "return x"))),
    "many_imports": Wrong(INVALID, ("1000 names",), **forward("".join(f"from torch import a{i}\n" for i in range(2_000)))),

    # Names of tensors.
    "key_of_dots": Wrong(INVALID, ("30000 bytes",), lambda: keys(["." * 30_000]), others=FORWARD),
    "key_of_parts": Wrong(INVALID, ("300 parts",), lambda: keys([".".join(["p"] * 300)]), others=FORWARD),
    "many_keys": Wrong(INVALID, ("directly below",), lambda: keys([f"w{i}" for i in range(100_000)]), others=FORWARD),
    "many_modules": Wrong(INVALID, ("100000 modules",), lambda: keys([f"g{i % 100}.m{i}.w" for i in range(110_000)]),
                          others=FORWARD),
    "key_through_itself": Wrong(INVALID, ("16 dicts",),
                                lambda: checkpoint_of(b"\x80\x02}q\x01(" + string(b"a") + b"h\x01" + string(b"b") + b"Nu."),
                                others=FORWARD, config=f'torchferry {{ state_dict {{ key: "{".".join("a" * 1_000)}" }} }}\n'),

    # Code that a scan could miss.
    **{name: Wrong(DATA_LOSS, (REFUSED, "save"), hidden(code)) for name, code in {
        "hidden_by_a_number": b"pi = 3.\n    torch.save(x, 'torchferry_pwned')",
        "hidden_by_quotes": b"s = '''\"'''\n    torch.save(x, 'torchferry_pwned')",
        "hidden_in_a_word": b"s = x not intorch.save(x, 'torchferry_pwned')",
        "hidden_in_a_number": b"s = 1 if 1else 0x1torch.save(x, 'torchferry_pwned')",
        "hidden_in_a_type": b"s = 1  # type: torch.save(x, 'torchferry_pwned')",
    }.items()},
    "other_case": Wrong(DATA_LOSS, ("differ in nothing but case",), archive_with("Code/__torch__.PY", b"class Mlp(Module):\n")),
    "other_case_of_a_pickle": Wrong(DATA_LOSS, ("differ in nothing but case",), archive_with("DATA.pkl", b"\x80\x02N.")),
    "unknown_character": Wrong(DATA_LOSS, ("language has not",), hidden(b"s = 1;")),
    "wide_class": Wrong(DATA_LOSS, ("8192 members",), code_of("class Mlp(Module):\n" + "  a : int\n" * 10_000)),
    "long_code": Wrong(DATA_LOSS, ("1000000 words",), code_of("x = x + 1\n" * 400_000)),
    "commented_code": Wrong(DATA_LOSS, ("comments",), code_of("# c\n" * 100_000)),

    # Pickles and tensors.
    "deep_lists": Wrong(DATA_LOSS, (), lambda: deep_pickle(b"(", b"l"), others=FORWARD),
    "deep_tuples": Wrong(INVALID, (), lambda: deep_pickle(b"", b"\x85"), others=FORWARD),
    "huge_tensor": Wrong(DATA_LOSS, ('tensor "w"',), lambda: tensor_of([1 << 40, 1 << 40]), others=FORWARD),
    "huge_storage": Wrong(DATA_LOSS, ("said to hold",), lambda: tensor_of([2, 2], storage_elements=1 << 60),
                          others=FORWARD),
    "quantised_overrun": Wrong(INVALID, ("quantised",), lambda: quantised_of([1 << 20]), others=FORWARD),
    "huge_safetensors": Wrong(DATA_LOSS, (), lambda: safetensors(
        '{"w":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,4]}}', bytes(4)), others=FORWARD),
    "system_call": Wrong(DATA_LOSS, ("system", "nothing was run"),
                         lambda: checkpoint_of(b"\x80\x02" + global_of(b"os", b"system")
                                               + string(b"touch torchferry_pwned") + b"\x85R.")),

    # Files that are not what they seem.
    "sparse_file": Wrong(DATA_LOSS, ("zero",), Sparse(1 << 40)),
    "sparse_zip": Wrong(DATA_LOSS, (), Sparse(1 << 40, b"PK\x03\x04")),
    "long_config": Wrong(INVALID, ("bytes",), WEIGHTS, others=FORWARD, config="#" * (2 << 20), about="config.pbtxt"),
    "deep_config": Wrong(INVALID, ("config.pbtxt",), WEIGHTS, others=FORWARD, config="input { " * 100_000,
                         about="config.pbtxt"),
    "device_as_model": Wrong(PRECONDITION, ("--follow-links-out-of-store",), pathlib.Path("/dev/zero"),
                             config='default_model_filename: "model.pt"\n'),
    "link_out_of_the_store": Wrong(PRECONDITION, ("--follow-links-out-of-store",), pathlib.Path("/etc/passwd"),
                                   config='default_model_filename: "model.pt"\n'),
}

# A tuning record is no reason to refuse a model: these are served.
TUNING_RECORDS = {
    "deep_record": '{"records": [{"key": ' + "[" * 100_000 + "]" * 100_000 + "}]}",
    "open_record": "[" * 1_000_000,
    "broken_record": '{"records": [{"key": null}, 3, "\\ud800"]}',
}


def put(folder, name, row):
    """Makes the model's folder; a path to what is no fixture becomes a link to it."""
    content = row.content
    if isinstance(content, Sparse):
        (folder / name / "1").mkdir(parents=True)
        content.put(folder / name / "1" / row.file)
        return
    is_link = isinstance(content, pathlib.Path) and not content.is_relative_to(FIXTURES)
    if not is_link:
        row.put(folder / name)
        return
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "1" / row.file).symlink_to(content)
    (folder / name / "config.pbtxt").write_text(row.config)


def put_unnamable(folder):
    """Folders whose names would forge a line of a log, or are no text."""
    for name in (b"line\nbreak", b"\x1b[2Jscreen", b"x" * 255, b"caf\xe9", b"\xff\xfe\xed\xa0\x80"):
        version = os.path.join(os.fsencode(folder), name, b"1")
        os.makedirs(version)
        with open(os.path.join(version, b"model.pt"), "wb") as file:
            file.write(b"nothing")


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, row in HOSTILE.items():
        put(folder, name, row)
    put_unnamable(folder)


if __name__ == "__main__":
    main()
