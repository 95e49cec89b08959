"""What people do with tritonclient, run with its own Python: triton.py ADDRESS EXPECTED CASE. EXPECTED is fixtures/expected. A case
that finds something wrong raises."""

import asyncio
import pathlib
import queue
import sys
import threading
import time

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

ADDRESS, EXPECTED = sys.argv[1], pathlib.Path(sys.argv[2])
DEADLINE = 60


def expected(name, rows=7, model="mlp"):
    return np.load(EXPECTED / model / f"{name}.{rows}.npy")


def inputs(module=triton, array=None, name="x", datatype="FP32"):
    array = expected("x") if array is None else array
    tensor = module.InferInput(name, array.shape, datatype)
    tensor.set_data_from_numpy(array)
    return [tensor]


def close(actual, wanted, tolerance=1e-5):
    assert actual.shape == wanted.shape, (actual.shape, wanted.shape)
    assert np.max(np.abs(actual.astype(np.float64) - wanted)) <= tolerance


def refused(status, *fragments, call):
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{status}", error
        for fragment in fragments:
            assert fragment in error.message(), error
    else:
        raise AssertionError(f"no {status}")


def health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("mlp") and client.is_model_ready("mlp", "1")
    assert not client.is_model_ready("mlp", "2") and not client.is_model_ready("nobody") and not client.is_model_ready("corrupt")
    server = client.get_server_metadata()
    assert server.name == "torchferry" and server.version and "statistics" in server.extensions
    model = client.get_model_metadata("mlp_dict", as_json=True)
    assert (model["name"], model["versions"], model["platform"]) == ("mlp_dict", ["1"], "pytorch_libtorch")
    assert model["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "4"]}]
    assert [(o["name"], o["datatype"], o["shape"]) for o in model["outputs"]] == [
        ("probabilities", "FP32", ["-1", "3"]), ("label", "INT64", ["-1", "1"])]
    refused("NOT_FOUND", "nobody", "mlp", call=lambda: client.get_model_metadata("nobody"))
    refused("NOT_FOUND", "no version 9", call=lambda: client.get_model_config("mlp", "9"))
    refused("FAILED_PRECONDITION", "failed to load", call=lambda: client.get_model_metadata("corrupt"))
    refused("INVALID_ARGUMENT", "latest", call=lambda: client.get_model_metadata("mlp", "latest"))


def model_config(client):
    config = client.get_model_config("mlp").config
    assert (config.name, config.backend, config.platform, config.max_batch_size) == ("mlp", "pytorch", "pytorch_libtorch", 64)
    assert config.HasField("dynamic_batching") and config.version_policy.latest.num_versions == 1
    assert [(i.name, i.data_type, list(i.dims)) for i in config.input] == [("x", 11, [4])]
    assert [(g.kind, g.count) for g in config.instance_group] == [(2, 1)]  # KIND_CPU
    assert config.default_model_filename == "mlp.pt"
    # Without a config.pbtxt: what the code says.
    bare = client.get_model_config("scalar_args").config
    assert [(i.name, i.data_type) for i in bare.input] == [("x", 0), ("scale", 11), ("n", 9), ("flag", 1)], bare


def repository_index(client):
    states = {m["name"]: m for m in client.get_model_repository_index(as_json=True)["models"]}
    assert states["mlp"] == {"name": "mlp", "version": "1", "state": "READY"}
    assert states["corrupt"]["state"] == "UNAVAILABLE" and "corrupt" in states["corrupt"]["reason"]
    request = service_pb2.RepositoryIndexRequest(ready=True)
    stub = service_pb2_grpc.GRPCInferenceServiceStub(client._channel)
    assert {m.name for m in stub.RepositoryIndex(request).models} == {n for n, m in states.items() if m["state"] == "READY"}


def infer(client):
    for rows in (1, 7):
        result = client.infer("mlp_dict", inputs(array=expected("x", rows)), request_id="41", model_version="1")
        close(result.as_numpy("probabilities"), expected("probabilities", rows))
        assert np.array_equal(result.as_numpy("label").ravel(), expected("label", rows).ravel())
        response = result.get_response()
        assert (response.id, response.model_name, response.model_version) == ("41", "mlp_dict", "1")
        assert response.parameters["torchferry_device"].string_param == "cpu"
        assert not response.parameters["torchferry_fallback"].bool_param
    wanted = client.infer("mlp_dict", inputs(), outputs=[triton.InferRequestedOutput("label")])
    assert [o.name for o in wanted.get_response().outputs] == ["label"]
    # Compression is gRPC's.
    close(client.infer("mlp", inputs(), compression_algorithm="gzip").as_numpy("probabilities"), expected("probabilities"))


def classification(client):
    x, probabilities = expected("x", 7), expected("probabilities", 7)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    for count in (1, 2, 3, 9):
        wanted = [triton.InferRequestedOutput("probabilities", class_count=count)]
        result = client.infer("labelled", inputs(array=x), outputs=wanted)
        texts = result.as_numpy("probabilities")
        assert texts.shape == (7, min(count, 3)) and result.get_output("probabilities").datatype == "BYTES"
        for row in range(7):
            for place, text in enumerate(texts[row]):
                value, index, *label = text.decode().split(":")
                assert int(index) == order[row, place]
                assert abs(float(value) - probabilities[row, int(index)]) < 1e-5
                assert label == [["cat", "dog", "Häuser"][int(index)]]
    # Without a label file there is no third part; other outputs stay tensors.
    both = [triton.InferRequestedOutput("probabilities", class_count=1), triton.InferRequestedOutput("label")]
    result = client.infer("mlp_dict", inputs(array=x), outputs=both)
    assert all(text.decode().count(":") == 1 for text in result.as_numpy("probabilities").ravel())
    assert np.array_equal(result.as_numpy("label").ravel(), expected("label", 7).ravel())
    assert client.get_model_config("labelled").config.output[0].label_filename == "labels.txt"
    assert "classification" in client.get_server_metadata().extensions
    for wrong in (-1, "three"):
        wanted = triton.InferRequestedOutput("probabilities", class_count=1)
        parameter = wanted._output.parameters["classification"]
        parameter.string_param = wrong if isinstance(wrong, str) else ""
        if not isinstance(wrong, str):
            parameter.int64_param = wrong
        refused("INVALID_ARGUMENT", "classification", "1 or more", call=lambda w=wanted: client.infer("mlp", inputs(), outputs=[w]))


def typed_contents(client):
    request = service_pb2.ModelInferRequest(model_name="mlp")
    x = expected("x")
    request.inputs.add(name="x", datatype="FP32", shape=x.shape).contents.fp32_contents.extend(x.ravel().tolist())
    response = service_pb2_grpc.GRPCInferenceServiceStub(client._channel).ModelInfer(request)
    close(np.frombuffer(response.raw_output_contents[0], np.float32).reshape(response.outputs[0].shape), expected("probabilities"))


def half_precision(client):
    # BF16 travels as FP32 on the client's side.
    for datatype, kind, tolerance in (("FP16", np.float16, 4e-3), ("BF16", np.float32, 4e-2)):
        bits = expected(f"x_{datatype}", model="portable")
        x = bits if datatype == "FP16" else (bits.astype(np.uint32) << 16).view(np.float32)
        result = client.infer(datatype.lower(), inputs(array=x, datatype=datatype))
        assert result.get_output("y").datatype == datatype
        y = result.as_numpy("y")
        assert y.dtype == kind
        close(y, expected(f"fp32_{datatype}", model="portable"), tolerance)


def async_infer(client):
    answers = queue.Queue()
    for number in range(50):
        client.async_infer("mlp", inputs(), callback=lambda result, error: answers.put((result, error)), request_id=str(number))
    ids = set()
    for _ in range(50):
        result, error = answers.get(timeout=DEADLINE)
        assert error is None, error
        close(result.as_numpy("probabilities"), expected("probabilities"))
        ids.add(result.get_response().id)
    assert len(ids) == 50


def asyncio_infer(_):
    async def run():
        async with triton_aio.InferenceServerClient(ADDRESS) as client:
            assert await client.is_server_ready()
            results = await asyncio.gather(*(client.infer("mlp", inputs(triton_aio)) for _ in range(20)))
            for result in results:
                close(result.as_numpy("probabilities"), expected("probabilities"))

            async def requests():
                for number in range(5):
                    yield {"model_name": "mlp", "inputs": inputs(triton_aio), "request_id": str(number)}

            seen = []
            async for result, error in client.stream_infer(requests()):
                assert error is None, error
                seen.append(result.get_response().id)
            assert seen == [str(number) for number in range(5)]

    asyncio.run(run())


def stream(client):
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for number in range(20):
        model = "nobody" if number == 7 else "mlp"
        client.async_stream_infer(model, inputs(), request_id=str(number), enable_empty_final_response=number == 3)
    for number in range(20):
        result, error = answers.get(timeout=DEADLINE)
        if number == 7:  # an error is an answer, and the stream goes on
            assert "nobody" in error.message()
            continue
        assert error is None, error
        response = result.get_response()
        assert response.id == str(number)
        assert response.parameters["triton_final_response"].bool_param, "asked or not"
        close(result.as_numpy("probabilities"), expected("probabilities"))
    client.stop_stream()


def stateful_stream(client):
    one = np.ones((1, 1), np.float32)
    for _ in range(2):  # each stream begins with the file's state
        answers = queue.Queue()
        client.start_stream(callback=lambda result, error, answers=answers: answers.put((result, error)))
        for _ in range(5):
            client.async_stream_infer("running_sum", inputs(array=one))
        sums = []
        for _ in range(5):
            result, error = answers.get(timeout=DEADLINE)
            assert error is None, error
            sums.append(float(result.as_numpy("sum")[0, 0]))
        client.stop_stream()
        assert sums == [1001, 2002, 3003, 4004, 5005], sums  # 1000 times the sum, and the calls
    refused("UNIMPLEMENTED", "sequence_id", call=lambda: client.infer("running_sum", inputs(array=one), sequence_id=5, sequence_start=True))


def sequences(client):
    """A model without state has no use for a sequence, and does not mind one."""
    answer = client.infer("mlp", inputs(), sequence_id=5, sequence_start=True, sequence_end=True)
    close(answer.as_numpy("probabilities"), expected("probabilities"))


def cancel(client):
    ended = threading.Event()
    errors = []

    def done(result, error):
        errors.append(error)
        ended.set()

    context = client.async_infer("slow", slow_inputs(), callback=done)
    time.sleep(0.2)
    context.cancel()
    assert ended.wait(DEADLINE)
    assert errors[0] is not None and "cancel" in str(errors[0]).lower(), errors
    close(client.infer("mlp", inputs()).as_numpy("probabilities"), expected("probabilities"))


def slow_inputs():
    """About a second's work."""
    return inputs(array=np.ones(4, np.float32), name="value") + inputs(array=np.array([500]), name="iterations", datatype="INT64")


def timeouts(client):
    refused("DEADLINE_EXCEEDED", call=lambda: client.infer("slow", slow_inputs(), client_timeout=0.2))
    # Microseconds in the queue, behind requests that run.
    answers = queue.Queue()
    for _ in range(4):
        client.async_infer("slow", slow_inputs(), callback=lambda result, error: answers.put(error))
    time.sleep(0.3)
    refused("DEADLINE_EXCEEDED", call=lambda: client.infer("slow", slow_inputs(), timeout=1000))
    for _ in range(4):
        error = answers.get(timeout=DEADLINE)
        assert error is None, error
    close(client.infer("mlp", inputs(), timeout=10_000_000).as_numpy("probabilities"), expected("probabilities"))


def bad_input(client):
    x = expected("x")
    refused("NOT_FOUND", "nobody", call=lambda: client.infer("nobody", inputs()))
    refused("NOT_FOUND", "no version 4", call=lambda: client.infer("mlp", inputs(), model_version="4"))
    refused("INVALID_ARGUMENT", "FP64", "FP32", call=lambda: client.infer("mlp", inputs(array=x.astype(np.float64), datatype="FP64")))
    refused("INVALID_ARGUMENT", "[7, 3]", call=lambda: client.infer("mlp", inputs(array=x[:, :3].copy())))
    refused("INVALID_ARGUMENT", 'input "x" is missing', call=lambda: client.infer("mlp", inputs(name="z")))
    refused("INVALID_ARGUMENT", call=lambda: client.infer("mlp", []))
    refused("INVALID_ARGUMENT", "BYTES", call=lambda: client.infer("mlp", inputs(array=np.array([[b"a"]], object), datatype="BYTES")))
    refused("INVALID_ARGUMENT", "nothing", call=lambda: client.infer("mlp", inputs(), outputs=[triton.InferRequestedOutput("nothing")]))
    shared = triton.InferInput("x", x.shape, "FP32")
    shared.set_shared_memory("region", x.nbytes)
    refused("UNIMPLEMENTED", "shared memory", call=lambda: client.infer("mlp", [shared]))
    close(client.infer("mlp", inputs()).as_numpy("probabilities"), expected("probabilities"))


def what_there_is_not(client):
    # Many clients tidy up before they begin.
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    assert not client.get_system_shared_memory_status().regions and not client.get_cuda_shared_memory_status().regions
    for call in (lambda: client.register_system_shared_memory("a", "/a", 4),
                 lambda: client.register_cuda_shared_memory("a", b"", 0, 4)):
        refused("UNIMPLEMENTED", "share memory", call=call)
    refused("UNIMPLEMENTED", "traces", call=lambda: client.get_trace_settings())
    refused("UNIMPLEMENTED", "--log-level", call=lambda: client.get_log_settings())


def count(client):
    """Requests that the test holds against the server's numbers: 30 right ones of 1 to 3 rows, 6 wrong ones."""
    def statistics():
        return client.get_inference_statistics("mlp_tuple", "1").model_stats[0]

    before = statistics()
    x = expected("x")
    rows = 0
    for number in range(30):
        some = x[: 1 + number % 3]
        rows += len(some)
        client.infer("mlp_tuple", inputs(array=some))
    for _ in range(6):
        refused("INVALID_ARGUMENT", call=lambda: client.infer("mlp_tuple", inputs(name="z")))
    after = statistics()
    stats = after.inference_stats
    assert stats.success.count - before.inference_stats.success.count == 30
    assert stats.fail.count == before.inference_stats.fail.count, "the requests were wrong, not the model"
    assert after.inference_count - before.inference_count == rows
    assert after.execution_count - before.execution_count == 30  # one after another
    for duration in (stats.queue, stats.compute_input, stats.compute_infer, stats.compute_output):
        assert duration.count == stats.success.count and duration.ns > 0
    assert stats.queue.ns + stats.compute_input.ns + stats.compute_infer.ns + stats.compute_output.ns <= stats.success.ns
    assert {b.batch_size: b.compute_infer.count for b in after.batch_stats} == {1: 10, 2: 10, 3: 10}
    assert abs(after.last_inference / 1000 - time.time()) < DEADLINE
    everything = client.get_inference_statistics()
    assert len(everything.model_stats) > 3
    refused("NOT_FOUND", "nobody", call=lambda: client.get_inference_statistics("nobody"))


CASES = {function.__name__: function for function in (
    health_and_metadata, model_config, repository_index, infer, classification, typed_contents, half_precision, async_infer, asyncio_infer, stream,
    stateful_stream, sequences, cancel, timeouts, bad_input, what_there_is_not, count)}

if __name__ == "__main__":
    if len(sys.argv) == 4:
        with triton.InferenceServerClient(ADDRESS) as opened:
            CASES[sys.argv[3]](opened)
