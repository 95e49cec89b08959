"""A device fails while sixteen clients send: no request fails that another device could answer in time, and every answer is PyTorch's.
Each scenario is a row of a table; `pytest -s` prints it, with what the fault cost."""

import concurrent.futures
import contextlib
import threading
import time

import numpy as np
import pytest

import harness
from harness import Client, Code, refused
from stores import Store
from wire import admin, admin_grpc, array, assert_close, oip, pb, reference

CLIENTS = 16
BEFORE, AFTER = 0.7, 1.5  # seconds of load before the fault and after it
OWN = "torchferry {{ device: \"{}\" }}\n"


class Scenario:
    """`faults` is what happens, `then` what follows a while later. `ends_on` is the device after it, `reasons` those of the fallbacks
    that are seen, `chance` those that may be, `up` the devices that are up."""

    def __init__(self, faults, ends_on, reasons=(), up=("sim:0", "sim:1"), then=None, device="sim:0", chance=()):
        self.faults, self.then, self.ends_on, self.reasons, self.up = faults, then, ends_on, set(reasons), set(up)
        self.device, self.chance = device, set(chance)


SCENARIOS = {
    "out of memory once": Scenario("sim:0 out_of_memory_times=1", "sim:0", chance={"out_of_memory"}),
    "out of memory always": Scenario("sim:0 out_of_memory_after_bytes=0", "cpu", {"out_of_memory"}),
    "out of memory, and room again": Scenario("sim:0 out_of_memory_after_bytes=0", "sim:0", {"out_of_memory"}, then=""),
    "out of memory over 64 rows": Scenario("sim:0 out_of_memory_over_rows=64", "sim:0"),
    "sticky error in a batch": Scenario("sim:0 sticky_error=1", "cpu", {"device_lost"}, up={"sim:1"}),
    "device lost": Scenario("sim:0 lost=1", "cpu", {"device_lost"}, up={"sim:1"}),
    "one of two devices lost": Scenario("sim:0 lost=1", "sim:1", {"device_lost"}, up={"sim:1"}, device="auto"),
    "both lost, one after the other": Scenario("sim:0 lost=1", "cpu", {"device_lost"}, up=(), device="auto", then="sim:0 lost=1\nsim:1 lost=1"),
    "out of memory while moving": Scenario("sim:0 lost=1\nsim:1 out_of_memory_after_bytes=0", "cpu", {"device_lost"}, up={"sim:1"}, device="auto"),
    "transient errors, and recovery": Scenario("sim:0 transient_errors=3", "sim:0", {"device_error"}, then=""),
    "slow device": Scenario("sim:0 copy_delay_us=3000", "sim:0"),
}
MODELS = {"mlp": {"probabilities"}, "lstm": {"scores", "hidden"}}


@contextlib.contextmanager
def sim_server(folder, store, *flags, devices=2, at_start=""):
    """(server, set_faults); `at_start`: faults that it begins with."""
    faults = folder / "faults"
    faults.write_text(at_start)

    def set_faults(text):
        partial = folder / "faults.partial"
        partial.write_text(text)
        partial.rename(faults)

    with harness.serving(store, folder / "server", "--device-probe-interval-seconds", "0.1", "--log-format", "json", *flags, ready=False,
                         binary=harness.SIM_SERVER, environment={"SIM_FAULT_FILE": str(faults), "SIM_DEVICES": str(devices)}) as server:
        yield server.wait_settled(), set_faults


def add_models(store, device):
    for name in MODELS:
        model = store.add(name, extra_config=OWN.format(device))
        config = model / "config.pbtxt"
        config.write_text(config.read_text().replace("max_batch_size: 64", "max_batch_size: 128").replace("max_batch_size: 32", "max_batch_size: 128"))


class Load:
    """Clients that ask until they are stopped; what each got, as (when it was sent, seconds, device, fallback's reason, error)."""

    def __init__(self, address):
        self.address = address
        self.stopping = threading.Event()
        self.answers = []
        self.threads = [threading.Thread(target=self._ask, args=(i,)) for i in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def request(self, number):
        """(model, inputs, expected outputs) of that client."""
        model = list(MODELS)[number % len(MODELS)]
        rows = 7 if number % 3 else 1
        return model, {"x": reference(model, "x", rows)}, {name: reference(model, name, rows) for name in MODELS[model]}

    def _ask(self, number):
        model, inputs, expected = self.request(number)
        with Client(self.address) as client:
            while not self.stopping.is_set():
                sent = time.monotonic()
                try:
                    response = client.predict(model, inputs)
                    for name in expected:
                        assert_close(array(response.outputs[name]), expected[name], name)
                    run = response.execution
                    self.answers.append((sent, time.monotonic() - sent, run.device, run.fallback_reason if run.fallback else "", None))
                except Exception as error:
                    self.answers.append((sent, time.monotonic() - sent, "", "", error))

    def errors(self):
        return [answer[4] for answer in self.answers if answer[4] is not None]

    def p99(self, begin, end):
        times = [seconds for sent, seconds, *_ in self.answers if begin <= sent < end]
        return 1000 * float(np.quantile(times, 0.99)) if times else float("nan")

    def devices(self, begin):
        return {device for sent, _, device, _, _ in self.answers if sent >= begin}

    def reasons(self):
        return {reason for *_, reason, _ in self.answers if reason}


@pytest.mark.parametrize("title", SCENARIOS)
def test_no_request_fails(title, tmp_path):
    store = Store(tmp_path / "store")
    add_models(store, SCENARIOS[title].device)
    check_scenario(title, tmp_path, store, MODELS, Load)


def check_scenario(title, folder, store, models, load_of):
    """`load_of` is a Load of these models."""
    scenario = SCENARIOS[title]
    with sim_server(folder, store, "--workers", "2") as (server, set_faults):
        with Client(server.address) as client:
            assert {client.model(name).placement.device for name in models} == {"sim:0"}
            with load_of(server.address) as load:
                time.sleep(BEFORE)
                begin = time.monotonic()
                set_faults(scenario.faults)
                time.sleep(AFTER)
                if scenario.then is not None:
                    set_faults(scenario.then)
                    time.sleep(AFTER)
                harness.wait_until(lambda: load.devices(time.monotonic() - 0.3) == {scenario.ends_on} or None,
                                   lambda: f"all answers come from {scenario.ends_on}, not {load.devices(time.monotonic() - 0.3)}", 20)
                end = time.monotonic()
            assert load.errors() == []
            assert scenario.reasons <= load.reasons() <= scenario.reasons | scenario.chance
            assert {client.model(name).placement.device for name in models} == {scenario.ends_on}
            assert client.health("") == harness.Health.SERVING
        metrics = server.metrics()
        up = {labels["device"] for labels, value in metrics.find("torchferry_device_up") if value == 1} - {"cpu"}
        assert up == scenario.up
        assert metrics.sum("torchferry_requests_total", code="OK") == len(load.answers) == metrics.sum("torchferry_requests_total")
        fallbacks = {labels["reason"]: value for labels, value in metrics.find("torchferry_fallbacks_total")}
        assert set(fallbacks) == load.reasons()
        lost = [line["device"] for line in server.log_lines() if line["message"] == "device lost"]
        assert sorted(lost) == sorted({"sim:0", "sim:1"} - scenario.up), "a line for each device that was lost"
        ready = server.http("/readyz")
        assert ready[0] == 200 and all(f"degraded: {device} is lost" in ready[1] for device in lost), ready
        print(f"\n{title:32} {len(load.answers):6} answers, 0 failed; p99 {load.p99(begin - BEFORE, begin):6.1f} -> {load.p99(begin, end):6.1f} ms; "
              f"then on {scenario.ends_on:5}; up: {','.join(sorted(up)) or 'none'}; fallbacks {fallbacks}")


def test_loss_while_idle_is_noticed(tmp_path):
    store = Store(tmp_path / "store")
    add_models(store, "sim:0")
    with sim_server(tmp_path, store) as (server, set_faults), Client(server.address) as client:
        set_faults("sim:0 lost=1")
        server.wait_metrics(lambda page: page.sum("torchferry_device_up", device="sim:0") == 0, "sim:0 is down")
        harness.wait_until(lambda: {client.model(name).placement.device for name in MODELS} == {"cpu"}, "the models move without a request")
        placement = client.model("mlp").placement
        assert (placement.fallback, placement.fallback_reason) == (True, "device_lost")
        assert any("runs on cpu instead of sim:0: device_lost" in decision for decision in placement.decisions)
        assert client.predict("mlp", {"x": reference("mlp", "x", 1)}).execution.fallback_reason == "device_lost"
        moved = [line for line in server.log_lines() if line["message"] == "model moved"]
        assert sorted((line["model"], line["from"], line["to"], line["reason"]) for line in moved) == [
            (name, "sim:0", "cpu", "device_lost") for name in sorted(MODELS)]


def test_loss_during_load(tmp_path):
    """Clients go on meanwhile; the version that was being loaded is served from the next device."""
    store = Store(tmp_path / "store")
    add_models(store, "auto")
    with sim_server(tmp_path, store, "--enable-admin") as (server, set_faults), Client(server.address) as client:
        stub = admin_grpc.ModelAdminServiceStub(client.channel)
        store.add("mlp", "late", extra_config=OWN.format("auto"))
        with Load(server.address) as load, concurrent.futures.ThreadPoolExecutor() as pool:
            set_faults("sim:0 copy_delay_us=30000")
            loading = pool.submit(stub.LoadModel, admin.LoadModelRequest(model_name="late"), timeout=harness.DEADLINE_SECONDS)
            harness.wait_until(lambda: ("late", 1) in client.models(), "it is loading")
            set_faults("sim:0 lost=1")
            versions = loading.result().versions
        assert load.errors() == []
        assert [v.state for v in versions] == [pb.MODEL_STATE_READY]
        assert client.model("late").placement.device == "sim:1"
        assert client.predict("late", {"x": reference("mlp", "x", 1)}).execution.device == "sim:1"


def test_a_standby_is_not_there_where_it_was_not_wanted(tmp_path):
    """Then the CPU's copy is made at first need, while requests wait: those whose deadlines pass fail, others do not, and other
    models do not wait."""
    store = Store(tmp_path / "store")
    add_models(store, "sim:0")
    slow = store.add("slow_to_load")
    (slow / "config.pbtxt").write_text('torchferry { device: "sim:0" fallback_warm: false }\n')
    x = np.ones([2, 3], np.float32)
    with sim_server(tmp_path, store, "--workers", "1") as (server, set_faults), Client(server.address) as client:
        loaded = client.model("slow_to_load").load_seconds
        assert client.predict("slow_to_load", {"x": x}).execution.device == "sim:0"
        ready = [line["model"] for line in server.log_lines() if line["message"] == "placement ready"]
        assert "slow_to_load" not in ready
        set_faults("sim:0 lost=1")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            patient = [pool.submit(client.predict, "slow_to_load", {"x": x}) for _ in range(4)]
            with refused(Code.DEADLINE_EXCEEDED):
                client.predict("slow_to_load", {"x": x}, timeout=min(0.2, loaded / 4))
            # One worker, and it does not wait.
            assert client.predict("mlp", {"x": reference("mlp", "x", 1)}).execution.device == "cpu"
            assert not any(future.done() for future in patient)
            for future in patient:
                response = future.result()
                assert response.execution.fallback_reason == "device_lost"
                np.testing.assert_array_equal(array(response.outputs["OUTPUT__0"]), x * 2)


def test_files_that_have_changed_since_are_not_taken(tmp_path):
    store = Store(tmp_path / "store")
    model = store.add("mlp", extra_config='torchferry { device: "sim:0" fallback_warm: false }\n')
    with sim_server(tmp_path, store) as (server, set_faults), Client(server.address) as client:
        (model / "1" / "mlp.pt").unlink()
        (model / "1" / "mlp.pt").write_bytes(b"another one")
        set_faults("sim:0 lost=1")
        with refused(Code.UNAVAILABLE, "sim:0"):
            client.predict("mlp", {"x": reference("mlp", "x", 1)})
        assert server.http("/livez")[0] == 200


def test_without_a_fallback_the_fault_is_the_answer(tmp_path):
    store = Store(tmp_path / "store")
    store.add("mlp", extra_config='torchferry { device: "sim:0" fallback: NONE }\n')
    with sim_server(tmp_path, store) as (server, set_faults), Client(server.address) as client:
        set_faults("sim:0 lost=1")
        for _ in range(2):
            with refused(Code.UNAVAILABLE, "sim:0"):
                client.predict("mlp", {"x": reference("mlp", "x", 1)})
        # And who asks before hears it, too.
        assert client.health("model/mlp") == client.health("") == harness.Health.NOT_SERVING
        assert not client.open_stub.ModelReady(oip.ModelReadyRequest(name="mlp"), timeout=harness.DEADLINE_SECONDS).ready
        status, body = server.http("/readyz")
        assert status == 503 and body.startswith("1 of 1 versions have no device to run on\ndegraded: sim:0 is lost"), body
        assert any("sim:0 is lost" in decision for decision in client.model("mlp").placement.decisions)


def test_a_models_own_words_are_no_fault(tmp_path):
    store = Store(tmp_path / "store")
    model = store.add("raises_like_a_device")
    (model / "config.pbtxt").write_text('torchferry { device: "sim:0" }\n')
    with sim_server(tmp_path, store) as (server, _), Client(server.address) as client:
        with refused(Code.INTERNAL, "the model raised", "CUDA error: an illegal memory access was encountered"):
            client.predict("raises_like_a_device", {"x": np.full([1, 2], -1, np.float32)})
        assert client.predict("raises_like_a_device", {"x": np.ones([1, 2], np.float32)}).execution.device == "sim:0"
        metrics = server.metrics()
        assert metrics.sum("torchferry_device_up", device="sim:0") == 1 and metrics.sum("torchferry_fallbacks_total") == 0


def test_a_stream_whose_state_is_lost_says_so_and_a_new_one_goes_on(tmp_path):
    store = Store(tmp_path / "store")
    store.add("running_sum", extra_config='torchferry { device: "sim:0" }\n')
    request = harness.predict_request("running_sum", {"x": np.ones([1, 1], np.float32)})
    with sim_server(tmp_path, store) as (server, set_faults), Client(server.address) as client:
        sent = threading.Semaphore(1)

        def requests():
            for _ in range(4):
                sent.acquire()
                yield request

        answers = client.stub.PredictStream(requests(), timeout=harness.DEADLINE_SECONDS)
        assert next(answers).response.execution.device == "sim:0"
        set_faults("sim:0 lost=1")
        for _ in range(2):
            sent.release()
            answer = next(answers)
            assert answer.error_code == Code.UNAVAILABLE.value[0]
            assert "not run twice" in answer.error_message or "open a new stream" in answer.error_message, answer.error_message
        assert "open a new stream" in answer.error_message
        answers.cancel()
        (first,) = client.stub.PredictStream(iter([request]), timeout=harness.DEADLINE_SECONDS)
        assert first.response.execution.device == "cpu"


@pytest.mark.parametrize("also", [None, "first", "then"])
def test_exit_on_device_loss(tmp_path, also):
    """The orchestrator's SIGTERM may come before it or after: requests in flight are answered all the same."""
    store = Store(tmp_path / "store")
    add_models(store, "sim:0")
    slow = store.add("slow")
    (slow / "config.pbtxt").write_text('torchferry { device: "cpu" }\n')
    faults = tmp_path / "faults"
    faults.write_text("")
    server = harness.Server(store, tmp_path / "server", "--exit-on-device-loss", "--shutdown-delay-seconds", "0.5", binary=harness.SIM_SERVER,
                            environment={"SIM_FAULT_FILE": str(faults), "SIM_DEVICES": "2"})
    try:
        server.wait_listening().wait_ready()
        with Client(server.address) as client:
            request = harness.predict_request("slow", {"value": np.ones([1], np.float32), "iterations": 400})
            in_flight = [client.stub.Predict.future(request, timeout=harness.DEADLINE_SECONDS) for _ in range(4)]
            server.wait_metrics(lambda page: page.sum("torchferry_in_flight_requests", model="slow") > 0, "requests are in flight")
            if also == "first":
                server.signal()
                harness.wait_until(lambda: "draining" in server.log(), "it drains")
            faults.write_text("sim:0 lost=1")
            assert client.predict("mlp", {"x": reference("mlp", "x", 1)}).execution.fallback_reason == "device_lost"
            if also == "then":
                harness.wait_until(lambda: "draining" in server.log(), "it drains")
                server.signal()
            for future in in_flight:
                assert future.result().execution.device == "cpu"
            assert server.wait_exit() == 3
    finally:
        server.kill()
    assert "draining" in server.log()
