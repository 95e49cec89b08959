"""Modules of every shape that people write, for the tests of torchferry.save."""

import collections
import dataclasses

import pytest

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Linear(6, 5)

    def forward(self, x):
        return torch.tanh(self.body(x))


class OfDict(Net):
    def forward(self, x):
        y = self.body(x)
        return {"scores": y, "best": y.argsort(1)}


class OfNested(Net):
    def forward(self, x):
        y = self.body(x)
        return y, (y + 1, {"deep": y * 2}), None, y.sum(1)


@dataclasses.dataclass
class Answer:
    scores: torch.Tensor
    hidden: torch.Tensor | None = None
    also: torch.Tensor | None = None


class OfDataclass(Net):
    def forward(self, x):
        return Answer(self.body(x), also=x * 2)


Pair = collections.namedtuple("Pair", ["sum", "difference"])


class OfNamedTuple(Net):
    def forward(self, x):
        y = self.body(x)
        return Pair(y + 1, y - 1)


class OfTuple(Net):
    def forward(self, x):
        y = self.body(x)
        return y, x


class OfDictInput(Net):
    def forward(self, batch: dict[str, torch.Tensor], bias: torch.Tensor):
        return self.body(batch["Image"]) + batch["scale"] * bias


class Keywords(Net):
    def forward(self, x, *, scale, shift=None, power: int = 2):
        y = self.body(x) * scale**power
        return y if shift is None else y + shift


class Mixed(Net):
    """A control flow of Python on a number."""

    def forward(self, x, times: int = 1):
        y = self.body(x)
        for _ in range(times):
            y = y * 2
        return y


class Branches(Net):
    """A control flow of Python on values: neither a program nor a trace has both branches."""

    def forward(self, x):
        if bool(x.sum() > 0):
            return self.body(x)
        return self.body(-x) + 1


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(20, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, ids, mask):
        y = self.embed(ids) * mask[..., None]
        return {"tokens": self.out(y), "pooled": self.out(y.sum(1) / mask.sum(1, keepdim=True).clamp(min=1))}


class SequenceFirst(nn.Module):
    """Dimension 0 is time, and any length does: it only looks like a batch."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = nn.GRU(6, 5)

    def forward(self, x):
        return self.rnn(x)[0]


class Mean(Net):
    def forward(self, x):
        return self.body(x - x.mean(0, keepdim=True))


class Random(Net):
    def forward(self, x):
        return F.dropout(self.body(x), 0.5, training=True)


class Counter(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        self.seen.add_(1)
        return self.body(x) + self.seen


class Remembering(Net):
    """State in an attribute that is no buffer."""

    def __init__(self):
        super().__init__()
        self.last = torch.zeros(5)

    def forward(self, x):
        y = self.body(x) + self.last
        self.last = y[-1]
        return y


class Autocast(Net):
    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.body(x).float()


X = torch.linspace(-1, 1, 24).reshape(4, 6)
