"""aio.Client: 64 requests in flight, streams, cancelling, and one loop for each client, with a real server."""

import asyncio
import contextlib

import numpy as np
import pytest
import stores

import torchferry

X = np.zeros((1, 4), np.float32)
IN_FLIGHT = 64


def step(value):
    return {"x": np.array([[value]], np.float32)}


def run(server, body):
    """body(client) in a loop of its own."""

    async def main():
        async with torchferry.aio.Client(server.address, timeout=60) as client:
            return await body(client)

    return asyncio.run(main())


def test_64_requests_are_in_flight_at_once(server):
    """Each has an answer of its own, and they do not wait for each other."""
    x = stores.reference("mlp", "x", 7)
    expected = stores.reference("mlp", "probabilities", 7)
    begun, ended = 0, []

    async def ask(client, i):
        nonlocal begun
        begun += 1
        prediction = await client.predict("mlp", x=np.roll(x, i % 7, axis=0), request_id=str(i))
        ended.append(begun)
        assert prediction.request_id == str(i)
        np.testing.assert_allclose(prediction["probabilities"], np.roll(expected, i % 7, axis=0), rtol=1e-5, atol=1e-6)

    async def body(client):
        for _ in range(8):
            await asyncio.gather(*(ask(client, i) for i in range(IN_FLIGHT)))

    run(server, body)
    assert len(ended) == 8 * IN_FLIGHT
    # All of a round had begun when its first ended.
    assert ended[0] == IN_FLIGHT


def test_errors_are_those_of_the_other_client(server):
    async def body(client):
        with pytest.raises(torchferry.NotFoundError, match="nothing"):
            await client.predict("nothing", x=X)
        with pytest.raises(torchferry.InvalidArgumentError, match="timeout"):
            await client.predict("mlp", x=X, timeout=-1)
        with pytest.raises(torchferry.DeadlineExceededError):
            await client.predict("slow", steps=np.array([300_000]), timeout=0.05)

    run(server, body)


def test_models_metadata_and_ready(server):
    async def body(client):
        assert (await client.metadata("mlp")).ready
        assert "mlp" in {model.name for model in await client.models()}
        assert await client.ready() and not await client.ready("nothing")
        await client.wait_ready("mlp", timeout=10)
        with pytest.raises(torchferry.DeadlineExceededError, match="no model of that name"):
            await client.wait_ready("nothing", timeout=0.2)

    run(server, body)


def test_a_stateful_stream_by_an_async_or_plain_iterable(server):
    async def requests():
        for value in (1, 2, 3):
            yield step(value)

    async def body(client):
        for source in (requests(), map(step, (1, 2, 3))):
            assert [float(a["sum"][0, 0]) async for a in client.stream("running_sum", source)] == stores.running_sums(
                [1, 2, 3]
            )

    run(server, body)


def test_errors_of_a_stream(server):
    async def requests():
        yield step(1)
        raise KeyError("mine")

    async def body(client):
        with pytest.raises(KeyError, match="mine"):
            async for _ in client.stream("running_sum", requests()):
                pass
        with pytest.raises(torchferry.InvalidArgumentError, match="missing"):
            async for _ in client.stream("running_sum", [{"nonsense": X}]):
                pass
        answers = [a async for a in client.stream("running_sum", [step(1), {"nonsense": X}], errors="yield")]
        assert isinstance(answers[1], torchferry.InvalidArgumentError)

    run(server, body)


def test_a_stream_that_is_left_ends(server):
    async def body(client):
        ended = asyncio.Event()

        async def requests():
            try:
                while True:
                    yield step(1)
                    await asyncio.sleep(0)
            finally:
                ended.set()

        async with contextlib.aclosing(client.stream("running_sum", requests())) as answers:
            await answers.__anext__()
        await asyncio.wait_for(ended.wait(), 60)

    run(server, body)


def test_a_cancelled_task_cancels_its_call(server):
    async def body(client):
        task = asyncio.ensure_future(client.predict("slow", steps=np.array([300_000])))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.predict("mlp", x=X)

    run(server, body)


def test_a_client_belongs_to_one_loop(server):
    client = torchferry.aio.Client(server.address)
    asyncio.run(client.predict("mlp", x=X))
    with pytest.raises(torchferry.FailedPreconditionError, match="another event loop"):
        asyncio.run(client.predict("mlp", x=X))


def test_a_closed_client_says_so(server):
    async def body(client):
        task = asyncio.ensure_future(client.predict("slow", steps=np.array([300_000])))
        await client.ready()  # the call before this one is in flight
        await client.close()
        with pytest.raises(torchferry.CancelledError, match="closed"):
            await task
        with pytest.raises(torchferry.FailedPreconditionError, match="closed"):
            await client.predict("mlp", x=X)

    run(server, body)
