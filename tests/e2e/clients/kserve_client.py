"""KServe's gRPC client, run with its own Python: kserve_client.py ADDRESS EXPECTED [CA [CERTIFICATE KEY]], with TLS where there
is a CA."""

import asyncio
import pathlib
import sys

import numpy as np
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceGRPCClient

ADDRESS, EXPECTED, *PEMS = sys.argv[1], pathlib.Path(sys.argv[2]), *sys.argv[3:]
TLS = dict(zip(("root_certificates", "certificate_chain", "private_key"), PEMS, strict=False)) | {"use_ssl": bool(PEMS)}


async def main():
    client = InferenceGRPCClient(ADDRESS, **TLS)
    assert await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready("mlp")
    for rows in (1, 7):
        x = np.load(EXPECTED / "mlp" / f"x.{rows}.npy")
        wanted = np.load(EXPECTED / "mlp" / f"probabilities.{rows}.npy")
        for as_raw in (True, False):  # in the message's bytes, or in its typed fields
            tensor = InferInput(name="x", shape=list(x.shape), datatype="FP32", data=None if as_raw else x.ravel().tolist())
            if as_raw:
                tensor.set_data_from_numpy(x, binary_data=True)
            response = await client.infer(InferRequest(model_name="mlp", infer_inputs=[tensor], request_id="5"))
            assert response.id == "5" and response.model_version == "1"
            assert np.max(np.abs(response.outputs[0].as_numpy() - wanted)) <= 1e-5
    await client.close()


asyncio.run(main())
