#include "server/torch/load/warm_up.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/logging.h"
#include "server/base/running_model.h"
#include "server/base/status.h"
#include "server/checkpoint/file.h"
#include "server/model/device_fault.h"
#include "server/model/pass_memory.h"
#include "server/tensor/batch_sizes.h"
#include "server/tensor/request_limits.h"
#include "server/tensor/signature.h"
#include "server/torch/device/convert.h"
#include "server/torch/load/intra_op_threads.h"
#include "server/torch/load/seen_memory.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

// TorchScript's executor records the first run and compiles in the second.
constexpr int kGeneratedRuns = 2;

constexpr uint64_t kSeed = 20261125;

// What batches may take before the version serves.
constexpr double kMaxSecondsOfBatches = 0.03;

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

// What the runs showed.
struct Observed {
  const std::shared_ptr<model::PassMemory> memory = std::make_shared<model::PassMemory>();
  double row_seconds = 0;  // as ModelInfo's
};

absl::Status RunOnce(model::Model& model, std::span<const tensor::BoundInputs* const> requests, Observed& observed) {
  const SeenMemory seen;
  model::PhaseTimes ignored;
  const base::TimePoint began = base::Clock::Real().Now();
  FERRY_RETURN_IF_ERROR(model.Predict(requests, ignored).status());
  const double seconds = base::ToSeconds(base::Clock::Real().Now() - began);
  int64_t rows = 0;
  for (const tensor::BoundInputs* request : requests) rows += request->rows;
  // The last run of one row: LibTorch compiles in the first ones.
  if (rows == 1 || observed.row_seconds == 0) observed.row_seconds = seconds;
  if (seen.max_bytes() > observed.memory->bytes) {
    observed.memory->bytes = seen.max_bytes();
    observed.memory->rows = rows;
  }
  return absl::OkStatus();
}

absl::Status RunOnce(model::Model& model, const tensor::BoundInputs& request, Observed& observed) {
  const tensor::BoundInputs* const requests[] = {&request};
  return RunOnce(model, requests, observed);
}

absl::Status RunDeclared(model::Model& model, const config::ModelConfig& config, const config::WarmUp& warm_up,
                         const base::StoreFolder& folder, Observed& observed) {
  FERRY_ASSIGN_OR_RETURN(const tensor::BoundInputs request,
                         WarmUpRequest(warm_up, warm_up.batch_size, model.signature(), config, folder));
  for (int64_t i = 0; i < warm_up.count; ++i) {
    const absl::Status status = RunOnce(model, request, observed);
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

// Where sizes are free, those that were generated may be the reason.
void NoteRefusal(const tensor::Signature& signature, const tensor::BoundInputs& request, const absl::Status& status,
                 model::ModelInfo& info) {
  const std::string what = fmt::format("it does not run on a row generated from what config.pbtxt declares ({})",
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

absl::Status RunExample(model::Model& model, const tensor::BoundInputs& example, model::ModelInfo& info,
                        Observed& observed) {
  for (int i = 0; i < kGeneratedRuns; ++i) {
    const absl::Status status = RunOnce(model, example, observed);
    if (model::IsOfDevice(status)) return base::Annotate(status, "warming up");
    if (!status.ok()) {
      info.warnings.push_back(fmt::format("it does not run on the example that it was exported with ({}): {}",
                                          ShapesOf(model.signature(), example), base::MessageOf(status)));
      return absl::OkStatus();
    }
  }
  info.decisions.push_back(
      fmt::format("warmed up with {} runs of the example that it was exported with", kGeneratedRuns));
  return absl::OkStatus();
}

absl::Status RunMadeUp(model::Model& model, model::ModelInfo& info, Observed& observed) {
  const std::optional<tensor::BoundInputs> request = MadeUpInputs(model.signature());
  if (!request.has_value()) return absl::OkStatus();
  for (int i = 0; i < kGeneratedRuns; ++i) {
    const absl::Status status = RunOnce(model, *request, observed);
    if (model::IsOfDevice(status)) return base::Annotate(status, "warming up");
    if (!status.ok()) {
      NoteRefusal(model.signature(), *request, status, info);
      return absl::OkStatus();
    }
  }
  info.decisions.push_back(fmt::format("warmed up with {} runs of a generated row", kGeneratedRuns));
  return absl::OkStatus();
}

// A row that batches can be made of; nothing where there is none.
absl::StatusOr<std::optional<tensor::BoundInputs>> SampleRow(const WarmUpTask& task) {
  const tensor::Signature& signature = task.model->signature();
  if (!task.config.warm_ups.empty())
    return WarmUpRequest(task.config.warm_ups[0], 1, signature, task.config, task.folder);
  return task.example != nullptr ? *task.example : MadeUpInputs(signature);
}

// Batches of one row, repeated, of each of some sizes, in their order. A size that does not run, or has no room, is no
// error and the last one: batches are divided then.
class BatchRuns {
 public:
  BatchRuns(std::shared_ptr<model::Model> model, tensor::BoundInputs row, std::vector<int64_t> sizes,
            std::shared_ptr<Observed> observed)
      : model_(std::move(model)), row_(std::move(row)), sizes_(std::move(sizes)), observed_(std::move(observed)) {
    std::erase_if(sizes_, [most = RowsWithinLimit(row_)](int64_t size) { return size > most; });
  }

  bool is_over() const { return next_ == sizes_.size(); }
  // Of the batches that ran; 0: none did.
  int64_t largest() const { return largest_; }
  int64_t largest_left() const { return sizes_.back(); }

  // Only a device's errors are errors.
  absl::Status RunNext() {
    const int64_t size = sizes_[next_++];
    const std::vector<const tensor::BoundInputs*> batch(static_cast<size_t>(size), &row_);
    const absl::Status status = RunOnce(*model_, batch, *observed_);
    if (status.ok()) {
      largest_ = size;
      return absl::OkStatus();
    }
    next_ = sizes_.size();
    const model::DeviceFault fault = model::DeviceFaultOf(status);
    const bool is_of_device = fault == model::DeviceFault::kLost || fault == model::DeviceFault::kTransient;
    return is_of_device ? base::Annotate(status, "warming up") : absl::OkStatus();
  }

 private:
  const std::shared_ptr<model::Model> model_;
  const tensor::BoundInputs row_;
  std::vector<int64_t> sizes_;
  const std::shared_ptr<Observed> observed_;
  size_t next_ = 0;
  int64_t largest_ = 0;
};

// A device that fails here fails in the next request as well, where it is reported.
model::IdleJob JobOf(const std::shared_ptr<BatchRuns>& runs, const std::string& model, int threads) {
  return [runs, model, threads](model::IdleTurn&) {
    const base::RunningModel for_model(model);
    const IntraOpThreads as_in_service(threads);
    const absl::Status status = runs->RunNext();
    if (!status.ok()) base::LogWarning("warming up ended", {{"model", model}, {"reason", base::MessageOf(status)}});
    if (!runs->is_over()) return true;
    base::LogInfo("warmed up", {{"model", model}, {"batch_rows", runs->largest()}, {"threads", threads}});
    return false;
  };
}

absl::StatusOr<model::IdleJob> RunBatches(const WarmUpTask& task, const std::shared_ptr<Observed>& observed,
                                          model::ModelInfo& info) {
  if (!task.config.dynamic_batching.has_value() || task.model->is_stateful()) return nullptr;
  FERRY_ASSIGN_OR_RETURN(std::optional<tensor::BoundInputs> row, SampleRow(task));
  if (!row.has_value()) return nullptr;
  const bool is_tuned = info.tuning.has_value();
  const int64_t max_rows = is_tuned ? info.tuning->batch_rows : task.config.max_batch_size;
  const auto runs = std::make_shared<BatchRuns>(task.model, *std::move(row), tensor::BatchSizes(max_rows), observed);
  const base::TimePoint began = base::Clock::Real().Now();
  while (!runs->is_over() && base::ToSeconds(base::Clock::Real().Now() - began) <= kMaxSecondsOfBatches)
    FERRY_RETURN_IF_ERROR(runs->RunNext());
  if (runs->largest() > 1) {
    info.decisions.push_back(fmt::format("warmed up with batches of up to {} rows", runs->largest()));
  }
  if (runs->is_over() || !is_tuned) return nullptr;
  info.decisions.push_back(
      fmt::format("warms up with batches of up to {} rows while the server is idle", runs->largest_left()));
  return JobOf(runs, task.config.name, info.tuning->intra_op_threads);
}

absl::StatusOr<model::IdleJob> RunAll(const WarmUpTask& task, model::ModelInfo& info) {
  model::Model& model = *task.model;
  const auto observed = std::make_shared<Observed>();
  info.pass_memory = observed->memory;
  const bool was_compared = info.tuning.has_value() && info.tuning->is_kept;
  if (task.config.warm_ups.empty() && !was_compared) {
    FERRY_RETURN_IF_ERROR(task.example != nullptr ? RunExample(model, *task.example, info, *observed)
                                                  : RunMadeUp(model, info, *observed));
  }
  for (const config::WarmUp& warm_up : task.config.warm_ups) {
    const std::string what = fmt::format("model_warmup \"{}\"", warm_up.name);
    FERRY_RETURN_IF_ERROR(base::Annotate(RunDeclared(model, task.config, warm_up, task.folder, *observed), what));
    info.decisions.push_back(fmt::format("warmed up with {} runs of {}", warm_up.count, what));
  }
  absl::StatusOr<model::IdleJob> later = RunBatches(task, observed, info);
  info.row_seconds = observed->row_seconds;
  return later;
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

absl::StatusOr<model::IdleJob> RunWarmUps(const WarmUpTask& task, model::ModelInfo& info) {
  if (!task.model->is_stateful()) return RunAll(task, info);
  FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<model::Model> copy, task.model->Clone());
  return RunAll({copy, task.config, task.folder, task.example}, info);
}

absl::StatusOr<model::IdleJob> WarmUpAtLatency(const WarmUpTask& task, const model::LatencyInfo& latency) {
  FERRY_ASSIGN_OR_RETURN(std::optional<tensor::BoundInputs> row, SampleRow(task));
  if (!row.has_value()) return nullptr;
  std::vector<int64_t> sizes;
  for (int64_t rows = 1; rows <= latency.max_rows; ++rows) sizes.insert(sizes.end(), kGeneratedRuns, rows);
  return JobOf(std::make_shared<BatchRuns>(task.model, *std::move(row), std::move(sizes), std::make_shared<Observed>()),
               task.config.name, latency.intra_op_threads);
}

}  // namespace torchferry::libtorch
