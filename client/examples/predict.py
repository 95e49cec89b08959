#!/usr/bin/env python3
"""A whole torchferry client in Python: asks crepe_tiny for the pitch of a 440 Hz tone.

    pip install grpcio grpcio-tools
    python -m grpc_tools.protoc -Iproto --python_out=stubs --grpc_python_out=stubs proto/torchferry/v1/inference.proto
    PYTHONPATH=stubs python client/examples/predict.py [HOST:PORT]

The second command, in the repository's root after `mkdir stubs`, makes the messages and stubs. This file needs grpcio and
protobuf alone; with numpy, `samples.tobytes()` and `numpy.frombuffer(data, "<f4")` take the place of struct.
"""
import math
import struct
import sys

import grpc
from torchferry.v1 import inference_pb2, inference_pb2_grpc


def first(tensor):
    """The first element of an FP32 tensor; `data` holds them row-major and little-endian."""
    return struct.unpack_from("<f", tensor.data)[0]


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8001"
    samples = [math.sin(2 * math.pi * 440 * i / 16000) for i in range(1024)]  # 64 ms at 16 kHz
    frames = inference_pb2.Tensor(
        dtype=inference_pb2.DATA_TYPE_FP32,
        shape=[1, len(samples)],
        data=struct.pack(f"<{len(samples)}f", *samples),
    )
    request = inference_pb2.PredictRequest(model_name="crepe_tiny", inputs={"frames": frames})

    with grpc.insecure_channel(address) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        try:
            response = stub.Predict(request, timeout=10)
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")

    print("pitch_hz", first(response.outputs["pitch_hz"]))
    print("confidence", first(response.outputs["confidence"]))
    print("device", response.execution.device)


if __name__ == "__main__":
    main()
