"""What tritonclient shows of a model that has no config.pbtxt, and its answer: triton_program.py ADDRESS MODEL CASES.npz."""

import sys

import numpy as np
import tritonclient.grpc as triton

ADDRESS, MODEL, CASES = sys.argv[1:]


def main():
    client = triton.InferenceServerClient(ADDRESS)
    assert client.is_model_ready(MODEL)
    metadata = client.get_model_metadata(MODEL, as_json=True)
    assert metadata["versions"] == ["1"], metadata
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "6"]}], metadata
    outputs = [(o["name"], o["datatype"], o["shape"]) for o in metadata["outputs"]]
    assert outputs == [("scores", "FP32", ["-1", "4"]), ("pair_0", "FP32", ["-1", "6"]), ("pair_1_0", "FP32", ["-1", "6"])], outputs
    config = client.get_model_config(MODEL).config
    assert (config.name, config.max_batch_size) == (MODEL, 128) and config.HasField("dynamic_batching"), config
    assert [(i.name, i.data_type, list(i.dims)) for i in config.input] == [("x", 11, [6])], config
    assert [(o.name, o.data_type, list(o.dims)) for o in config.output] == [
        ("scores", 11, [4]), ("pair_0", 11, [6]), ("pair_1_0", 11, [6])], config
    cases = np.load(CASES)
    for rows in (1, 7):
        x = triton.InferInput("x", (rows, 6), "FP32")
        x.set_data_from_numpy(cases[f"{rows}/in/x"])
        result = client.infer(MODEL, [x])
        for name, *_ in outputs:
            assert np.max(np.abs(result.as_numpy(name) - cases[f"{rows}/fp32/{name}"])) <= 1e-6, name
    assert client.get_inference_statistics(MODEL).model_stats[0].inference_count >= 8


main()
