// A checked PredictResponse, as text for people and as JSON for scripts.
#pragma once

#include <absl/status/statusor.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/tensor/array.h"
#include "client/text/console.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

class Prediction {
 public:
  // Outputs are in the order that `model` declares, then by name. INTERNAL (the server's) for a tensor that contradicts
  // itself.
  static absl::StatusOr<Prediction> Read(v1::PredictResponse response, const v1::ModelVersion& model);

  // Null when there is no output of that name.
  const Array* Find(std::string_view output) const;
  std::string OutputNames() const;  // "pitch_hz, confidence"

  // The table of outputs, and a line about where and how the request ran.
  std::string Text(const Console& console) const;
  // "pitch_hz [440]  confidence [0.93]".
  std::string Line() const;
  const v1::Execution& execution() const { return response_.execution(); }
  int64_t model_version() const { return response_.model_version(); }
  // The JSON uses the API's field names; an output is {"dtype", "shape", "values"}.
  nlohmann::ordered_json Json() const;

 private:
  v1::PredictResponse response_;  // without its outputs, which are in `outputs_`
  std::vector<std::pair<std::string, Array>> outputs_;
};

}  // namespace torchferry::client
