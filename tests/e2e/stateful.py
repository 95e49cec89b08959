"""A server with models that keep state, what they should answer, and an open stream to them."""

import queue

import numpy as np
import pytest

import harness
from harness import predict_request
from stores import Store, add_sample
from wire import FIXTURES, array

EXPECTED = FIXTURES / "expected" / "silero_vad"
STREAMS, STEPS = 8, 40
LIMIT = 10  # --max-stateful-streams
STATELESS = ["mlp", "mlp_traced", "lstm", "arch", "optional_list"]  # scripted, traced, forward.py, batch norm, loops


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stateful")
    store = Store(folder / "store")
    add_sample(store, "silero_vad", "silero_vad.jit")
    store.add("running_sum")
    for name in STATELESS:
        store.add(name)
    with harness.serving(store, folder, "--workers", "2", "--max-stateful-streams", str(LIMIT)) as server:
        yield server.wait_settled()


@pytest.fixture(scope="module")
def audio(server):
    """[STREAMS, STEPS, 512] at 16 kHz."""
    if not (server.store.path / "silero_vad").exists():
        pytest.skip("model_store/silero_vad/1/silero_vad.jit was not fetched (deploy/fetch-samples.sh)")
    return np.load(EXPECTED / "audio.npy").astype(np.float32) / 32768


def expected(name):
    return np.load(EXPECTED / f"{name}.npy")


class Stream:
    """An open PredictStream that is used one request at a time."""

    def __init__(self, client, timeout=harness.DEADLINE_SECONDS):
        self._requests = queue.SimpleQueue()
        self.call = client.stub.PredictStream(iter(self._requests.get, None), timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends it as a client that has said all it had to say, and waits for the server to agree."""
        self._requests.put(None)
        for _ in self.call:
            pass

    def send(self, model, inputs, **fields):
        self._requests.put(predict_request(model, inputs, **fields))

    def ask(self, model, inputs, **fields):
        self.send(model, inputs, **fields)
        return next(self.call)

    def value(self, model, inputs, output, **fields):
        """The output of an answer that is none of an error."""
        answer = self.ask(model, inputs, **fields)
        assert answer.error_code == 0, answer.error_message
        return array(answer.response.outputs[output])

    def hear(self, window, rate=16000):
        """[rows] probabilities of a window [rows, samples]."""
        return self.value("silero_vad", {"x": window, "sr": rate}, "probability")[:, 0]

    def add(self, x, **fields):
        """running_sum's (sum, calls) after x."""
        total = float(self.value("running_sum", {"x": np.array([[x]], np.float32)}, "sum", **fields)[0, 0])
        return divmod(total, 1000)
