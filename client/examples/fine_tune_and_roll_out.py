#!/usr/bin/env python3
"""Training, a roll-out, a worse version and the way back, while clients ask without a pause and see no error.

    pip install torchferry
    python client/examples/fine_tune_and_roll_out.py

Version 1 is trained a little, version 2 fine-tunes it, and version 3 was trained on wrong labels. Each is saved with
its accuracy in the training run. Each is rolled out by `client.load`, and measured as it is served: version 3 is
found to be worse than it claims, and `client.load(versions=[2])` goes back.
"""

from __future__ import annotations

import tempfile
import threading

import torch

import torchferry

NAME = "moons"


def make_data(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points [count, 2] on two half circles, and which circle each is on."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (count,), generator=random)
    angles = torch.rand(count, generator=random) * torch.pi
    points = torch.stack([angles.cos(), angles.sin()], dim=1)
    points[labels == 1] = torch.tensor([1.0, 0.5]) - points[labels == 1]
    return points + 0.1 * torch.randn(count, 2, generator=random), labels


def make_model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))


def train(model: torch.nn.Module, points: torch.Tensor, labels: torch.Tensor, steps: int) -> float:
    """Trains it in place; the accuracy on what it was trained with."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(points), labels).backward()
        optimizer.step()
    return (model(points).argmax(1) == labels).double().mean().item()


class Traffic(threading.Thread):
    """Asks until it is stopped; counts answers by version, and errors."""

    def __init__(self, client: torchferry.Client) -> None:
        super().__init__()
        self.client = client
        self.stopped = threading.Event()
        self.answers: dict[int, int] = {}
        self.errors: list[torchferry.TorchferryError] = []

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                version = self.client.predict(NAME, input=torch.zeros(1, 2)).version
                self.answers[version] = self.answers.get(version, 0) + 1
            except torchferry.TorchferryError as error:
                self.errors.append(error)


def served_accuracy(client: torchferry.Client) -> tuple[int, float]:
    """The version that answers, and its accuracy on data that no version was trained with."""
    points, labels = make_data(500, seed=99)
    prediction = client.predict(NAME, input=points)
    (scores,) = prediction.tensors().values()
    return prediction.version, (scores.argmax(1) == labels).double().mean().item()


def main() -> None:
    points, labels = make_data(500, seed=1)
    model = make_model()

    def save(claimed: float) -> None:
        saved = torchferry.save(model, points[:2], store, name=NAME, max_batch_size=512, metrics={"accuracy": claimed})
        print(f"version {saved.version}: accuracy {claimed:.3f} in training")

    with tempfile.TemporaryDirectory() as store:
        save(train(model, points, labels, steps=10))
        with torchferry.serve(store, "--enable-admin") as server, server.client() as client:
            traffic = Traffic(client)
            traffic.start()
            try:
                _, first = served_accuracy(client)

                save(train(model, points, labels, steps=300))
                client.load(NAME)
                version, second = served_accuracy(client)
                assert version == 2 and second > first
                print(f"version 2 is served: accuracy {second:.3f} after {first:.3f}")

                save(train(model, points, 1 - labels, steps=300))
                client.load(NAME)
                version, third = served_accuracy(client)
                assert version == 3
                print(f"version 3 is served: accuracy {third:.3f}")
                if third < second:
                    client.load(NAME, versions=[2])
                version, accuracy = served_accuracy(client)
                assert (version, accuracy) == (2, second)
                print(f"rolled back to version {version}: accuracy {accuracy:.3f}")
            finally:
                traffic.stopped.set()
                traffic.join()

    assert not traffic.errors, traffic.errors
    print(f"{sum(traffic.answers.values())} requests meanwhile, none failed; by version: {traffic.answers}")


if __name__ == "__main__":
    main()
