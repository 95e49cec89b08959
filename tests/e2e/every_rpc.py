"""Every RPC of every service of proto/, as a client calls it that has no stubs: by its path, with bytes."""

import pathlib
import tempfile
from typing import NamedTuple

import grpc
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

import harness
from harness import predict_request
from wire import REPO, oip, pb, reference

REFLECTION = "grpc.reflection.v1.ServerReflection.ServerReflectionInfo"
REFLECTION_ALPHA = "grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo"


class Rpc(NamedTuple):
    service: str
    method: str
    client_streams: bool
    server_streams: bool

    @property
    def name(self):
        return f"{self.service}.{self.method}"

    def call(self, channel, request, metadata=(), timeout=harness.DEADLINE_SECONDS):
        """The answers to one request, as bytes. Raises grpc.RpcError."""
        kind = f"{'stream' if self.client_streams else 'unary'}_{'stream' if self.server_streams else 'unary'}"
        call = getattr(channel, kind)(f"/{self.service}/{self.method}")
        argument = iter([request]) if self.client_streams else request
        if not self.server_streams:
            return [call(argument, metadata=metadata, timeout=timeout)]
        answers = call(argument, metadata=metadata, timeout=timeout)
        try:
            return [next(answers)] if not self.client_streams else list(answers)
        finally:
            answers.cancel()

    def code(self, channel, request, metadata=()):
        try:
            self.call(channel, request, metadata)
            return grpc.StatusCode.OK
        except grpc.RpcError as error:
            return error.code()


def every_rpc():
    """As the files say: one that is added is here."""
    files = sorted(str(path.relative_to(REPO / "proto")) for path in (REPO / "proto").rglob("*.proto"))
    with tempfile.NamedTemporaryFile() as out:
        arguments = ["protoc", f"--proto_path={REPO / 'proto'}", f"--descriptor_set_out={out.name}", *files]
        assert protoc.main(arguments) == 0
        described = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())
    return [Rpc(f"{file.package}.{service.name}", method.name, method.client_streaming, method.server_streaming)
            for file in described.file for service in file.service for method in service.method]


def model_infer(model="mlp"):
    x = reference("mlp", "x", 1)
    request = oip.ModelInferRequest(model_name=model, raw_input_contents=[x.tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=x.shape)
    return request


def requests():
    """{RPC: a request that an admin's server with the model "mlp" takes}; the empty message for those that are not here."""
    named = {"inference.GRPCInferenceService.ModelReady": oip.ModelReadyRequest(name="mlp"),
             "inference.GRPCInferenceService.ModelMetadata": oip.ModelMetadataRequest(name="mlp"),
             "inference.GRPCInferenceService.ModelConfig": oip.ModelConfigRequest(name="mlp"),
             "inference.GRPCInferenceService.ModelStatistics": oip.ModelStatisticsRequest(name="mlp"),
             "inference.GRPCInferenceService.ModelInfer": model_infer(),
             "inference.GRPCInferenceService.ModelStreamInfer": model_infer(),
             "inference.GRPCInferenceService.RepositoryModelLoad": oip.RepositoryModelLoadRequest(model_name="mlp"),
             "inference.GRPCInferenceService.RepositoryModelUnload": oip.RepositoryModelUnloadRequest(model_name="none"),
             "torchferry.v1.InferenceService.Predict": predict_request("mlp", {"x": reference("mlp", "x", 1)}),
             "torchferry.v1.InferenceService.PredictStream": predict_request("mlp", {"x": reference("mlp", "x", 1)}),
             "torchferry.v1.InferenceService.GetModel": pb.GetModelRequest(model_name="mlp")}
    # Fields 1 of LoadModelRequest and UnloadModelRequest, and list_services of reflection.
    by_hand = {"torchferry.v1.ModelAdminService.LoadModel": b"\x0a\x03mlp",
               "torchferry.v1.ModelAdminService.UnloadModel": b"\x0a\x04none",
               REFLECTION: b"\x3a\x00", REFLECTION_ALPHA: b"\x3a\x00"}
    return {name: message.SerializeToString() for name, message in named.items()} | by_hand
