"""Programs that somebody edited: a good one of fixtures/programs with other JSON or other weights, made without PyTorch."""

import json
import zipfile

from torch_archives import entries, write_entry

PROGRAM = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"


def edited(source, target, edit=None, content=None):
    """Writes `target`: the archive with edit(GRAPH MODULE'S JSON) done, and `content`, {entry: bytes or None}, in place of its own; None
    leaves an entry out."""
    content = dict(content or {})
    old = entries(source)
    top = old[0][1].split("/", 1)[0]
    with zipfile.ZipFile(target, "w") as archive:
        for entry, name, data, method in old:
            if entry in content:
                data = content.pop(entry)
                if data is None:
                    continue
            elif entry == PROGRAM and edit:
                program = json.loads(data)
                edit(program)
                data = json.dumps(program).encode()
            write_entry(archive, name, data, method)
        for entry, data in content.items():
            write_entry(archive, f"{top}/{entry}", data)
    return target


def entry_of(source, wanted):
    return next(data for entry, _, data, _ in entries(source) if entry == wanted)


def graph_of(program):
    return program["graph_module"]["graph"]


def node(target, inputs, outputs):
    """`inputs` are (name, argument)."""
    return {"target": target, "inputs": [{"name": name, "arg": argument, "kind": 1} for name, argument in inputs], "outputs": outputs,
            "metadata": {}, "is_hop_single_tensor_return": None}


def tensor_argument(name):
    return {"as_tensor": {"name": name}}


def input_name(program):
    """Of the first tensor that the caller gives."""
    specs = program["graph_module"]["signature"]["input_specs"]
    return next(spec["user_input"]["arg"]["as_tensor"]["name"] for spec in specs if "user_input" in spec)


def calling(target, *arguments, outputs=()):
    """An edit: a node in front of all others. "x" in an argument stands for the input."""
    def edit(program):
        x = input_name(program)
        inputs = [(name, tensor_argument(x) if value == "x" else value) for name, value in arguments]
        graph_of(program)["nodes"].insert(0, node(target, inputs, [tensor_argument(name) for name in outputs]))
        for name in outputs:
            graph_of(program)["tensor_values"][name] = graph_of(program)["tensor_values"][x]

    return edit
