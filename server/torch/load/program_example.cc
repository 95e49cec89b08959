#include "server/torch/load/program_example.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/exported_samples.h"
#include "server/torch/device/convert.h"
#include "server/torch/load/state_dict.h"

namespace torchferry::libtorch {
namespace {

using checkpoint::GraphArgument;
using checkpoint::ProgramInput;

at::Tensor RowOf(const at::Tensor& tensor, const tensor::TensorSpec& spec, bool has_rows) {
  const auto dimension = static_cast<int64_t>(spec.row_dimension);
  const bool is_cut = has_rows && dimension < tensor.dim() && tensor.size(dimension) > 1;
  return (is_cut ? tensor.narrow(dimension, 0, 1) : tensor).clone(at::MemoryFormat::Contiguous);
}

// What the caller gives, in the order of the arguments of forward.
std::vector<const GraphArgument*> GivenBy(const checkpoint::ExportedProgram& program,
                                          const checkpoint::ProgramSamples& samples) {
  std::vector<const GraphArgument*> given;
  size_t next = 0;
  for (const ProgramInput& input : program.inputs) {
    const bool is_user = input.kind == ProgramInput::Kind::kUser;
    if (!is_user && input.kind != ProgramInput::Kind::kSpecialised) continue;
    if (is_user && next < samples.values.size()) given.push_back(&samples.values[next]);
    ++next;
  }
  return given;
}

}  // namespace

absl::StatusOr<tensor::BoundInputs> ExampleRow(const checkpoint::ExportedProgram& program,
                                               const ModelSignature& signature) {
  FERRY_ASSIGN_OR_RETURN(const checkpoint::ProgramSamples samples, checkpoint::ReadProgramSamples(program));
  std::vector<std::string> places;
  for (size_t i = 0; i < samples.tensors->tensors().size(); ++i) places.push_back(std::to_string(i));
  FERRY_ASSIGN_OR_RETURN(const NamedTensors tensors, ReadTensors(*samples.tensors, places));
  const std::vector<const GraphArgument*> given = GivenBy(program, samples);
  std::map<std::string, tensor::HostTensor> inputs;
  for (size_t i = 0; i < signature.inputs.size(); ++i) {
    const tensor::TensorSpec& spec = signature.signature.inputs[i];
    const InputBinding& binding = signature.inputs[i];
    if (binding.argument >= given.size() || binding.model_shape.has_value()) {
      return absl::InvalidArgumentError("the config gives its inputs other shapes");
    }
    const GraphArgument& value = *given[binding.argument];
    at::Tensor tensor;
    if (value.kind == GraphArgument::Kind::kTensor) {
      const auto found = tensors.find(std::to_string(value.integer));
      if (found == tensors.end()) return absl::InvalidArgumentError("an example is missing");
      tensor = RowOf(found->second, spec, signature.signature.HasBatchDimension());
    } else if (value.kind == GraphArgument::Kind::kInt) {
      tensor = at::full({1}, value.integer, at::kLong);
    } else {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "the example of input \"{}\" is no tensor",
                              spec.name);
    }
    inputs[spec.name] = FromTorch(tensor, tensor.sizes().vec());
  }
  return tensor::BindInputs(signature.signature, inputs);
}

}  // namespace torchferry::libtorch
