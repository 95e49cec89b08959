"""The bytes of files that cannot be served, made as their own tools begin them: what wrong_files.py has its rows of."""

import io
import os
import pathlib
import struct
import tarfile
import zipfile

import numpy as np

REPO = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = REPO / "tests" / "fixtures"
READER_FIXTURES = REPO / "server" / "checkpoint" / "testdata"
TORCHSCRIPT = FIXTURES / "mlp" / "1" / "mlp.pt"
WEIGHTS = FIXTURES / "loader" / "plain.pth"


def zipped(entries, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as z:
        for name, content in entries.items():
            z.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def rezipped(path, replace, without=""):
    """The archive with some entries changed: {end of the name: function of the content}, and one left out."""
    with zipfile.ZipFile(path) as z:
        entries = {name: z.read(name) for name in z.namelist() if not (without and name.endswith("/" + without))}
    for end, change in replace.items():
        (name,) = [n for n in entries if n.endswith("/" + end)]
        entries[name] = change(entries[name])
    return zipped(entries)


def cut(path, kept):
    """The first part of a file, as a download that broke off leaves it."""
    content = path.read_bytes()
    return content[:int(len(content) * kept)]


class Exploit:
    def __reduce__(self):
        return os.system, ("touch torchferry_pwned",)


def checkpoint_of(pickled):
    """A torch.save archive around that data.pkl."""
    return zipped({"archive/data.pkl": pickled, "archive/byteorder": b"little", "archive/version": b"3\n"})


def npz():
    buffer = io.BytesIO()
    np.savez(buffer, weight=np.zeros(2, np.float32))
    return buffer.getvalue()


def npy():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(2, np.float32))
    return buffer.getvalue()


def tar(**entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as t:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            t.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def field(number, content):
    """A protobuf field: an int or bytes."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    size, tag = len(content), bytes([number << 3 | 2])
    return tag + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + content


def onnx(producer=b"pytorch"):
    node = field(1, b"x") + field(2, b"y") + field(4, b"Relu")
    graph = field(1, node) + field(2, b"main_graph")
    return field(1, 8) + field(2, producer) + field(3, b"2.1.0") + field(7, graph) + field(8, field(2, 17))


def graph_def():
    node = field(1, b"input") + field(2, b"Placeholder")
    other = field(1, b"output") + field(2, b"Identity") + field(3, b"input")
    return field(1, node) + field(1, other) + field(4, field(1, 0x7f))


def saved_model():
    return field(1, 1) + field(2, field(1, field(5, b"2.15.0") + field(4, b"serve")) + field(2, graph_def()))


def safetensors(header, data=b""):
    text = header.encode()
    return struct.pack("<Q", len(text)) + text + data


def zip_bomb():
    """300 MiB of zeros in 0.3 MiB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as z:
        with z.open("archive/data.pkl", "w") as entry:
            for _ in range(300):
                entry.write(bytes(1 << 20))
        z.writestr("archive/version", b"3\n")
    return buffer.getvalue()


def aot_inductor():
    """What torch._inductor.aoti_compile_and_package writes, with a shorter library."""
    folder = "model/data/aotinductor/model/cfeyzhpudp72a27rp6yne5vm24a35mblyacq4yokcppu767cvuje.wrapper"
    return zipped({f"{folder}.so": b"\x7fELF" + bytes(60), f"{folder}_metadata.json": b'{"AOTI_DEVICE_KEY": "cpu"}',
                   "model/archive_format": b"pt2", "model/archive_version": b"0", "model/.data/version": b"3\n",
                   "model/byteorder": b"little"})


def script_with(old, new):
    """The scripted Mlp with another piece of source."""
    def change(code):
        assert old in code
        return code.replace(old, new, 1)

    return rezipped(TORCHSCRIPT, {"code/__torch__.py": change})


def with_type_tag(deep):
    """A scripted module whose data.pkl says of an attribute that it is of that type."""
    def change(pickled):
        tag = b"X" + struct.pack("<I", len(b"Dict[str, int]")) + b"Dict[str, int]"
        assert tag in pickled
        return pickled.replace(tag, b"X" + struct.pack("<I", len(deep)) + deep)

    return rezipped(READER_FIXTURES / "scripted.pt", {"data.pkl": change})


def forward_py(expression):
    return (("forward.py", f"def forward(self, x: Tensor) -> Tensor:\n    return {expression}\n".encode()),)


def custom_operators(code):
    return code.replace(b"torch.relu(", b"ops.torchvision.roi_align(", 1)


def with_engine(code):
    """What Torch-TensorRT's archives have: an attribute of a class of its library."""
    attribute = b"  training : bool\n"
    assert attribute in code
    return code.replace(attribute, attribute + b"  engine : __torch__.torch.classes.tensorrt.Engine\n", 1)


def encrypted_zip():
    """A zip with the flag that says so on each entry."""
    content = bytearray(WEIGHTS.read_bytes())
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(magic)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(magic, at + 1)
    return bytes(content)
