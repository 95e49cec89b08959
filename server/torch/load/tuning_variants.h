// The variants of one model while the fastest is sought: made when they are asked for, and held against the plain graph
// before they count.
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

// `rows` requests of one row each, by turns.
std::vector<const tensor::BoundInputs*> BatchOf(const std::vector<tensor::BoundInputs>& samples, int64_t rows);

// Not thread-safe.
class TuningVariants {
 public:
  // The model in a variant. Throws what LibTorch throws.
  using Make = std::function<std::shared_ptr<model::Model>(const std::string& variant)>;
  // Whether a variant that agrees with plain may serve.
  using Accept = std::function<absl::Status(model::Model&)>;

  // `samples`: one row each. `tolerance`: most that outputs may differ from those of `plain`, of an output's largest
  // magnitude. `accept`: null where any may serve.
  TuningVariants(Make make, std::shared_ptr<model::Model> plain, std::vector<tensor::BoundInputs> samples,
                 double tolerance, Accept accept = nullptr);

  // Null, with a reason in refused(), where it does not run or does not agree. It was compared with up to `rows` rows,
  // and has run twice with each number of them.
  std::shared_ptr<model::Model> ModelOf(const std::string& variant, int64_t rows);

  // Whether it is there, so that ModelOf costs nothing.
  bool Has(const std::string& variant) const;

  // Gives up all but these; who asks for another has it made again. Whether there was another.
  bool KeepOnly(const std::set<std::string>& variants);

  // Leaves out `what` because of `why`.
  void Refuse(const std::string& what, const absl::Status& why);

  // Of a variant that ModelOf gave.
  double deviation(const std::string& variant) const { return deviations_.at(variant); }
  const std::vector<tensor::BoundInputs>& samples() const { return samples_; }
  const std::vector<std::string>& refused() const { return refused_; }
  // Of the device, which ends the search.
  const absl::Status& device_error() const { return device_error_; }

 private:
  absl::StatusOr<std::shared_ptr<model::Model>> MakeAndCompare(const std::string& variant, int64_t rows);
  absl::StatusOr<std::shared_ptr<model::Model>> MakeOne(const std::string& variant) const;
  // What the plain graph answers to so many rows.
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
