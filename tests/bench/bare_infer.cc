#include <atomic>

#include "inference/grpc_service.grpc.pb.h"
#include "tests/bench/bare_services.h"

namespace torchferry::bench {
namespace {

// "FP32" of DATA_TYPE_FP32.
std::string NameOf(v1::DataType dtype) { return v1::DataType_Name(dtype).substr(std::string("DATA_TYPE_").size()); }

class BareInfer final : public inference::GRPCInferenceService::CallbackService {
 public:
  explicit BareInfer(BareModel model) : model_(std::move(model)) {}

  grpc::ServerUnaryReactor* ServerLive(grpc::CallbackServerContext* context, const inference::ServerLiveRequest*,
                                       inference::ServerLiveResponse* response) override {
    response->set_live(true);
    return Finish(context);
  }

  grpc::ServerUnaryReactor* ServerReady(grpc::CallbackServerContext* context, const inference::ServerReadyRequest*,
                                        inference::ServerReadyResponse* response) override {
    response->set_ready(true);
    return Finish(context);
  }

  grpc::ServerUnaryReactor* ModelReady(grpc::CallbackServerContext* context, const inference::ModelReadyRequest*,
                                       inference::ModelReadyResponse* response) override {
    response->set_ready(true);
    return Finish(context);
  }

  grpc::ServerUnaryReactor* ServerMetadata(grpc::CallbackServerContext* context,
                                           const inference::ServerMetadataRequest*,
                                           inference::ServerMetadataResponse* response) override {
    response->set_name("bare");
    response->add_extensions("statistics");
    response->add_extensions("model_configuration");
    return Finish(context);
  }

  grpc::ServerUnaryReactor* ModelMetadata(grpc::CallbackServerContext* context, const inference::ModelMetadataRequest*,
                                          inference::ModelMetadataResponse* response) override {
    response->set_name(model_.name);
    response->add_versions("1");
    const auto add = [](const BareTensor& tensor, inference::ModelMetadataResponse::TensorMetadata& metadata) {
      metadata.set_name(tensor.name);
      metadata.set_datatype(NameOf(tensor.dtype));
      metadata.add_shape(-1);
      metadata.mutable_shape()->Add(tensor.dims.begin(), tensor.dims.end());
    };
    for (const BareTensor& input : model_.inputs) add(input, *response->add_inputs());
    for (const BareTensor& output : model_.outputs) add(output, *response->add_outputs());
    return Finish(context);
  }

  grpc::ServerUnaryReactor* ModelConfig(grpc::CallbackServerContext* context, const inference::ModelConfigRequest*,
                                        inference::ModelConfigResponse* response) override {
    inference::ModelConfig& config = *response->mutable_config();
    config.set_name(model_.name);
    config.set_max_batch_size(kMaxBatchRows);
    config.mutable_dynamic_batching();
    const auto add = [](const BareTensor& tensor, auto& declared) {
      inference::DataType dtype = inference::TYPE_INVALID;
      inference::DataType_Parse("TYPE_" + NameOf(tensor.dtype), &dtype);
      declared.set_name(tensor.name);
      declared.set_data_type(dtype);
      declared.mutable_dims()->Add(tensor.dims.begin(), tensor.dims.end());
    };
    for (const BareTensor& input : model_.inputs) add(input, *config.add_input());
    for (const BareTensor& output : model_.outputs) add(output, *config.add_output());
    return Finish(context);
  }

  grpc::ServerUnaryReactor* ModelStatistics(grpc::CallbackServerContext* context,
                                            const inference::ModelStatisticsRequest*,
                                            inference::ModelStatisticsResponse* response) override {
    inference::ModelStatistics& statistics = *response->add_model_stats();
    statistics.set_name(model_.name);
    statistics.set_version("1");
    statistics.set_inference_count(answered_);
    statistics.set_execution_count(answered_);
    // perf_analyzer wants a version whose requests have waited.
    inference::InferStatistics& durations = *statistics.mutable_inference_stats();
    for (inference::StatisticDuration* duration : {durations.mutable_success(), durations.mutable_queue()}) {
      duration->set_count(answered_);
      duration->set_ns(answered_ * 1000);
    }
    return Finish(context);
  }

  grpc::ServerUnaryReactor* ModelInfer(grpc::CallbackServerContext* context,
                                       const inference::ModelInferRequest* request,
                                       inference::ModelInferResponse* response) override {
    const auto& first = request->inputs(0);
    const int64_t rows = first.shape().empty() ? 1 : first.shape(0);
    response->set_model_name(request->model_name());
    response->set_model_version("1");
    response->set_id(request->id());
    for (const BareTensor& output : model_.outputs) {
      auto& tensor = *response->add_outputs();
      tensor.set_name(output.name);
      tensor.set_datatype(NameOf(output.dtype));
      tensor.add_shape(rows);
      tensor.mutable_shape()->Add(output.dims.begin(), output.dims.end());
      response->add_raw_output_contents(Zeros(output, rows));
    }
    (*response->mutable_parameters())["torchferry_device"].set_string_param("cpu");
    (*response->mutable_parameters())["torchferry_fallback"].set_bool_param(false);
    ++answered_;
    return Finish(context);
  }

 private:
  static grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const BareModel model_;
  std::atomic<uint64_t> answered_{0};
};

}  // namespace

std::unique_ptr<grpc::Service> MakeBareInfer(BareModel model) { return std::make_unique<BareInfer>(std::move(model)); }

}  // namespace torchferry::bench
