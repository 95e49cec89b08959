// A whole torchferry client in C++: asks crepe_tiny for the pitch of a 440 Hz tone.
//   torchferry-example-predict [HOST:PORT]
// Messages and stubs are generated from proto/torchferry/v1/inference.proto by protoc and
// grpc_cpp_plugin.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <iostream>
#include <numbers>
#include <vector>

#include "torchferry/v1/inference.grpc.pb.h"

namespace v1 = torchferry::v1;

// The first element of an FP32 tensor; `data` holds them row-major and little-endian.
float First(const v1::Tensor& tensor) {
  float value = NAN;
  if (tensor.data().size() >= sizeof(value)) std::memcpy(&value, tensor.data().data(), sizeof(value));
  return value;
}

int main(int argc, char** argv) {
  const char* address = argc > 1 ? argv[1] : "127.0.0.1:8001";
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  const auto stub = v1::InferenceService::NewStub(channel);

  std::vector<float> frame(1024);  // 64 ms at 16 kHz
  for (size_t i = 0; i < frame.size(); ++i) {
    frame[i] = std::sin(2 * std::numbers::pi_v<float> * 440 * static_cast<float>(i) / 16000);
  }
  v1::PredictRequest request;
  request.set_model_name("crepe_tiny");
  v1::Tensor& frames = (*request.mutable_inputs())["frames"];
  frames.set_dtype(v1::DATA_TYPE_FP32);
  frames.add_shape(1);
  frames.add_shape(static_cast<int64_t>(frame.size()));
  frames.set_data(frame.data(), frame.size() * sizeof(float));

  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  v1::PredictResponse response;
  const grpc::Status status = stub->Predict(&context, request, &response);
  if (!status.ok()) {
    std::cerr << "code " << status.error_code() << ": " << status.error_message() << '\n';
    return 1;
  }
  std::cout << "pitch_hz " << First(response.outputs().at("pitch_hz")) << "\nconfidence "
            << First(response.outputs().at("confidence")) << "\ndevice " << response.execution().device() << '\n';
}
