"""Identities: which models each may use, changes while the server runs, refusals at the start, and the audit."""

import contextlib
import queue
import re
import subprocess

import grpc
import pytest

import harness
from every_rpc import every_rpc, model_infer
from harness import DEADLINE_SECONDS, Client, Code, predict_request, refused
from people import People, bearer, digest, utc
from wire import admin, admin_grpc, oip, pb, reference

LOG_JSON = ("--log-format", "json")


def mlp(model="mlp", rows=1):
    return predict_request(model, {"x": reference("mlp", "x", rows)})


@pytest.fixture
def people(store, tmp_path):
    for name in ("mlp", "mlp-secret", "other"):
        store.add("mlp", name)
    return People(tmp_path)


@contextlib.contextmanager
def connected(server):
    with Client(server.address) as client:
        yield client


def predict(client, metadata, model="mlp"):
    return client.stub.Predict(mlp(model), metadata=metadata, timeout=DEADLINE_SECONDS)


# --- models ---------------------------------------------------------------------------------------


def test_a_model_one_may_not_use_looks_like_none(people, start):
    """Whether it is there or not: the registry is not asked."""
    people.add("narrow", "predict read admin", models="mlp ghost-*")
    server = start(*people.flags(), "--enable-admin")
    who = people.metadata("narrow")
    with connected(server) as client:
        assert predict(client, who).model_name == "mlp"
        stub, open_stub = client.stub, client.open_stub
        loads = admin_grpc.ModelAdminServiceStub(client.channel)
        asks = {
            "Predict": lambda name: stub.Predict(mlp(name), metadata=who, timeout=DEADLINE_SECONDS),
            "GetModel": lambda name: stub.GetModel(pb.GetModelRequest(model_name=name), metadata=who, timeout=DEADLINE_SECONDS),
            "ModelInfer": lambda name: open_stub.ModelInfer(model_infer(name), metadata=who, timeout=DEADLINE_SECONDS),
            "ModelReady": lambda name: open_stub.ModelReady(oip.ModelReadyRequest(name=name), metadata=who, timeout=DEADLINE_SECONDS),
            "ModelMetadata": lambda name: open_stub.ModelMetadata(
                oip.ModelMetadataRequest(name=name), metadata=who, timeout=DEADLINE_SECONDS),
            "ModelConfig": lambda name: open_stub.ModelConfig(
                oip.ModelConfigRequest(name=name), metadata=who, timeout=DEADLINE_SECONDS),
            "ModelStatistics": lambda name: open_stub.ModelStatistics(
                oip.ModelStatisticsRequest(name=name), metadata=who, timeout=DEADLINE_SECONDS),
            "LoadModel": lambda name: loads.LoadModel(admin.LoadModelRequest(model_name=name), metadata=who, timeout=DEADLINE_SECONDS),
            "UnloadModel": lambda name: loads.UnloadModel(
                admin.UnloadModelRequest(model_name=name), metadata=who, timeout=DEADLINE_SECONDS),
            "RepositoryModelLoad": lambda name: open_stub.RepositoryModelLoad(
                oip.RepositoryModelLoadRequest(model_name=name), metadata=who, timeout=DEADLINE_SECONDS),
        }
        for name, ask in asks.items():
            texts = []
            for model in ("mlp-secret", "no-such-mlp"):
                with pytest.raises(grpc.RpcError) as raised:
                    ask(model)
                assert raised.value.code() == Code.PERMISSION_DENIED, (name, raised.value.details())
                texts.append(raised.value.details().replace(model, "MODEL"))
            assert texts[0] == texts[1], name
        # Of the models it may name, one that is not there: the others are not listed.
        with pytest.raises(grpc.RpcError) as raised:
            predict(client, who, "ghost-1")
        assert raised.value.code() == Code.NOT_FOUND
        assert "secret" not in raised.value.details() and "other" not in raised.value.details()


def test_lists_hold_what_the_caller_may_see(people, start):
    people.add("narrow", "predict read", models="mlp*")
    people.add("wide", "read")
    server = start(*people.flags())
    with connected(server) as client:
        for who, expected in (("narrow", {"mlp", "mlp-secret"}), ("wide", {"mlp", "mlp-secret", "other"})):
            who = people.metadata(who)
            listed = client.stub.ListModels(pb.ListModelsRequest(), metadata=who, timeout=DEADLINE_SECONDS).versions
            assert {v.model_name for v in listed} == expected
            index = client.open_stub.RepositoryIndex(oip.RepositoryIndexRequest(), metadata=who, timeout=DEADLINE_SECONDS)
            assert {model.name for model in index.models} == expected
            statistics = client.open_stub.ModelStatistics(
                oip.ModelStatisticsRequest(), metadata=who, timeout=DEADLINE_SECONDS)
            assert {model.name for model in statistics.model_stats} == expected


def test_health_of_a_model_is_for_those_who_may_see_it(people, start):
    people.add("narrow", "read", models="mlp")
    server = start(*people.flags())
    check = next(rpc for rpc in every_rpc() if rpc.name == "grpc.health.v1.Health.Check")
    with connected(server) as client:
        for service, anybody, narrow in ((b"", Code.OK, Code.OK), (b"liveness", Code.OK, Code.OK),
                                         (b"model/mlp", Code.NOT_FOUND, Code.OK), (b"model/other", Code.NOT_FOUND, Code.NOT_FOUND),
                                         (b"model/none", Code.NOT_FOUND, Code.NOT_FOUND)):
            request = b"\x0a" + bytes([len(service)]) + service
            assert check.code(client.channel, request) == anybody, service
            assert check.code(client.channel, request, bearer("wrong")) == anybody, service
            assert check.code(client.channel, request, people.metadata("narrow")) == narrow, service


def test_each_message_of_a_stream_is_held_against_the_models(people, start):
    people.add("narrow", "predict", models="mlp")
    server = start(*people.flags())
    with connected(server) as client:
        messages = [mlp(), mlp("mlp-secret"), mlp("none"), mlp()]
        answers = list(client.stub.PredictStream(iter(messages), metadata=people.metadata("narrow"), timeout=DEADLINE_SECONDS))
        denied = Code.PERMISSION_DENIED.value[0]
        assert [answer.error_code for answer in answers] == [0, denied, denied, 0]
        answers = list(client.open_stub.ModelStreamInfer(
            iter([model_infer(), model_infer("other"), model_infer()]), metadata=people.metadata("narrow"), timeout=DEADLINE_SECONDS))
        assert [bool(answer.error_message) for answer in answers] == [False, True, False]
        assert "may not use the model \"other\"" in answers[1].error_message


# --- changes --------------------------------------------------------------------------------------


def code_of(client, metadata):
    try:
        predict(client, metadata)
        return Code.OK
    except grpc.RpcError as error:
        return error.code()


def wait_code(client, metadata, code):
    harness.wait_until(lambda: code_of(client, metadata) == code, f"a call comes to {code}", every=0.05)


def test_the_file_is_read_again_and_a_broken_one_is_not_taken(people, start):
    people.add("alice", "predict")
    server = start(*people.flags(), *LOG_JSON)
    bob = bearer("token-of-bob-that-is-long-enough")
    with connected(server) as client:
        assert (code_of(client, people.metadata("alice")), code_of(client, bob)) == (Code.OK, Code.UNAUTHENTICATED)
        people.write("identity bob\n")
        harness.wait_until(lambda: "is broken: those read before stay" in server.log(), server.log)
        errors = [line for line in server.log_lines() if "is broken" in line["message"]]
        line = people.path.read_text().splitlines().index("identity bob") + 1
        assert f"people:{line}:1: identity bob has no roles" in errors[0]["error"] and len(errors) == 1
        assert code_of(client, people.metadata("alice")) == Code.OK
        people.write(f"identity bob\nroles predict\nmodels *\ntoken {digest('token-of-bob-that-is-long-enough')}\n")
        wait_code(client, bob, Code.OK)
        people.remove("alice")
        wait_code(client, people.metadata("alice"), Code.UNAUTHENTICATED)


def test_a_stream_ends_to_be_answered_when_its_token_is_taken_away(people, start):
    people.add("alice", "predict")
    people.add("bob", "predict")
    server = start(*people.flags())
    with connected(server) as client, contextlib.closing(Feed()) as feed:
        answers = client.stub.PredictStream(feed, metadata=people.metadata("alice"), timeout=DEADLINE_SECONDS)
        feed.send(mlp())
        assert next(answers).error_code == 0
        people.remove("alice")
        wait_code(client, people.metadata("alice"), Code.UNAUTHENTICATED)
        feed.send(mlp())
        assert next(answers).error_code == Code.UNAUTHENTICATED.value[0]
        answers.cancel()


def test_a_token_is_good_until_it_expires(people, start):
    people.add("brief", "predict", expires=utc(3))
    server = start(*people.flags())
    with connected(server) as client:
        wait_code(client, people.metadata("brief"), Code.UNAUTHENTICATED)
        people.add("brief", "predict", expires=utc(3600))
        wait_code(client, people.metadata("brief"), Code.OK)


class Feed:
    """Messages of a stream, one at a time."""

    def __init__(self):
        self.queue = queue.Queue()

    def send(self, message):
        self.queue.put(message)

    def close(self):
        self.queue.put(None)

    def __iter__(self):
        return self

    def __next__(self):
        message = self.queue.get()
        if message is None:
            raise StopIteration
        return message


# --- refusals -------------------------------------------------------------------------------------


def test_a_refusal_tells_nothing_and_costs_little(people, start):
    """The same text for each wrong credential, the metrics by code, and a bounded number of lines in the log."""
    people.add("alice", "predict")
    people.add("former", "predict", expires=utc(-1))
    server = start(*people.flags(), *LOG_JSON)
    token = people.tokens["alice"]
    with connected(server) as client:
        texts = set()
        for wrong in ("wrong", token[:-1], token + "x", token.swapcase(), people.tokens["former"], "x" * 3000):
            with pytest.raises(grpc.RpcError) as raised:
                predict(client, bearer(wrong))
            assert raised.value.code() == Code.UNAUTHENTICATED
            texts.add(raised.value.details())
        with pytest.raises(grpc.RpcError) as raised:
            predict(client, people.metadata("alice") * 2)
        assert {raised.value.details(), *texts} == texts and len(texts) == 1
        for _ in range(500):
            assert code_of(client, bearer("flood")) == Code.UNAUTHENTICATED
        with refused(Code.PERMISSION_DENIED, "identity \"alice\" has no role"):
            client.stub.ListModels(pb.ListModelsRequest(), metadata=people.metadata("alice"), timeout=DEADLINE_SECONDS)
        assert code_of(client, people.metadata("alice")) == Code.OK
        log = server.log()
        assert token not in log and "flood" not in log
        assert 0 < len([line for line in server.log_lines() if line["message"] == "a call was refused"]) < 120
        page = server.metrics().text
        assert re.search(r'torchferry_calls_refused_total\{code="UNAUTHENTICATED"\} 507\b', page), page
        assert re.search(r'torchferry_calls_refused_total\{code="PERMISSION_DENIED"\} 1\b', page), page


def test_what_is_refused_is_not_parsed(people, start):
    """A message that is none, and one that is large, get the gate's answer and not the parser's."""
    people.add("alice", "predict")
    server = start(*people.flags())
    with connected(server) as client:
        for garbage in (b"\xff\xff\xff", bytes(20 << 20)):
            call = client.channel.unary_unary("/torchferry.v1.InferenceService/Predict")
            with refused(Code.UNAUTHENTICATED):
                call(garbage, timeout=DEADLINE_SECONDS)
            with refused(Code.INVALID_ARGUMENT):
                call(garbage, metadata=people.metadata("alice"), timeout=DEADLINE_SECONDS)


# --- the start ------------------------------------------------------------------------------------


def run_server(*flags):
    return subprocess.run([str(harness.server_binary()), *flags], env=harness.clean_environment(), check=False,
                          capture_output=True, text=True, timeout=DEADLINE_SECONDS)


@pytest.mark.parametrize("flags", [("--grpc-address", "0.0.0.0:0"), ("--grpc-address", "[::]:0"),
                                   ("--grpc-address", "127.0.0.1:0", "--admin-address", "0.0.0.0:0")])
def test_admin_is_never_open_by_accident(people, start, flags):
    store = ("--model-store", str(people.path.parent / "store"), "--metrics-address", "127.0.0.1:0")
    run = run_server(*store, "--enable-admin", *flags)
    assert run.returncode == 2, run.stderr
    for fragment in ("--enable-admin", flags[-1], "--identities FILE", "--insecure-admin"):
        assert fragment in run.stderr, run.stderr
    people.add("admin", "admin")
    for way_out in (people.flags(), ("--insecure-admin",)):
        start(*flags, "--enable-admin", *way_out, ready=False)


WRONG_FILES = {
    "empty identity": ("identity a\n", ":1:1: identity a has no roles"),
    "a token itself": ("identity a\nroles read\nmodels *\ntoken s3cr3t\n", ":4:7: this is no digest of a token"),
    "a wrong role": ("identity a\n  roles write\n", ":2:9: \"write\" is no role; expected one or more of predict"),
    "bytes": ("\x00\x01\n", ":1:1: \"\\u0000\\u0001\" begins no line"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_wrong_file_is_an_error_at_the_start(people, case):
    text, expected = WRONG_FILES[case]
    people.path.write_text(text)
    run = run_server("--model-store", str(people.path.parent / "store"), "--grpc-address", "127.0.0.1:0",
                     "--metrics-address", "127.0.0.1:0", *people.flags())
    assert run.returncode == 1
    escaped = expected.replace("\\", "\\\\").replace('"', '\\"')  # as the log writes it
    assert escaped in run.stderr and "s3cr3t" not in run.stderr, run.stderr


def test_flags_that_have_no_effect_are_errors(people):
    store = ("--model-store", str(people.path.parent / "store"))
    for flags, text in ((("--closed-health",), "--closed-health: has no effect without --identities"),
                        (("--insecure-admin",), "--insecure-admin: has no effect without --enable-admin"),
                        (("--identities", str(people.path) + "x"), "does not exist")):
        run = run_server(*store, *flags)
        assert run.returncode == 2 and text in run.stderr, run.stderr


# --- audit ----------------------------------------------------------------------------------------


def audit_of(server):
    return [line for line in server.log_lines() if line["message"] == "admin call"]


def test_each_admin_call_leaves_a_line(people, start):
    """Who, from where, what, on which model, and what came of it; whatever the caller says, it is one line."""
    people.add("root", "admin", models="mlp none*")
    server = start(*people.flags(), "--enable-admin", *LOG_JSON)
    forged = 'none" code="OK"\n{"message":"admin call","identity":"someone"}'
    with connected(server) as client:
        stub = admin_grpc.ModelAdminServiceStub(client.channel)
        who = people.metadata("root")
        stub.LoadModel(admin.LoadModelRequest(model_name="mlp", model_versions=[1]), metadata=who, timeout=DEADLINE_SECONDS)
        for request, code in ((admin.UnloadModelRequest(model_name=forged), Code.NOT_FOUND),
                              (admin.UnloadModelRequest(model_name="other", model_version=1), Code.PERMISSION_DENIED),
                              (admin.UnloadModelRequest(), Code.INVALID_ARGUMENT)):
            with refused(code):
                stub.UnloadModel(request, metadata=who, timeout=DEADLINE_SECONDS)
        client.open_stub.RepositoryModelUnload(
            oip.RepositoryModelUnloadRequest(model_name="mlp"), metadata=who, timeout=DEADLINE_SECONDS)
        lines = harness.wait_until(lambda: len(audit_of(server)) >= 5 and audit_of(server), server.log)
        assert [(line["identity"], line["method"], line["model"], line["versions"], line["code"]) for line in lines] == [
            ("root", "LoadModel", "mlp", "1", "OK"),
            ("root", "UnloadModel", forged, "", "NOT_FOUND"),
            ("root", "UnloadModel", "other", "1", "PERMISSION_DENIED"),
            ("root", "UnloadModel", "", "", "INVALID_ARGUMENT"),
            ("root", "RepositoryModelUnload", "mlp", "", "OK")]
        for line in lines:
            assert line["peer"].startswith("ipv4:127.0.0.1:") and line["milliseconds"] >= 0
            assert line["level"] == "info"


def test_without_identities_the_audit_names_the_peer(people, start):
    server = start("--enable-admin", *LOG_JSON)
    with connected(server) as client:
        client.open_stub.RepositoryModelLoad(oip.RepositoryModelLoadRequest(model_name="mlp"), timeout=DEADLINE_SECONDS)
        (line,) = harness.wait_until(lambda: audit_of(server), server.log)
        assert (line["identity"], line["method"], line["code"]) == ("", "RepositoryModelLoad", "OK")
        assert line["peer"].startswith("ipv4:127.0.0.1:")


def test_the_request_log_names_the_identity(people, start):
    people.add("alice", "predict")
    server = start(*people.flags(), *LOG_JSON, "--log-level", "debug")
    with connected(server) as client:
        predict(client, people.metadata("alice"))
        (line,) = harness.wait_until(
            lambda: [line for line in server.log_lines() if line["message"] == "request"], server.log)
        assert (line["identity"], line["code"]) == ("alice", "OK")
