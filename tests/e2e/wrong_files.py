"""Files that people put into a store and that cannot be served, each with the code and the words that they must meet with.

Most are made here, byte by byte as their own tools begin them; those that only PyTorch writes are fixtures. Run as a
script, it fills a folder with them: python wrong_files.py FOLDER
"""

import dataclasses
import gzip
import os
import pathlib
import pickle
import sys
from collections.abc import Callable

from wrong_makers import (Exploit, FIXTURES, READER_FIXTURES, TORCHSCRIPT, WEIGHTS, aot_inductor, checkpoint_of,
                          custom_operators, cut, encrypted_zip, forward_py, graph_def, npy, npz, onnx, rezipped,
                          safetensors, saved_model, script_with, tar, with_engine, with_type_tag, zip_bomb, zipped)

WITH_FORWARD = (("forward.py", FIXTURES / "loader" / "forward.py"),)
LEGACY = FIXTURES / "loader" / "legacy.pth"
STATE_DICT = "torchferry { state_dict { } }\n"


@dataclasses.dataclass(frozen=True)
class Wrong:
    """One row: what lies in MODEL/1/FILE, and what must be said of it."""

    code: str
    fragments: tuple[str, ...]  # of the message; the file's path is always among them
    content: object = None  # bytes, a path to copy, a function that makes either, or one of the marks below
    file: str = "model.pt"
    config: str = ""
    others: tuple[tuple[str, object], ...] = ()  # (name, content) of further files in MODEL/
    about: str | None = None  # what the message names instead of the file, in MODEL/; "": it is about no file

    def put(self, model):
        """Makes the model's folder."""
        put(model / "1" / self.file, self.content)
        if self.config:
            put(model / "config.pbtxt", self.config.encode())
        for name, content in self.others:
            put(model / name, content)


DIRECTORY, ABSENT, UNREADABLE, PIPE, LOOP = "a directory", "not there", "not readable", "a pipe", "a link to itself"


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Callable):
        content = content()
    if isinstance(content, pathlib.Path):
        content = content.read_bytes()
    if content is DIRECTORY:
        path.mkdir()
    elif content is PIPE:
        os.mkfifo(path)
    elif content is LOOP:
        path.symlink_to(path.name)
    elif content is UNREADABLE:
        path.write_bytes(WEIGHTS.read_bytes())
        path.chmod(0)
    elif content is not ABSENT:
        path.write_bytes(content)


HTML = b"<!DOCTYPE html>\n<html><head><title>Google Drive - Virus scan warning</title></head></html>\n"
LFS = b"""version https://git-lfs.github.com/spec/v1
oid sha256:d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432
size 1960032
"""
INDEX = b"""{
  "metadata": {"total_size": 28966928384},
  "weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}
}
"""
TRANSFORMERS_CONFIG = b'{"architectures": ["BertModel"], "hidden_size": 384}\n'
SAFE_HEADER = '{"w":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}'
TRUNCATED = ("download or copy",)

WRONG = {
    # What PyTorch wrote, and another way of saving is needed.
    "whole_model": Wrong("INVALID_ARGUMENT", ("training.models.Mlp", "torch.save(model.state_dict(), path)",
                                              "torch.jit.script(model).save(path)"),
                         FIXTURES / "bad" / "whole_model.pt"),
    "legacy_whole_model": Wrong("INVALID_ARGUMENT", ("__main__.Net", "model.state_dict()"),
                                READER_FIXTURES / "legacy_whole_model.pt"),
    "model_beside_less": Wrong("INVALID_ARGUMENT", ('"model"', "models.net.Net", 'state_dict { key: "normalizer" }'),
                               FIXTURES / "ways_out" / "model_beside.pth"),
    "torchscript_where_state_dict_declared": Wrong(
        "FAILED_PRECONDITION", ("TorchScript archive", "declares a state_dict", "torch.save(model.state_dict(), path)"),
        TORCHSCRIPT, config=STATE_DICT),
    "state_dict_without_architecture": Wrong(
        "FAILED_PRECONDITION", ("is a state_dict", "forward.py", "architecture.pt"), WEIGHTS,
        config='input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }\n'),
    "state_dict_as_architecture": Wrong(
        "FAILED_PRECONDITION", ("architecture.pt is a state_dict", "torch.jit.script(Model()).save"),
        FIXTURES / "loader" / "ambiguous.pth", others=(("architecture.pt", WEIGHTS),), about="architecture.pt",
        config='torchferry { state_dict { key: "ema" } }\n'),
    "ambiguous": Wrong("INVALID_ARGUMENT", ('"model" (4 tensors)', '"ema" (4 tensors)', "state_dict { key:"),
                       FIXTURES / "loader" / "ambiguous.pth", others=WITH_FORWARD),
    "list": Wrong("INVALID_ARGUMENT", ("holds a list", "state_dict"), READER_FIXTURES / "list.pt"),
    "bare_tensor": Wrong("INVALID_ARGUMENT", ("holds a bare tensor", "state_dict"), READER_FIXTURES / "bare_tensor.pt"),
    "no_tensors": Wrong("INVALID_ARGUMENT", ("without tensors", '"epoch"'), READER_FIXTURES / "no_tensors.pt"),
    "optimizer": Wrong("INVALID_ARGUMENT", ("without tensors", '"param_groups"'), FIXTURES / "wrong" / "optimizer.pth"),
    "quantised": Wrong("INVALID_ARGUMENT", ('tensor "w"', "quantised"), READER_FIXTURES / "quantised.pt"),
    "dynamically_quantised": Wrong("INVALID_ARGUMENT", ("quantised",), FIXTURES / "wrong" / "dynamically_quantised.pth"),
    "sparse": Wrong("INVALID_ARGUMENT", ('tensor "w"', "sparse"), READER_FIXTURES / "sparse.pt"),
    "meta": Wrong("INVALID_ARGUMENT", ("meta device",), READER_FIXTURES / "meta.pt"),
    "odd_dtype": Wrong("INVALID_ARGUMENT", ("torch.float8_e8m0fnu",), READER_FIXTURES / "odd_dtype.pt"),
    "big_endian": Wrong("INVALID_ARGUMENT", ("byte order", "big"), READER_FIXTURES / "big_endian.pt"),
    "fsdp_flat_parameters": Wrong("INVALID_ARGUMENT", ("_flat_param", "FULL_STATE_DICT"),
                                  FIXTURES / "wrong" / "fsdp_flat.pth", others=WITH_FORWARD),
    "sharded_part": Wrong("INVALID_ARGUMENT", ("fc.weight", "2 of 3"),
                          FIXTURES / "wrong" / "pytorch_model-00002-of-00003.bin",
                          file="pytorch_model-00002-of-00003.bin",
                          others=(("architecture.pt", FIXTURES / "wrong" / "linear_architecture.pt"),)),
    "sharded_index": Wrong("FAILED_PRECONDITION", ("model-00002-of-00002.safetensors is not there", "put it there"),
                           INDEX, file="model.safetensors.index.json", about="1/model-00002-of-00002.safetensors"),
    "sharded_index_without_files": Wrong("INVALID_ARGUMENT", ("names none", "NAME-00001-of-00002"),
                                         b'{"metadata": {"total_size": 1}, "weight_map": {}}', file="model.bin.index.json"),
    "sharded_index_that_leaves": Wrong("DATA_LOSS", ("../../good/1/mlp.pt", "beside the index"),
                                       b'{"weight_map": {"w": "../../good/1/mlp.pt"}}', file="model.bin.index.json"),
    "sharded_index_cut_short": Wrong("DATA_LOSS", ("no JSON",), INDEX[:-5], file="model.safetensors.index.json"),
    "bitsandbytes": Wrong("INVALID_ARGUMENT", ("fc.weight.absmax", "bitsandbytes", "load_file"),
                          FIXTURES / "ways_out" / "before" / "bitsandbytes" / "model.safetensors", others=WITH_FORWARD),
    "without_forward": Wrong("FAILED_PRECONDITION", ("no method forward", "encode_image, encode_text, project",
                                                     'method: "encode_image"'), FIXTURES / "ways_out" / "methods.pt"),
    "without_methods": Wrong("FAILED_PRECONDITION", ("no method forward", "put a forward.py beside it"),
                             FIXTURES / "ways_out" / "weights_alone.pt"),
    "unknown_method": Wrong("FAILED_PRECONDITION", ("no method embed", "its methods: forward, logits"), TORCHSCRIPT,
                            config='torchferry { method: "embed" }\n'),
    "method_of_forward_py": Wrong("FAILED_PRECONDITION", ("embed", "remove torchferry { method }"), WEIGHTS,
                                  config='torchferry { method: "embed" }\n', others=WITH_FORWARD, about="forward.py"),
    "class_of_a_library": Wrong("INVALID_ARGUMENT", ("tensorrt.Engine", "no library of them", "torch.jit.script(model)"),
                                lambda: rezipped(TORCHSCRIPT, {"code/__torch__.py": with_engine})),
    "code_is_missing": Wrong("DATA_LOSS", ("__torch__.Mlp", *TRUNCATED),
                             lambda: rezipped(TORCHSCRIPT, {}, without="code/__torch__.py")),
    "forward_py_without_forward": Wrong("INVALID_ARGUMENT", ("def forward(self",), WEIGHTS, others=(("forward.py", b""),),
                                        about="forward.py"),
    "aot_inductor": Wrong("INVALID_ARGUMENT", ("AOTInductor", "torch.export.save(ep, \"model.pt2\")"), aot_inductor,
                          file="model.pt2"),
    "newer_torchscript": Wrong("INVALID_ARGUMENT", ("newer PyTorch", "version 99"),
                               lambda: rezipped(TORCHSCRIPT, {"version": lambda _: b"99\n"})),
    "custom_operators": Wrong("INVALID_ARGUMENT", ("torchvision::roi_align", "no library of them"),
                              lambda: rezipped(TORCHSCRIPT, {"code/__torch__.py": custom_operators})),
    "torchscript_without_constants": Wrong("DATA_LOSS", ("constants.pkl", *TRUNCATED),
                                           lambda: rezipped(TORCHSCRIPT, {}, without="constants.pkl")),
    "older_than_1_4": Wrong("INVALID_ARGUMENT", ("before 1.4",),
                            lambda: zipped({"net/model.json": b"{}", "net/version": b"1\n", "net/tensors/0": bytes(8)})),
    "tar_checkpoint": Wrong("INVALID_ARGUMENT", ("tar archive", "save it again"),
                            lambda: tar(sys_info=b"\x80\x02}q\x00.", pickle=b"\x80\x02N.", storages=b"", tensors=b"")),

    # What did not arrive whole.
    "empty": Wrong("DATA_LOSS", ("is empty (0 bytes)", "again"), b""),
    "lfs_pointer": Wrong("DATA_LOSS", ("Git LFS pointer", "git lfs pull"), LFS),
    "html_page": Wrong("DATA_LOSS", ("HTML page", "download the file itself"), HTML),
    "truncated_zip": Wrong("DATA_LOSS", ("truncated", *TRUNCATED), FIXTURES / "bad" / "truncated.pt"),
    "truncated_torchscript": Wrong("DATA_LOSS", ("truncated", *TRUNCATED), lambda: cut(TORCHSCRIPT, 0.6)),
    "truncated_legacy_pickle": Wrong("DATA_LOSS", ("breaks off", *TRUNCATED), lambda: cut(LEGACY, 0.7)),
    "truncated_legacy": Wrong("DATA_LOSS", ("1000", *TRUNCATED), lambda: LEGACY.read_bytes()[:1000]),
    "truncated_safetensors": Wrong("DATA_LOSS", ("4000", "200", *TRUNCATED), safetensors(SAFE_HEADER, bytes(200))),
    "truncated_safetensors_header": Wrong("DATA_LOSS", TRUNCATED, safetensors(SAFE_HEADER)[:40]),
    "zeros": Wrong("DATA_LOSS", ("zero",), bytes(4096)),
    "corrupt_pickle": Wrong("DATA_LOSS", ("data.pkl",), FIXTURES / "bad" / "corrupt.pt", others=WITH_FORWARD),
    "directory": Wrong("INVALID_ARGUMENT", ("is a directory",), DIRECTORY,
                       config='default_model_filename: "model.pt"\n'),
    "absent": Wrong("NOT_FOUND", ("no such file",), ABSENT, config='default_model_filename: "model.pt"\n'),
    "no_permission": Wrong("PERMISSION_DENIED", ("no permission to read it", "read access"), UNREADABLE),

    "pipe": Wrong("INVALID_ARGUMENT", ("pipe",), PIPE, config='default_model_filename: "model.pt"\n'),
    "link_to_itself": Wrong("FAILED_PRECONDITION", ("leads in a circle",), LOOP,
                            config='default_model_filename: "model.pt"\n'),

    # A good state_dict, and what lies beside it.
    "architecture_is_lfs_pointer": Wrong("DATA_LOSS", ("Git LFS pointer", "git lfs pull"), WEIGHTS,
                                         others=(("architecture.pt", LFS),), about="architecture.pt"),
    "architecture_is_truncated": Wrong("DATA_LOSS", ("truncated",), WEIGHTS,
                                       others=(("architecture.pt", lambda: cut(TORCHSCRIPT, 0.6)),), about="architecture.pt"),
    "architecture_writes": Wrong("DATA_LOSS", ("save", "--trust-model-code"), WEIGHTS,
                                 others=(("architecture.pt", FIXTURES / "bad" / "writes_in_forward.pt"),),
                                 about="architecture.pt"),
    "architecture_of_another_model": Wrong("INVALID_ARGUMENT", ("Missing: none", "fc1.weight"), WEIGHTS,
                                           others=(("architecture.pt", FIXTURES / "pair" / "1" / "model.pt"),)),
    "forward_py_is_a_directory": Wrong("INVALID_ARGUMENT", ("is a directory",), WEIGHTS,
                                       others=(("forward.py", DIRECTORY),), about="forward.py"),
    "forward_py_is_large": Wrong("INVALID_ARGUMENT", ("at most",), WEIGHTS,
                                 others=(("forward.py", b"#" * (9 << 20)),), about="forward.py"),
    "named_architecture_absent": Wrong("FAILED_PRECONDITION", ("net.py", "state_dict.architecture"), WEIGHTS,
                                       config='torchferry { state_dict { architecture: "net.py" } }\n'),
    "mistaken_config": Wrong("INVALID_ARGUMENT", ("max_batch_sise",), WEIGHTS, config="\nmax_batch_sise: 4\n",
                             others=WITH_FORWARD, about="config.pbtxt:2"),
    "unknown_device": Wrong("INVALID_ARGUMENT", ("tpu", "cuda"), WEIGHTS, config='torchferry { device: "tpu:0" }\n',
                            others=WITH_FORWARD, about=""),
    "tensor_and_module_of_one_name": Wrong("INVALID_ARGUMENT", ('"fc"', "is a tensor's"), FIXTURES / "wrong" / "clash.pth",
                                           others=WITH_FORWARD),
    "key_with_an_empty_part": Wrong("INVALID_ARGUMENT", ("empty",), FIXTURES / "wrong" / "empty_part.pth",
                                    others=WITH_FORWARD),

    # Other tools' files.
    "onnx": Wrong("INVALID_ARGUMENT", ("ONNX", "torch.jit.script(model).save(path)"), onnx, file="model.onnx"),
    "saved_model": Wrong("INVALID_ARGUMENT", ("TensorFlow", "convert"), saved_model, file="saved_model.pb"),
    "graph_def": Wrong("INVALID_ARGUMENT", ("TensorFlow", "convert"), graph_def, file="frozen_graph.pb"),
    "tflite": Wrong("INVALID_ARGUMENT", ("TensorFlow Lite", "convert"), b"\x1c\0\0\0TFL3" + bytes(24), file="model.tflite"),
    "hdf5": Wrong("INVALID_ARGUMENT", ("HDF5", "Keras", "convert"), b"\x89HDF\r\n\x1a\n" + bytes(96), file="model.h5"),
    "keras": Wrong("INVALID_ARGUMENT", ("Keras", "convert"),
                   lambda: zipped({"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n"}),
                   file="model.keras"),
    "gguf": Wrong("INVALID_ARGUMENT", ("GGUF", "PyTorch weights"), b"GGUF\x03\0\0\0" + bytes(16), file="model.gguf"),
    "npy": Wrong("INVALID_ARGUMENT", ("NumPy array", 'torch.save({"weight"'), npy),
    "npz": Wrong("INVALID_ARGUMENT", ("NumPy", "torch.save"), npz),
    "plain_pickle": Wrong("INVALID_ARGUMENT", ("plain Python pickle", "torch.save"),
                          pickle.dumps({"w": [1.0, 2.0]}, protocol=4)),
    "joblib": Wrong("INVALID_ARGUMENT", ("plain Python pickle",),
                    b"\x80\x04\x95\x1c\0\0\0\0\0\0\0\x8c\x0fsklearn.svm._sv\x94\x8c\x03SVC\x94\x93\x94)\x81\x94."),
    "gzip": Wrong("INVALID_ARGUMENT", ("gzip", "uncompressed"), lambda: gzip.compress(WEIGHTS.read_bytes(), mtime=0)),
    "zip_of_a_checkpoint": Wrong("INVALID_ARGUMENT", ("zip", "weights.pth", "unpack"),
                                 lambda: zipped({"weights.pth": WEIGHTS.read_bytes(), "README.md": b"hello"})),
    "tar_of_a_checkpoint": Wrong("INVALID_ARGUMENT", ("tar archive", "unpacked"),
                                 lambda: tar(weights=WEIGHTS.read_bytes())),
    "elf": Wrong("INVALID_ARGUMENT", ("shared library",), b"\x7fELF\x02\x01\x01" + bytes(57), file="model.so"),
    "tensorrt": Wrong("INVALID_ARGUMENT", ("TensorRT engine", "torch.jit.script(model).save(path)"), b"ftrt" + bytes(60),
                      file="model.engine"),
    "executorch": Wrong("INVALID_ARGUMENT", ("ExecuTorch", "torch.jit.script(model).save(path)"),
                        b"\x30\0\0\0ET12" + bytes(56), file="model.pte"),
    "torch_package": Wrong("INVALID_ARGUMENT", ("torch.package", 'load_pickle("net", "model.pkl")'),
                           lambda: zipped({"m/.data/extern_modules": b"torch\n", "m/net/model.pkl": b"\x80\x02N.",
                                           "m/.data/version": b"6\n", "m/zoo.py": b"class Net: pass\n"})),
    "vocabulary": Wrong("INVALID_ARGUMENT", ("is a text file",), b"[PAD]\n[UNK]\n[CLS]\nthe\n", file="vocab.txt"),
    "lz4": Wrong("INVALID_ARGUMENT", ("LZ4", "uncompressed"), b"\x04\x22\x4d\x18" + bytes(32)),
    "text": Wrong("INVALID_ARGUMENT", ("text file",), b"weights: see the wiki\n", file="README.txt"),
    "json": Wrong("INVALID_ARGUMENT", ("JSON",), TRANSFORMERS_CONFIG, file="config.json"),
    "python": Wrong("INVALID_ARGUMENT", ("text file",), b"import torch\n\nmodel = torch.nn.Linear(2, 2)\n", file="model.py"),
    "noise": Wrong("INVALID_ARGUMENT", ("no known format", "de ad be ef"), b"\xde\xad\xbe\xef" * 64),

    # What would harm.
    "os_system": Wrong("DATA_LOSS", ("system", "nothing was run", "not be trusted"),
                       lambda: checkpoint_of(pickle.dumps(Exploit(), protocol=2))),
    "os_system_in_weights": Wrong("DATA_LOSS", ("system", "nothing was run"),
                                  lambda: checkpoint_of(pickle.dumps({"w": Exploit()}, protocol=2)), others=WITH_FORWARD),
    "os_system_plain": Wrong("INVALID_ARGUMENT", ("plain Python pickle",), lambda: pickle.dumps(Exploit(), protocol=4)),
    "zip_bomb": Wrong("DATA_LOSS", ("inflate", "limit"), zip_bomb),
    "encrypted_zip": Wrong("DATA_LOSS", ("encrypted",), encrypted_zip),
}


# Sound as far as reading goes: what compiling finds, the server says alone.
COMPILED = {
    "attribute_that_is_not_there": Wrong("DATA_LOSS", ("no attribute", "zz1"), lambda: script_with(b"self.fc1", b"self.zz1")),
    "code_is_no_torchscript": Wrong("DATA_LOSS", ("LibTorch cannot load it",),
                                    lambda: script_with(b"return ", b"retrn ")),
    "list_of_int_argument": Wrong("FAILED_PRECONDITION", ("is a List[int]", "Tensor"),
                                  lambda: script_with(b"x: Tensor) -> Tensor:\n    _0 = torch.softmax((self).logits(x, ), 1)\n",
                                                      b"x: List[int]) -> Tensor:\n    _0 = torch.zeros([1])\n"), about=""),
    "forward_py_with_bad_syntax": Wrong("INVALID_ARGUMENT", ("forward.py:", "expected"), WEIGHTS,
                                        others=forward_py("x +"), about="forward.py"),
    "forward_py_calls_itself": Wrong("INVALID_ARGUMENT", ("recursive",), WEIGHTS, others=forward_py("self.forward(x)"),
                                     about="forward.py"),
}

# What the compiler takes a deep stack for, and names that LibTorch has a meaning for: FAILED or READY, and the server lives.
DEEP = 100_000
LISTS_OF_TENSORS = b"List[" * DEEP + b"Tensor" + b"]" * DEEP
STRAINING = {
    "code_in_many_brackets": Wrong("", (), lambda: script_with(b"), 1)", b"), " + b"(" * DEEP + b"1" + b")" * (DEEP + 1))),
    "code_of_a_long_sum": Wrong("", (), lambda: script_with(b"), 1)", b"), " + b"+".join([b"1"] * DEEP) + b")")),
    "annotation_of_many_lists": Wrong("", (), lambda: script_with(b"x: Tensor", b"x: " + LISTS_OF_TENSORS)),
    "type_tag_of_many_lists": Wrong("", (), lambda: with_type_tag(LISTS_OF_TENSORS)),
    "forward_py_in_many_brackets": Wrong("", (), WEIGHTS, others=forward_py("(" * DEEP + "x" + ")" * DEEP)),
    "forward_py_of_a_long_sum": Wrong("", (), WEIGHTS, others=forward_py("+".join(["x"] * DEEP))),
    "forward_py_of_many_signs": Wrong("", (), WEIGHTS, others=forward_py("-" * DEEP + "x")),
    "forward_py_of_many_calls": Wrong("", (), WEIGHTS, others=forward_py("x" + ".t()" * DEEP)),
    "module_called_training": Wrong("", (), FIXTURES / "wrong" / "called_training.pth", others=forward_py("x")),
}


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, wrong in {**WRONG, **COMPILED, **STRAINING}.items():
        wrong.put(folder / name)


if __name__ == "__main__":
    main()
