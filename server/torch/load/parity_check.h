// Runs golden rows where a version was placed, and compares the answers with those from when it was saved.
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
  // `passport` may be null. `is_random`: the model draws random numbers, so its answers differ each time.
  ParityCheck(std::shared_ptr<const plan::Passport> passport, config::ParityPolicy policy, bool is_random)
      : passport_(std::move(passport)), policy_(policy), is_random_(is_random) {}

  // Whether there are golden rows. Without them there is nothing to report.
  bool has_rows() const { return passport_ != nullptr && !passport_->golden.rows.empty(); }

  // The worst result of several ways to run one placement; null models are skipped. Each row runs alone, with a
  // stateful model on a fresh copy. The state is kNotChecked where golden rows are switched off, or the model is
  // random. It is also kNotChecked where a row does not fit the signature, or no golden output is one of the model's.
  // It is kFailed where an answer is missing, beyond the tolerance, or of another shape or type. A device's error is
  // returned. The result has no device and no precision yet.
  absl::StatusOr<model::ParityInfo> Run(std::initializer_list<std::shared_ptr<model::Model>> models) const;

  // Whether `found` refuses a placement.
  bool Refuses(const model::ParityInfo& found) const {
    return found.state == model::ParityState::kFailed && policy_ == config::ParityPolicy::kRefuse;
  }

  // Checks other ways to run a model that has passed: ParityStatus where golden rows refuse one. Null where golden rows
  // cannot refuse.
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
