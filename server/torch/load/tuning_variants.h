// The variants of one model during a search for the fastest. They are made when they are asked for, and compared with
// the plain graph before they count.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/model/model.h"

namespace torchferry::libtorch {

// `rows` requests of one row each, taken from `samples` in turn.
std::vector<const tensor::BoundInputs*> BatchOf(const std::vector<tensor::BoundInputs>& samples, int64_t rows);

// Not thread-safe.
class TuningVariants {
 public:
  // The model in a variant. Throws what LibTorch throws.
  using Make = std::function<std::shared_ptr<model::Model>(const std::string& variant)>;
  // Whether a variant that agrees with plain may serve.
  using Accept = std::function<absl::Status(model::Model&)>;

  // `samples`: one row each. `tolerance`: max difference of outputs from those of `plain`, as a share of an output's
  // largest magnitude. `accept`: null where any variant may serve.
  TuningVariants(Make make, std::shared_ptr<model::Model> plain, std::vector<tensor::BoundInputs> samples,
                 double tolerance, Accept accept = nullptr);

  // Null, with a reason in refused(), where the variant does not run or does not agree. A new variant was compared with
  // each number of rows up to `rows`, and has run twice with each.
  std::shared_ptr<model::Model> ModelOf(const std::string& variant, int64_t rows);

  // Whether the variant is already made, so that ModelOf costs nothing.
  bool Has(const std::string& variant) const;

  // Drops all other variants; ModelOf makes a dropped one again. Returns whether it dropped one.
  bool KeepOnly(const std::set<std::string>& variants);

  // Leaves out `what` because of `why`.
  void Refuse(const std::string& what, const absl::Status& why);

  // The deviation of a variant that ModelOf returned.
  double deviation(const std::string& variant) const { return deviations_.at(variant); }
  const std::vector<tensor::BoundInputs>& samples() const { return samples_; }
  const std::vector<std::string>& refused() const { return refused_; }
  // The device's error that ends the search.
  const absl::Status& device_error() const { return device_error_; }

 private:
  absl::StatusOr<std::shared_ptr<model::Model>> MakeAndCompare(const std::string& variant, int64_t rows);
  absl::StatusOr<std::shared_ptr<model::Model>> MakeOne(const std::string& variant) const;
  // The plain graph's answers to a batch of `rows` rows.
  absl::StatusOr<const std::vector<model::Outputs>*> Expected(int64_t rows);

  const Make make_;
  const std::vector<tensor::BoundInputs> samples_;
  const double tolerance_;
  const Accept accept_;
  std::map<std::string, std::shared_ptr<model::Model>> models_;
  std::set<std::string> left_out_;
  std::map<std::string, double> deviations_;
  std::map<int64_t, std::vector<model::Outputs>> expected_;
  std::vector<std::string> refused_;
  absl::Status device_error_;
};

}  // namespace torchferry::libtorch
