#include "client/tensor/input_steps.h"

#include <utility>

#include "client/tensor/array_proto.h"
#include "client/tensor/input_argument.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

}  // namespace

absl::StatusOr<InputSteps> InputSteps::Create(NamedArrays inputs, const v1::ModelVersion& model) {
  InputSteps steps;
  for (auto& [name, array] : inputs) {
    FERRY_RETURN_IF_ERROR(steps.Add(std::move(name), std::move(array), model));
  }
  if (!steps.counted_.empty()) return steps;
  return base::MakeStatus(kInvalid,
                          "--stream needs an input with steps, of shape [steps, …] and more than one "
                          "element; without --stream this is one request");
}

absl::Status InputSteps::Add(std::string name, Array array, const v1::ModelVersion& model) {
  FERRY_ASSIGN_OR_RETURN(const int64_t elements, tensor::ElementCount(array.shape));
  if (elements == 1) {
    const tensor::Shape shape = array.shape;
    inputs_.push_back({std::move(name), std::move(array), false, shape});
    return absl::OkStatus();
  }
  if (array.dtype == tensor::DType::kBytes) {
    return base::MakeStatus(kInvalid,
                            "input {} has {} texts; with --stream an input of text is one, that goes with each "
                            "request",
                            name, elements);
  }
  if (array.shape.size() < 2 || elements == 0) {
    return base::MakeStatus(kInvalid,
                            "input {} has shape {}; with --stream an input is [steps, …], or one element "
                            "that goes with each request",
                            name, tensor::ToString(array.shape));
  }
  if (!counted_.empty() && array.shape[0] != count_) {
    return base::MakeStatus(kInvalid, "input {} has {} steps (shape {}), but input {} has {}", name, array.shape[0],
                            tensor::ToString(array.shape), counted_, count_);
  }
  count_ = array.shape[0];
  counted_ = name;
  tensor::Shape step(array.shape.begin() + 1, array.shape.end());
  if (AddBatchDimension(model, name, &step)) {
    notes_.push_back(fmt::format("input {}: added the batch dimension to each step: {}", name, tensor::ToString(step)));
  }
  inputs_.push_back({std::move(name), std::move(array), true, std::move(step)});
  return absl::OkStatus();
}

void InputSteps::SetInputs(int64_t index, v1::PredictRequest* request) const {
  for (const Input& input : inputs_) {
    const std::string& data = input.array.data;
    const size_t size = data.size() / static_cast<size_t>(input.has_steps ? count_ : 1);
    const size_t begin = input.has_steps ? size * static_cast<size_t>(index) : 0;
    (*request->mutable_inputs())[input.name] = ToProto({input.array.dtype, input.step_shape, data.substr(begin, size)});
  }
}

}  // namespace torchferry::client
