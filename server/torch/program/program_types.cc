#include "server/torch/program/program_types.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace torchferry::libtorch {
namespace {

using checkpoint::GraphArgument;
using Kind = GraphArgument::Kind;

constexpr std::pair<std::string_view, at::ScalarType> kElementTypes[] = {
    {"bool", at::kBool},
    {"uint8", at::kByte},
    {"uint16", at::kUInt16},
    {"uint32", at::kUInt32},
    {"uint64", at::kUInt64},
    {"int8", at::kChar},
    {"int16", at::kShort},
    {"int32", at::kInt},
    {"int64", at::kLong},
    {"float16", at::kHalf},
    {"bfloat16", at::kBFloat16},
    {"float32", at::kFloat},
    {"float64", at::kDouble},
    {"complex32", at::kComplexHalf},
    {"complex64", at::kComplexFloat},
    {"complex128", at::kComplexDouble},
    {"float8_e4m3fn", at::kFloat8_e4m3fn},
    {"float8_e5m2", at::kFloat8_e5m2},
    {"float8_e4m3fnuz", at::kFloat8_e4m3fnuz},
    {"float8_e5m2fnuz", at::kFloat8_e5m2fnuz},
};

constexpr std::pair<std::string_view, at::MemoryFormat> kMemoryFormats[] = {
    {"contiguous_format", at::MemoryFormat::Contiguous},
    {"preserve_format", at::MemoryFormat::Preserve},
    {"channels_last", at::MemoryFormat::ChannelsLast},
    {"channels_last_3d", at::MemoryFormat::ChannelsLast3d},
};

constexpr std::pair<std::string_view, at::Layout> kLayouts[] = {
    {"strided", at::kStrided},      {"sparse_coo", at::kSparse},    {"sparse_csr", at::kSparseCsr},
    {"sparse_csc", at::kSparseCsc}, {"sparse_bsr", at::kSparseBsr}, {"sparse_bsc", at::kSparseBsc},
};

template <typename T, size_t kCount>
T Find(const std::pair<std::string_view, T> (&table)[kCount], const std::string& name, const char* what) {
  for (const auto& [known, value] : table) {
    if (known == name) return value;
  }
  throw std::invalid_argument(fmt::format("\"{}\" is no {} that this LibTorch has", name, what));
}

}  // namespace

at::ScalarType ElementType(const std::string& name) { return Find(kElementTypes, name, "element type"); }

bool IsConstant(const GraphArgument& argument) {
  switch (argument.kind) {
    case Kind::kTensor:
    case Kind::kList:
    case Kind::kGraph:
    case Kind::kOperator:
    case Kind::kObject:
      return false;
    case Kind::kSymInt:
    case Kind::kSymFloat:
    case Kind::kSymBool:
      return argument.text.empty();
    default:
      return true;
  }
}

NumberCategory CategoryOf(at::ScalarType type) {
  if (c10::isComplexType(type)) return NumberCategory::kComplex;
  if (c10::isFloatingType(type)) return NumberCategory::kFloat;
  return type == at::kBool ? NumberCategory::kBool : NumberCategory::kInt;
}

NumberCategory CategoryOf(const GraphArgument& number) {
  switch (number.kind) {
    case Kind::kComplex:
      return NumberCategory::kComplex;
    case Kind::kFloat:
    case Kind::kSymFloat:
      return NumberCategory::kFloat;
    case Kind::kBool:
    case Kind::kSymBool:
      return NumberCategory::kBool;
    default:
      return NumberCategory::kInt;
  }
}

const GraphArgument* Given(const checkpoint::GraphNode& node, std::string_view name) {
  const auto found = std::ranges::find(node.inputs, name, &checkpoint::NamedArgument::name);
  return found == node.inputs.end() ? nullptr : &found->value;
}

bool IsNumber(const GraphArgument& argument) {
  switch (argument.kind) {
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kBool:
    case Kind::kComplex:
    case Kind::kSymInt:
    case Kind::kSymFloat:
    case Kind::kSymBool:
      return true;
    default:
      return false;
  }
}

c10::IValue ConstantOf(const GraphArgument& argument) {
  switch (argument.kind) {
    case Kind::kNone:
      return {};
    case Kind::kInt:
    case Kind::kSymInt:
      return argument.integer;
    case Kind::kFloat:
    case Kind::kSymFloat:
      return argument.number;
    case Kind::kBool:
    case Kind::kSymBool:
      return argument.integer != 0;
    case Kind::kComplex:
      return c10::complex<double>(argument.number, argument.imaginary);
    case Kind::kString:
      return argument.text;
    case Kind::kDType:
      return static_cast<int64_t>(ElementType(argument.text));
    case Kind::kLayout:
      return static_cast<int64_t>(Find(kLayouts, argument.text, "layout"));
    case Kind::kMemoryFormat:
      return static_cast<int64_t>(Find(kMemoryFormats, argument.text, "memory format"));
    case Kind::kDevice:
      return at::Device(argument.text);
    default:
      throw std::invalid_argument("is no constant");
  }
}

}  // namespace torchferry::libtorch
