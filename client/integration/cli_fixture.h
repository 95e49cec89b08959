// Shared by this folder's tests: an in-process server with fixed answers, and the whole CLI against it.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "client/commands/cli.h"
#include "client/tensor/array_proto.h"
#include "client/tensor/file.h"
#include "client/tensor/json_array.h"
#include "client/tensor/npy.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "torchferry/v1/admin.grpc.pb.h"
#include "torchferry/v1/inference.grpc.pb.h"

namespace torchferry::client {

using Json = nlohmann::json;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

inline v1::TensorSpec Spec(const std::string& name, const tensor::Shape& shape) {
  v1::TensorSpec spec;
  spec.set_name(name);
  spec.set_dtype(v1::DATA_TYPE_FP32);
  spec.set_has_shape(true);
  spec.mutable_shape()->Add(shape.begin(), shape.end());
  spec.set_kind("tensor");
  return spec;
}

inline v1::ModelVersion Version(const std::string& name, int64_t number, v1::ModelState state) {
  v1::ModelVersion version;
  version.set_model_name(name);
  version.set_model_version(number);
  version.set_state(state);
  return version;
}

inline v1::ModelVersion ReadyDouble() {
  v1::ModelVersion version = Version("double", 2, v1::MODEL_STATE_READY);
  *version.add_inputs() = Spec("x", {-1, 3});
  *version.add_outputs() = Spec("y", {-1, 3});
  version.set_max_batch_size(8);
  version.mutable_file()->set_path("double/2/model.pt");
  version.mutable_file()->set_format("torchscript");
  version.mutable_placement()->set_device("cpu");
  version.mutable_placement()->set_requested_device("cuda:1");
  version.mutable_placement()->set_fallback(true);
  version.mutable_placement()->set_fallback_reason("absent");
  return version;
}

inline v1::ModelVersion FailedBroken() {
  v1::ModelVersion version = Version("broken", 1, v1::MODEL_STATE_FAILED);
  version.set_error_code(grpc::DATA_LOSS);
  version.set_error_message("model.pt is truncated:\n    the directory lacks its end");
  return version;
}

// "double" 2 is ready and doubles x; "double" 1 is loading; "broken" failed.
class FakeInference final : public v1::InferenceService::Service {
 public:
  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override {
    *response->add_versions() = FailedBroken();
    *response->add_versions() = Version("double", 1, v1::MODEL_STATE_LOADING);
    *response->add_versions() = ReadyDouble();
    return grpc::Status::OK;
  }

  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override {
    if (request->model_name() == "broken") {
      *response->add_versions() = FailedBroken();
    } else if (request->model_name() == "double" && request->model_version() == 1) {
      *response->add_versions() = Version("double", 1, v1::MODEL_STATE_LOADING);
    } else if (request->model_name() == "double" && request->model_version() != 9) {
      *response->add_versions() = ReadyDouble();
    } else {
      return {grpc::NOT_FOUND, "no model \"" + request->model_name() + "\""};
    }
    return grpc::Status::OK;
  }

  grpc::Status Predict(grpc::ServerContext*, const v1::PredictRequest* request,
                       v1::PredictResponse* response) override {
    const int64_t number = ++predicts;
    if (on_predict) {
      if (const grpc::Status status = on_predict(number); !status.ok()) return status;
    }
    if (!request->inputs().contains("x")) return {grpc::INVALID_ARGUMENT, "input x is missing"};
    if (request->request_id() == "slow") {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
    Array x = FromProto(request->inputs().at("x")).value();
    Array y{x.dtype, x.shape, {}};
    for (int64_t i = 0; i < tensor::ElementCount(x.shape).value(); ++i) {
      (void)AppendElement(2 * std::get<double>(GetElement(x, i)), &y);
    }
    response->set_model_name("double");
    response->set_model_version(2);
    response->set_request_id(request->request_id());
    (*response->mutable_outputs())["y"] = ToProto(y);
    if (request->request_id() == "lies") (*response->mutable_outputs())["y"].set_shape(0, 99);
    v1::Execution* run = response->mutable_execution();
    run->set_device("cpu");
    run->set_fallback(true);
    run->set_fallback_reason("absent");
    run->set_batch_rows(x.shape[0]);
    run->set_queue_seconds(0.0001);
    run->set_compute_seconds(0.0023);
    return grpc::Status::OK;
  }

  // Calls Predict for each request. A first element of -1 is answered with INVALID_ARGUMENT, and one of -2 ends the
  // stream.
  grpc::Status PredictStream(grpc::ServerContext* context,
                             grpc::ServerReaderWriter<v1::PredictStreamResponse, v1::PredictRequest>* stream) override {
    v1::PredictRequest request;
    while (stream->Read(&request)) {
      const Array x = FromProto(request.inputs().at("x")).value();
      const double first = std::get<double>(GetElement(x, 0));
      if (first == -2) break;
      v1::PredictStreamResponse answer;
      if (first == -1) {
        answer.set_error_code(grpc::INVALID_ARGUMENT);
        answer.set_error_message("x is negative");
      } else {
        (void)Predict(context, &request, answer.mutable_response());
      }
      stream->Write(answer);
    }
    return grpc::Status::OK;
  }

  // Called at the start of each Predict with its number, from 1, on the server's threads. A status that is not OK is
  // the answer.
  std::function<grpc::Status(int64_t number)> on_predict;
  std::atomic<int64_t> predicts = 0;
};

class FakeHealth final : public grpc::health::v1::Health::Service {
 public:
  grpc::Status Check(grpc::ServerContext*, const HealthCheckRequest* request, HealthCheckResponse* response) override {
    if (request->service() == "model/nope") return {grpc::NOT_FOUND, "no model \"nope\""};
    response->set_status(request->service() == "model/broken" ? HealthCheckResponse::NOT_SERVING
                                                              : HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  }

  grpc::Status Watch(grpc::ServerContext* context, const HealthCheckRequest*,
                     grpc::ServerWriter<HealthCheckResponse>* writer) override {
    HealthCheckResponse response;
    for (const auto status : {HealthCheckResponse::SERVICE_UNKNOWN, HealthCheckResponse::SERVING,
                              HealthCheckResponse::SERVING, HealthCheckResponse::NOT_SERVING}) {
      response.set_status(status);
      writer->Write(response);
    }
    while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return grpc::Status::CANCELLED;
  }
};

// Loads every model except "broken", which fails. Records the calls: "load double [2, 3]".
class FakeAdmin final : public v1::ModelAdminService::Service {
 public:
  grpc::Status LoadModel(grpc::ServerContext*, const v1::LoadModelRequest* request,
                         v1::LoadModelResponse* response) override {
    const tensor::Shape versions(request->model_versions().begin(), request->model_versions().end());
    calls.push_back("load " + request->model_name() + " " + tensor::ToString(versions));
    if (request->model_name() == "broken") return {grpc::DATA_LOSS, "version 1: is damaged"};
    if (request->model_name() == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(900));
    *response->add_versions() = Version(request->model_name(), 2, v1::MODEL_STATE_READY);
    return grpc::Status::OK;
  }
  grpc::Status UnloadModel(grpc::ServerContext*, const v1::UnloadModelRequest* request,
                           v1::UnloadModelResponse* response) override {
    calls.push_back("unload " + request->model_name() + " " + std::to_string(request->model_version()));
    *response->add_versions() = Version(request->model_name(), 2, v1::MODEL_STATE_UNLOADED);
    return grpc::Status::OK;
  }

  std::vector<std::string> calls;
};

struct Result {
  int exit_code;
  std::string out;
  std::string err;
};

class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&inference_);
    builder.RegisterService(&health_);
    builder.RegisterService(&admin_);
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
    folder_ = std::filesystem::temp_directory_path() /
              ("torchferry_cli_test_" + std::to_string(getpid()) + "_" + std::to_string(port));
    std::filesystem::create_directories(folder_);
  }

  ~CliTest() override {
    server_->Shutdown(std::chrono::system_clock::now());
    std::filesystem::remove_all(folder_);
  }

  // Takes arguments, then the text of standard input.
  Result Run(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), {"--address", address_});
    return RunAlone(std::move(arguments), input);
  }

  static Result RunAlone(std::vector<std::string> arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    const int exit_code = RunCli(std::move(arguments), Console{in, out, err});
    return {exit_code, out.str(), err.str()};
  }

  std::string WriteNpy(const std::string& name, std::string_view json, tensor::DType dtype) {
    const std::string path = folder_ / name;
    EXPECT_TRUE(WriteFile(path, FormatNpy(*ParseJsonArray(json, dtype)).value()).ok());
    return path;
  }

  FakeInference inference_;
  FakeHealth health_;
  FakeAdmin admin_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::filesystem::path folder_;
};

}  // namespace torchferry::client
