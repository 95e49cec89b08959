"""TorchScript archives and forward.py files made to be read in two ways, to run code before it is checked, or to exhaust
the compiler: each is FAILED with a reason, nothing of it has run, and the good model goes on serving."""

import zipfile

import pytest

import harness
from harness import Client, Code, check_message
from stores import Store
from torch_archives import entries, write_entry
from wire import FIXTURES, assert_close, reference

MLP = FIXTURES / "mlp" / "1" / "mlp.pt"
MLP_WEIGHTS = FIXTURES / "mlp_cuda" / "1" / "resnet18_gpu.pth"
DATA_LOSS, INVALID = Code.DATA_LOSS.value[0], Code.INVALID_ARGUMENT.value[0]
NNAPI = "__torch__.torch.classes._nnapi.Compilation"
FORWARD = "  def forward(self: __torch__.Mlp,\n    x: Tensor"


def archive(path, change=None, added=()):
    """The fixture's archive with its root class's source changed, and with entries added: (name, content)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as target:
        for short, name, content, method in entries(MLP):
            if short == "code/__torch__.py" and change is not None:
                content = change(content.decode()).encode()
            write_entry(target, name, content, method)
        for name, content in added:
            write_entry(target, f"model/{name}", content)
    return path


def deep_methods(source, count=3000):
    """As many methods, each of which calls the one behind it."""
    chain = "".join(f"  def m{i}(self: __torch__.Mlp,\n    x: Tensor) -> Tensor:\n    return (self).m{i + 1}(x, )\n"
                    for i in range(count))
    last = f"  def m{count}(self: __torch__.Mlp,\n    x: Tensor) -> Tensor:\n    return torch.neg(x)\n"
    return source.replace("torch.softmax((self).logits(x, ), 1)", "torch.softmax((self).m0(x, ), 1)") + chain + last


def forward_py(count=3000):
    chain = "".join(f"def m{i}(self, x: Tensor) -> Tensor:\n    return self.m{i + 1}(x)\n" for i in range(count))
    return f"def forward(self, x: Tensor) -> Tensor:\n    return self.m0(x)\n{chain}def m{count}(self, x: Tensor) -> Tensor:\n    return x\n"


# model: (code, what its reason must name)
HOSTILE = {
    "other_case": (DATA_LOSS, ["other_case/1/model.pt", "differ in nothing but case"]),
    "two_versions": (DATA_LOSS, ["two_versions/1/model.pt", "two versions"]),
    "default_reads_the_heap": (DATA_LOSS, ["default_reads_the_heap/1/model.pt", "calls a function"]),
    "method_reads_the_heap": (DATA_LOSS, ["method_reads_the_heap/1/model.pt", "aten::_reshape_alias", "memory that is not its own"]),
    "reads_the_heap": (DATA_LOSS, ["reads_the_heap/1/model.pt", "inductor::_reinterpret_tensor"]),
    "opens_a_library": (DATA_LOSS, ["opens_a_library/1/model.pt", "_nnapi"]),
    "deep_archive": (DATA_LOSS, ["deep_archive/1/model.pt", "deep"]),
    "deep_forward_py": (None, ["deep_forward_py/forward.py"]),
    "default_in_forward_py": (DATA_LOSS, ["default_in_forward_py/forward.py:1", "default value"]),
}


def fill(store, target):
    def model(name):
        return store.path / name / "1" / "model.pt"

    archive(model("other_case"), added=[("Code/__torch__.PY", b"class Mlp(Module):\n")])
    archive(model("two_versions"), added=[(".data/version", b"1\n")])
    archive(model("default_reads_the_heap"), lambda s: s.replace(FORWARD, f"{FORWARD}, y: Tensor=torch.zeros([1])._reshape_alias([9], [1])"))
    archive(model("method_reads_the_heap"), lambda s: s.replace("    return _0\n", "    return _0._reshape_alias([100000], [1])\n"))
    archive(model("reads_the_heap"), lambda s: s.replace(
        "    return _0\n", "    return ops.inductor._reinterpret_tensor(_0, [100000], [1], 100)\n"))
    archive(model("opens_a_library"), lambda s: s.replace(
        "    return _0\n", f"    nn = {NNAPI}.__new__({NNAPI})\n    _9 = (nn).__init__()\n    return _0\n"))
    archive(model("deep_archive"), deep_methods)
    for name, source in {
            "deep_forward_py": forward_py(),
            "default_in_forward_py": f'def forward(self, x: Tensor, y: Tensor = torch.from_file("{target}", True, 10)):\n    return x\n',
    }.items():
        store.add_file(name, MLP_WEIGHTS)
        (store.path / name / "forward.py").write_text(source)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile_archives")


@pytest.fixture(scope="module")
def target(folder):
    return folder / "written_by_a_model"


@pytest.fixture(scope="module")
def server(folder, target):
    store = Store(folder / "store")
    store.add("mlp", "good")
    archive(store.path / "notes" / "1" / "model.pt", added=[("extra/notes", b"kept"), ("model.json", b"{}")])
    fill(store, target)
    with harness.serving(store, folder / "server") as server:
        yield server.wait_settled()


@pytest.fixture(scope="module")
def versions(server):
    with Client(server.address) as client:
        return {name: version for (name, _), version in client.models().items()}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive_is_failed_with_a_reason(versions, name):
    code, fragments = HOSTILE[name]
    version = versions[name]
    if code is not None:
        assert version.error_code == code, version.error_message
    check_message(version.error_message, *fragments)


def test_nothing_has_run_and_the_good_one_serves(server, versions, target):
    assert not target.exists()
    with Client(server.address) as client:
        for name in ("good", "notes"):
            outputs = client.predict_arrays(name, {"x": reference("mlp", "x", 7)})
            assert_close(list(outputs.values())[0], reference("mlp", "probabilities", 7))


def test_a_file_that_is_replaced_while_the_version_loads_is_not_read(store, start):
    """What is answered comes from the file that was checked, whatever stands under its path later."""
    path = archive(store.path / "mlp" / "1" / "model.pt")
    server = start()
    path.write_bytes(b"PK\x03\x04 something else")
    with Client(server.address) as client:
        outputs = client.predict_arrays("mlp", {"x": reference("mlp", "x", 7)})
        assert_close(list(outputs.values())[0], reference("mlp", "probabilities", 7))
