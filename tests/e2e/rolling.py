"""Servers that are restarted one after the other, and clients that ask meanwhile."""

import dataclasses
import threading

import numpy as np

import harness
from envoy_process import free_port
from harness import Code, predict_request, wait_until
from wire import array, assert_close, oip, reference

# How long a server goes on taking requests after it has said that it will end; who asks for health sees that sooner.
SHUTDOWN_DELAY_SECONDS = 3
# Answers of a server that came back, before the next one goes: for each client.
ANSWERS_OF_EACH = 3


class Fleet:
    """Servers over one store, each on a port of its own, which it keeps when it is restarted."""

    def __init__(self, store, folder, count=2, flags=()):
        self._store, self._folder, self._flags = store, folder, flags
        self._starts = 0
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in range(count)]
        self.servers = [self._start(address) for address in self.addresses]

    def _start(self, address):
        self._starts += 1
        server = harness.Server(self._store, self._folder / f"server{self._starts}", "--grpc-address", address,
                                "--shutdown-delay-seconds", str(SHUTDOWN_DELAY_SECONDS), *self._flags)
        return server.wait_listening().wait_ready()

    def restart(self, which):
        """As an orchestrator does: SIGTERM, the process ends by itself, another one takes the address."""
        self.servers[which].stop()
        self.servers[which] = self._start(self.addresses[which])

    def wait_until_asked(self, which, models):
        """Every client has been answered by it: the next one may go."""
        def all_were(page):
            return all(page.sum("torchferry_requests_total", model=model, code="OK") >= ANSWERS_OF_EACH for model in models)

        wait_until(lambda: all_were(self.servers[which].metrics()), f"all of {models} are asked at {self.addresses[which]}",
                   4 * harness.DEADLINE_SECONDS)

    def roll(self, rounds, clients):
        """Restarts all of them, so many times. Ends early when a request has failed."""
        for _ in range(rounds):
            for which in range(len(self.servers)):
                self.restart(which)
                assert not any(client.failures for client in clients), describe(clients)
                self.wait_until_asked(which, [client.model for client in clients])

    def kill(self):
        for server in self.servers:
            server.kill()
            print(f"--- log of {server.folder.name}\n{server.log()}")


@dataclasses.dataclass
class Load:
    """A client of a model of its own, on a thread: `ask` is called until it is stopped, and must answer right each time."""

    model: str
    ask: object
    answered: int = 0
    failures: list = dataclasses.field(default_factory=list)

    def __post_init__(self):
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def _run(self):
        while not self._is_stopped.wait(0.002):
            try:
                self.ask(self.model)
                self.answered += 1
            except Exception as error:  # each is a request that failed
                self.failures.append(error)

    def stop(self):
        self._is_stopped.set()
        self._thread.join(harness.DEADLINE_SECONDS)
        assert not self._thread.is_alive(), f"{self.model} waits for an answer that does not come"


def describe(clients):
    return "\n".join(f"{c.model}: {c.answered} answered, {len(c.failures)} failed{''.join(f'; {f!r}' for f in c.failures[:1])}"
                     for c in clients)


# What clients ask, with stubs of any channel.


def unary(stub):
    def ask(model):
        answer = stub.Predict(predict_request(model, {"x": reference("mlp", "x", 7)}), timeout=harness.DEADLINE_SECONDS)
        assert_close(array(answer.outputs["probabilities"]), reference("mlp", "probabilities", 7))

    return ask


def open_inference(stub):
    """The Open Inference Protocol's ModelInfer."""
    x, wanted = reference("mlp", "x", 7), reference("mlp", "probabilities", 7)

    def ask(model):
        request = oip.ModelInferRequest(model_name=model, raw_input_contents=[x.tobytes()])
        request.inputs.add(name="x", datatype="FP32", shape=x.shape)
        answer = stub.ModelInfer(request, timeout=harness.DEADLINE_SECONDS)
        got = np.frombuffer(answer.raw_output_contents[0], np.float32).reshape(tuple(answer.outputs[0].shape))
        assert_close(got, wanted)

    return ask


def stream(stub):
    """Streams of three requests, one after the other."""
    def ask(model):
        requests = [predict_request(model, {"x": reference("mlp", "x", 1)}, request_id=str(i)) for i in range(3)]
        answers = list(stub.PredictStream(iter(requests), timeout=harness.DEADLINE_SECONDS))
        assert [a.request_id for a in answers] == ["0", "1", "2"]
        for answer in answers:
            assert answer.error_code == Code.OK.value[0], answer.error_message
            assert_close(array(answer.response.outputs["probabilities"]), reference("mlp", "probabilities", 1))

    return ask


def slow(stub):
    """A tenth of a second and more each: some are in flight whenever a server ends."""
    def ask(model):
        answer = stub.Predict(predict_request(model, {"value": np.float32([3]), "iterations": 20}), timeout=harness.DEADLINE_SECONDS)
        assert array(answer.outputs["OUTPUT__0"]) == 6.0

    return ask
