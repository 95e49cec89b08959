#!/usr/bin/env python3
"""Writes the plan's fixtures of torch.export programs beside itself. Needs torch 2.11.0.

program.pt2   parameters, persistent and other buffers and a constant; a dict of two results; rows from 1 to 16; its
              parameters and buffers are tagged as if they had been saved on cuda:0
programs.pt2  "encoder" and "head" in one archive
trained.pt    a state_dict for program.pt2's model, with the prefix "module."
"""

import io
import json
import pathlib
import zipfile

import torch
from torch import nn
from torch.export.pt2_archive._package import package_pt2

HERE = pathlib.Path(__file__).resolve().parent


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("scratch", torch.ones(4), persistent=False)
        self.rates = torch.tensor([1.0, 2.0, 3.0, 4.0])

    def forward(self, x, scale=2):
        hidden = self.norm(self.fc(x)) * self.rates + self.scratch
        return {"scores": hidden.softmax(-1) * scale, "hidden": hidden}


def export(model, *args):
    shapes = ({0: torch.export.Dim("batch", min=1, max=16)}, *(None for _ in args[1:]))
    return torch.export.export(model.eval(), args, dynamic_shapes=shapes)


def without_traces(data):
    """Stack traces hold the paths of this machine."""
    program = json.loads(data)
    for node in program["graph_module"]["graph"]["nodes"]:
        node["metadata"] = {}
    return json.dumps(program).encode()


def write(name, programs, devices=False):
    buffer = io.BytesIO()
    package_pt2(buffer, exported_programs=programs)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(HERE / name, "w") as target:
        for entry in source.namelist():
            data = source.read(entry)
            if "/sample_inputs/" in entry:
                continue
            if "/models/" in entry:
                data = without_traces(data)
            if devices and ("/models/" in entry or entry.endswith("weights_config.json")):
                text = json.dumps(json.loads(data))
                data = text.replace('"device": {"type": "cpu", "index": null}', '"device": {"type": "cuda", "index": 0}').encode()
            if devices and entry.endswith("constants_config.json"):
                config = json.loads(data)
                config["config"]["scratch"]["tensor_meta"]["device"] = {"type": "cuda", "index": 0}
                data = json.dumps(config).encode()
            target.writestr(zipfile.ZipInfo("model/" + entry.split("/", 1)[1]), data)


def main():
    torch.manual_seed(0)
    write("program.pt2", {"model": export(Net(), torch.randn(2, 3), 2)}, devices=True)
    write("programs.pt2", {"encoder": export(nn.Linear(3, 2), torch.randn(2, 3)), "head": export(nn.Linear(2, 1), torch.randn(2, 2))})
    torch.save({f"module.{key}": value for key, value in Net().state_dict().items()}, HERE / "trained.pt")


if __name__ == "__main__":
    main()
