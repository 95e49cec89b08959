"""The messages and methods of torchferry/v1, made at import from the descriptors that the build compiled from proto/.

The descriptors are in a pool that belongs to this package. Their names therefore do not collide with stubs that
somebody generated from the same files, nor with tritonclient's or grpcio-health-checking's. There is no generated code,
which would need its own version of protobuf. The messages work with any protobuf that has
`message_factory.GetMessageClass`.
"""

from __future__ import annotations

import pathlib
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import torchferry

# Made by protoc --include_imports --descriptor_set_out, in client/python/CMakeLists.txt and deploy/package.sh.
DESCRIPTORS = "api.binpb"


def _read_descriptors() -> bytes:
    for folder in torchferry.__path__:
        path = pathlib.Path(folder) / DESCRIPTORS
        if path.is_file():
            return path.read_bytes()
    raise ImportError(
        f"torchferry has no {DESCRIPTORS} in {', '.join(torchferry.__path__)}: the wheel has it, and a build from "
        "source makes it in BUILD/python, which has to be on PYTHONPATH"
    )


def _make_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(_read_descriptors()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _make_pool()


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


def _enum(name: str, prefix: str) -> dict[str, int]:
    """The numbers by name, without the prefix."""
    values = _POOL.FindEnumTypeByName(name).values
    return {value.name.removeprefix(prefix): value.number for value in values}


Tensor = _message("torchferry.v1.Tensor")
PredictRequest = _message("torchferry.v1.PredictRequest")
PredictResponse = _message("torchferry.v1.PredictResponse")
PredictStreamResponse = _message("torchferry.v1.PredictStreamResponse")
ListModelsRequest = _message("torchferry.v1.ListModelsRequest")
ListModelsResponse = _message("torchferry.v1.ListModelsResponse")
GetModelRequest = _message("torchferry.v1.GetModelRequest")
GetModelResponse = _message("torchferry.v1.GetModelResponse")
LoadModelRequest = _message("torchferry.v1.LoadModelRequest")
LoadModelResponse = _message("torchferry.v1.LoadModelResponse")
UnloadModelRequest = _message("torchferry.v1.UnloadModelRequest")
UnloadModelResponse = _message("torchferry.v1.UnloadModelResponse")
HealthCheckRequest = _message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = _message("grpc.health.v1.HealthCheckResponse")

DATA_TYPES = _enum("torchferry.v1.DataType", "DATA_TYPE_")
MODEL_STATES = _enum("torchferry.v1.ModelState", "MODEL_STATE_")
SERVING = _enum("grpc.health.v1.HealthCheckResponse.ServingStatus", "")["SERVING"]

INFERENCE_SERVICE = "torchferry.v1.InferenceService"
PREDICT = f"/{INFERENCE_SERVICE}/Predict"
PREDICT_STREAM = f"/{INFERENCE_SERVICE}/PredictStream"
LIST_MODELS = f"/{INFERENCE_SERVICE}/ListModels"
GET_MODEL = f"/{INFERENCE_SERVICE}/GetModel"
LOAD_MODEL = "/torchferry.v1.ModelAdminService/LoadModel"
UNLOAD_MODEL = "/torchferry.v1.ModelAdminService/UnloadModel"
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
