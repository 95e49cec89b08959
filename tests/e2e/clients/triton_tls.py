"""tritonclient over TLS, run with its own Python: triton_tls.py ADDRESS EXPECTED CA [CERTIFICATE KEY]."""

import asyncio
import pathlib
import queue
import sys

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio

ADDRESS, EXPECTED, CA, *PAIR = sys.argv[1:]
TLS = {"ssl": True, "root_certificates": CA}
if PAIR:
    TLS |= {"certificate_chain": PAIR[0], "private_key": PAIR[1]}
X, WANTED = (np.load(pathlib.Path(EXPECTED) / "mlp" / f"{name}.7.npy") for name in ("x", "probabilities"))


def inputs(module):
    tensor = module.InferInput("x", X.shape, "FP32")
    tensor.set_data_from_numpy(X)
    return [tensor]


def check(result):
    assert np.max(np.abs(result.as_numpy("probabilities") - WANTED)) <= 1e-5


def stream(client):
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for _ in range(3):
        client.async_stream_infer("mlp", inputs(triton))
    for _ in range(3):
        result, error = answers.get(timeout=60)
        assert error is None, error
        check(result)
    client.stop_stream()


async def by_asyncio():
    async with triton_aio.InferenceServerClient(ADDRESS, **TLS) as client:
        assert await client.is_server_ready()
        check(await client.infer("mlp", inputs(triton_aio)))


with triton.InferenceServerClient(ADDRESS, **TLS) as client:
    assert client.is_server_live() and client.is_model_ready("mlp")
    check(client.infer("mlp", inputs(triton)))
    stream(client)
asyncio.run(by_asyncio())
