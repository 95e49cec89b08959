#include "server/torch/load/tuning_variants.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/torch/device/convert.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

// The second time it runs what LibTorch has compiled.
constexpr int kRuns = 2;

// Whether what is no number is equal, to the bit.
bool AreEqual(const tensor::HostTensor& a, const tensor::HostTensor& b) {
  return a.shape == b.shape && std::ranges::equal(a.bytes, b.bytes);
}

// The largest deviation of any of the answers. INTERNAL when they differ in more than rounding: other integers, other
// shapes.
absl::StatusOr<double> WorstDeviation(const std::vector<model::Outputs>& ours,
                                      const std::vector<model::Outputs>& plain) {
  double worst = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    for (size_t j = 0; j < plain[i].size(); ++j) {
      if (tensor::IsFloating(plain[i][j].tensor.dtype) || AreEqual(ours.at(i).at(j).tensor, plain[i][j].tensor))
        continue;
      return base::MakeStatus(absl::StatusCode::kInternal, "output \"{}\" is another", plain[i][j].name);
    }
    FERRY_ASSIGN_OR_RETURN(const double deviation, Deviation({ours.at(i)}, {plain[i]}));
    worst = std::max(worst, deviation);
  }
  return worst;
}

}  // namespace

std::vector<const tensor::BoundInputs*> BatchOf(const std::vector<tensor::BoundInputs>& samples, int64_t rows) {
  std::vector<const tensor::BoundInputs*> batch;
  for (int64_t i = 0; i < rows; ++i) batch.push_back(&samples[static_cast<size_t>(i) % samples.size()]);
  return batch;
}

TuningVariants::TuningVariants(Make make, std::shared_ptr<model::Model> plain, std::vector<tensor::BoundInputs> samples,
                               double tolerance, Accept accept)
    : make_(std::move(make)), samples_(std::move(samples)), tolerance_(tolerance), accept_(std::move(accept)) {
  models_["plain"] = std::move(plain);
  deviations_["plain"] = 0;
}

std::shared_ptr<model::Model> TuningVariants::ModelOf(const std::string& variant, int64_t rows) {
  if (left_out_.contains(variant)) return nullptr;
  if (Has(variant)) return models_.at(variant);
  absl::StatusOr<std::shared_ptr<model::Model>> made = MakeAndCompare(variant, rows);
  if (made.ok()) return models_[variant] = *std::move(made);
  Refuse(variant, made.status());
  left_out_.insert(variant);
  return nullptr;
}

bool TuningVariants::Has(const std::string& variant) const { return models_.contains(variant); }

bool TuningVariants::KeepOnly(const std::set<std::string>& variants) {
  return std::erase_if(models_, [&](const auto& entry) { return !variants.contains(entry.first); }) > 0;
}

void TuningVariants::Refuse(const std::string& what, const absl::Status& why) {
  if (model::DeviceFaultOf(why) == model::DeviceFault::kLost ||
      model::DeviceFaultOf(why) == model::DeviceFault::kTransient)
    device_error_ = why;
  std::string text = fmt::format("{} ({})", what, base::MessageOf(why));
  if (std::ranges::find(refused_, text) == refused_.end()) refused_.push_back(std::move(text));
}

absl::StatusOr<std::shared_ptr<model::Model>> TuningVariants::MakeAndCompare(const std::string& variant, int64_t rows) {
  FERRY_ASSIGN_OR_RETURN(std::shared_ptr<model::Model> model, MakeOne(variant));
  if (!model->signature().HasBatchDimension()) rows = 1;
  double& worst = deviations_[variant];
  model::PhaseTimes ignored;
  for (int64_t count = 1; count <= rows; ++count) {
    FERRY_ASSIGN_OR_RETURN(const std::vector<model::Outputs>* const expected, Expected(count));
    for (int run = 0; run < kRuns; ++run) {
      FERRY_ASSIGN_OR_RETURN(const auto ours, model->Predict(BatchOf(samples_, count), ignored));
      FERRY_ASSIGN_OR_RETURN(const double deviation, WorstDeviation(ours, *expected));
      worst = std::max(worst, deviation);
    }
  }
  if (worst > tolerance_) {
    return base::MakeStatus(absl::StatusCode::kInternal,
                            "its outputs deviate by {:.1e} of the largest; {:.0e} is allowed", worst, tolerance_);
  }
  if (accept_) FERRY_RETURN_IF_ERROR(accept_(*model));
  return model;
}

absl::StatusOr<std::shared_ptr<model::Model>> TuningVariants::MakeOne(const std::string& variant) const {
  try {
    return make_(variant);
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kInternal);
  }
}

absl::StatusOr<const std::vector<model::Outputs>*> TuningVariants::Expected(int64_t rows) {
  const auto known = expected_.find(rows);
  if (known != expected_.end()) return &known->second;
  std::shared_ptr<model::Model> plain = Has("plain") ? models_.at("plain") : nullptr;
  if (plain == nullptr) {
    FERRY_ASSIGN_OR_RETURN(plain, MakeOne("plain"));
  }
  model::PhaseTimes ignored;
  FERRY_ASSIGN_OR_RETURN(expected_[rows], plain->Predict(BatchOf(samples_, rows), ignored));
  return &expected_.at(rows);
}

}  // namespace torchferry::libtorch
