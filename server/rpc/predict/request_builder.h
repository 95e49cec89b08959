// The one place where requests of both APIs are checked against the limits (tensor/request_limits.h). The codecs pass a
// message piece by piece, and get a Request or an error.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/rpc/predict/predictor.h"

namespace torchferry::rpc {

// The number of parts that a message has.
struct RequestCounts {
  size_t inputs = 0;
  size_t wanted_outputs = 0;
  size_t parameters = 0;  // parameters of the request itself
};

// INVALID_ARGUMENT for a name with too many bytes. `what` is "model_name" or the like. An empty name passes.
absl::Status CheckNameLength(std::string_view what, std::string_view name);

// The id, or an excerpt of an id that is too long. The error of such a request says that it is too long.
std::string IdToRepeat(const std::string& request_id);

// INVALID_ARGUMENT for more parameters than a tensor or a request may have. `what` says whose they are: "input \"x\"".
absl::Status CheckParameterCount(std::string_view what, size_t count);

// Errors are INVALID_ARGUMENT. They say which input or output is wrong, what it is, and what was expected. After an
// error the request must not be used.
class RequestBuilder {
 public:
  // To be called first, before the caller does any work for each of `counts`.
  absl::Status Begin(std::string_view request_id, const RequestCounts& counts);

  // `what` is "input" or "output". To be called before a message repeats the name.
  static absl::Status CheckTensorName(std::string_view what, std::string_view name);

  // Refuses a name, dimensions or bytes over a limit, and a name that another input has. It also refuses bytes that do
  // not fit the shape, and BOOL bytes other than 0 and 1. Its cost grows with the dimensions, and for BOOL with the
  // bytes.
  absl::Status AddInput(const std::string& name, tensor::DType dtype, std::span<const int64_t> shape,
                        std::span<const std::byte> bytes, std::shared_ptr<const void> owner = nullptr);

  // Adds an output that is to be answered.
  absl::Status AddWanted(const std::string& name);

  // For the other fields of a message: its version, its deadline.
  Request& request() { return request_; }

  // To be called once, at the end. INVALID_ARGUMENT: an output is named twice.
  absl::StatusOr<Request> Take();

 private:
  Request request_;
};

// INVALID_ARGUMENT for a tensor with too many dimensions. For codecs that read a shape before AddInput.
absl::Status CheckRank(std::string_view input, size_t rank);

}  // namespace torchferry::rpc
