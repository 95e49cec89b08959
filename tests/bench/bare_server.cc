// What gRPC alone costs: a callback server with the server's own messages, of both APIs, which answers with zeros and
// runs nothing.
//   torchferry-bench-bare-server --model NAME --address 127.0.0.1:0 --input NAME:DTYPE:DIM,DIM…
//   --output NAME:FP32:DIM,DIM…
//   dimensions without the rows
// Prints "listening HOST:PORT" once it does.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/bench/bare_services.h"

namespace {

using torchferry::bench::BareModel;
using torchferry::bench::BareTensor;
constexpr int kMaxMessageBytes = 256 << 20;

// "NAME:DTYPE:DIM,DIM".
BareTensor Parse(const std::string& text) {
  const size_t first = text.find(':');
  const size_t second = text.find(':', first + 1);
  BareTensor tensor;
  const bool is_form = first != std::string::npos && second != std::string::npos;
  if (!is_form ||
      !torchferry::v1::DataType_Parse("DATA_TYPE_" + text.substr(first + 1, second - first - 1), &tensor.dtype)) {
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
  BareModel model;
  std::string address = "127.0.0.1:0";
  std::vector<std::string> input_texts;
  std::vector<std::string> output_texts;
  app.add_option("--address", address, "HOST:PORT");
  app.add_option("--model", model.name, "What it says its model is called")->required();
  app.add_option("--input", input_texts, "NAME:DTYPE:DIM,DIM…");
  app.add_option("--output", output_texts, "NAME:FP32:DIM,DIM…")->required();
  try {
    app.parse(argc, argv);
    for (const std::string& text : input_texts) model.inputs.push_back(Parse(text));
    for (const std::string& text : output_texts) model.outputs.push_back(Parse(text));
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  const std::unique_ptr<grpc::Service> predict = torchferry::bench::MakeBarePredict(model);
  const std::unique_ptr<grpc::Service> infer = torchferry::bench::MakeBareInfer(model);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.RegisterService(predict.get());
  builder.RegisterService(infer.get());
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::cerr << "cannot listen on " << address << '\n';
    return 1;
  }
  std::cout << "listening " << address.substr(0, address.rfind(':')) << ':' << port << std::endl;
  server->Wait();
}
