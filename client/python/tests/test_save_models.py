"""torchferry.save over modules of every shape that people write: names, types, sizes, batching, and answers that are
the module's."""

import dataclasses

import numpy as np
import pytest

import torchferry
from save_modules import (
    Autocast,
    Branches,
    Counter,
    Keywords,
    Mean,
    Mixed,
    Net,
    OfDataclass,
    OfDict,
    OfDictInput,
    OfNamedTuple,
    OfNested,
    OfTuple,
    Random,
    Remembering,
    SequenceFirst,
    Tokens,
    X,
)
from saving import config_of, loaded, passport_of, said, tensors_in

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


@pytest.fixture
def save(tmp_path):
    def one(model, example, name="m", **options):
        return torchferry.save(model, example, tmp_path / "store", name=name, **options)

    return one


def tensors(result):
    if isinstance(result, torch.Tensor):
        return [result]
    if dataclasses.is_dataclass(result):
        result = [getattr(result, field.name) for field in dataclasses.fields(result)]
    values = result.values() if isinstance(result, dict) else result
    return [tensor for value in values if value is not None for tensor in tensors(value)]


def check_answers(saved, model, example, **options):
    """The version answers in PyTorch as the module does, for the example and for other rows."""
    run = loaded(saved)
    args, kwargs = (example if isinstance(example, tuple) else (example,)), {}
    if isinstance(example, dict):
        args, kwargs = (), example
    model.eval()
    with torch.no_grad():
        got, want = tensors(run(*args, **kwargs)), tensors(model(*args, **kwargs))
    assert len(got) == len(want)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, **options)


@pytest.mark.parametrize("format", ["export", "script", "trace", "state_dict"])
@pytest.mark.parametrize(
    "module, outputs",
    [
        (Net, {"OUTPUT__0": ("FP32", [5])}),
        (OfTuple, {"OUTPUT__0": ("FP32", [5]), "OUTPUT__1": ("FP32", [6])}),
        (OfDict, {"scores": ("FP32", [5]), "best": ("INT64", [5])}),
        (OfNamedTuple, {"sum": ("FP32", [5]), "difference": ("FP32", [5])}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_format_has_the_modules_names_and_answers(save, format, module, outputs):
    model = module()
    saved = save(model, X, format=format)
    config = config_of(saved)
    assert saved.format == format
    assert tensors_in(config, "input") == {"x": ("FP32", [6])}
    assert tensors_in(config, "output") == outputs
    assert "max_batch_size: 64\n" in config and "dynamic_batching { }" in config
    check_answers(saved, model, X)
    assert (
        passport_of(saved)["saved"]["program"]
        == {
            "export": "torch.export",
            "script": "torchscript-script",
            "trace": "torchscript-trace",
            "state_dict": "state_dict",
        }[format]
    )


@pytest.mark.parametrize("format", ["export", "trace"])
@pytest.mark.parametrize(
    "module, names",
    [
        (OfNested, ["OUTPUT__0", "OUTPUT__1", "OUTPUT__2", "OUTPUT__4"]),
        (OfDataclass, ["scores", "also"]),
    ],
    ids=["nested", "dataclass"],
)
def test_outputs_of_any_structure_are_flat(save, format, module, names):
    model = module()
    saved = save(model, X, format=format)
    if module is OfNested:
        names = ["OUTPUT__0", "OUTPUT__1", "OUTPUT__2", "OUTPUT__4"]
    assert [output.name for output in saved.signature.outputs] == names
    check_answers(saved, model, X)


def test_output_names_replace_all(save):
    for format in ("export", "trace"):
        saved = save(OfDict(), X, name=format, format=format, output_names=["a", "b"])
        assert list(tensors_in(config_of(saved), "output")) == ["a", "b"]
        assert list(loaded(saved)(X)) == ["a", "b"]
    assert [
        o.name for o in save(OfTuple(), X, name="s", format="script", output_names=["a", "b"]).signature.outputs
    ] == ["a", "b"]
    with pytest.raises(torchferry.SaveError, match="expected 2 different names, for forward gives scores, best"):
        save(OfDict(), X, name="few", output_names=["a"])
    with pytest.raises(torchferry.SaveError, match="keys of a dict are the names"):
        save(OfDict(), X, name="script", format="script", output_names=["a", "b"])


@pytest.mark.parametrize("format", ["export", "script", "trace"])
def test_parts_of_a_dict_are_inputs(save, format):
    model = OfDictInput()
    example = ({"Image": X, "scale": torch.ones(4, 1)}, torch.ones(4, 5))
    saved = save(model, example, format=format)
    assert [(i.name, i.dims) for i in saved.signature.inputs] == [
        ("batch_image", (6,)),
        ("batch_scale", (1,)),
        ("bias", (5,)),
    ]
    check_answers(saved, model, example)


def test_keyword_arguments_and_numpy_arrays(save):
    model = Keywords()
    example = {"shift": np.ones((4, 5), np.float32), "x": X.numpy(), "scale": np.full((4, 1), 0.5, np.float32)}
    saved = save(model, example)
    assert [i.name for i in saved.signature.inputs] == ["x", "scale", "shift"]
    check_answers(saved, model, {name: torch.tensor(value) for name, value in example.items()})


def test_an_example_may_be_a_function(save):
    assert save(Net(), lambda: (X,)).signature.inputs[0].dims == (6,)


@pytest.mark.parametrize("format, inputs", [("export", ["x"]), ("trace", ["x"]), ("script", ["x", "times"])])
def test_a_number_is_fixed_but_in_a_script(save, format, inputs):
    saved = save(Mixed(), (X, 3), format=format)
    assert [i.name for i in saved.signature.inputs] == inputs
    assert said(saved, "argument times is 3", "no input") == (format != "script")


def test_branches_on_values_are_left_to_script(save):
    model = Branches()
    saved = save(model, X)
    assert saved.format == "script"
    assert said(saved, "torch.export does not work") and said(saved, "saved with torch.jit.script")
    check_answers(saved, model, X + 2)
    check_answers(saved, model, X - 2)


def test_a_trace_that_has_one_branch_alone_is_found_out(save):
    class OtherRows(Net):
        def forward(self, x):
            return self.body(x) if x.shape[0] < 3 else self.body(x) * 1.01

    with pytest.raises(torchferry.SaveError, match="what it made answers otherwise than the model in OUTPUT__0, for x"):
        save(OtherRows(), X, format="trace")


def test_other_sizes_than_the_batch_are_free_where_asked(save):
    example = {"ids": torch.arange(12).reshape(2, 6) % 20, "mask": torch.ones(2, 6, dtype=torch.int64)}
    model = Tokens()
    fixed = save(model, example, name="fixed")
    free = save(model, example, name="free", dynamic={"ids": {1: "tokens"}, "mask": {1: "tokens"}})
    assert tensors_in(config_of(fixed), "input") == {"ids": ("INT64", [6]), "mask": ("INT64", [6])}
    assert tensors_in(config_of(free), "input") == {"ids": ("INT64", [-1]), "mask": ("INT64", [-1])}
    assert tensors_in(config_of(free), "output") == {"tokens": ("FP32", [-1, 3]), "pooled": ("FP32", [3])}
    longer = {"ids": torch.arange(27).reshape(3, 9) % 20, "mask": torch.ones(3, 9, dtype=torch.int64)}
    check_answers(free, model, longer)


@pytest.mark.parametrize(
    "dynamic, message",
    [
        ({"y": {1: "n"}}, "dynamic names the input 'y'; expected one of x"),
        ({"x": {2: "n"}}, "dimension 2 of x; expected 0 to 1"),
        ({"x": {1: 5}}, "dynamic has the label 5"),
        ({"x": {1: "n"}}, "forward fails on other sizes"),
    ],
)
def test_wrong_dynamic_sizes_are_refused(save, dynamic, message):
    with pytest.raises(torchferry.SaveError, match=message):
        save(Net(), X, dynamic=dynamic)


@pytest.mark.parametrize(
    "module, why",
    [
        (SequenceFirst, "a row alone is answered otherwise"),
        (Mean, "a row alone is answered otherwise"),
    ],
    ids=["sequence first", "rows that see one another"],
)
def test_what_only_looks_like_a_batch_is_none(save, module, why):
    model = module()
    example = torch.randn(5, 3, 6) if module is SequenceFirst else X
    saved = save(model, example)
    assert saved.signature.max_batch_size == 0 and said(saved, "requests share no batch", why)
    assert saved.signature.inputs[0].dims == tuple(example.shape)
    assert "dynamic_batching" not in config_of(saved)
    check_answers(saved, model, example)


def test_sizes_that_the_values_decide_are_free(save):
    class Positive(nn.Module):
        def forward(self, x):
            return x[x > 0]

    for format in ("export", "script", "trace"):
        assert save(Positive(), X, name=format, format=format).signature.outputs[0].dims == (-1,)


def test_an_output_that_follows_a_free_size_slowly_is_free(save):
    model = nn.Sequential(nn.Conv1d(2, 3, 8, stride=8))
    for format in ("export", "trace"):
        saved = save(model, torch.randn(2, 2, 64), name=format, format=format, dynamic={"input": {2: "samples"}})
        assert saved.signature.outputs[0].dims == (3, -1)


def test_free_sizes_without_a_free_batch(save):
    """torch.export fixes the batch here; the other size is free, and is checked with the example's rows."""

    class Rows(Net):
        def forward(self, x):
            return torch.stack([row.sum(1) for row in x])

    saved = save(Rows(), torch.randn(3, 4, 6), format="export", dynamic={"x": {1: "n"}})
    assert saved.signature.max_batch_size == 0
    assert saved.signature.inputs[0].dims == (3, -1, 6) and saved.signature.outputs[0].dims == (3, -1)
    check_answers(saved, Rows(), torch.randn(3, 9, 6))


def test_two_inputs_whose_rows_nothing_makes_equal_share_the_batch(save):
    class Apart(Net):
        def forward(self, x, y):
            return {"a": self.body(x), "b": y + 1}

    saved = save(Apart(), (X, torch.ones(4, 2)), format="export")
    assert saved.signature.max_batch_size == 64


def test_values_that_a_trace_keeps_are_found_out(save):
    """Another example of the same size shows them, also where nothing varies."""

    class Kept(Net):
        def forward(self, x):
            return self.body(x) * float(x.sum())

    with pytest.raises(torchferry.SaveError, match="what it made answers otherwise"):
        save(Kept(), X + torch.arange(24).reshape(4, 6) ** 2, format="trace", max_batch_size=0)


def test_torchscript_is_no_module_to_save(save):
    with pytest.raises(torchferry.SaveError, match="TorchScript already, which is served as it is"):
        save(torch.jit.script(Net()), X)


def test_pages_of_a_failed_export_are_not_printed(save, capfd):
    class Guarded(Net):
        def forward(self, x):
            y = x[x > 0]
            return self.body(x) if y.numel() > 3 else self.body(x) + 1

    assert save(Guarded(), X).format == "script"
    assert "def forward" not in capfd.readouterr().err


def test_single_numbers_are_left_to_the_passport(save):
    class Numbers(Net):
        def forward(self, x, scale):
            return self.body(x).sum(1) * scale

    saved = save(Numbers(), (X, torch.ones(4)))
    config = config_of(saved)
    assert tensors_in(config, "input") == tensors_in(config, "output") == {}
    assert '# "scale" is a single number in each row' in config and "max_batch_size: 64" in config
    assert passport_of(saved)["signature"]["inputs"][1] == {"name": "scale", "type": "FP32", "dims": []}


def test_max_batch_size_is_the_callers(save):
    assert "max_batch_size: 7\n" in config_of(save(Net(), X, name="seven", max_batch_size=7))
    none = save(Net(), X, name="none", max_batch_size=0)
    assert none.signature.inputs[0].dims == (4, 6) and "max_batch_size" not in config_of(none)


def test_a_batch_that_export_fixes_is_said(save):
    class Two(Net):
        def forward(self, x):
            return torch.stack([self.body(row) for row in x])

    saved = save(Two(), X)
    assert saved.format == "export" and saved.signature.max_batch_size == 0
    assert said(saved, "torch.export fixed the batch at the example's 4 rows", 'format="script"')
    assert save(Two(), X, name="scripted", format="script").signature.max_batch_size == 64


def test_random_answers_have_no_golden_row(save):
    model = Random()
    before = torch.get_rng_state()
    saved = save(model, X)
    assert torch.equal(before, torch.get_rng_state())
    assert said(saved, "random numbers") and "golden" not in passport_of(saved)


@pytest.mark.parametrize("module, format", [(Counter, "export"), (Counter, "script"), (Remembering, "script")])
def test_state_stays_as_it_was(save, module, format):
    model = module()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    last = model.last if module is Remembering else None
    saved = save(model, X, format=format, max_batch_size=0)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    if last is not None:
        assert model.last is last
    fresh = module()
    check_answers(saved, fresh, X)


def test_a_region_of_autocast_becomes_casts(save):
    saved = save(Autocast(), X, format="export")
    program = torch.export.load(saved.path / "model.pt2")
    assert not any("autocast" in str(node.target) for node in program.graph.nodes)


@pytest.mark.parametrize("dtype, name", [(torch.float16, "FP16"), (torch.bfloat16, "BF16"), (torch.float64, "FP64")])
def test_precisions_are_kept(save, dtype, name):
    model = Net().to(dtype)
    saved = save(model, X.to(dtype))
    assert saved.signature.inputs[0].type == saved.signature.outputs[0].type == name
    assert passport_of(saved)["saved"]["dtypes"] == [name]
    check_answers(saved, model, X.to(dtype))
    assert next(model.parameters()).dtype is dtype


def test_modes_and_gradients_are_restored(save):
    model = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
    model.train()
    model[1].eval()
    mean = model[1].running_mean.clone()
    saved = save(model, X)
    assert [part.training for part in model] == [True, False, True] and model.training
    assert torch.equal(model[1].running_mean, mean)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert torch.is_grad_enabled() and said(saved, "was in train mode")
    check_answers(saved, model, X)


@pytest.mark.parametrize(
    "example, message",
    [
        (X.numpy().astype(np.float64), "FP64, as NumPy makes it"),
        ({"y": X}, "forward does not take the example: missing a required argument: 'x'. It takes .x."),
        ([X], "the example is a list; expected a tensor, a tuple"),
        ((3,), "the example has no tensor"),
        (X[:0], "the example has no rows"),
        (torch.randn(4, 7), "forward fails on the example: mat1 and mat2 shapes cannot be multiplied"),
    ],
)
def test_wrong_examples_are_refused(save, example, message, tmp_path):
    with pytest.raises(torchferry.SaveError, match=message):
        save(Net(), example)
    assert not (tmp_path / "store").exists()


def test_types_that_no_config_has_are_refused(save):
    class Complex(Net):
        def forward(self, x):
            return torch.fft.fft(self.body(x))

    with pytest.raises(torchferry.SaveError, match="output OUTPUT__0 is complex64.*torch.view_as_real"):
        save(Complex(), X)


def test_a_forward_that_writes_to_its_input_leaves_the_example_alone(save):
    class Writes(nn.Module):
        def forward(self, x):
            return x.mul_(2)

    example = torch.ones(2, 3)
    save(Writes(), example)
    assert torch.equal(example, torch.ones(2, 3))


def test_a_callers_autocast_does_not_reach_the_file(save):
    model = Net()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        saved = save(model, X)
    assert saved.signature.outputs[0].type == "FP32"
    check_answers(saved, model, X)


def test_tensors_and_a_block_in_inference_mode(save):
    model = Net()
    with torch.inference_mode():
        example = torch.ones(2, 6)
        save(model, example, name="inside")
    save(model, example, name="outside")


def test_hooks_are_part_of_the_model(save):
    model = Net()
    model.body.register_forward_hook(lambda module, given, result: result * 2)
    check_answers(save(model, X, format="export"), model, X)


def test_a_foreign_operator_is_refused_by_name(save):
    library = torch.library.Library("torchferry_test", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: x * 2, "CompositeExplicitAutograd")
    library.impl("twice", lambda x: torch.empty_like(x), "Meta")

    class Foreign(Net):
        def forward(self, x):
            return torch.ops.torchferry_test.twice(self.body(x))

    with pytest.raises(torchferry.SaveError, match="it calls torchferry_test.twice.*leave that step to the client"):
        save(Foreign(), X)
