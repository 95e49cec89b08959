// The one place where a request meets its limits (tensor/request_limits.h), whichever API it came by: the codecs hand
// over what a message has, piece by piece, and get a Request or the reason why there is none.
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

// How much of each a message has.
struct RequestCounts {
  size_t inputs = 0;
  size_t wanted_outputs = 0;
  size_t parameters = 0;  // of the request itself
};

// INVALID_ARGUMENT for more bytes than a name may have. `what` is "model_name" or the like. Empty is a name.
absl::Status CheckNameLength(std::string_view what, std::string_view name);

// The id, or what is shown of one that is too long: the error of such a request says so.
std::string IdToRepeat(const std::string& request_id);

// INVALID_ARGUMENT for more parameters than a tensor or a request may have. `what` says whose: "input \"x\"".
absl::Status CheckParameterCount(std::string_view what, size_t count);

// Errors are INVALID_ARGUMENT, saying which input or output, what it is and what was expected. After an error the
// request is of no use.
class RequestBuilder {
 public:
  // Before any other, and before the caller does anything for each of `counts`.
  absl::Status Begin(std::string_view request_id, const RequestCounts& counts);

  // `what` is "input" or "output": before a message repeats the name.
  static absl::Status CheckTensorName(std::string_view what, std::string_view name);

  // Whose name, dimensions or bytes exceed what is possible, whose bytes are not those of its shape, that holds what is
  // no BOOL, or whose name another one has, is refused. Costs what the dimensions cost; of BOOL, what the bytes do.
  absl::Status AddInput(const std::string& name, tensor::DType dtype, std::span<const int64_t> shape,
                        std::span<const std::byte> bytes, std::shared_ptr<const void> owner = nullptr);

  // An output that is to be answered.
  absl::Status AddWanted(const std::string& name);

  // For what else a message says: its version, its deadline.
  Request& request() { return request_; }

  // At the end, once. Each output may be named once.
  absl::StatusOr<Request> Take();

 private:
  Request request_;
};

// INVALID_ARGUMENT for a tensor of more dimensions than one may have. For codecs that look at a shape before AddInput.
absl::Status CheckRank(std::string_view input, size_t rank);

}  // namespace torchferry::rpc
