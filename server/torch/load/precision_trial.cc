#include "server/torch/load/precision_trial.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/torch/device/convert.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

using Answers = absl::StatusOr<std::vector<model::Outputs>>;

Answers RunOnce(model::Model& model, const tensor::BoundInputs& inputs) {
  const tensor::BoundInputs* const requests[] = {&inputs};
  model::PhaseTimes ignored;
  return model.Predict(requests, ignored);
}

bool IsIn(tensor::DType type, std::span<const tensor::DType> types) { return std::ranges::count(types, type) > 0; }

// ", input \"x\" being FP32".
std::string DeclaredInputs(const tensor::Signature& signature) {
  std::string text;
  for (const tensor::TensorSpec& spec : signature.inputs) {
    text += fmt::format("{} input \"{}\" being {}", text.empty() ? "," : " and", spec.name, Name(spec.dtype));
  }
  return text;
}

struct Tried {
  std::shared_ptr<model::Model> model;
  Answers outputs;
};

// The first of `types` that makes the model run when inputs are cast to it; `tried` stays where none does, or where the
// model runs without.
void CastInputs(const PrecisionTrial& trial, const std::vector<tensor::DType>& types, const tensor::BoundInputs& inputs,
                PlacedCopy& copy, Tried& tried, model::ModelInfo& info) {
  for (const tensor::DType type : types) {
    if (tried.outputs.ok() || model::IsOfDevice(tried.outputs.status())) return;
    PlacedCopy cast = copy;
    cast.border.CastInputs(ToTorch(type).value());
    std::shared_ptr<model::Model> model = MakeModel(trial.master, cast, trial.device);
    Answers outputs = RunOnce(*model, inputs);
    if (!outputs.ok() && !model::IsOfDevice(outputs.status())) continue;
    tried = {std::move(model), std::move(outputs)};
    copy = std::move(cast);
    info.decisions.push_back(
        fmt::format("inputs are cast to {}, the weights' type; config.pbtxt declares another", Name(type)));
  }
}

// What the module gives in full precision on the CPU.
Answers RunInFull(const PrecisionTrial& trial, const tensor::BoundInputs& inputs) {
  const tensor::DeviceId cpu = tensor::DeviceId::Cpu();
  const plan::PrecisionPlan full = plan::PlanPrecision(config::Precision::kFp32, trial.weight_types, cpu, false);
  PlacedCopy copy = PlaceCopy(trial.master, cpu, full);
  if (!IsIn(tensor::DType::kFp64, trial.weight_types)) copy.border.CastInputs(at::kFloat);
  return RunOnce(*MakeModel(trial.master, copy, cpu), inputs);
}

absl::Status CompareWithFull(const PrecisionTrial& trial, const tensor::BoundInputs& inputs, const Answers& outputs,
                             model::ModelInfo& info) {
  const Answers expected = RunInFull(trial, inputs);
  if (!expected.ok()) {
    info.decisions.push_back(fmt::format("not tried in {}: the model does not run on a row that is tried: {}",
                                         info.precision, base::MessageOf(expected.status())));
    return absl::OkStatus();
  }
  if (!outputs.ok()) {
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                            "{}: forward fails in {}{}: {}. It runs in FP32: set torchferry {{ precision: FP32 }}",
                            trial.file_name, info.precision, DeclaredInputs(trial.master.signature.signature),
                            base::MessageOf(outputs.status()));
  }
  FERRY_ASSIGN_OR_RETURN(info.precision_deviation, Deviation(*outputs, *expected));
  info.decisions.push_back(
      fmt::format("deviation from FP32: {:.1e} of the largest output, by {}", *info.precision_deviation,
                  trial.master.example.has_value() ? "the example that it was exported with" : "one generated row"));
  return absl::OkStatus();
}

}  // namespace

std::vector<tensor::DType> TypesThatInputsLack(const tensor::Signature& signature, std::span<const tensor::DType> saved,
                                               const plan::PrecisionPlan& precision) {
  std::vector<tensor::DType> types;
  for (const tensor::DType type : saved) {
    if (tensor::IsFloating(type)) types.push_back(IsIn(type, precision.from) ? precision.to : type);
  }
  const bool lacks = std::ranges::any_of(signature.inputs, [&](const tensor::TensorSpec& spec) {
    return tensor::IsFloating(spec.dtype) && !IsIn(spec.dtype, types);
  });
  return lacks ? types : std::vector<tensor::DType>();
}

absl::StatusOr<std::shared_ptr<model::Model>> TryPrecision(const PrecisionTrial& trial, PlacedCopy& copy,
                                                           model::ModelInfo& info) {
  std::shared_ptr<model::Model> model = MakeModel(trial.master, copy, trial.device);
  const tensor::Signature& signature = trial.master.signature.signature;
  const bool changes = trial.precision.changes();
  const bool is_half = info.precision.find("16") != std::string::npos;
  const std::vector<tensor::DType> other_types = TypesThatInputsLack(signature, trial.weight_types, trial.precision);
  if ((!is_half && !changes && other_types.empty()) || trial.master.state.has_value()) return model;
  const std::optional<tensor::BoundInputs> inputs =
      trial.master.example.has_value() ? trial.master.example : MadeUpInputs(signature);
  if (!inputs.has_value()) {
    if (is_half && changes)
      info.decisions.push_back("deviation from FP32 not measured: config.pbtxt does not declare each input");
    return model;
  }
  Answers outputs = RunOnce(*model, *inputs);
  Tried tried{std::move(model), std::move(outputs)};
  CastInputs(trial, other_types, *inputs, copy, tried, info);
  if (model::IsOfDevice(tried.outputs.status()))
    return base::Annotate(tried.outputs.status(), "running on " + tensor::ToString(trial.device));
  // In full precision it was only to see which types it takes and gives, before a request waits for that.
  if (is_half && (changes || !tried.outputs.ok()))
    FERRY_RETURN_IF_ERROR(CompareWithFull(trial, *inputs, tried.outputs, info));
  return std::move(tried.model);
}

}  // namespace torchferry::libtorch
