"""What a user writes; test_types.py holds it against mypy --strict."""

from __future__ import annotations

import asyncio

import numpy as np

import torchferry


def classify(address: str) -> list[int]:
    with torchferry.Client(address, timeout=5) as client:
        client.wait_ready("mlp")
        model = client.metadata("mlp")
        names: list[str] = [tensor.name for tensor in model.inputs]
        prediction = client.predict("mlp", {names[0]: [[1.0, 2.0, 3.0, 4.0]]}, version=model.version, timeout=1.5)
        device: str = prediction.execution.device
        print(device, prediction.version)
        scores = prediction["probabilities"]
        return [int(row.argmax()) for row in scores]


def transcribe(client: torchferry.Client) -> list[float]:
    steps = ({"x": np.ones((1, 1), np.float32)} for _ in range(3))
    return [float(answer["sum"][0, 0]) for answer in client.stream("running_sum", steps, timeout=60)]


def errors(client: torchferry.Client) -> int:
    failed = 0
    for answer in client.stream("running_sum", [{"x": 1.0}], errors="yield"):
        if isinstance(answer, torchferry.TorchferryError):
            failed += 1
            print(answer.code, answer.message, answer.hint)
        else:
            print(answer["sum"])
    return failed


async def classify_all(address: str) -> list[torchferry.Prediction]:
    async with torchferry.aio.Client([address]) as client:
        answers = await asyncio.gather(*(client.predict("mlp", x=np.ones((1, 4), np.float32)) for _ in range(8)))
        async for answer in client.stream("mlp", [{"x": np.ones((1, 4))}]):
            answers.append(answer)
        return answers


def main() -> None:
    try:
        with torchferry.serve("model_store", "--device=cpu") as server, server.client() as client:
            print(classify(server.address), transcribe(client), errors(client))
            print(len(asyncio.run(classify_all(server.address))))
    except torchferry.NotFoundError as error:
        print(error.hint)


if __name__ == "__main__":
    main()
