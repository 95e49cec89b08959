#include "client/commands/model_fields.h"

#include <absl/status/status.h>

#include <string_view>

#include "client/tensor/array_proto.h"
#include "server/base/status.h"

namespace torchferry::client {

std::string StateName(v1::ModelState state) {
  constexpr std::string_view kPrefix = "MODEL_STATE_";
  const std::string name = v1::ModelState_Name(state);
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : "UNKNOWN";
}

std::string ErrorCodeName(const v1::ModelVersion& version) {
  return base::CodeName(static_cast<absl::StatusCode>(version.error_code()));
}

std::string ParityName(const v1::Parity& parity) {
  switch (parity.state()) {
    case v1::PARITY_STATE_NOT_CHECKED:
      return "not_checked";
    case v1::PARITY_STATE_PASSED:
      return "passed";
    case v1::PARITY_STATE_FAILED:
      return "failed";
    default:
      return "unknown";
  }
}

std::string DTypeName(v1::DataType number) {
  const tensor::DType dtype = FromProto(number);
  return dtype == tensor::DType::kInvalid ? "any" : std::string(Name(dtype));
}

tensor::Shape ShapeOf(const v1::TensorSpec& spec) { return {spec.shape().begin(), spec.shape().end()}; }

}  // namespace torchferry::client
