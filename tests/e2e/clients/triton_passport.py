"""What tritonclient shows of a model that has a passport and no config.pbtxt, and its answer: triton_passport.py ADDRESS MODEL FOLDER."""

import pathlib
import sys

import numpy as np
import tritonclient.grpc as triton

ADDRESS, MODEL, FOLDER = sys.argv[1:]


def main():
    client = triton.InferenceServerClient(ADDRESS)
    assert client.is_model_ready(MODEL)
    metadata = client.get_model_metadata(MODEL, as_json=True)
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "4"]}], metadata
    assert metadata["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": ["-1", "3"]}], metadata
    config = client.get_model_config(MODEL).config
    assert (config.name, config.max_batch_size) == (MODEL, 64) and config.HasField("dynamic_batching"), config
    assert [(i.name, i.data_type, list(i.dims)) for i in config.input] == [("x", 11, [4])], config
    assert [(o.name, o.data_type, list(o.dims)) for o in config.output] == [("probabilities", 11, [3])], config
    for rows in (1, 7):
        values = np.load(pathlib.Path(FOLDER) / f"x.{rows}.npy")
        x = triton.InferInput("x", values.shape, "FP32")
        x.set_data_from_numpy(values)
        answer = client.infer(MODEL, [x]).as_numpy("probabilities")
        assert np.max(np.abs(answer - np.load(pathlib.Path(FOLDER) / f"probabilities.{rows}.npy"))) <= 1e-5


main()
