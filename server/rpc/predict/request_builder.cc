#include "server/rpc/predict/request_builder.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/tensor/request_limits.h"

namespace torchferry::rpc {
namespace {

template <typename... Args>
absl::Status Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

absl::Status CheckCount(std::string_view what, size_t count, size_t max) {
  if (count <= max) return absl::OkStatus();
  return Invalid("the request has {} {}; expected at most {}", count, what, max);
}

// A BOOL is a byte of 0 or 1. PyTorch computes with others, and each operator takes them for something else.
absl::Status CheckBooleans(std::string_view name, std::span<const std::byte> bytes) {
  const auto wrong = std::ranges::find_if(bytes, [](std::byte value) { return value > std::byte{1}; });
  if (wrong == bytes.end()) return absl::OkStatus();
  return Invalid("input \"{}\" is BOOL and has the byte {} at element {}; expected 0 or 1", name,
                 std::to_integer<int>(*wrong), wrong - bytes.begin());
}

}  // namespace

absl::Status CheckNameLength(std::string_view what, std::string_view name) {
  if (name.size() <= limits::kMaxNameBytes) return absl::OkStatus();
  return Invalid("{} has {} bytes (\"{}\"); expected at most {}", what, name.size(),
                 base::Excerpt(name, limits::kMaxShownBytes), limits::kMaxNameBytes);
}

std::string IdToRepeat(const std::string& request_id) {
  if (request_id.size() <= limits::kMaxRequestIdBytes) return request_id;
  return base::Excerpt(request_id, limits::kMaxShownBytes);
}

absl::Status CheckParameterCount(std::string_view what, size_t count) {
  if (count <= limits::kMaxParameters) return absl::OkStatus();
  return Invalid("{} has {} parameters; expected at most {}", what, count, limits::kMaxParameters);
}

absl::Status CheckRank(std::string_view input, size_t rank) {
  if (rank <= limits::kMaxTensorRank) return absl::OkStatus();
  return Invalid("input \"{}\" has {} dimensions; expected at most {}", input, rank, limits::kMaxTensorRank);
}

absl::Status RequestBuilder::Begin(std::string_view request_id, const RequestCounts& counts) {
  if (request_id.size() > limits::kMaxRequestIdBytes) {
    return Invalid("the request's id has {} bytes; expected at most {}", request_id.size(), limits::kMaxRequestIdBytes);
  }
  FERRY_RETURN_IF_ERROR(CheckCount("inputs", counts.inputs, limits::kMaxInputs));
  FERRY_RETURN_IF_ERROR(CheckCount("outputs", counts.wanted_outputs, limits::kMaxWantedOutputs));
  return CheckParameterCount("the request", counts.parameters);
}

absl::Status RequestBuilder::CheckTensorName(std::string_view what, std::string_view name) {
  if (name.size() <= limits::kMaxNameBytes) return absl::OkStatus();
  return CheckNameLength(fmt::format("the name of an {}", what), name);
}

absl::Status RequestBuilder::AddInput(const std::string& name, tensor::DType dtype, std::span<const int64_t> shape,
                                      std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  FERRY_RETURN_IF_ERROR(CheckTensorName("input", name));
  FERRY_RETURN_IF_ERROR(CheckRank(name, shape.size()));
  tensor::HostTensor tensor{dtype, tensor::Shape(shape.begin(), shape.end()), bytes, std::move(owner)};
  FERRY_RETURN_IF_ERROR(tensor::CheckTensor(name, tensor));
  if (dtype == tensor::DType::kBool) FERRY_RETURN_IF_ERROR(CheckBooleans(name, bytes));
  if (!request_.inputs.emplace(name, std::move(tensor)).second) return Invalid("input \"{}\" is there twice", name);
  return absl::OkStatus();
}

absl::Status RequestBuilder::AddWanted(const std::string& name) {
  FERRY_RETURN_IF_ERROR(CheckTensorName("output", name));
  request_.wanted_outputs.push_back(name);
  return absl::OkStatus();
}

absl::StatusOr<Request> RequestBuilder::Take() {
  if (request_.wanted_outputs.size() > 1) {
    std::vector<std::string_view> names(request_.wanted_outputs.begin(), request_.wanted_outputs.end());
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice != names.end()) return Invalid("output \"{}\" is asked for twice; name each once", *twice);
  }
  return std::move(request_);
}

}  // namespace torchferry::rpc
