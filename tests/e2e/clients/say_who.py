"""Public clients that send a token, each with its own Python: say_who.py triton|kserve ADDRESS EXPECTED TOKEN.

They get their answer with the token, and without it an error that says what is missing."""

import asyncio
import pathlib
import sys

import numpy as np

KIND, ADDRESS, EXPECTED, TOKEN = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4]
X = np.load(EXPECTED / "mlp" / "x.7.npy")
WANTED = np.load(EXPECTED / "mlp" / "probabilities.7.npy")


def check(got):
    assert np.max(np.abs(got - WANTED)) <= 1e-5


def is_refusal(error):
    return "this server wants to know who calls" in str(error)


def triton():
    import tritonclient.grpc as client_of

    client = client_of.InferenceServerClient(ADDRESS)
    who = {"authorization": f"Bearer {TOKEN}"}
    tensor = client_of.InferInput("x", X.shape, "FP32")
    tensor.set_data_from_numpy(X)
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("mlp", headers=who)
    assert client.get_model_metadata("mlp", headers=who).name == "mlp"
    check(client.infer("mlp", [tensor], headers=who).as_numpy("probabilities"))
    answers = []
    client.start_stream(callback=lambda result, error: answers.append((result, error)), headers=who)
    client.async_stream_infer("mlp", [tensor])
    client.stop_stream()
    ((result, error),) = answers
    assert error is None
    check(result.as_numpy("probabilities"))
    try:
        client.infer("mlp", [tensor])
    except client_of.InferenceServerException as error:
        assert is_refusal(error) and "UNAUTHENTICATED" in error.status(), error
    else:
        raise AssertionError("it was answered")


async def kserve():
    import grpc
    from kserve import InferInput, InferRequest
    from kserve.inference_client import InferenceGRPCClient

    client = InferenceGRPCClient(ADDRESS)
    who = (("authorization", f"Bearer {TOKEN}"),)
    assert await client.is_model_ready("mlp", headers=who)
    tensor = InferInput(name="x", shape=list(X.shape), datatype="FP32")
    tensor.set_data_from_numpy(X, binary_data=True)
    request = InferRequest(model_name="mlp", infer_inputs=[tensor])
    check((await client.infer(request, headers=who)).outputs[0].as_numpy())
    try:
        await client.infer(request)
    except grpc.RpcError as error:
        assert is_refusal(error.details()) and error.code() == grpc.StatusCode.UNAUTHENTICATED, error
    else:
        raise AssertionError("it was answered")
    await client.close()


if KIND == "triton":
    triton()
else:
    asyncio.run(kserve())
