#!/usr/bin/env python3
"""A vision model, from torchvision to an answer: saved with its preprocessing, served, asked, and held against PyTorch.

    pip install torchferry torchvision
    python client/examples/vision_model.py

Clients send pixels as they are in a JPEG: uint8, [rows, 3, 224, 224]. Scaling, softmax and the choice of the five best
classes are part of the model, so every client has them alike. The weights are random, as this example fetches nothing.
"""

from __future__ import annotations

import tempfile

import torch
import torchvision

import torchferry


class Classifier(torch.nn.Module):
    """uint8 pixels [rows, 3, height, width] to probabilities [rows, 5] and class numbers [rows, 5], best first."""

    def __init__(self) -> None:
        super().__init__()
        self.network = torchvision.models.resnet18(weights=None)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = self.network((pixels / 255.0 - self.mean) / self.deviation).softmax(1)
        return torch.topk(scores, 5)


def main() -> None:
    torch.manual_seed(0)
    model = Classifier().eval()
    pixels = torch.randint(0, 256, (8, 3, 224, 224), dtype=torch.uint8)

    with tempfile.TemporaryDirectory() as store:
        saved = torchferry.save(model, pixels[:2], store, name="classifier", output_names=["probabilities", "classes"])
        print(f"saved as {saved.name}:{saved.version}, {saved.format}")

        with torchferry.serve(store) as server, server.client() as client:
            answer = client.predict("classifier", pixels=pixels).tensors()

    with torch.inference_mode():
        probabilities, classes = model(pixels)
    torch.testing.assert_close(answer["probabilities"], probabilities, rtol=1e-3, atol=1e-5)
    assert answer["classes"].shape == classes.shape
    print(f"{len(pixels)} images: the best classes are {answer['classes'][:, 0].tolist()}, as in PyTorch")


if __name__ == "__main__":
    main()
