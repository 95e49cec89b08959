// Sizes of inputs that a model was exported for, where they are neither known nor any: held against each request.
#pragma once

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/tensor/shape.h"

namespace torchferry::tensor {

// Of one dimension of an input.
struct SizeLimit {
  size_t dimension = 0;  // of the full shape
  int64_t min = 0;
  std::optional<int64_t> max;
  int64_t multiple = 1;  // the size is so many times a number
  std::string symbol;    // in one request that number is the same wherever the symbol is the same

  bool operator==(const SizeLimit&) const = default;
};

// The sizes of one request, tensor by tensor.
class SizeCheck {
 public:
  // INVALID_ARGUMENT naming input, dimension and what was expected. `limits` outlive this.
  absl::Status Add(std::string_view name, std::span<const int64_t> shape, std::span<const SizeLimit> limits);

 private:
  // By symbol: the number, and the input that it is from.
  std::map<std::string_view, std::pair<int64_t, std::string>> numbers_;
};

}  // namespace torchferry::tensor
