#include "client/tensor/array_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/tensor/shape.h"

namespace torchferry::client {
namespace {

constexpr int64_t kWholeUpTo = 16;
constexpr int64_t kHead = 5;

std::string Text(const Element& element) {
  if (const auto* value = std::get_if<double>(&element)) return fmt::format("{:.6g}", *value);
  return std::visit([](auto value) { return fmt::format("{}", value); }, element);
}

std::string Nested(const Array& array, size_t depth, int64_t* index) {
  if (depth == array.shape.size()) return Text(GetElement(array, (*index)++));
  std::string text = "[";
  for (int64_t i = 0; i < array.shape[depth]; ++i) {
    text += (i > 0 ? ", " : "") + Nested(array, depth + 1, index);
  }
  return text + "]";
}

std::string Summary(const Array& array, int64_t count) {
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -lowest;
  double sum = 0;
  int64_t nans = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = std::visit([](auto v) { return static_cast<double>(v); }, GetElement(array, i));
    if (std::isnan(value)) {
      ++nans;
      continue;
    }
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
    sum += value;
  }
  if (array.dtype == tensor::DType::kBool) return fmt::format("true {:.0f} of {}", sum, count);
  if (nans == count) return "all NaN";
  std::string text =
      fmt::format("min {:.6g} max {:.6g} mean {:.6g}", lowest, highest, sum / static_cast<double>(count - nans));
  if (nans > 0) text += fmt::format(" NaN {}", nans);
  return text;
}

}  // namespace

std::string ValuesText(const Array& array) {
  const absl::StatusOr<int64_t> count = tensor::ElementCount(array.shape);
  if (!count.ok() || *count == 0) return "(no elements)";
  int64_t index = 0;
  if (*count <= kWholeUpTo) return Nested(array, 0, &index);
  std::string text;
  while (index < kHead) text += Text(GetElement(array, index++)) + ", ";
  return text + "… " + Summary(array, *count);
}

}  // namespace torchferry::client
