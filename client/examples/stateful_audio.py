#!/usr/bin/env python3
"""A model that keeps state between windows of audio: a noise gate that follows the background, one state for each
stream.

    pip install torchferry
    python client/examples/stateful_audio.py

The state is a buffer that `forward` writes. The server finds that in the code, and gives each stream a copy of its own:
two callers at the same time do not hear each other.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator

import numpy as np
import torch

import torchferry

RATE, WINDOW = 16000, 512


class Gate(torch.nn.Module):
    """A window of samples [1, WINDOW] to the loudness in dB and whether it is above what was usual so far, [1, 1]
    each."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("background", torch.tensor([[-30.0]]))

    def forward(self, samples: torch.Tensor) -> dict[str, torch.Tensor]:
        loudness = 20.0 * torch.log10(samples.square().mean(dim=1, keepdim=True).sqrt() + 1e-6)
        is_open = (loudness > self.background + 10.0).to(torch.float32)
        # It follows silence quickly, and sound slowly.
        speed = torch.where(loudness < self.background, 0.5, 0.02)
        self.background.copy_(self.background + speed * (loudness - self.background))
        return {"loudness": loudness, "open": is_open}


def windows(noise: float, seed: int) -> Iterator[np.ndarray]:
    """A second of noise of that loudness, with half a second of a 440 Hz tone in it."""
    random = np.random.default_rng(seed)
    count = RATE // WINDOW
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(count * WINDOW) / RATE)
    tone[: len(tone) // 4] = tone[-len(tone) // 4 :] = 0
    audio = (tone + random.normal(0, noise, len(tone))).astype(np.float32)
    yield from audio.reshape(count, 1, WINDOW)


def listen(client: torchferry.Client, noise: float, seed: int, heard: dict[int, list[bool]]) -> None:
    """What the gate says of each window, into heard[seed]."""
    requests = ({"samples": window} for window in windows(noise, seed))
    heard[seed] = [bool(answer["open"][0, 0]) for answer in client.stream("gate", requests)]


def expected(noise: float, seed: int) -> list[bool]:
    """PyTorch's own answers, by a fresh model."""
    model = Gate()
    with torch.inference_mode():
        return [bool(model(torch.from_numpy(window))["open"]) for window in windows(noise, seed)]


def main() -> None:
    callers = {1: 0.001, 2: 0.01, 3: 0.0001, 4: 0.003}  # noise by seed
    heard: dict[int, list[bool]] = {}

    with tempfile.TemporaryDirectory() as store:
        saved = torchferry.save(Gate(), torch.zeros(1, WINDOW), store, name="gate", format="script", max_batch_size=0)
        print(f"saved as {saved.name}:{saved.version}, {saved.format}")

        with torchferry.serve(store) as server, server.client() as client:
            assert client.metadata("gate").stateful
            threads = [
                threading.Thread(target=listen, args=(client, noise, seed, heard)) for seed, noise in callers.items()
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    for seed, noise in callers.items():
        assert heard[seed] == expected(noise, seed)
        print(f"caller {seed}: " + "".join("#" if is_open else "." for is_open in heard[seed]))


if __name__ == "__main__":
    main()
