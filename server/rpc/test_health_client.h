// A client of the health service, for the tests. Each call ends after 30 s at the latest.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"

namespace torchferry::rpc {

using HealthStatus = grpc::health::v1::HealthCheckResponse::ServingStatus;

// One Watch call.
class HealthWatch {
 public:
  HealthWatch(grpc::health::v1::Health::Stub& stub, const std::string& service)
      : context_(std::make_unique<grpc::ClientContext>()) {
    context_->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    reader_ = stub.Watch(context_.get(), request);
  }

  // Waits for the next status; empty when the server has ended the call.
  std::optional<HealthStatus> Next() {
    grpc::health::v1::HealthCheckResponse response;
    if (!reader_->Read(&response)) return std::nullopt;
    return response.status();
  }
  // All statuses until the server ends the call.
  std::vector<HealthStatus> Rest() {
    std::vector<HealthStatus> rest;
    while (const auto next = Next()) rest.push_back(*next);
    return rest;
  }
  void Cancel() { context_->TryCancel(); }
  // To be called after the end, or after Cancel.
  grpc::StatusCode Finish() { return reader_->Finish().error_code(); }

 private:
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<grpc::health::v1::HealthCheckResponse>> reader_;
};

class HealthClient {
 public:
  // Connects to the server on `port` of this host, by a connection of its own.
  explicit HealthClient(int port)
      : stub_(grpc::health::v1::Health::NewStub(grpc::CreateCustomChannel(
            "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(), OwnConnection()))) {}

  grpc::Status Check(const std::string& service, grpc::health::v1::HealthCheckResponse* response = nullptr) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse unused;
    return stub_->Check(&context, request, response != nullptr ? response : &unused);
  }
  HealthWatch Watch(const std::string& service) { return {*stub_, service}; }

 private:
  static grpc::ChannelArguments OwnConnection() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return arguments;
  }

  const std::unique_ptr<grpc::health::v1::Health::Stub> stub_;
};

}  // namespace torchferry::rpc
