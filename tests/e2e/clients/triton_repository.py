"""Asks models of a repository with tritonclient: triton_repository.py ADDRESS PLAN, a JSON list of
{"model", "version", "inputs": {NAME: [DATATYPE, FILE.npy]}, "outputs": {NAME: FILE.npy}, "every", "tolerance"}. Each answer must have
these outputs, in the shapes of the files and within the tolerance, and no others. `every`: the files have only each n-th element of
dimension 1."""

import json
import pathlib
import sys

import numpy as np
import tritonclient.grpc as triton


def ask(client, request):
    inputs = []
    for name, (datatype, file) in request["inputs"].items():
        array = np.load(file)
        inputs.append(triton.InferInput(name, array.shape, datatype))
        inputs[-1].set_data_from_numpy(array)
    result = client.infer(request["model"], inputs, model_version=request["version"])
    response = result.get_response()
    assert {o.name for o in response.outputs} == set(request["outputs"]), response.outputs
    if request["version"]:
        assert response.model_version == request["version"], response.model_version
    for name, file in request["outputs"].items():
        wanted, actual = np.load(file), result.as_numpy(name)
        if request["every"] > 1:
            actual = actual[:, ::request["every"]]
        assert actual.shape == wanted.shape, f"{name} has shape {actual.shape} instead of {wanted.shape}"
        assert np.max(np.abs(actual.astype(np.float64) - wanted)) <= request["tolerance"], f"{name} differs"


def main():
    client = triton.InferenceServerClient(sys.argv[1])
    for request in json.loads(pathlib.Path(sys.argv[2]).read_text()):
        try:
            ask(client, request)
        except Exception as error:
            raise AssertionError(f"{request['model']} version {request['version'] or '(newest)'}: {error}") from error
        print(f"{request['model']} version {request['version'] or '(newest)'}: as PyTorch")


main()
