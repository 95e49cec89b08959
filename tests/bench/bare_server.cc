// What gRPC alone costs: a callback server with the server's own messages, whose Predict answers with zeros and runs
// nothing.
//   torchferry-bench-bare-server --address 127.0.0.1:0 --input NAME:DTYPE:DIM,DIM… --output NAME:FP32:DIM,DIM…
//   dimensions without the rows
// Prints "listening HOST:PORT" once it does.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "torchferry/v1/inference.grpc.pb.h"

namespace {

namespace v1 = torchferry::v1;

struct Tensor {
  std::string name;
  v1::DataType dtype;
  std::vector<int64_t> dims;
};

class BareService final : public v1::InferenceService::CallbackService {
 public:
  BareService(std::vector<Tensor> inputs, std::vector<Tensor> outputs)
      : inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}

  // What a client asks before it makes its requests.
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override {
    v1::ModelVersion& version = *response->add_versions();
    version.set_model_name(request->model_name());
    version.set_model_version(1);
    version.set_state(v1::MODEL_STATE_READY);
    version.set_max_batch_size(1024);
    for (const Tensor& input : inputs_) {
      v1::TensorSpec& spec = *version.add_inputs();
      spec.set_name(input.name);
      spec.set_dtype(input.dtype);
      spec.set_has_shape(true);
      spec.add_shape(-1);
      spec.mutable_shape()->Add(input.dims.begin(), input.dims.end());
      spec.set_kind("tensor");
    }
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* Predict(grpc::CallbackServerContext* context, const v1::PredictRequest* request,
                                    v1::PredictResponse* response) override {
    const auto& first = request->inputs().begin()->second;
    const int64_t rows = first.shape().empty() ? 1 : first.shape(0);
    response->set_model_name(request->model_name());
    response->set_model_version(1);
    response->set_request_id(request->request_id());
    for (const Tensor& output : outputs_) {
      v1::Tensor& tensor = (*response->mutable_outputs())[output.name];
      tensor.set_dtype(output.dtype);
      tensor.add_shape(rows);
      tensor.mutable_shape()->Add(output.dims.begin(), output.dims.end());
      const int64_t elements = std::accumulate(output.dims.begin(), output.dims.end(), rows, std::multiplies<>());
      tensor.mutable_data()->assign(static_cast<size_t>(elements) * sizeof(float), '\0');
    }
    v1::Execution& execution = *response->mutable_execution();
    execution.set_device("cpu");
    execution.set_batch_rows(rows);
    execution.set_queue_seconds(1e-6);
    execution.set_compute_seconds(1e-6);
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const std::vector<Tensor> inputs_;
  const std::vector<Tensor> outputs_;
};

// "NAME:DTYPE:DIM,DIM".
Tensor Parse(const std::string& text) {
  const size_t first = text.find(':');
  const size_t second = text.find(':', first + 1);
  Tensor tensor;
  const bool is_form = first != std::string::npos && second != std::string::npos;
  if (!is_form || !v1::DataType_Parse("DATA_TYPE_" + text.substr(first + 1, second - first - 1), &tensor.dtype)) {
    throw CLI::ValidationError("\"" + text + "\" is not NAME:DTYPE:DIM,DIM…");
  }
  tensor.name = text.substr(0, first);
  std::stringstream dims(text.substr(second + 1));
  for (std::string dim; std::getline(dims, dim, ',');) tensor.dims.push_back(std::stoll(dim));
  return tensor;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A gRPC server that answers at once");
  std::string address = "127.0.0.1:0";
  std::vector<std::string> input_texts;
  std::vector<std::string> output_texts;
  app.add_option("--address", address, "HOST:PORT");
  app.add_option("--input", input_texts, "NAME:DTYPE:DIM,DIM…");
  app.add_option("--output", output_texts, "NAME:FP32:DIM,DIM…")->required();
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  try {
    app.parse(argc, argv);
    for (const std::string& text : input_texts) inputs.push_back(Parse(text));
    for (const std::string& text : output_texts) outputs.push_back(Parse(text));
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  BareService service(std::move(inputs), std::move(outputs));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(256 << 20);
  builder.SetMaxSendMessageSize(256 << 20);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::cerr << "cannot listen on " << address << '\n';
    return 1;
  }
  std::cout << "listening " << address.substr(0, address.rfind(':')) << ':' << port << std::endl;
  server->Wait();
}
