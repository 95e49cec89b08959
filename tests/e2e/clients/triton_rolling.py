"""tritonclient over several servers, run with its own Python: triton_rolling.py TARGET EXPECTED OPTIONS MODEL... OPTIONS are the
channel's, as JSON. Each model has a thread that asks until a line comes; then a line of JSON says what came of it."""

import json
import pathlib
import sys
import threading

import numpy as np
import tritonclient.grpc as triton

TARGET, EXPECTED, OPTIONS, *MODELS = sys.argv[1:]
IS_STOPPED = threading.Event()


def load(client, model, outcome):
    x = np.load(pathlib.Path(EXPECTED) / "mlp" / "x.7.npy")
    wanted = np.load(pathlib.Path(EXPECTED) / "mlp" / "probabilities.7.npy")
    tensor = triton.InferInput("x", x.shape, "FP32")
    tensor.set_data_from_numpy(x)
    while not IS_STOPPED.wait(0.002):
        try:
            answer = client.infer(model, [tensor], client_timeout=60).as_numpy("probabilities")
            assert np.max(np.abs(answer - wanted)) <= 1e-5
            outcome["answered"] += 1
        except Exception as error:  # each is a request that failed
            outcome["failures"].append(repr(error))


options = [(name, value) for name, value in json.loads(OPTIONS).items()]
client = triton.InferenceServerClient(TARGET, channel_args=options)
outcomes = {model: {"answered": 0, "failures": []} for model in MODELS}
threads = [threading.Thread(target=load, args=(client, model, outcome)) for model, outcome in outcomes.items()]
for thread in threads:
    thread.start()
sys.stdin.readline()
IS_STOPPED.set()
for thread in threads:
    thread.join()
print(json.dumps(outcomes))
