// The calls that the CLI makes, each with a deadline. Their errors are marked as the server's (errors.h).
#pragma once

#include <absl/status/statusor.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/rpc/credentials.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"
#include "torchferry/v1/admin.grpc.pb.h"
#include "torchferry/v1/inference.grpc.pb.h"

namespace torchferry::client {

using ServingStatus = grpc::health::v1::HealthCheckResponse::ServingStatus;

// Thread-safe. Connects at the first call.
class Connection {
 public:
  struct Options {
    std::string address = "127.0.0.1:8001";
    TlsOptions tls;
    // The timeout of each call; absent: no timeout.
    std::optional<std::chrono::milliseconds> timeout = std::chrono::seconds(30);
    // Max size of an answer. The server limits the size of a request.
    int64_t max_message_bytes = int64_t{256} << 20;
    // Sent with each call; empty: no token is sent.
    std::string token;
    bool insecure_token = false;  // send the token to another host without encryption, too
  };

  // INVALID_ARGUMENT for an address that is not HOST:PORT or unix:PATH, and for a token that others could read on its
  // way. Also the errors of MakeCredentials.
  static absl::StatusOr<std::unique_ptr<Connection>> Create(Options options);

  const Options& options() const { return options_; }
  // A channel with its own TCP connection, which no other channel shares.
  std::shared_ptr<grpc::Channel> NewChannel() const;
  // Sets what each new call needs: its deadline and the caller's token.
  static void Prepare(const Options& options, grpc::ClientContext* context);

  // The server's version over the Open Inference Protocol; empty when the server does not tell it.
  std::string ServerVersion();
  absl::StatusOr<v1::ListModelsResponse> ListModels();
  // `version` 0: all of them.
  absl::StatusOr<v1::GetModelResponse> GetModel(const std::string& name, int64_t version);
  // `versions` empty: the versions that the model's policy wants.
  absl::StatusOr<v1::LoadModelResponse> LoadModel(const std::string& name, const std::vector<int64_t>& versions);
  // `version` 0: all of them.
  absl::StatusOr<v1::UnloadModelResponse> UnloadModel(const std::string& name, int64_t version);
  absl::StatusOr<v1::PredictResponse> Predict(const v1::PredictRequest& request);
  // Opens one stream. Sends the requests of `next`, which runs on another thread, until it returns false. Meanwhile
  // `on_answer` is called on this thread with each answer as it arrives. An error of `on_answer` ends the stream and is
  // returned.
  absl::Status PredictStream(const std::function<bool(v1::PredictRequest*)>& next,
                             const std::function<absl::Status(v1::PredictStreamResponse)>& on_answer);
  absl::StatusOr<ServingStatus> CheckHealth(const std::string& service);
  // Calls `on_change` with the status now and after every change, until the stream ends: DEADLINE_EXCEEDED after the
  // timeout, UNAVAILABLE when the server goes away.
  absl::Status WatchHealth(const std::string& service, const std::function<void(ServingStatus)>& on_change);

 private:
  Connection(Options options, std::shared_ptr<grpc::ChannelCredentials> credentials,
             const std::shared_ptr<grpc::Channel>& channel);
  void Prepare(grpc::ClientContext* context) const { Prepare(options_, context); }

  const Options options_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  const std::unique_ptr<v1::InferenceService::Stub> inference_;
  const std::unique_ptr<v1::ModelAdminService::Stub> admin_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  const std::unique_ptr<inference::GRPCInferenceService::Stub> open_inference_;
};

}  // namespace torchferry::client
