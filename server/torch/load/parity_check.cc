#include "server/torch/load/parity_check.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "server/base/list_text.h"
#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/plan/golden_rows.h"
#include "server/torch/load/golden_difference.h"

namespace torchferry::libtorch {
namespace {

using model::ParityInfo;
using model::ParityState;

double Share(const ParityInfo& info) {
  if (info.difference == 0) return 0;
  return info.allowed > 0 ? info.difference / info.allowed : std::numeric_limits<double>::infinity();
}

bool IsWorse(const ParityInfo& one, const ParityInfo& other) {
  if (other.state == ParityState::kFailed) return false;
  return one.state == ParityState::kFailed || Share(one) > Share(other);
}

ParityInfo NotChecked(std::string why) {
  ParityInfo info;
  info.detail = std::move(why);
  return info;
}

class GoldenRun {
 public:
  GoldenRun(model::Model& model, const plan::GoldenRows& golden) : model_(model), golden_(golden) {
    found_.rtol = golden.rtol;
    found_.atol = golden.atol;
  }

  absl::StatusOr<ParityInfo> Run() {
    found_.state = ParityState::kPassed;
    for (size_t i = 0; i < golden_.rows.size() && found_.state == ParityState::kPassed; ++i) {
      FERRY_RETURN_IF_ERROR(RunRow(i));
    }
    if (found_.state != ParityState::kPassed) return found_;
    if (!has_compared_) {
      End(ParityState::kNotChecked, "none of the outputs of golden rows is an output of the model");
      return found_;
    }
    found_.detail = fmt::format("golden rows are answered as when it was saved: {} of {}, {:.2g} of {:.2g} allowed",
                                found_.rows, golden_.rows.size(), found_.difference, found_.allowed);
    if (!left_out_.empty()) {
      found_.detail += "; not compared, as it does not give them: " + base::ListText(left_out_, base::InQuotes);
    }
    return found_;
  }

 private:
  void End(ParityState state, std::string detail) {
    found_.state = state;
    found_.detail = std::move(detail);
  }

  absl::Status RunRow(size_t index) {
    const plan::GoldenRow& row = golden_.rows[index];
    const absl::StatusOr<tensor::BoundInputs> inputs = tensor::BindInputs(model_.signature(), plan::InputsOf(row));
    if (!inputs.ok()) {
      End(ParityState::kNotChecked,
          fmt::format("golden row {} does not fit the signature: {}", index, base::MessageOf(inputs.status())));
      return absl::OkStatus();
    }
    FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<model::Model> copy, FreshCopy());
    const tensor::BoundInputs* const requests[] = {&*inputs};
    model::PhaseTimes ignored;
    const auto answers = (copy == nullptr ? model_ : *copy).Predict(requests, ignored);
    if (model::IsOfDevice(answers.status())) return base::Annotate(answers.status(), "running golden rows");
    if (!answers.ok()) {
      End(ParityState::kFailed, fmt::format("golden row {} fails: {}", index, base::MessageOf(answers.status())));
      return absl::OkStatus();
    }
    Compare(index, row, answers->at(0));
    if (found_.state == ParityState::kPassed) ++found_.rows;
    return absl::OkStatus();
  }

  // Null: the model itself will do.
  absl::StatusOr<std::shared_ptr<model::Model>> FreshCopy() const {
    if (!model_.is_stateful()) return nullptr;
    return model_.Clone();
  }

  void Compare(size_t index, const plan::GoldenRow& row, const model::Outputs& outputs) {
    for (const auto& [name, wanted] : row.outputs) {
      const auto given = std::ranges::find(outputs, name, &model::NamedTensor::name);
      if (given == outputs.end()) {  // the configuration may leave it out
        left_out_.insert(name);
        continue;
      }
      has_compared_ = true;
      const std::string where = fmt::format("row {}, output \"{}\"", index, name);
      const absl::StatusOr<GoldenDifference> furthest =
          FurthestFromGolden(given->tensor, wanted, golden_.rtol, golden_.atol);
      if (!furthest.ok()) return End(ParityState::kFailed, where + ": " + base::MessageOf(furthest.status()));
      Take(*furthest, where);
      if (found_.state != ParityState::kPassed) return;
    }
  }

  void Take(const GoldenDifference& furthest, const std::string& where) {
    ParityInfo next = found_;
    next.difference = furthest.difference;
    next.allowed = furthest.allowed;
    next.where = fmt::format("{} at {}", where, tensor::ToString(furthest.index));
    if (!furthest.is_within) {
      next.state = ParityState::kFailed;
      next.detail = fmt::format(
          "{} is {:.6g} and was {:.6g} when it was saved: {:.2g} apart, {:.2g} allowed (rtol {:g}, atol {:g})",
          next.where, furthest.got, furthest.want, furthest.difference, furthest.allowed, golden_.rtol, golden_.atol);
    }
    if (next.state == ParityState::kFailed || found_.where.empty() || Share(next) > Share(found_)) {
      found_ = std::move(next);
    }
  }

  model::Model& model_;
  const plan::GoldenRows& golden_;
  ParityInfo found_;
  bool has_compared_ = false;
  std::set<std::string> left_out_;  // outputs of golden rows that the model does not give
};

}  // namespace

absl::StatusOr<ParityInfo> ParityCheck::Run(std::initializer_list<std::shared_ptr<model::Model>> models) const {
  std::optional<ParityInfo> worst;
  for (const std::shared_ptr<model::Model>& model : models) {
    if (model == nullptr || !has_rows()) continue;
    FERRY_ASSIGN_OR_RETURN(ParityInfo found, RunOne(*model));
    if (!worst.has_value() || IsWorse(found, *worst)) worst = std::move(found);
  }
  return worst.value_or(ParityInfo{});
}

absl::StatusOr<ParityInfo> ParityCheck::RunOne(model::Model& model) const {
  if (policy_ == config::ParityPolicy::kOff) return NotChecked("torchferry.parity is OFF");
  if (is_random_) return NotChecked("the model draws random numbers, so its answers differ each time");
  return GoldenRun(model, passport_->golden).Run();
}

std::function<absl::Status(model::Model&)> ParityCheck::Acceptance() const {
  if (!has_rows() || is_random_ || policy_ != config::ParityPolicy::kRefuse) return nullptr;
  return [check = *this](model::Model& model) -> absl::Status {
    FERRY_ASSIGN_OR_RETURN(const ParityInfo found, check.RunOne(model));
    return check.Refuses(found) ? model::ParityStatus(found.detail) : absl::OkStatus();
  };
}

std::string SentenceOf(const ParityInfo& found) {
  switch (found.state) {
    case ParityState::kNotChecked:
      return "golden rows are not run: " + found.detail;
    case ParityState::kFailed:
      return "golden rows are answered beyond their tolerance: " + found.detail;
    case ParityState::kPassed:
      break;
  }
  return found.detail;
}

}  // namespace torchferry::libtorch
