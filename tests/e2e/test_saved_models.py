"""What torchferry.save has put into a store is served as it stands: no config is written by hand, and every answer is
PyTorch's.

Needs a Python with torch; those of torchvision and transformers are run where these are installed, too.
"""

import dataclasses
import shutil
import typing

import numpy as np
import pytest

import harness
import torchferry
from harness import Client
from stores import Store
from wire import array, pb, tensor

torch = pytest.importorskip("torch")
nn = torch.nn

# As a part of the outputs' largest magnitude: a server may compute FP16 in FP32, and in other threads.
TOLERANCES = {torch.float16: 1e-2, torch.bfloat16: 5e-2}


class Residual(nn.Module):
    """A small network like resnet18."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.block = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)
        )
        self.head = nn.Linear(8, 10)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 1.5)

    def forward(self, image):
        h = self.stem(image)
        return self.head(torch.relu(h + self.block(h)).mean((2, 3)))


class Encoder(nn.Module):
    """Like BERT: ids and a mask by keyword, a dict of two outputs."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, input_ids, attention_mask):
        h = self.layers(self.embed(input_ids), src_key_padding_mask=attention_mask == 0)
        return {"hidden": h, "pooled": torch.tanh(h[:, 0])}


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 12, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, frames):
        return self.head(self.lstm(frames)[0][:, -1])


class Scalars(nn.Module):
    """One number a row in and out, and none of the batch's dimension at the end."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 1)

    def forward(self, x, scale):
        y = self.body(x).squeeze(-1)
        return {"y": y * scale, "positive": y > 0, "place": x.argmax(1)}


class Parts(nn.Module):
    """Inputs in a dict, outputs nested."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 4)

    def forward(self, batch: dict[str, torch.Tensor], bias: torch.Tensor):
        y = self.body(batch["image"]) + batch["Other"]
        return y, (y + bias, y * 2)


class Branches(nn.Module):
    """Only torch.jit.script keeps both branches."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 3)

    def forward(self, x):
        if bool(x.sum() > 0):
            return self.body(x)
        return self.body(-x) + 1


class Remembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("sum", torch.zeros(1, 4))

    def forward(self, x):
        self.sum.add_(x.sum(0, keepdim=True))
        return x + self.sum


@dataclasses.dataclass
class Case:
    """`example` gives what forward takes for a number of rows; `inputs` are its names for a client, in order."""

    make: typing.Callable
    example: typing.Callable
    options: dict = dataclasses.field(default_factory=dict)
    inputs: tuple = ()
    rows: tuple = (1, 3, 5)
    wrap: typing.Callable = lambda model: model
    is_batched: bool = True


def images(*shape, dtype=torch.float32):
    return lambda rows: torch.randn(rows, *shape).to(dtype)


def tokens(length, vocabulary=50):
    def make(rows):
        mask = torch.ones(rows, length, dtype=torch.int64)
        mask[:, length - 2 :] = 0
        return {"input_ids": torch.randint(0, vocabulary, (rows, length)), "attention_mask": mask}

    return make


def resnet18():
    return pytest.importorskip("torchvision").models.resnet18(weights=None)


def bert():
    transformers = pytest.importorskip("transformers")
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "vocab_size": 100,
    }
    return transformers.BertModel(transformers.BertConfig(**sizes))


FREE_TOKENS = {"input_ids": {1: "tokens"}, "attention_mask": {1: "tokens"}}
IMAGE, FRAMES = images(3, 16, 16), images(7, 6)

CASES = {
    "residual": Case(Residual, IMAGE),
    "residual_script": Case(Residual, IMAGE, {"format": "script"}),
    "residual_trace": Case(Residual, IMAGE, {"format": "trace"}),
    "residual_weights": Case(Residual, IMAGE, {"format": "state_dict"}),
    "resnet18": Case(resnet18, images(3, 64, 64), rows=(1, 2)),
    "encoder": Case(Encoder, tokens(8)),
    "encoder_tokens": Case(Encoder, tokens(8), {"dynamic": FREE_TOKENS}),
    "bert": Case(bert, tokens(8), {"dynamic": FREE_TOKENS}),
    "lstm": Case(Recurrent, FRAMES),
    "lstm_script": Case(Recurrent, FRAMES, {"format": "script"}),
    "lstm_trace": Case(Recurrent, FRAMES, {"format": "trace"}),
    "compiled": Case(Residual, IMAGE, wrap=torch.compile),
    "data_parallel": Case(Residual, IMAGE, wrap=nn.DataParallel),
    "ddp": Case(Residual, IMAGE, wrap=nn.parallel.DistributedDataParallel),
    "fp16": Case(lambda: Residual().half(), images(3, 16, 16, dtype=torch.float16)),
    "bf16": Case(lambda: nn.Linear(4, 3).bfloat16(), images(4, dtype=torch.bfloat16)),
    "scalars": Case(Scalars, lambda rows: (torch.randn(rows, 4), torch.randn(rows)), inputs=("x", "scale")),
    "scalars_script": Case(
        Scalars, lambda rows: (torch.randn(rows, 4), torch.randn(rows)), {"format": "script"}, ("x", "scale")
    ),
    "parts": Case(
        Parts,
        lambda rows: ({"image": torch.randn(rows, 4), "Other": torch.randn(rows, 4)}, torch.randn(rows, 4)),
        inputs=("batch_image", "batch_other", "bias"),
    ),
    "parts_trace": Case(
        Parts,
        lambda rows: ({"image": torch.randn(rows, 4), "Other": torch.randn(rows, 4)}, torch.randn(rows, 4)),
        {"format": "trace"},
        ("batch_image", "batch_other", "bias"),
    ),
    "named": Case(Residual, IMAGE, {"output_names": ["logits"]}),
    "named_script": Case(Residual, IMAGE, {"output_names": ["logits"], "format": "script"}),
    "photographs": Case(Residual, images(3, 224, 224), rows=(1, 2)),
    "photographs_script": Case(Residual, images(3, 224, 224), {"format": "script"}, rows=(1, 2)),
    "branches": Case(Branches, images(4)),
    "unbatched": Case(Residual, IMAGE, {"max_batch_size": 0}, rows=(4,), is_batched=False),
}


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [leaf for part in (value.values() if hasattr(value, "values") else value) for leaf in flat(part)]


def message(value):
    """A tensor as clients send it."""
    if value.dtype is torch.bfloat16:
        return pb.Tensor(dtype=pb.DATA_TYPE_BF16, shape=value.shape, data=value.view(torch.uint8).numpy().tobytes())
    return tensor(value.numpy())


def values_of(message):
    if message.dtype == pb.DATA_TYPE_BF16:
        bits = np.frombuffer(message.data, "<u2").astype("<u4") << 16
        return bits.view("<f4").reshape(tuple(message.shape))
    return array(message)


@pytest.fixture(scope="module", autouse=True)
def process_group(tmp_path_factory):
    """A gloo group of this process alone, for DistributedDataParallel."""
    file = tmp_path_factory.mktemp("group") / "rendezvous"
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def saved(tmp_path_factory, process_group):
    """{name: (model, version)} of all cases that this Python can run; and the store."""
    store = Store(tmp_path_factory.mktemp("saved") / "store")
    models = {}
    for name, case in CASES.items():
        torch.manual_seed(0)
        try:
            model = case.make().eval()
        except pytest.skip.Exception:
            continue
        models[name] = (
            model,
            torchferry.save(case.wrap(model), case.example(4), store.path, name=name, **case.options),
        )
    return models, store


READS_PASSPORTS = "provenance" in pb.ModelFile.DESCRIPTOR.fields_by_name


@pytest.fixture(scope="module", params=["config", "passport"])
def client(request, saved, tmp_path_factory):
    """Of a server of the store as it was saved, and of one without any config.pbtxt."""
    store = saved[1]
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "passport":
        if not READS_PASSPORTS:
            pytest.skip("this server reads no passports")
        shutil.copytree(store.path, folder / "store", ignore=shutil.ignore_patterns("config.pbtxt", "warmup"))
        store = Store(folder / "store")
    with harness.serving(store, folder / "server", ready=False) as server:
        with Client(server.wait_settled().address) as client:
            client.has_configs = request.param == "config"
            yield client


def check_answer(client, name, case, model, version, rows, example=None):
    torch.manual_seed(rows)
    example = case.example(rows) if example is None else example
    leaves = flat(example)
    names = (
        case.inputs or tuple(example)
        if isinstance(example, dict)
        else case.inputs or (version.signature.inputs[0].name,)
    )
    response = client.predict(name, dict(zip(names, map(message, leaves), strict=True)))
    args, kwargs = (
        ((), example) if isinstance(example, dict) else (example if isinstance(example, tuple) else (example,), {})
    )
    with torch.no_grad():
        result = model(*args, **kwargs)
    want = dict(zip([output.name for output in version.signature.outputs], flat(result), strict=True))
    assert set(response.outputs) == set(want)
    for output, expected in want.items():
        got, expected = values_of(response.outputs[output]), expected.detach()
        assert got.shape == tuple(expected.shape), (output, got.shape)
        if not expected.is_floating_point():
            np.testing.assert_array_equal(got, expected.numpy(), output)
            continue
        largest = float(expected.abs().max())
        tolerance = TOLERANCES.get(expected.dtype, 1e-5)
        np.testing.assert_allclose(
            got, expected.float().numpy(), rtol=tolerance, atol=tolerance * largest, err_msg=output
        )


@pytest.mark.parametrize("name", CASES)
def test_served_as_it_was_saved(saved, client, name):
    case, models = CASES[name], saved[0]
    if name not in models:
        pytest.skip("torchvision or transformers is not installed")
    model, version = models[name]
    served = client.model(name)
    assert served.state == pb.MODEL_STATE_READY, served.error_message
    assert version.signature.max_batch_size == (64 if case.is_batched else 0), version.sentences
    warnings = [text for text in served.placement.decisions if text.startswith("warning")]
    assert not warnings, warnings
    for rows in case.rows:
        check_answer(client, name, case, model, version, rows)


def test_the_signature_is_what_was_saved(saved, client):
    for name, (_, version) in saved[0].items():
        served = client.model(name)
        if name == "scalars_script" and not READS_PASSPORTS:
            continue  # TorchScript has no types, and the config no dims: they are in the passport
        for kind, tensors in (("inputs", version.signature.inputs), ("outputs", version.signature.outputs)):
            rows = [-1] if version.signature.max_batch_size else []
            got = {
                t.name: (pb.DataType.Name(t.dtype).removeprefix("DATA_TYPE_"), list(t.shape))
                for t in getattr(served, kind)
            }
            want = {t.name: (t.type, [*rows, *t.dims]) for t in tensors}
            assert got.keys() == want.keys(), name
            for tensor_name, (dtype, shape) in want.items():
                assert got[tensor_name] == (dtype, shape), (name, tensor_name)


def test_each_version_is_warmed_up_by_the_example(saved, client):
    for name in saved[0] if client.has_configs else ():
        decisions = list(client.model(name).placement.decisions)
        assert any("model_warmup" in text for text in decisions), (name, decisions)


@pytest.mark.skipif(not READS_PASSPORTS, reason="this server reads no passports")
def test_golden_rows_hold_and_the_origin_is_shown(saved, client):
    for name, (_, version) in saved[0].items():
        served = client.model(name)
        assert served.file.provenance.program and served.file.provenance.saved_device == "cpu", name
        states = {pb.ParityState.Name(parity.state): parity.detail for parity in served.placement.parity}
        has_golden = not any("no golden row" in sentence for sentence in version.sentences)
        assert set(states) == ({"PARITY_STATE_PASSED"} if has_golden else set()), (name, states)


@pytest.mark.skipif(not READS_PASSPORTS, reason="this server reads no passports")
@pytest.mark.parametrize("name", ["photographs", "photographs_script"])
def test_a_golden_row_of_photographs_is_generated_and_holds(saved, client, name):
    version = saved[0][name][1]
    assert any("generated numbers and not the example's as image" in text for text in version.sentences), (
        version.sentences
    )
    (parity, *_) = client.model(name).placement.parity
    assert parity.state == pb.PARITY_STATE_PASSED and parity.rows == 1, parity.detail
    # The answer is one to compare with: it is large beside what a server may be off by.
    assert parity.difference < 1e-4 < parity.allowed


def test_other_numbers_of_tokens_are_answered_where_they_are_free(saved, client):
    case, (model, version) = CASES["encoder_tokens"], saved[0]["encoder_tokens"]
    for length in (3, 8, 13):
        torch.manual_seed(length)
        check_answer(client, "encoder_tokens", case, model, version, 2, tokens(length)(2))


def test_what_was_made_of_both_branches_takes_both(saved, client):
    case, (model, version) = CASES["branches"], saved[0]["branches"]
    assert version.format == "script"
    for sign in (1, -1):
        check_answer(client, "branches", case, model, version, 3, sign * torch.rand(3, 4))


def test_state_begins_where_it_was_saved(store, start):
    model = Remembers()
    model(torch.ones(1, 4))
    saved = torchferry.save(model, torch.ones(1, 4), store.path, name="sum", max_batch_size=0)
    assert model.sum.tolist() == [[1.0] * 4]
    server = start()
    with Client(server.address) as client:
        assert client.model("sum").stateful
        for _ in range(2):
            answer = client.predict_arrays("sum", {saved.signature.inputs[0].name: np.full((1, 4), 2, np.float32)})
            np.testing.assert_array_equal(answer["OUTPUT__0"], np.full((1, 4), 5, np.float32))


def test_a_watching_server_takes_each_version_up_whole(store, start):
    """Versions are published under a server that looks every few milliseconds: none is ever FAILED."""
    torchferry.save(nn.Linear(4, 2), torch.ones(2, 4), store.path, name="m")
    server = start("--watch", "--watch-interval-seconds", "0.05")
    with Client(server.address) as client:
        for version in range(2, 8):
            torch.manual_seed(version)
            model = nn.Linear(4, 2)
            assert torchferry.save(model, torch.ones(2, 4), store.path, name="m").version == version
            harness.wait_until(
                lambda number=version: (
                    ("m", number) in client.models() and client.models()["m", number].state == pb.MODEL_STATE_READY
                ),
                f"version {version} is READY",
            )
            with torch.no_grad():
                want = model(torch.ones(1, 4)).numpy()
            got = client.predict_arrays("m", {"input": np.ones((1, 4), np.float32)}, model_version=version)
            np.testing.assert_allclose(got["OUTPUT__0"], want, rtol=1e-5)
    log = server.log()
    assert "FAILED" not in log and "torchferry-stage" not in log
