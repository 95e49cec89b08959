"""Models that keep state between calls: a stream's answers are PyTorch's, no client hears another, and each begins with the
state in the file."""

import concurrent.futures
import threading

import grpc
import numpy as np
import pytest

import harness
from harness import Client, Code, predict_request, refused
from stateful import LIMIT, STATELESS, STREAMS, Stream, audio, expected, server  # noqa: F401  (two of them are fixtures)
from wire import FIXTURES, array, assert_close

CODE = {code: code.value[0] for code in Code}


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


def add_alone(client, x):
    return divmod(float(client.predict_arrays("running_sum", {"x": np.array([[x]], np.float32)})["sum"][0, 0]), 1000)


# --- silero -----------------------------------------------------------------------------------------------------------


def test_silero_over_a_sequence_equals_pytorch(client, audio):
    for number in (0, 3):
        with Stream(client) as stream:
            heard = np.concatenate([stream.hear(window[None]) for window in audio[number]])
        assert_close(heard, expected("probability")[number])
    # It is a test of state only if without it the answers are others.
    assert np.abs(expected("probability") - expected("probability_fresh")).max() > 0.5


def test_silero_at_8_khz_and_with_rows_equals_pytorch(client, audio):
    with Stream(client) as stream:
        heard = np.concatenate([stream.hear(window[None, ::2].copy(), 8000) for window in audio[1]])
    assert_close(heard, expected("probability_8khz")[1])
    with Stream(client) as stream:
        heard = np.stack([stream.hear(windows) for windows in audio.swapaxes(0, 1)])
    assert_close(heard, expected("probability_rows"))


def test_8_streams_at_the_same_time_do_not_mix(server, audio):
    """Each step of each stream is running together with those of the seven others."""
    together = threading.Barrier(STREAMS, timeout=harness.DEADLINE_SECONDS)

    def listen(number):
        heard = []
        with Client(server.address) as client, Stream(client) as stream:
            for window in audio[number]:
                together.wait()
                heard.append(stream.hear(window[None]))
        return np.concatenate(heard)

    with concurrent.futures.ThreadPoolExecutor(STREAMS) as pool:
        heard = np.stack(list(pool.map(listen, range(STREAMS))))
    assert_close(heard, expected("probability"))


def test_8_streams_of_one_connection_that_are_sent_at_once_do_not_mix(client, audio):
    """All requests are written before the first answer is read: the server keeps them apart and in order by itself."""
    calls = [client.stub.PredictStream(
        iter([predict_request("silero_vad", {"x": window[None], "sr": 16000}) for window in stream]),
        timeout=harness.DEADLINE_SECONDS) for stream in audio]
    for number, call in enumerate(calls):
        answers = list(call)
        assert all(a.error_code == 0 and a.response.execution.batch_rows == 1 for a in answers)
        assert_close(np.concatenate([array(a.response.outputs["probability"])[:, 0] for a in answers]),
                     expected("probability")[number])


def test_predictions_without_a_stream_start_fresh_and_leave_streams_alone(client, audio):
    fresh = expected("probability_fresh")
    with Stream(client) as stream:
        for i, window in enumerate(audio[2]):
            assert_close(stream.hear(window[None]), expected("probability")[2, i:i + 1])
            alone = client.predict_arrays("silero_vad", {"x": audio[5, i][None], "sr": 16000})["probability"]
            assert_close(alone[:, 0], fresh[5, i:i + 1])


def test_silero_is_shown_as_stateful(client, audio):
    silero = client.model("silero_vad")
    assert silero.stateful and not silero.dynamic_batching
    assert silero.max_batch_size == 16
    decisions = list(silero.placement.decisions)
    assert any(d.startswith("keeps state: forward assigns self._") and "not batched" in d for d in decisions), decisions


# --- whose state, and when --------------------------------------------------------------------------------------------


def test_stateful_models_are_told_from_the_others(client):
    shown = {name: version.stateful for (name, _), version in client.models().items() if name != "silero_vad"}
    assert shown == {"running_sum": True} | {name: False for name in STATELESS}
    running_sum = client.model("running_sum")
    assert not running_sum.dynamic_batching  # although its config asks for it
    assert any("dynamic_batching" in d for d in running_sum.placement.decisions)


def test_state_ends_with_its_stream(client):
    for _ in range(2):
        with Stream(client) as stream:
            assert stream.add(2) == (2, 1)
            assert stream.add(3) == (5, 2)
    assert add_alone(client, 4) == (4, 1)
    assert add_alone(client, 4) == (4, 1)


def test_parameter_of_a_state_dict_that_forward_py_writes_is_state(store, start, tmp_path):
    forward = tmp_path / "forward.py"
    forward.write_text("def forward(self, x: Tensor) -> Tensor:\n"
                       "    self.head.bias.add_(x)\n"
                       "    return self.head.bias\n")
    store.add_file("grows", FIXTURES / "lstm" / "1" / "lstm.pth", "lstm.pth", forward_py=forward)
    x = {"x": np.ones(4, np.float32)}
    with Client(start().address) as client:
        assert client.model("grows").stateful
        begin = client.predict_arrays("grows", x)["OUTPUT__0"]
        for _ in range(2):
            with Stream(client) as stream:
                for step in range(3):
                    assert_close(stream.value("grows", x, "OUTPUT__0"), begin + np.float32(step))
        assert_close(client.predict_arrays("grows", x)["OUTPUT__0"], begin)


@pytest.mark.parametrize("inputs,message", [
    ({"x": np.ones((1, 2), np.float32)}, "dimension 1 is 2, expected 1"),
    ({"x": np.ones((9, 1), np.float32)}, "9"),
    ({"x": np.ones((1, 1), np.float64)}, "expected FP32"),
    ({"y": np.ones((1, 1), np.float32)}, "\"x\" is missing"),
])
def test_bad_request_leaves_the_state_alone(client, inputs, message):
    with Stream(client) as stream:
        assert stream.add(2) == (2, 1)
        answer = stream.ask("running_sum", inputs)
        assert answer.error_code == CODE[Code.INVALID_ARGUMENT]
        assert message in answer.error_message
        assert stream.add(3) == (5, 2)


def test_unknown_output_leaves_the_state_alone(client):
    with Stream(client) as stream:
        answer = stream.ask("running_sum", {"x": np.ones((1, 1), np.float32)}, outputs=["no_such_output"])
        assert answer.error_code == CODE[Code.INVALID_ARGUMENT]
        assert stream.add(3) == (3, 1)


def test_step_that_raises_is_not_run_again_and_leaves_what_it_had_written(client):
    """As in Python, where the exception is caught: -7 has been added, the call has not been counted."""
    with Stream(client) as stream:
        assert stream.add(10) == (10, 1)
        answer = stream.ask("running_sum", {"x": np.array([[-7]], np.float32)})
        assert answer.error_code == CODE[Code.INTERNAL]
        harness.check_message(answer.error_message, "x is negative")
        assert stream.add(1) == (4, 2)


def test_one_stream_has_a_state_with_each_model_that_it_names(store, start):
    store.add("running_sum")
    store.add("running_sum", "other_sum")
    store.add("mlp")
    with Client(start().address) as client, Stream(client) as stream:
        assert stream.add(1) == (1, 1)
        other = {"x": np.array([[5]], np.float32)}
        assert stream.value("other_sum", other, "sum")[0, 0] == 5001
        assert stream.add(2) == (3, 2)
        # A model without state, in between.
        assert stream.value("mlp", {"x": np.ones((1, 4), np.float32)}, "probabilities").shape == (1, 3)
        assert stream.value("other_sum", other, "sum")[0, 0] == 10002


def test_versions_have_a_state_each_and_the_newest_is_one_of_them(store, start):
    store.add("running_sum", extra_config="version_policy { all { } }\n", versions=[1, 2])
    with Client(start().address) as client, Stream(client) as stream:
        assert stream.add(1) == (1, 1)
        assert stream.add(2, model_version=2) == (3, 2)  # the version that 0 stood for
        assert stream.add(5, model_version=1) == (5, 1)
        assert stream.add(4) == (7, 3)


# --- how many ---------------------------------------------------------------------------------------------------------


def test_more_streams_than_the_limit_are_refused_and_the_others_served(client):
    streams = [Stream(client) for _ in range(LIMIT)]
    assert [stream.add(1) for stream in streams] == [(1, 1)] * LIMIT
    late = Stream(client)
    answer = late.ask("running_sum", {"x": np.ones((1, 1), np.float32)})
    assert answer.error_code == CODE[Code.RESOURCE_EXHAUSTED]
    harness.check_message(answer.error_message, "running_sum", str(LIMIT), "--max-stateful-streams")
    # Those that have a place, requests by themselves, and models without state.
    assert [stream.add(1) for stream in streams] == [(2, 2)] * LIMIT
    assert add_alone(client, 1) == (1, 1)
    assert late.value("mlp", {"x": np.ones((1, 4), np.float32)}, "probabilities").shape == (1, 3)
    # The refused stream goes on as soon as there is a place.
    streams.pop().close()
    harness.wait_until(lambda: late.ask("running_sum", {"x": np.zeros((1, 1), np.float32)}).error_code == 0,
                       "the place of a stream that has ended is given to another")
    for stream in [*streams, late]:
        stream.close()


def test_cancelled_streams_give_their_places_back(client):
    for _ in range(3):
        streams = [Stream(client) for _ in range(LIMIT)]

        def all_have_a_place(streams=streams):
            return all(s.ask("running_sum", {"x": np.zeros((1, 1), np.float32)}).error_code == 0 for s in streams)

        harness.wait_until(all_have_a_place, f"{LIMIT} streams have a place")
        for stream in streams:
            stream.call.cancel()


def test_stream_that_is_cancelled_in_a_step_gives_its_place_back(store, start):
    store.add("running_sum")
    server = start("--workers", "1", "--max-stateful-streams", "1")
    with Client(server.address) as client:
        stream = Stream(client)
        # Some seconds: on a busy host a look at the metrics takes one.
        stream.send("running_sum", {"x": np.ones((1, 1), np.float32), "work": 1500})
        server.wait_metrics(lambda m: m.sum("torchferry_in_flight_requests", model="running_sum") == 1,
                            "the step is running")
        stream.call.cancel()
        after = Stream(client)
        harness.wait_until(lambda: after.ask("running_sum", {"x": np.zeros((1, 1), np.float32)}).error_code == 0,
                           "the place is given to another")
        after.close()


# --- the queue and the end --------------------------------------------------------------------------------------------


def test_steps_that_never_ran_leave_the_state_alone(store, start):
    """A stream whose deadline passes in the queue is cut off; another one's state is none the worse for it."""
    store.add("running_sum")
    server = start("--workers", "1")
    with Client(server.address) as client, Stream(client) as stream:
        assert stream.add(1) == (1, 1)
        hasty = Stream(client, timeout=0.2)
        hasty.send("running_sum", {"x": np.ones((1, 1), np.float32), "work": 300})
        with refused(Code.DEADLINE_EXCEEDED):
            answer = hasty.ask("running_sum", {"x": np.ones((1, 1), np.float32)})  # waits for the step before
            assert answer.error_code == Code.DEADLINE_EXCEEDED.value[0]  # the server may be before the client
            next(hasty.call)
        assert stream.add(1) == (2, 2)
    metrics = server.wait_metrics(lambda m: m.sum("torchferry_requests_total", model="running_sum") >= 3,
                                  "the steps are counted")
    assert metrics.sum("torchferry_batch_rows_count", model="running_sum") == 3


def test_sigterm_answers_the_step_in_flight_and_ends_open_streams(store, start):
    store.add("running_sum")
    server = start("--workers", "1")
    with Client(server.address) as client:
        streams = [Stream(client) for _ in range(4)]
        assert [stream.add(1) for stream in streams] == [(1, 1)] * 4
        streams[0].send("running_sum", {"x": np.ones((1, 1), np.float32), "work": 300})
        server.wait_metrics(lambda m: m.sum("torchferry_in_flight_requests", model="running_sum") == 1,
                            "the step is running")
        server.signal()
        answer = next(streams[0].call)
        assert answer.error_code == 0, answer.error_message
        assert array(answer.response.outputs["sum"])[0, 0] == 2002
        assert server.wait_exit() == 0
        for stream in streams:
            with pytest.raises(grpc.RpcError):
                next(stream.call)
