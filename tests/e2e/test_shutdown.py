"""SIGTERM: everything that was accepted is answered, the world sees it coming, and the process ends with 0."""

import concurrent.futures
import signal
import threading
import time

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2

import harness
from harness import Client, Code, Health, predict_request
from wire import array, reference

REQUESTS = 100
GRACE_SECONDS = 60
# The longest first request takes 4 times as long as the shortest: it ends within the grace on a busy machine too.
START_ATTEMPTS = 3


def slow(client, value, iterations):
    request = predict_request("slow", {"value": np.array([value], np.float32), "iterations": iterations})
    return client.stub.Predict.future(request, timeout=2 * GRACE_SECONDS)


@pytest.fixture
def server(store, start):
    store.add("slow")
    store.add("mlp")
    return start("--workers", "1", "--max-queue-size", str(REQUESTS), "--drain-timeout-seconds", str(GRACE_SECONDS))


def start_requests(server, client):
    """Sends 100 requests: one keeps the worker busy, and 99 are short. Returns while the first one runs.

    The server has received all of them. Some of the short ones may be answered: short work does not wait for long work.
    """
    iterations = 2000
    for attempt in range(1, START_ATTEMPTS + 1):
        first = slow(client, 0.0, iterations)
        futures = [first] + [slow(client, float(i), 5) for i in range(1, REQUESTS)]

        def all_received_or_too_late(metrics, first=first, count=attempt * REQUESTS):
            received = sum(metrics.sum(name, model="slow") for name in (
                "torchferry_in_flight_requests", "torchferry_requests_total"))
            return received >= count or first.done()

        server.wait_metrics(all_received_or_too_late, f"{REQUESTS} requests are received")
        if not first.done():
            return futures
        # The machine was so busy that the worker ended first. The next attempt gives it more to do.
        assert_all_answered(futures)
        iterations *= 2
    raise AssertionError(f"the server did not receive {REQUESTS} requests within {iterations // 2} iterations of one")


def assert_all_answered(futures):
    for i, future in enumerate(futures):
        np.testing.assert_array_equal(array(future.result().outputs["OUTPUT__0"]), np.array([2.0 * i], np.float32))


def test_sigterm_answers_all_in_flight_and_ends_with_0(server):
    with Client(server.address) as client:
        futures = start_requests(server, client)
        server.signal()
        assert_all_answered(futures)
        assert server.wait_exit(GRACE_SECONDS) == 0


class WatchedHealth(threading.Thread):
    """What a Watch of "" is told, until its stream ends."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.statuses = []
        request = health_pb2.HealthCheckRequest(service="")
        self._stream = client.health_stub.Watch(request, timeout=2 * GRACE_SECONDS)
        self.statuses.append(next(self._stream).status)
        self.start()

    def run(self):
        try:
            for response in self._stream:
                self.statuses.append(response.status)
        except grpc.RpcError:
            pass  # the server has gone


def probe(client):
    """One quick request: "accepted" (answered, or still waiting), or the error that refused it."""
    future = client.stub.Predict.future(
        predict_request("mlp", {"x": reference("mlp", "x", 1)}), timeout=2 * GRACE_SECONDS)
    try:
        error = future.exception(timeout=0.2)
    except grpc.FutureTimeoutError:
        error = None
    return future, error


def status_of(client, service):
    """The status of one Check; None when nobody answers any more."""
    try:
        return client.health(service)
    except grpc.RpcError as error:
        assert error.code() in (Code.UNAVAILABLE, Code.CANCELLED), error
        return None


def test_sigterm_is_seen_by_health_before_the_first_refusal(server):
    """Balancers leave by "" before requests are refused; "liveness" holds to the end: nobody kills the drain."""
    with Client(server.address) as client, Client(server.address) as prober:
        watch = WatchedHealth(prober)
        assert watch.statuses == [Health.SERVING]
        futures = start_requests(server, client)
        probes = []
        refusals = 0
        server.signal()
        while True:
            future, error = probe(prober)
            probes.append(future)
            liveness = status_of(prober, "liveness")
            if liveness is None:
                break
            # It answers: the process lives, and says so.
            assert liveness == Health.SERVING
            if error is not None:
                assert error.code() == Code.UNAVAILABLE, error
                readiness = status_of(prober, "")
                assert readiness in (Health.NOT_SERVING, None), "a request was refused while \"\" was SERVING"
                refusals += readiness is not None
        # Liveness ends only when there is nothing left to answer.
        concurrent.futures.wait([_done(f) for f in futures], timeout=harness.DEADLINE_SECONDS)
        assert_all_answered(futures)
        assert server.wait_exit(GRACE_SECONDS) == 0
        assert refusals > 0, "no new request was refused during the drain"
        watch.join(harness.DEADLINE_SECONDS)
        assert watch.statuses == [Health.SERVING, Health.NOT_SERVING]
        # What came before the first refusal was accepted, and is answered. What came after it was not; gRPC itself
        # cancels what reaches a connection in its last moment.
        codes = [future.code() for future in probes]
        accepted = codes.index(Code.UNAVAILABLE)
        assert set(codes[:accepted]) <= {Code.OK}
        assert set(codes[accepted:]) <= {Code.UNAVAILABLE, Code.CANCELLED}, codes


def _done(call):
    """A gRPC call as a future of the standard library."""
    future = concurrent.futures.Future()
    call.add_done_callback(lambda _: future.set_result(None))
    return future


def test_sigterm_answers_the_messages_of_a_stream_that_were_sent(server):
    with Client(server.address) as client:
        sent = [predict_request("slow", {"value": np.array([i], np.float32), "iterations": 20}, request_id=str(i))
                for i in range(10)]
        hold = threading.Event()  # the client keeps its side open, as a chat does

        def requests():
            yield from sent
            hold.wait(GRACE_SECONDS)

        stream = client.stub.PredictStream(requests(), timeout=2 * GRACE_SECONDS)
        answers = [next(stream)]
        server.signal()
        try:
            for answer in stream:
                answers.append(answer)
        except grpc.RpcError as error:
            assert error.code() == Code.UNAVAILABLE
        finally:
            hold.set()
        # In order, and none skipped: answered as far as it was accepted, then refused.
        assert [a.request_id for a in answers] == [str(i) for i in range(len(answers))]
        codes = [a.error_code for a in answers]
        assert codes == sorted(codes) and set(codes) <= {0, Code.UNAVAILABLE.value[0]}
        assert server.wait_exit(GRACE_SECONDS) == 0


def test_who_asks_on_while_the_server_drains_hears_that_it_does(server):
    """And not that his call was cancelled, which nobody did."""

    def ask(_):
        with Client(server.address) as client:
            asking.release()
            while True:
                try:
                    client.predict("mlp", {"x": reference("mlp", "x", 7)})
                except grpc.RpcError as error:
                    return error.code()

    asking = threading.Semaphore(0)
    clients = 8
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        codes = pool.map(ask, range(clients))
        for _ in range(clients):
            asking.acquire()
        time.sleep(0.2)
        server.signal()
        assert list(codes) == [Code.UNAVAILABLE] * clients
    assert server.wait_exit(GRACE_SECONDS) == 0


def test_sigterm_behind_the_last_request_ends_with_0_every_time(store, start):
    """The last answer, the end of its model and the end of its worker come close together: 20 tries to mix them up."""
    store.add("slow")
    for _ in range(20):
        server = start("--workers", "2")
        with Client(server.address) as client:
            futures = [slow(client, float(i), 20) for i in range(4)]
            server.wait_metrics(lambda m: m.sum("torchferry_in_flight_requests", model="slow") > 0
                                or m.sum("torchferry_requests_total", model="slow") > 0, "a request has arrived")
            server.signal()
            for future in futures:
                assert future.code() in (Code.OK, Code.UNAVAILABLE), future.details()
            assert server.wait_exit(GRACE_SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_an_idle_server_with_0(store, start, number):
    server = start()
    server.signal(number)
    assert server.wait_exit() == 0


def test_sigterm_while_a_model_loads_ends_with_0(store, start):
    store.add("slow_to_load")
    server = start(ready=False)
    server.signal()
    assert server.wait_exit() == 0
