"""Client.stream: answers in order, state of its own, errors of one request and of the whole, with a real server."""

import queue
import threading

import numpy as np
import pytest
import stores

import torchferry


def step(value):
    return {"x": np.array([[value]], np.float32)}


def sums(answers):
    return [float(answer["sum"][0, 0]) for answer in answers]


def test_a_stateful_model_goes_on_where_it_was(client):
    assert sums(client.stream("running_sum", map(step, [1, 2, 3, 4]))) == stores.running_sums([1, 2, 3, 4])
    assert sums(client.stream("running_sum", map(step, [5]))) == stores.running_sums([5])


def test_requests_may_wait_for_answers(client):
    """Each request is made of the answer before it."""
    answers = queue.Queue()

    def requests():
        value = 1.0
        for _ in range(5):
            yield step(value)
            value = answers.get(timeout=60)

    seen = []
    for answer in client.stream("running_sum", requests()):
        seen.append(float(answer["sum"][0, 0]))
        answers.put(seen[-1] // 1000)
    assert seen == [1001, 2002, 4003, 8004, 16005]


def test_the_first_error_ends_a_stream(client):
    answers = client.stream("running_sum", [step(1), {"nonsense": np.zeros(1)}, step(2)])
    assert float(next(answers)["sum"][0, 0]) == 1001
    with pytest.raises(torchferry.InvalidArgumentError, match='"x" is missing'):
        next(answers)
    assert list(answers) == []


def test_errors_may_be_answers(client):
    answers = list(client.stream("running_sum", [step(1), {"nonsense": np.zeros(1)}, step(2)], errors="yield"))
    assert isinstance(answers[1], torchferry.InvalidArgumentError)
    assert sums([answers[0], answers[2]]) == stores.running_sums([1, 2])


def test_what_the_requests_raise_is_raised(client):
    def requests():
        yield step(1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        list(client.stream("running_sum", requests()))
    with pytest.raises(torchferry.InvalidArgumentError, match="complex"):
        list(client.stream("running_sum", [{"x": np.ones(1, complex)}]))
    with pytest.raises(torchferry.InvalidArgumentError, match="mapping"):
        list(client.stream("running_sum", [3]))


def test_a_stream_that_is_left_ends(client):
    """And its requests are asked for no more."""
    closed = threading.Event()

    def requests():
        try:
            while True:
                yield step(1)
        finally:
            closed.set()

    answers = client.stream("running_sum", requests())
    next(answers)
    answers.close()
    assert closed.wait(60)


def test_a_stream_keeps_its_deadline(client):
    with pytest.raises(torchferry.DeadlineExceededError):
        list(client.stream("slow", [{"steps": np.array([300_000])}], timeout=0.05))


def test_arguments_are_checked_when_a_stream_is_made(client):
    with pytest.raises(torchferry.InvalidArgumentError, match="errors"):
        client.stream("mlp", [], errors="ignore")
    with pytest.raises(torchferry.InvalidArgumentError, match="version"):
        client.stream("mlp", [], version=-1)
    assert list(client.stream("mlp", [])) == []


def test_a_model_that_is_not_there_ends_a_stream(client):
    with pytest.raises(torchferry.NotFoundError, match="nothing"):
        list(client.stream("nothing", [step(1)]))
