"""Which files of a repository or a folder make a version."""

import pull_files  # noqa: F401  the package's path
import pytest
from torchferry._pull_choice import choose
from torchferry._pull_types import PullError, SourceFile

INDEX = ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]
HUB = ["README.md", "config.json", "tokenizer.json", ".gitattributes"]


def chosen(names, include=(), exclude=(), parts=INDEX):
    files = [SourceFile(name) for name in names]
    return [file.path for file in choose("src", files, include, exclude, lambda index: parts)]


@pytest.mark.parametrize(
    "names,expected",
    [
        # The usual repository of the hub.
        ([*HUB, "model.safetensors", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"], ["model.safetensors"]),
        (
            [*HUB, "pytorch_model.bin", "training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state_0.pth"],
            ["pytorch_model.bin"],
        ),
        # An index and its parts, in its order, whatever else holds the same weights.
        (
            [*HUB, "consolidated.safetensors", *reversed(INDEX), "model.safetensors.index.json", "pytorch_model.bin"],
            ["model.safetensors.index.json", *INDEX],
        ),
        # Parts without an index.
        ([*HUB, "w-2-of-2.bin", "w-1-of-2.bin"], ["w-1-of-2.bin", "w-2-of-2.bin"]),
        # A program is served as it stands.
        (["net.pt2", "model.safetensors"], ["net.pt2"]),
        # What the server reads beside it; the same elsewhere is not.
        (
            ["w.pt", "forward.py", "architecture.pt", "torchferry.json", "sub/forward.py"],
            ["w.pt", "forward.py", "architecture.pt", "torchferry.json"],
        ),
        # A variant beside the usual file.
        (["model.fp16.safetensors", "model.safetensors"], ["model.safetensors"]),
        # Below a folder, when there is none above.
        (["MLmodel", "data/model.pth", "data/pickle_module_info.txt", "data/more/other.pth"], ["data/model.pth"]),
    ],
)
def test_one_model_is_chosen(names, expected):
    assert chosen(names) == expected


def test_patterns_narrow_the_choice():
    names = ["unet/model.safetensors", "vae/model.safetensors", "vae/forward.py", "vae/config.json"]
    assert chosen(names, include=["vae/*"]) == ["vae/model.safetensors", "vae/forward.py"]
    assert chosen(names, include=["vae/*"], exclude=["*.py"]) == ["vae/model.safetensors"]
    assert chosen(["a.pt", "b.pt"], include=["b.pt"]) == ["b.pt"]
    assert chosen(["model.safetensors", "pytorch_model.bin"], exclude=["*.safetensors"]) == ["pytorch_model.bin"]


def test_parts_of_an_index_in_a_folder_are_beside_it():
    names = ["t/model.safetensors.index.json", *[f"t/{part}" for part in INDEX], *INDEX]
    assert chosen(names, include=["t/*"]) == [names[0], f"t/{INDEX[0]}", f"t/{INDEX[1]}"]


@pytest.mark.parametrize(
    "names,include,message",
    [
        (["config.json", "tf_model.h5"], [], "src: has no model file; expected one of *.pt2, "),
        ([], [], "found nothing"),
        (["a.pt"], ["*.bin"], "has no model file that --include and --exclude leave of 'a.pt'"),
        (["a.pt", "b.pt"], [], "has 2 models, 'a.pt', 'b.pt'; choose one with --include 'a.pt'"),
        (["unet/m.safetensors", "vae/m.safetensors"], [], "choose one with --include 'unet/*'"),
        (["model.safetensors.index.json", INDEX[0]], [], f"lacks {INDEX[1]}, which model.safetensors.index.json names"),
        (["w-1-of-3.bin", "w-3-of-3.bin"], [], "has 2 of the 3 parts of w-1-of-3.bin"),
        ([f"{number:02}.pt" for number in range(20)], [], "'11.pt' and 8 more"),
    ],
)
def test_what_cannot_be_chosen_is_said(names, include, message):
    with pytest.raises(PullError) as error:
        chosen(names, include)
    assert message in str(error.value)
