#include "server/torch/load/warm_up.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/checkpoint/file.h"
#include "server/model/device_fault.h"
#include "server/tensor/batch_sizes.h"
#include "server/tensor/request_limits.h"
#include "server/tensor/signature.h"
#include "server/torch/device/convert.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

// TorchScript's executor records the first run and compiles in the second.
constexpr int kMadeUpRuns = 2;

constexpr uint64_t kSeed = 20261125;

constexpr double kMostSecondsUntuned = 0.03;

using Bytes = std::vector<std::byte>;

// From 0 to 1. Integers are 0 or 1: indices that tables have.
Bytes RandomRow(const config::WarmUpInput& input) {
  const at::ScalarType type = ToTorch(input.dtype).value();
  at::Generator generator = at::detail::createCPUGenerator(kSeed);
  const at::Tensor values = tensor::IsFloating(input.dtype) ? at::rand(input.dims, generator).to(type)
                                                            : at::randint(0, 2, input.dims, generator).to(type);
  const auto* begin = static_cast<const std::byte*>(values.const_data_ptr());
  return Bytes(begin, begin + values.nbytes());
}

std::string FileName(const config::WarmUpInput& input, const std::string& model) {
  return fmt::format("{}/warmup/{}", model, input.file);
}

// Empty texts, each its length of 0; or a file's, which says its lengths itself.
absl::StatusOr<Bytes> TextRow(const config::WarmUpInput& input, const base::StoreFolder& folder,
                              const std::string& model) {
  FERRY_ASSIGN_OR_RETURN(const int64_t size, tensor::ByteCount(tensor::DType::kUint32, input.dims));
  if (input.data != config::WarmUpInput::Data::kFile) return Bytes(static_cast<size_t>(size));
  FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<checkpoint::File> file,
                         checkpoint::File::Open(folder / "warmup", input.file, FileName(input, model)));
  if (file->size() > static_cast<uint64_t>(limits::kMaxGeneratedBytes)) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} has {} bytes; expected at most {}", file->name(),
                            file->size(), limits::kMaxGeneratedBytes);
  }
  Bytes row(file->size());
  FERRY_RETURN_IF_ERROR(file->Read(0, row));
  return row;
}

absl::StatusOr<Bytes> RowOf(const config::WarmUpInput& input, const base::StoreFolder& folder,
                            const std::string& model) {
  if (input.dtype == tensor::DType::kBytes) return TextRow(input, folder, model);
  if (input.data == config::WarmUpInput::Data::kRandom) return RandomRow(input);
  FERRY_ASSIGN_OR_RETURN(const int64_t size, tensor::ByteCount(input.dtype, input.dims));
  Bytes row(static_cast<size_t>(size));
  if (input.data == config::WarmUpInput::Data::kZero) return row;
  FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<checkpoint::File> file,
                         checkpoint::File::Open(folder / "warmup", input.file, FileName(input, model)));
  if (file->size() != row.size()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} has {} bytes; expected {}, one row of {} {}",
                            file->name(), file->size(), row.size(), Name(input.dtype), tensor::ToString(input.dims));
  }
  FERRY_RETURN_IF_ERROR(file->Read(0, row));
  return row;
}

absl::StatusOr<tensor::HostTensor> TensorOf(const config::WarmUpInput& input, int64_t rows, bool has_batch_dimension,
                                            const base::StoreFolder& folder, const std::string& model) {
  FERRY_ASSIGN_OR_RETURN(const Bytes row, RowOf(input, folder, model));
  auto bytes = std::make_shared<Bytes>();
  for (int64_t i = 0; i < rows; ++i) bytes->insert(bytes->end(), row.begin(), row.end());
  tensor::Shape shape = input.dims;
  if (has_batch_dimension) shape.insert(shape.begin(), rows);
  return tensor::HostTensor{input.dtype, std::move(shape), *bytes, bytes};
}

absl::Status RunOnce(model::Model& model, const tensor::BoundInputs& request) {
  const tensor::BoundInputs* const requests[] = {&request};
  model::PhaseTimes ignored;
  return model.Predict(requests, ignored).status();
}

absl::Status RunDeclared(model::Model& model, const config::ModelConfig& config, const config::WarmUp& warm_up,
                         const base::StoreFolder& folder) {
  FERRY_ASSIGN_OR_RETURN(const tensor::BoundInputs request,
                         WarmUpRequest(warm_up, warm_up.batch_size, model.signature(), config, folder));
  for (int64_t i = 0; i < warm_up.count; ++i) {
    const absl::Status status = RunOnce(model, request);
    if (status.ok() || model::IsOfDevice(status)) FERRY_RETURN_IF_ERROR(status);
    if (!status.ok()) return base::MakeStatus(absl::StatusCode::kFailedPrecondition, "{}", base::MessageOf(status));
  }
  return absl::OkStatus();
}

// "x FP32 [1, 4], n INT64 [1, 16]"
std::string ShapesOf(const tensor::Signature& signature, const tensor::BoundInputs& request) {
  std::vector<std::string> shapes;
  for (size_t i = 0; i < request.values.size(); ++i) {
    for (const tensor::HostTensor& value : request.values[i]) {
      shapes.push_back(
          fmt::format("{} {} {}", signature.inputs[i].name, Name(value.dtype), tensor::ToString(value.shape)));
    }
  }
  return fmt::format("{}", fmt::join(shapes, ", "));
}

// Where sizes are free, those that were made up may be the reason.
void NoteRefusal(const tensor::Signature& signature, const tensor::BoundInputs& request, const absl::Status& status,
                 model::ModelInfo& info) {
  const std::string what = fmt::format("it does not run on a row that was made up of what config.pbtxt declares ({})",
                                       ShapesOf(signature, request));
  if (HasFreeSizes(signature)) {
    info.decisions.push_back(
        fmt::format("not warmed up: {}, whose free sizes may be the reason: {}. model_warmup can "
                    "name a request that runs",
                    what, base::MessageOf(status)));
    return;
  }
  info.warnings.push_back(
      fmt::format("{}, and requests like it will fail: {}. Correct config.pbtxt, or let model_warmup name a request "
                  "that runs",
                  what, base::MessageOf(status)));
}

absl::Status RunExample(model::Model& model, const tensor::BoundInputs& example, model::ModelInfo& info) {
  for (int i = 0; i < kMadeUpRuns; ++i) {
    const absl::Status status = RunOnce(model, example);
    if (model::IsOfDevice(status)) return base::Annotate(status, "warming up");
    if (!status.ok()) {
      info.warnings.push_back(fmt::format("it does not run on the example that it was exported with ({}): {}",
                                          ShapesOf(model.signature(), example), base::MessageOf(status)));
      return absl::OkStatus();
    }
  }
  info.decisions.push_back(fmt::format("warmed up with {} runs of the example that it was exported with", kMadeUpRuns));
  return absl::OkStatus();
}

absl::Status RunMadeUp(model::Model& model, model::ModelInfo& info) {
  const std::optional<tensor::BoundInputs> request = MadeUpInputs(model.signature());
  if (!request.has_value()) return absl::OkStatus();
  for (int i = 0; i < kMadeUpRuns; ++i) {
    const absl::Status status = RunOnce(model, *request);
    if (model::IsOfDevice(status)) return base::Annotate(status, "warming up");
    if (!status.ok()) {
      NoteRefusal(model.signature(), *request, status, info);
      return absl::OkStatus();
    }
  }
  info.decisions.push_back(fmt::format("warmed up with {} runs of a made-up row", kMadeUpRuns));
  return absl::OkStatus();
}

// With each size of a batch, the largest last; a size that does not run, or has no room, is no error: batches are
// divided then. Where nobody has found how large batches should be, and `max_batch_size` may be anything, only as long
// as it costs a start nothing.
absl::Status RunBatches(model::Model& model, const config::ModelConfig& config, const base::StoreFolder& folder,
                        const tensor::BoundInputs* example, model::ModelInfo& info) {
  if (!config.dynamic_batching.has_value() || model.is_stateful()) return absl::OkStatus();
  std::optional<tensor::BoundInputs> row;
  if (!config.warm_ups.empty()) {
    FERRY_ASSIGN_OR_RETURN(row, WarmUpRequest(config.warm_ups[0], 1, model.signature(), config, folder));
  } else {
    row = example != nullptr ? *example : MadeUpInputs(model.signature());
  }
  if (!row.has_value()) return absl::OkStatus();
  const std::vector<int64_t> sizes =
      tensor::BatchSizes(info.tuning.has_value() ? info.tuning->batch_rows : config.max_batch_size);
  int64_t largest = 0;
  const base::TimePoint began = base::Clock::Real().Now();
  for (const int64_t size : sizes) {
    const double seconds = base::ToSeconds(base::Clock::Real().Now() - began);
    if (!info.tuning.has_value() && seconds > kMostSecondsUntuned) break;
    if (size > RowsWithinLimit(*row)) break;
    const std::vector<const tensor::BoundInputs*> batch(static_cast<size_t>(size), &*row);
    model::PhaseTimes ignored;
    const absl::Status status = model.Predict(batch, ignored).status();
    const model::DeviceFault fault = model::DeviceFaultOf(status);
    if (fault == model::DeviceFault::kLost || fault == model::DeviceFault::kTransient)
      return base::Annotate(status, "warming up");
    if (!status.ok()) break;
    largest = size;
  }
  if (largest > 1) info.decisions.push_back(fmt::format("warmed up with batches of up to {} rows", largest));
  return absl::OkStatus();
}

absl::Status RunAll(model::Model& model, const config::ModelConfig& config, const base::StoreFolder& folder,
                    const tensor::BoundInputs* example, model::ModelInfo& info) {
  if (config.warm_ups.empty()) {
    FERRY_RETURN_IF_ERROR(example != nullptr ? RunExample(model, *example, info) : RunMadeUp(model, info));
  }
  for (const config::WarmUp& warm_up : config.warm_ups) {
    const std::string what = fmt::format("model_warmup \"{}\"", warm_up.name);
    FERRY_RETURN_IF_ERROR(base::Annotate(RunDeclared(model, config, warm_up, folder), what));
    info.decisions.push_back(fmt::format("warmed up with {} runs of {}", warm_up.count, what));
  }
  return RunBatches(model, config, folder, example, info);
}

}  // namespace

absl::StatusOr<tensor::BoundInputs> WarmUpRequest(const config::WarmUp& warm_up, int64_t rows,
                                                  const tensor::Signature& signature, const config::ModelConfig& config,
                                                  const base::StoreFolder& folder) {
  std::map<std::string, tensor::HostTensor> inputs;
  for (const config::WarmUpInput& input : warm_up.inputs) {
    FERRY_ASSIGN_OR_RETURN(inputs[input.name],
                           TensorOf(input, rows, signature.HasBatchDimension(), folder, config.name));
  }
  return tensor::BindInputs(signature, inputs);
}

absl::Status RunWarmUps(model::Model& model, const config::ModelConfig& config, const base::StoreFolder& folder,
                        model::ModelInfo& info, const tensor::BoundInputs* example) {
  if (model.is_stateful()) {
    FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<model::Model> copy, model.Clone());
    return RunAll(*copy, config, folder, example, info);
  }
  return RunAll(model, config, folder, example, info);
}

}  // namespace torchferry::libtorch
