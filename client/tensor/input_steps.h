// Splits the inputs of a stream into those of its requests.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/tensor/request_inputs.h"

namespace torchferry::client {

// Step n has element n along dimension 0 of each array that has steps: [94, 1, 512] gives 94 arrays of [1, 512]. An
// array of one element is sent unchanged with each step.
class InputSteps {
 public:
  // A step that lacks only the batch dimension of `model` gets one of 1. INVALID_ARGUMENT for a one-dimensional array
  // of several elements, for an empty array, and for several texts. It is also returned when arrays have different
  // numbers of steps, and when no array has steps.
  static absl::StatusOr<InputSteps> Create(NamedArrays inputs, const v1::ModelVersion& model);

  int64_t count() const { return count_; }
  // Sets the inputs of step `index`, which is below count().
  void SetInputs(int64_t index, v1::PredictRequest* request) const;
  // Changes that the user did not ask for.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Input {
    std::string name;
    Array array;
    bool has_steps = false;
    tensor::Shape step_shape;
  };

  absl::Status Add(std::string name, Array array, const v1::ModelVersion& model);

  std::vector<Input> inputs_;
  int64_t count_ = 0;
  std::string counted_;  // the input that set count_
  std::vector<std::string> notes_;
};

}  // namespace torchferry::client
