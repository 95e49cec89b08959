"""Clients that ask as they should. Each answer is compared, and each that is wrong, late or an error is a failure of the server's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import exported_programs
import grpc
import harness
import models
import numpy as np
from gate import Actor, Gate
from harness import predict_request
from stateful import Stream
from test_inputs import infer_input, text_tensor
from wire import admin, array, assert_close, oip, pb, reference

# An answer of a loaded server with two processors may take its time; it comes.
TIMEOUT = 60

Connect = Callable[[], harness.Client]


class Good(Actor):
    """Has a connection until it rests."""

    is_good = True

    def __init__(self, name: str, gate: Gate, seed: int, connect: Connect, ask: Callable[[Good], None]) -> None:
        super().__init__(name, gate, seed)
        self._connect, self._ask = connect, ask
        self._client: harness.Client | None = None

    @property
    def client(self) -> harness.Client:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def turn(self) -> None:
        self._ask(self)

    def park(self) -> None:
        if self._client is not None:
            self._client.channel.close()
            self._client = None


def mlp(model: str) -> Callable[[Good], None]:
    """TorchScript by Predict, with one row or several."""
    def ask(actor: Good) -> None:
        rows = actor.chance.choice((1, 7))
        answer = actor.client.predict(model, {"x": reference("mlp", "x", rows)}, timeout=TIMEOUT)
        assert_close(array(answer.outputs["probabilities"]), reference("mlp", "probabilities", rows))

    return ask


def mlp_open(actor: Good) -> None:
    """The same by ModelInfer."""
    x = reference("mlp", "x", 7)
    request = oip.ModelInferRequest(model_name="mlp", raw_input_contents=[x.tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=x.shape)
    answer = actor.client.open_stub.ModelInfer(request, timeout=TIMEOUT)
    got = np.frombuffer(answer.raw_output_contents[0], np.float32).reshape(tuple(answer.outputs[0].shape))
    assert_close(got, reference("mlp", "probabilities", 7))


def lstm(actor: Good) -> None:
    """A state_dict and its forward.py."""
    rows = actor.chance.choice((1, 7))
    outputs = actor.client.predict("lstm", {"x": reference("lstm", "x", rows)}, timeout=TIMEOUT).outputs
    for name in ("scores", "hidden"):
        assert_close(array(outputs[name]), reference("lstm", name, rows), name)


def program(cases: dict[str, Any]) -> Callable[[Good], None]:
    def ask(actor: Good) -> None:
        case = cases[actor.chance.choice(sorted(cases))]
        outputs = actor.client.predict("program", case.inputs, timeout=TIMEOUT).outputs
        exported_programs.check_answer(outputs, case, exported_programs.TOLERANCES["FP32"])

    return ask


def running_sum(actor: Good) -> None:
    """A stream with a state of its own, of some steps."""
    total = 0
    with Stream(actor.client, TIMEOUT) as stream:
        for step in range(1, actor.chance.randint(2, 12)):
            value = actor.chance.randint(0, 50)
            total += value
            assert stream.add(value) == (total, step)


def text(actor: Good) -> None:
    """Text by either API."""
    rows = actor.chance.randint(1, len(models.TEXTS))
    texts = models.TEXTS[:rows]
    if actor.chance.random() < 0.5:
        answer = actor.client.predict("text", {"texts": text_tensor(texts, [rows, 1])}, timeout=TIMEOUT)
        got = array(answer.outputs["y"])
    else:
        given = infer_input("texts", texts)
        given.shape.append(1)
        request = oip.ModelInferRequest(model_name="text", inputs=[given])
        answer = actor.client.open_stub.ModelInfer(request, timeout=TIMEOUT)
        got = np.frombuffer(answer.raw_output_contents[0], np.int64).reshape(tuple(answer.outputs[0].shape))
    np.testing.assert_array_equal(got, models.TEXT_ANSWERS[:rows])


def slow(actor: Good) -> None:
    value = float(actor.chance.randint(0, 100))
    answer = actor.client.predict("slow", {"value": np.float32([value]), "iterations": 20}, timeout=TIMEOUT)
    assert array(answer.outputs["OUTPUT__0"])[0] == 2 * value


def swapped(actor: Good) -> None:
    """Whichever version answers says so, and multiplies by its number."""
    x = np.arange(4, dtype=np.float32)[None]
    answer = actor.client.predict("m", {"x": x}, timeout=TIMEOUT)
    np.testing.assert_array_equal(array(answer.outputs["y"]), x * answer.model_version)


def many(actor: Good) -> None:
    """A stream with many requests in flight at once."""
    count = actor.chance.randint(20, 60)
    requests = [predict_request("mlp", {"x": reference("mlp", "x", 1)}, request_id=str(i)) for i in range(count)]
    answers = list(actor.client.stub.PredictStream(iter(requests), timeout=TIMEOUT))
    assert [a.request_id for a in answers] == [str(i) for i in range(count)]
    for answer in answers:
        assert answer.error_code == 0, answer.error_message
        assert_close(array(answer.response.outputs["probabilities"]), reference("mlp", "probabilities", 1))


def looks(actor: Good) -> None:
    """All that only reads."""
    assert actor.client.health("") == harness.Health.SERVING
    assert actor.client.health("liveness") == harness.Health.SERVING
    assert ("mlp", 1) in actor.client.models()
    assert actor.client.model("mlp").state == pb.MODEL_STATE_READY
    assert actor.client.open_stub.ServerReady(oip.ServerReadyRequest(), timeout=TIMEOUT).ready
    metadata = actor.client.open_stub.ModelMetadata(oip.ModelMetadataRequest(name="lstm"), timeout=TIMEOUT)
    assert metadata.name == "lstm"
    actor.client.open_stub.ModelStatistics(oip.ModelStatisticsRequest(), timeout=TIMEOUT)


def reconnects(actor: Good) -> None:
    """A connection for each request."""
    mlp("mlp")(actor)
    actor.park()


def team(gate: Gate, seed: int, connect: Connect, cases: dict[str, Any]) -> Iterator[Good]:
    """One of each, and one for each model on a device that will be lost."""
    asks: dict[str, Callable[[Good], None]] = {
        "mlp": mlp("mlp"), "mlp, open": mlp_open, "lstm": lstm, "program": program(cases), "state": running_sum, "text": text,
        "slow": slow, "swapped": swapped, "many": many, "looks": looks, "reconnects": reconnects}
    asks |= {models.lossy(number): mlp(models.lossy(number)) for number in models.LOSSY_DEVICES}
    for name, ask in asks.items():
        actor = Good(name, gate, seed, connect, ask)
        if name.startswith("lossy") or name == "looks":
            actor.pause = 0.25  # none of these is about speed
        yield actor


@contextlib.contextmanager
def refusals_are(*codes: grpc.StatusCode) -> Iterator[None]:
    """The block may be refused with one of these, and with nothing else."""
    try:
        yield
    except grpc.RpcError as error:
        if error.code() not in codes:
            raise


def load(stub: Any, model: str) -> None:
    stub.LoadModel(admin.LoadModelRequest(model_name=model), timeout=TIMEOUT)


def unload(stub: Any, model: str) -> None:
    stub.UnloadModel(admin.UnloadModelRequest(model_name=model), timeout=TIMEOUT)
