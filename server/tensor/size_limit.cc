#include "server/tensor/size_limit.h"

#include "server/base/status.h"

namespace torchferry::tensor {
namespace {

std::string Expected(const SizeLimit& limit) {
  std::string text = fmt::format("{}", limit.min);
  text += limit.max.has_value() ? fmt::format(" to {}", *limit.max) : " or more";
  return limit.multiple == 1 ? text : fmt::format("{}, a multiple of {}", text, limit.multiple);
}

}  // namespace

absl::Status SizeCheck::Add(std::string_view name, std::span<const int64_t> shape, std::span<const SizeLimit> limits) {
  for (const SizeLimit& limit : limits) {
    if (limit.dimension >= shape.size()) continue;  // another rank is said by itself
    const int64_t size = shape[limit.dimension];
    if (size < limit.min || size > limit.max.value_or(size) || size % limit.multiple != 0) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "input \"{}\" has shape {}: dimension {} is {}; the model was exported for {}", name,
                              ToString(shape), limit.dimension, size, Expected(limit));
    }
    const int64_t number = size / limit.multiple;
    const auto [known, is_new] = numbers_.emplace(limit.symbol, std::pair(number, std::string(name)));
    if (is_new || known->second.first == number) continue;
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "input \"{}\" has shape {}: dimension {} is {}; expected {}, as the model was exported for "
                            "one size there and in \"{}\"",
                            name, ToString(shape), limit.dimension, size, known->second.first * limit.multiple,
                            known->second.second);
  }
  return absl::OkStatus();
}

}  // namespace torchferry::tensor
