"""Texts that seed the corpus, by target and name."""

FORWARD = r'''"""A model.

Over lines: import os
"""
from __future__ import annotations
import math
import torch, torch.nn.functional as F  # as people do
from typing import (Dict,
                    List)


def scale(self, x: Tensor) -> Tensor:
    """Helper: 'quoted'."""
    return x * math.sqrt(4.0) + 3. if x.sum() > .5e-3 else x * 0x1f


def forward(self, x: Tensor, n: int = 2) -> Dict[str, Tensor]:
    # type: (Tensor, int) -> Dict[str, Tensor]
    for i in range(n):
        x = F.linear(x, self.fc.weight) \
            + getattr(self.layers, "0").weight
    if x is not None and n not in [1, 2]:
        x = self.scale(x)
    elif n == 3:
        pass
    return {"y": x, 'z\'': torch.relu(x)}
'''

IDENTITIES = """# who may ask
identity alice
  roles predict read
  models bert-* mlp
  token sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b expires 2027-01-31

identity deploy@example.com
  roles admin
  models *
  certificate dns:Deploy.Example uri:spiffe://example/deploy cn:deploy
"""

PASSPORT = """{"format": "torchferry-passport", "version": 1,
 "signature": {"max_batch_size": 64, "inputs": [{"name": "x", "type": "FP32", "dims": [2, -1]}],
   "outputs": [{"name": "y", "type": "FP32", "dims": [1]}, {"name": "n", "type": "INT64", "dims": []}]},
 "saved": {"device": "cuda:0", "dtypes": ["FP32"], "torch": "2.11.0", "created": "2026-11-29T12:00:00Z", "program": "torch.export"},
 "origin": {"git_commit": "0a1b", "git_dirty": false, "run_id": "r1", "metrics": {"accuracy": 0.93}, "source": "hf://o/r@1"},
 "golden": {"rtol": 0.01, "atol": 0.001,
   "rows": [{"inputs": {"x": {"type": "FP32", "shape": [1, 2, 1], "data": "AACAPwAAAEA="}},
             "outputs": {"y": {"type": "FP32", "shape": [1, 1], "data": "AABAQA=="}}}]}}
"""

ARCHIVE = '''class Net(Module):
  __parameters__ = ["weight", ]
  weight : Tensor
  ops : __torch__.torch.nn.modules.container.Sequential
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    _0 = torch.add(x, torch.autograd.grad, alpha=1)
    return ops.torchvision.nms(_0, x, 0.5)
'''

HIDDEN = "pi = 3.\ntorch.save(x, 'f')\nx not intorch.save(x)\ny = \"\"\"'\"\"\" + torch.save(x)\n"

BLOCK = '''def __init__(self):
    self.fc = nn.Linear(3, 4)
    self.layers = nn.ModuleList([nn.Sequential(*[nn.ReLU() for _ in range(2)]) for i in range(2) if i > 0])


def forward(self, x):
    return self.fc(x)
'''

CLASSES = '''SIZES = {"a": [1, 2.5], "b": (3, -4)}


def conv(planes, **more):
    return nn.Conv2d(planes, planes * 2, 3, **more)


class Block(nn.Module):
    expansion: int = 4

    def __init__(self, planes=2, *rest, stride=1, act=None):
        super().__init__()
        for i, (a, b) in enumerate(zip(SIZES["a"], SIZES["b"])):
            self.add_module(f"layer{i}_{a!r}", conv(planes, stride=stride, bias=a < b and not rest))
        self.act = act or nn.ReLU()
        self.x, self.y = (planes // 2 ** 2, [planes] * 3)[::-1]
        assert len(self.y) == 3, "three"
        if isinstance(self.act, nn.ReLU):
            raise ValueError(f"no {self.act}")


model = Block(act=nn.GELU())
'''

TEXTS = {
    "script": {"forward": FORWARD, "archive": ARCHIVE, "hidden": HIDDEN},
    "forward_py": {
        "forward": FORWARD,
        "archive": ARCHIVE,
        "hidden": HIDDEN,
        "block": BLOCK,
        "classes": CLASSES,
        "report_mark": "\nundefined value y:\n  File \"m/forward.py\", line 12\n    return y\n           ~ <--- HERE\n"
                       "Exception raised from f at g.cpp:1\n",
        "report_class": "'__torch__.torchferry.self.fc (of Python compilation unit at: 0x55d0)' object has no attribute 'x'",
    },
    "keys": {
        "parallel": "module.a.w\nmodule.b\nn_averaged",
        "lightning": "model.a\nmodel._orig_mod.b\nloss.w",
        "fsdp": "_fsdp_wrapped_module.l.0._fsdp_wrapped_module.w\nl.1._checkpoint_wrapped_module.w",
        "flat": "a._flat_param\nb",
        "clash": "module.a\na\na.b",
        "dots": "...\n.a\na.\na..b",
    },
    "tuning_record": {
        "one": '{"records": [{"key": {"sha256": "ab"}, "variant": "frozen", "intra_op_threads": 2, "batch_rows": 12, '
               '"rows_per_second": 91.5, "simplest_rows_per_second": 60.25, "budget_seconds": 10, "deviation": 1e-06}]}',
        "latency": '{"records": [{"key": {"sha256": "ab"}, "variant": "frozen", "intra_op_threads": 1, "batch_rows": 4, '
                   '"rows_per_second": 91.5, "simplest_rows_per_second": 60.25, "budget_seconds": 0, "deviation": 0, "final": true, '
                   '"latency": {"variant": "plain", "intra_op_threads": 2, "max_rows": 2, "seconds": 0.02, "throughput_seconds": 0.04}}]}',
        "deep": '{"records": [{"key": ' + "[" * 100 + "]" * 100 + "}]}",
    },
    "passport": {
        "whole": PASSPORT,
        "two": PASSPORT + "\0" + PASSPORT.replace('"r1"', '"r2"'),
        "provenance": '{"format": "torchferry-passport", "version": 1, "origin": {"source": "https://host/file", "sha256": "00"}}',
        "later": '{"format": "torchferry-passport", "version": 2, "new": [1.5, null]}',
        "deep": '{"format": "torchferry-passport", "version": 1, "a": ' + "[" * 20 + "]" * 20 + "}",
        "filled": PASSPORT.replace('"data": "AACAPwAAAEA="', '"fill": {"seed": 7}'),
        "filled_large": '{"format": "torchferry-passport", "version": 1, "golden": {"rows": [{"inputs": {"x": {"type": "FP32", '
                        '"shape": [1, 3, 224, 224], "fill": {"seed": 9223372036854775807}}, "z": {"type": "FP64", "shape": [4, 1048576], '
                        '"fill": {"seed": 0}}}, "outputs": {}}]}}',
        "large": '{"format": "torchferry-passport", "version": 1, "golden": {"rows": [{"inputs": {"x": {"type": "FP64", '
                 '"shape": [9999, 9999], "data": ""}}, "outputs": {}}]}}',
    },
    "trusted_digests": {
        "listed": "# published\n\n" + "1a" * 32 + "  m/1/model.pt\n" + "2B" * 32 + " *weights of b.pt\r\n",
        "escaped": "\\" + "3c" * 32 + "  a\\nb\n" + "3c" * 32 + "  again",
        "bsd": "SHA256 (model.pt) = " + "4d" * 32 + "\n",
        "short": "5e" * 31 + "  model.pt\n",
    },
    "identities": {
        "whole": IDENTITIES,
        "sent": IDENTITIES + "\0Bearer wrong",
        "windows": IDENTITIES.replace("\n", "\r\n"),
        "twice": IDENTITIES + IDENTITIES,
        "lacking": "identity a\nidentity b\n",
        "times": "identity a\nroles read\nmodels ?*\ntoken sha256:" + "1f" * 32 + " expires 2028-02-29T23:59:59Z\n",
    },
    "input_value": {
        "floats": "[[1.5, -2e3], [3, 0.1]]",
        "bools": "[true, false]",
        "deep": "[" * 40 + "]" * 40,
        "specials": '["NaN", "Infinity", "-Infinity"]',
        "scalar": "18446744073709551615",
    },
}
