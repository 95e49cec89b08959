// Golden rows are run where a version was placed, and the answers held against those of when it was saved.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>

#include "server/config/model_config.h"
#include "server/model/model.h"
#include "server/model/parity.h"
#include "server/plan/passport.h"

namespace torchferry::libtorch {

// Cheap to copy; thread-safe.
class ParityCheck {
 public:
  // `passport`: null where there is none. `is_random`: the model draws random numbers, and answers are its luck.
  ParityCheck(std::shared_ptr<const plan::Passport> passport, config::ParityPolicy policy, bool is_random)
      : passport_(std::move(passport)), policy_(policy), is_random_(is_random) {}

  // There are golden rows; otherwise nothing is to be told of them.
  bool has_rows() const { return passport_ != nullptr && !passport_->golden.rows.empty(); }

  // Of several ways to run one placement (null: none) what the worst gives. Each row runs alone; of a stateful model on
  // a fresh copy. kNotChecked where golden rows are switched off, where the model is random, and where a row does not
  // fit the signature. kFailed where an answer is beyond the tolerance, of another shape or type, or none. The device's
  // errors. The result has no device and no precision yet.
  absl::StatusOr<model::ParityInfo> Run(std::initializer_list<std::shared_ptr<model::Model>> models) const;

  // Whether `found` refuses a placement.
  bool Refuses(const model::ParityInfo& found) const {
    return found.state == model::ParityState::kFailed && policy_ == config::ParityPolicy::kRefuse;
  }

  // For other ways to run a model that has passed: ParityStatus where golden rows refuse it. Null where nothing can.
  std::function<absl::Status(model::Model&)> Acceptance() const;

 private:
  absl::StatusOr<model::ParityInfo> RunOne(model::Model& model) const;

  std::shared_ptr<const plan::Passport> passport_;
  config::ParityPolicy policy_;
  bool is_random_;
};

// For GetModel: "golden rows are not run: …".
std::string SentenceOf(const model::ParityInfo& found);

}  // namespace torchferry::libtorch
