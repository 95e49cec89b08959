#include "server/torch/device/convert.h"

#include <c10/util/Exception.h>

#include <array>
#include <cctype>
#include <memory>
#include <string_view>

#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/tensor/request_limits.h"
#include "server/torch/device/device_errors.h"

namespace torchferry::libtorch {
namespace {

struct Row {
  tensor::DType ours;
  at::ScalarType torch;
};

constexpr std::array<Row, 17> kRows = {{{tensor::DType::kBool, at::kBool},
                                        {tensor::DType::kUint8, at::kByte},
                                        {tensor::DType::kUint16, at::kUInt16},
                                        {tensor::DType::kUint32, at::kUInt32},
                                        {tensor::DType::kUint64, at::kUInt64},
                                        {tensor::DType::kInt8, at::kChar},
                                        {tensor::DType::kInt16, at::kShort},
                                        {tensor::DType::kInt32, at::kInt},
                                        {tensor::DType::kInt64, at::kLong},
                                        {tensor::DType::kFp16, at::kHalf},
                                        {tensor::DType::kBf16, at::kBFloat16},
                                        {tensor::DType::kFp32, at::kFloat},
                                        {tensor::DType::kFp64, at::kDouble},
                                        {tensor::DType::kFp8E4M3, at::kFloat8_e4m3fn},
                                        {tensor::DType::kFp8E5M2, at::kFloat8_e5m2},
                                        {tensor::DType::kComplex64, at::kComplexFloat},
                                        {tensor::DType::kComplex128, at::kComplexDouble}}};

void Trim(std::string& text) {
  const size_t first = text.find_first_not_of(" \n\t");
  text = first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \n\t") - first + 1);
}

// The traceback shows some lines of the code behind the one that failed; the message begins a line with what was
// raised, or is the first that is not indented.
std::string WithoutSourceLines(std::string_view text) {
  for (const std::string_view raised : {"\nRuntimeError: ", "\nbuiltins."}) {
    if (const size_t begin = text.find(raised); begin != std::string_view::npos)
      return std::string(text.substr(begin + 1));
  }
  while (text.starts_with('\n')) text.remove_prefix(1);
  std::string_view rest = text;
  while (rest.starts_with(' ') || rest.starts_with('\n')) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) return std::string(text);
    rest.remove_prefix(end + 1);
  }
  return std::string(rest.empty() ? text : rest);
}

}  // namespace

std::optional<at::ScalarType> ToTorch(tensor::DType dtype) {
  for (const Row& row : kRows) {
    if (row.ours == dtype) return row.torch;
  }
  return std::nullopt;
}

tensor::DType FromTorch(at::ScalarType type) {
  for (const Row& row : kRows) {
    if (row.torch == type) return row.ours;
  }
  return tensor::DType::kInvalid;
}

at::Device ToTorch(const tensor::DeviceId& device) { return at::Device(tensor::ToString(device)); }

tensor::HostTensor FromTorch(const at::Tensor& tensor, tensor::Shape shape) {
  return {FromTorch(tensor.scalar_type()), std::move(shape),
          std::span(static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()),
          std::make_shared<at::Tensor>(tensor)};
}

namespace {

// "INTERNAL ASSERT FAILED at "/…/x.cpp":12, please report a bug to PyTorch. What was wrong": neither ours nor the
// user's.
std::string WithoutAssertion(std::string text) {
  constexpr std::string_view kReport = "please report a bug to PyTorch. ";
  const size_t begin = text.find("INTERNAL ASSERT FAILED");
  const size_t end = text.find(kReport);
  if (begin == std::string::npos || end == std::string::npos || end < begin) return text;
  return text.replace(begin, end + kReport.size() - begin, "");
}

// Addresses say nothing to a user and something to an attacker.
std::string WithoutPointers(const std::string& text) {
  std::string without;
  size_t begin = 0;  // of what is not looked at yet
  for (size_t at = text.find("0x"); at != std::string::npos; at = text.find("0x", begin)) {
    size_t end = at + 2;
    while (end < text.size() && std::isxdigit(static_cast<unsigned char>(text[end])) != 0) ++end;
    const bool is_pointer = end - at >= 10;
    without.append(text, begin, (is_pointer ? at : at + 1) - begin);
    if (is_pointer) without += "…";
    begin = is_pointer ? end : at + 1;
  }
  return without.append(text, begin);
}

}  // namespace

std::string CleanMessage(const std::string& what) {
  std::string text = WithoutPointers(WithoutAssertion(what.substr(0, what.find("\nException raised from"))));
  const std::string here = "<--- HERE";
  const bool is_traceback = text.find("Traceback of TorchScript") != std::string::npos;
  if (is_traceback) {
    // The code of a program has no source, and its traceback no lines of one.
    const size_t last = text.rfind(here);
    text = WithoutSourceLines(last == std::string::npos ? text : text.substr(last + here.size()));
  }
  Trim(text);
  for (const std::string_view prefix : {"RuntimeError: ", "builtins."}) {
    if (text.starts_with(prefix)) text = text.substr(prefix.size());
  }
  return text.empty() ? "no message" : base::Excerpt(text, limits::kMaxErrorTextBytes);
}

absl::Status StatusOf(const std::exception& error, absl::StatusCode code) {
  const auto* c10_error = dynamic_cast<const c10::Error*>(&error);
  const std::string message = CleanMessage(c10_error != nullptr ? c10_error->what_without_backtrace() : error.what());
  const model::DeviceFault fault = FaultOf(error);
  if (fault == model::DeviceFault::kNone) return absl::Status(code, message);
  return model::DeviceFaultStatus(fault,
                                  fault == model::DeviceFault::kOutOfMemory ? "out of memory: " + message : message);
}

}  // namespace torchferry::libtorch
