// Limits of the free input sizes that a model was exported for. Each request is checked against them.
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

// The limit of one dimension of an input.
struct SizeLimit {
  size_t dimension = 0;  // of the full shape
  int64_t min = 0;
  std::optional<int64_t> max;
  int64_t multiple = 1;  // the size is a multiple of this
  std::string symbol;    // within a request, equal symbols have equal size / multiple

  bool operator==(const SizeLimit&) const = default;
};

// The sizes of one request, tensor by tensor.
class SizeCheck {
 public:
  // INVALID_ARGUMENT naming input, dimension and what was expected. `limits` outlive this.
  absl::Status Add(std::string_view name, std::span<const int64_t> shape, std::span<const SizeLimit> limits);

 private:
  // By symbol: size / multiple, and the input that it comes from.
  std::map<std::string_view, std::pair<int64_t, std::string>> numbers_;
};

}  // namespace torchferry::tensor
