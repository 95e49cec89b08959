// stub ADDRESS: prints the server's model versions, a line each.
#include <grpcpp/grpcpp.h>
#include <torchferry/v1/inference.grpc.pb.h>

#include <chrono>
#include <iostream>

int main(int argc, char** argv) {
  const auto channel = grpc::CreateChannel(argc > 1 ? argv[1] : "127.0.0.1:8001", grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  torchferry::v1::ListModelsResponse response;
  const grpc::Status status = torchferry::v1::InferenceService::NewStub(channel)->ListModels(&context, {}, &response);
  if (!status.ok()) {
    std::cerr << status.error_message() << '\n';
    return 1;
  }
  for (const auto& version : response.versions())
    std::cout << version.model_name() << ':' << version.model_version() << '\n';
}
