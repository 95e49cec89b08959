#include "tests/bench/bare_services.h"
#include "torchferry/v1/inference.grpc.pb.h"

namespace torchferry::bench {
namespace {

class BarePredict final : public v1::InferenceService::CallbackService {
 public:
  explicit BarePredict(BareModel model) : model_(std::move(model)) {}

  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override {
    v1::ModelVersion& version = *response->add_versions();
    version.set_model_name(request->model_name());
    version.set_model_version(1);
    version.set_state(v1::MODEL_STATE_READY);
    version.set_max_batch_size(kMaxBatchRows);
    for (const BareTensor& input : model_.inputs) {
      v1::TensorSpec& spec = *version.add_inputs();
      spec.set_name(input.name);
      spec.set_dtype(input.dtype);
      spec.set_has_shape(true);
      spec.add_shape(-1);
      spec.mutable_shape()->Add(input.dims.begin(), input.dims.end());
      spec.set_kind("tensor");
    }
    return Finish(context);
  }

  grpc::ServerUnaryReactor* Predict(grpc::CallbackServerContext* context, const v1::PredictRequest* request,
                                    v1::PredictResponse* response) override {
    const auto& first = request->inputs().begin()->second;
    const int64_t rows = first.shape().empty() ? 1 : first.shape(0);
    response->set_model_name(request->model_name());
    response->set_model_version(1);
    response->set_request_id(request->request_id());
    for (const BareTensor& output : model_.outputs) {
      v1::Tensor& tensor = (*response->mutable_outputs())[output.name];
      tensor.set_dtype(output.dtype);
      tensor.add_shape(rows);
      tensor.mutable_shape()->Add(output.dims.begin(), output.dims.end());
      tensor.set_data(Zeros(output, rows));
    }
    v1::Execution& execution = *response->mutable_execution();
    execution.set_device("cpu");
    execution.set_batch_rows(rows);
    execution.set_queue_seconds(1e-6);
    execution.set_compute_seconds(1e-6);
    return Finish(context);
  }

 private:
  static grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const BareModel model_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeBarePredict(BareModel model) {
  return std::make_unique<BarePredict>(std::move(model));
}

}  // namespace torchferry::bench
