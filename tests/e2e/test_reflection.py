"""Reflection, which is enough for a client that knows nothing but the address, and calls of methods that nobody has."""

import numpy as np
import pytest
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import harness
from harness import Client, Code, predict_request, refused
from stores import Store
from wire import admin, admin_grpc, assert_close, reference


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reflection")
    store = Store(folder / "store")
    store.add("mlp")
    with harness.serving(store, folder, "--reflection") as server:
        yield server


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


def test_reflection_lists_the_services(client):
    services = ProtoReflectionDescriptorDatabase(client.channel).get_services()
    assert {"torchferry.v1.InferenceService", "grpc.health.v1.Health"} <= set(services)


def test_reflection_lists_loading_only_where_it_is_allowed(store, start):
    """The calls answer in either case: without --enable-admin, that they are off."""
    for flags in ((), ("--enable-admin",)):
        server = start("--reflection", *flags)
        with Client(server.address) as client:
            services = set(ProtoReflectionDescriptorDatabase(client.channel).get_services())
            assert {"torchferry.v1.InferenceService", "inference.GRPCInferenceService"} <= services
            assert not any("/" in name or name == "-" for name in services)
            assert ("torchferry.v1.ModelAdminService" in services) == bool(flags)
            code, text = (Code.NOT_FOUND, "nobody") if flags else (Code.FAILED_PRECONDITION, "--enable-admin")
            with refused(code, text):
                admin_grpc.ModelAdminServiceStub(client.channel).LoadModel(
                    admin.LoadModelRequest(model_name="nobody"), timeout=harness.DEADLINE_SECONDS)


def test_reflection_is_enough_to_predict(client):
    """A client that knows nothing but the address, as grpcurl is."""
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(client.channel))
    method = pool.FindServiceByName("torchferry.v1.InferenceService").FindMethodByName("Predict")
    request_class = message_factory.GetMessageClass(method.input_type)
    response_class = message_factory.GetMessageClass(method.output_type)
    request = request_class.FromString(predict_request("mlp", {"x": reference("mlp", "x", 7)}).SerializeToString())
    call = client.channel.unary_unary("/torchferry.v1.InferenceService/Predict",
                                      request_serializer=request_class.SerializeToString,
                                      response_deserializer=response_class.FromString)
    response = call(request, timeout=harness.DEADLINE_SECONDS)
    probabilities = np.frombuffer(response.outputs["probabilities"].data, np.float32).reshape(7, 3)
    assert_close(probabilities, reference("mlp", "probabilities", 7))


def test_reflection_is_off_unless_asked_for(store, start):
    server = start()
    with Client(server.address) as client:
        call = reflection_pb2_grpc.ServerReflectionStub(client.channel).ServerReflectionInfo
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        with refused(Code.UNIMPLEMENTED):
            list(call(iter([request]), timeout=harness.DEADLINE_SECONDS))


@pytest.mark.parametrize("flags", [(), ("--reflection",), ("--enable-admin",), ("--reflection", "--enable-admin")])
def test_an_unknown_method_is_answered(store, start, flags):
    """Whatever else is served: gRPC answers such calls itself, and did not with some sets of services."""
    server = start(*flags)
    with Client(server.address) as client:
        for kind, argument in (("unary_unary", b""), ("unary_stream", b"x"), ("stream_stream", iter([b""]))):
            with refused(Code.UNIMPLEMENTED):
                list(getattr(client.channel, kind)("/no.such.Service/Method")(argument, timeout=harness.DEADLINE_SECONDS))
