#!/usr/bin/env python3
"""A text encoder with two inputs by name and lengths that vary, asked by 64 requests at once: a small semantic search.

    pip install torchferry
    python client/examples/text_encoder.py

The client turns text into token ids, as a tokenizer does, and sends each sentence at its own length. `dynamic` says
which sizes vary. The server batches what fits together. The weights are random, so only equal sentences are near each
other.
"""

from __future__ import annotations

import asyncio
import tempfile
import zlib

import numpy as np
import torch

import torchferry

VOCABULARY, WIDTH = 4096, 64
SENTENCES = [
    f"{subject} {verb} the {thing}"
    for subject in ("a cat", "the dog", "my neighbour", "nobody")
    for verb in ("sees", "hears", "wants", "paints")
    for thing in ("moon", "river", "old house", "fence")
]


class Encoder(torch.nn.Module):
    """ids and mask, [rows, tokens] each, to unit vectors [rows, WIDTH]."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(VOCABULARY, WIDTH)
        layer = torch.nn.TransformerEncoderLayer(WIDTH, 4, 128, batch_first=True, dropout=0.0)
        self.layers = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = self.layers(self.words(ids), src_key_padding_mask=mask == 0)
        weights = mask.unsqueeze(2).to(hidden.dtype)
        mean = (hidden * weights).sum(1) / weights.sum(1)
        return {"embedding": torch.nn.functional.normalize(mean, dim=1)}


def tokenize(text: str) -> dict[str, np.ndarray]:
    """One row: ids and mask of [1, tokens]."""
    ids = np.array([[zlib.crc32(word.encode()) % VOCABULARY for word in text.split()]])
    return {"ids": ids, "mask": np.ones_like(ids)}


async def embed(address: str, texts: list[str]) -> np.ndarray:
    """[texts, WIDTH]; all requests are in flight at once."""
    async with torchferry.aio.Client(address) as client:
        answers = await asyncio.gather(*(client.predict("encoder", tokenize(text)) for text in texts))
    print(f"{len(answers)} requests, of which up to {max(a.execution.batch_rows for a in answers)} shared a batch")
    return np.concatenate([answer["embedding"] for answer in answers])


def main() -> None:
    torch.manual_seed(0)
    model = Encoder().eval()
    example = {"ids": torch.randint(0, VOCABULARY, (2, 9)), "mask": torch.ones(2, 9, dtype=torch.int64)}

    with tempfile.TemporaryDirectory() as store:
        dynamic = {"ids": {1: "tokens"}, "mask": {1: "tokens"}}
        saved = torchferry.save(model, example, store, name="encoder", dynamic=dynamic)
        print(f"saved as {saved.name}:{saved.version}, {saved.format}")

        with torchferry.serve(store) as server:
            vectors = asyncio.run(embed(server.address, SENTENCES))
            (query,) = asyncio.run(embed(server.address, ["my neighbour paints the river"]))

    with torch.inference_mode():
        expected = [model(**{name: torch.from_numpy(x) for name, x in tokenize(text).items()}) for text in SENTENCES]
    np.testing.assert_allclose(vectors, torch.cat([e["embedding"] for e in expected]).numpy(), rtol=1e-3, atol=1e-5)
    nearest = SENTENCES[int(np.argmax(vectors @ query))]
    assert nearest == "my neighbour paints the river"
    print(f"nearest to the query: {nearest}")


if __name__ == "__main__":
    main()
