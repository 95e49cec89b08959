#include "server/torch/load/row_trial.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/model/raised.h"
#include "server/torch/load/warm_up.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

using Answers = absl::StatusOr<std::vector<model::Outputs>>;

constexpr uint64_t kFirstSeed = 20261128;
constexpr uint64_t kSecondSeed = 20261129;

// Most that a row's answer may differ beside another row, of an output's largest magnitude. Kernels for more rows, and
// types of 16 bits, differ by less; a model that mixes rows by more.
constexpr double kMaxDeviation = 0.05;

Answers Run(model::Model& model, std::vector<const tensor::BoundInputs*> requests) {
  model::PhaseTimes ignored;
  return model.Predict(requests, ignored);
}

// The declared shape with the sizes that the model gave. Where inputs have free sizes, its own may follow theirs.
tensor::Shape Corrected(const tensor::Signature& signature, const tensor::Shape& declared, const tensor::Shape& given) {
  const bool has_free_sizes = HasFreeSizes(signature);
  tensor::Shape shape = given;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool is_rows = i == 0 && signature.HasBatchDimension();
    const bool is_as_declared =
        declared.size() == given.size() && (declared[i] == given[i] || declared[i] == tensor::kAnyDim);
    if (is_as_declared) {
      shape[i] = declared[i];
    } else if (is_rows || has_free_sizes) {
      shape[i] = tensor::kAnyDim;
    }
  }
  return shape;
}

void CompareWithDeclared(const tensor::Signature& signature, const std::string& source, const model::Outputs& outputs,
                         RowFindings& findings, model::ModelInfo& info) {
  for (size_t i = 0; i < signature.outputs.size(); ++i) {
    const tensor::TensorSpec& declared = signature.outputs[i];
    const auto given = std::ranges::find(outputs, declared.name, &model::NamedTensor::name);
    if (given == outputs.end()) {
      info.warnings.push_back(fmt::format(
          "output \"{}\" of {} is None when a row is tried; answers do not have it then", declared.name, source));
      continue;
    }
    if (!declared.shape.has_value() || tensor::Matches(*declared.shape, given->tensor.shape)) continue;
    findings.output_shapes.emplace_back(i, Corrected(signature, *declared.shape, given->tensor.shape));
    info.warnings.push_back(
        fmt::format("output \"{}\" has shape {} when a row is tried; {} declares {}. It is answered as the model gives "
                    "it: correct its dims",
                    declared.name, tensor::ToString(given->tensor.shape), source, tensor::ToString(*declared.shape)));
  }
}

void DoNotShare(const std::string& why, RowFindings& findings, model::ModelInfo& info) {
  findings.shares_forward_passes = false;
  info.warnings.push_back("no forward pass is shared, although config.pbtxt has dynamic_batching: " + why +
                          ". Each request runs alone; a model whose rows are independent of each other shares");
}

// Whether two rows are answered together as alone.
absl::Status TryTogether(model::Model& model, RowFindings& findings, model::ModelInfo& info) {
  const std::optional<tensor::BoundInputs> first = MadeUpInputs(model.signature(), kFirstSeed);
  const std::optional<tensor::BoundInputs> second = MadeUpInputs(model.signature(), kSecondSeed);
  if (!first.has_value() || !second.has_value() || RowsWithinLimit(*first) < 2) return absl::OkStatus();
  const Answers one = Run(model, {&*first});
  const Answers two = Run(model, {&*second});
  if (!one.ok() || !two.ok()) return absl::OkStatus();
  const Answers both = Run(model, {&*first, &*second});
  if (model::DeviceFaultOf(both.status()) == model::DeviceFault::kOutOfMemory) return absl::OkStatus();
  if (model::IsOfDevice(both.status())) return base::Annotate(both.status(), "trying two rows");
  if (!both.ok()) {
    DoNotShare(fmt::format("two rows that run alone fail together: {}", base::MessageOf(both.status())), findings,
               info);
    return absl::OkStatus();
  }
  for (size_t i = 0; i < 2; ++i) {
    const std::vector<model::Outputs> together = {both->at(i)};
    const std::vector<model::Outputs>& alone = i == 0 ? *one : *two;
    if (together[0].size() != alone.at(0).size()) {
      DoNotShare("two rows that run together get other outputs than alone", findings, info);
      return absl::OkStatus();
    }
    const absl::StatusOr<double> deviation = Deviation(together, alone);
    if (deviation.ok() && *deviation <= kMaxDeviation) continue;
    DoNotShare(deviation.ok() ? fmt::format("of two rows that run together one is answered otherwise than alone, by "
                                            "{:.1e} of the largest output: dimension 0 is not the rows",
                                            *deviation)
                              : "of two rows that run together one is answered otherwise than alone: " +
                                    base::MessageOf(deviation.status()),
               findings, info);
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<RowFindings> Try(model::Model& model, const config::ModelConfig& config, const base::StoreFolder& folder,
                                bool is_random, model::ModelInfo& info, const tensor::BoundInputs* example) {
  RowFindings findings;
  std::optional<tensor::BoundInputs> row;
  if (config.warm_ups.empty() && example != nullptr) {
    row = *example;
  } else if (config.warm_ups.empty()) {
    row = MadeUpInputs(model.signature(), kFirstSeed);
  } else if (auto request = WarmUpRequest(config.warm_ups[0], 1, model.signature(), config, folder); request.ok()) {
    row = *std::move(request);
  }
  if (!row.has_value()) return findings;
  const Answers answer = Run(model, {&*row});
  if (model::IsOfDevice(answer.status())) return base::Annotate(answer.status(), "trying a row");
  if (!answer.ok() && model::HasRaised(answer.status())) return findings;
  if (!answer.ok()) {
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                            "a row that was tried at load contradicts {}: {}. Correct {} or the "
                            "model; if other rows are answered otherwise, model_warmup can name one",
                            config.signature_source, base::MessageOf(answer.status()), config.signature_source);
  }
  CompareWithDeclared(model.signature(), config.signature_source, answer->at(0), findings, info);
  const bool may_share = config.dynamic_batching.has_value() && config.max_batch_size > 1 && !model.is_stateful();
  if (may_share && !is_random) FERRY_RETURN_IF_ERROR(TryTogether(model, findings, info));
  return findings;
}

}  // namespace

absl::StatusOr<RowFindings> TryRows(model::Model& model, const config::ModelConfig& config,
                                    const base::StoreFolder& folder, bool is_random, model::ModelInfo& info,
                                    const tensor::BoundInputs* example) {
  if (!model.is_stateful()) return Try(model, config, folder, is_random, info, example);
  FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<model::Model> copy, model.Clone());
  return Try(*copy, config, folder, is_random, info, example);
}

}  // namespace torchferry::libtorch
