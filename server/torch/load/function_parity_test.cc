// Calls of PyTorch's functions against what PyTorch answered in Python (tests/fixtures/function_cases.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "server/base/status.h"
#include "server/torch/graph/model_code.h"
#include "server/torch/load/python_text.h"
#include "server/torch/load/test_forward.h"

namespace torchferry::libtorch {
namespace {

std::string ReadFixture(const std::string& name) {
  const char* root = std::getenv("TORCHFERRY_SOURCE_DIR");
  const std::filesystem::path path = std::filesystem::path(root == nullptr ? "." : root) / "tests/fixtures/functions";
  std::ifstream in(path / name, std::ios::binary);
  std::stringstream content;
  content << in.rdbuf();
  return content.str();
}

int64_t Number(std::string_view text) {
  int64_t number = -1;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

at::ScalarType TypeOf(std::string_view name) {
  static const std::map<std::string_view, at::ScalarType> kTypes = {{"bool", at::kBool},
                                                                    {"uint8", at::kByte},
                                                                    {"int8", at::kChar},
                                                                    {"int16", at::kShort},
                                                                    {"int32", at::kInt},
                                                                    {"int64", at::kLong},
                                                                    {"float16", at::kHalf},
                                                                    {"bfloat16", at::kBFloat16},
                                                                    {"float32", at::kFloat},
                                                                    {"float64", at::kDouble},
                                                                    {"complex64", at::kComplexFloat},
                                                                    {"complex128", at::kComplexDouble}};
  return kTypes.at(name);
}

// "float32 2,3 120": type, shape ("-" for none) and offset in the file of bytes.
at::Tensor ReadTensor(std::string_view text, const std::string& bytes) {
  const auto words = SplitText(text, " ");
  std::vector<int64_t> shape;
  if (words.at(1) != "-") {
    for (const std::string_view size : SplitText(words[1], ",")) shape.push_back(Number(size));
  }
  at::Tensor tensor = at::empty(shape, TypeOf(words.at(0)));
  const auto offset = static_cast<size_t>(Number(words.at(2)));
  EXPECT_LE(offset + tensor.nbytes(), bytes.size());
  std::memcpy(tensor.data_ptr(), bytes.data() + offset, tensor.nbytes());
  return tensor;
}

std::vector<at::Tensor> ReadTensors(std::string_view text, const std::string& bytes) {
  std::vector<at::Tensor> tensors;
  for (const std::string_view part : SplitText(text, ";")) {
    if (!SplitText(part, " ").empty()) tensors.push_back(ReadTensor(part, bytes));
  }
  return tensors;
}

void Flatten(const c10::IValue& value, std::vector<at::Tensor>& tensors) {
  if (value.isTensor()) {
    tensors.push_back(value.toTensor());
  } else if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) Flatten(element, tensors);
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) Flatten(element, tensors);
  } else if (value.isBool()) {
    tensors.push_back(at::scalar_tensor(value.toBool(), at::kBool));
  } else if (value.isInt()) {
    tensors.push_back(at::scalar_tensor(value.toInt(), at::kLong));
  } else if (value.isDouble()) {
    tensors.push_back(at::scalar_tensor(value.toDouble(), at::kDouble));
  }
}

bool IsSame(const at::Tensor& got, const at::Tensor& wanted) {
  if (got.sizes() != wanted.sizes() || got.scalar_type() != wanted.scalar_type()) return false;
  if (!got.is_floating_point() && !got.is_complex()) return at::equal(got, wanted);
  const bool is_double = got.scalar_type() == at::kDouble || got.scalar_type() == at::kComplexDouble;
  const bool is_small = got.scalar_type() == at::kHalf || got.scalar_type() == at::kBFloat16;
  const double tolerance = is_double ? 1e-6 : is_small ? 1e-2 : 1e-4;
  return at::allclose(got, wanted, tolerance, tolerance, /*equal_nan=*/true);
}

enum class Outcome { kSame, kDifferent, kRefused, kNotAdmitted };

struct Result {
  Outcome outcome;
  std::string text;
};

Result RunCall(const std::string& call, const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& wanted) {
  std::string source = "def forward(self";
  for (size_t i = 0; i < inputs.size(); ++i) source += fmt::format(", {}: Tensor", static_cast<char>('a' + i));
  source += "):\n    return " + call + "\n";
  torch::jit::Module module("m");
  const absl::Status status = DefineText(module, source);
  if (!status.ok()) {
    const bool is_denied = status.message().find("is for no model") != std::string_view::npos;
    return {is_denied ? Outcome::kNotAdmitted : Outcome::kRefused, base::MessageOf(status)};
  }
  if (const absl::Status code = CheckModelCode(module); !code.ok()) {
    return {Outcome::kNotAdmitted, base::MessageOf(code)};
  }
  std::vector<at::Tensor> outputs;
  try {
    std::vector<c10::IValue> values;
    for (const at::Tensor& input : inputs) values.emplace_back(input.clone());
    Flatten(module.forward(std::move(values)), outputs);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return {Outcome::kRefused, "at run time: " + text.substr(std::min(text.find("Error: "), text.size() / 2))};
  }
  if (outputs.size() != wanted.size()) {
    return {Outcome::kDifferent, fmt::format("{} tensors instead of {}", outputs.size(), wanted.size())};
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (IsSame(outputs[i], wanted[i])) continue;
    std::stringstream text;
    text << "tensor " << i << ": " << outputs[i].toString() << outputs[i].sizes() << " instead of "
         << wanted[i].toString() << wanted[i].sizes();
    return {Outcome::kDifferent, text.str()};
  }
  return {Outcome::kSame, ""};
}

// Lines of "> inputs | outputs", each with lines of calls behind it.
TEST(FunctionParityTest, FunctionsComputeWhatPythonComputes) {
  const c10::InferenceMode guard;
  const std::string cases = ReadFixture("calls.txt");
  const std::string bytes = ReadFixture("tensors.bin");
  ASSERT_FALSE(cases.empty());
  std::map<Outcome, std::vector<std::string>> found;
  std::vector<at::Tensor> inputs;
  std::vector<at::Tensor> outputs;
  for (const std::string_view line : SplitText(cases, "\n")) {
    if (line.starts_with('>')) {
      const size_t bar = line.find('|');
      inputs = ReadTensors(line.substr(1, bar - 1), bytes);
      outputs = ReadTensors(line.substr(bar + 1), bytes);
      continue;
    }
    const std::string call(line);
    const Result result = RunCall(call, inputs, outputs);
    found[result.outcome].push_back(fmt::format("{}\n      {}", call, result.text.substr(0, 400)));
  }
  const size_t judged =
      found[Outcome::kSame].size() + found[Outcome::kDifferent].size() + found[Outcome::kRefused].size();
  std::cout << fmt::format("{} calls: {} same, {} different, {} refused; {} not admitted by the list of operators\n",
                           judged, found[Outcome::kSame].size(), found[Outcome::kDifferent].size(),
                           found[Outcome::kRefused].size(), found[Outcome::kNotAdmitted].size());
  for (const auto& [name, outcome] : {std::pair("different", Outcome::kDifferent),
                                      {"refused", Outcome::kRefused},
                                      {"not admitted", Outcome::kNotAdmitted}}) {
    for (const std::string& text : found[outcome]) std::cout << "  " << name << ": " << text << "\n";
  }
  EXPECT_GT(judged, 1000u);
  EXPECT_TRUE(found[Outcome::kDifferent].empty());
  EXPECT_LT(found[Outcome::kRefused].size() * 100, judged * 3);
}

}  // namespace
}  // namespace torchferry::libtorch
