// What run_decompositions() takes apart, as the operators that it was: LibTorch's passes know these, fold a batch norm
// into a convolution and choose faster kernels. The numbers stay the same.
#include <ATen/core/dispatch/Dispatcher.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "server/torch/program/program_nodes.h"
#include "server/torch/program/program_types.h"

namespace torchferry::libtorch {
namespace {

using checkpoint::GraphArgument;
using checkpoint::GraphNode;
using Kind = GraphArgument::Kind;
using Value = ProgramTarget::Value;

const c10::FunctionSchema& SchemaOf(const std::string& name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name.c_str(), "").schema();
}

bool IsList(const GraphArgument* list, const std::vector<int64_t>& values) {
  return list != nullptr && std::ranges::equal(list->items, values, {}, [](const GraphArgument& item) {
           return IsConstant(item) ? item.integer : -1;
         });
}

bool IsAllZero(const GraphArgument* list) {
  return list == nullptr || std::ranges::all_of(list->items, [](const GraphArgument& item) {
           return IsConstant(item) && item.integer == 0;
         });
}

// The outputs behind the first have no readers: torch.export calls such NAME_unused_1.
bool IsFirstOutputAlone(const GraphNode& node) {
  return std::all_of(node.outputs.begin() + 1, node.outputs.end(), [](const GraphArgument& output) {
    return output.kind == Kind::kNone || output.text.find("_unused_") != std::string::npos;
  });
}

}  // namespace

bool ProgramNodes::MakeNormalForm(const c10::OperatorName& name, const At& at) {
  if (name.name == "aten::permute" && IsList(Given(at.node, "dims"), {1, 0})) {
    const Value matrix = Argument(at, "self");
    MakeCall(name, at);
    turned_[at.scope.at(at.node.outputs.at(0).text)] = matrix;
    return true;
  }
  if (name.name == "aten::addmm" || name.name == "aten::mm") return MakeLinear(name.name == "aten::addmm", at);
  if (name.name == "aten::convolution") return MakePlainConvolution(at);
  if (name.name == "aten::_native_batch_norm_legit_no_training") return MakeBatchNorm(at);
  return false;
}

// A product with a matrix that was turned around for it.
bool ProgramNodes::MakeLinear(bool has_bias, const At& at) {
  if (Given(at.node, "alpha") != nullptr || Given(at.node, "beta") != nullptr) return false;
  const auto turned = turned_.find(Argument(at, "mat2"));
  if (turned == turned_.end() || (has_bias && RankOf(at, "self") != 1)) return false;
  const c10::FunctionSchema& schema = SchemaOf("aten::linear");
  const Value input = Argument(at, has_bias ? "mat1" : "self");
  const Value bias = has_bias ? Argument(at, "self") : target_.Constant({});
  Bind(at, target_.Call(schema, {input, turned->second, bias}));
  return true;
}

std::optional<size_t> ProgramNodes::RankOf(const At& at, std::string_view name) {
  const GraphArgument* given = Given(at.node, name);
  const auto tensor = given == nullptr ? at.graph.tensors.end() : at.graph.tensors.find(given->text);
  return tensor == at.graph.tensors.end() ? std::nullopt : std::optional<size_t>(tensor->second.sizes.size());
}

bool ProgramNodes::MakePlainConvolution(const At& at) {
  const GraphArgument* transposed = Given(at.node, "transposed");
  const GraphArgument* stride = Given(at.node, "stride");
  if (transposed == nullptr || transposed->integer != 0 || stride == nullptr || stride->items.empty() ||
      stride->items.size() > 3 || !IsAllZero(Given(at.node, "output_padding"))) {
    return false;
  }
  checkpoint::GraphNode plain = at.node;
  std::erase_if(plain.inputs, [](const checkpoint::NamedArgument& input) {
    return input.name == "transposed" || input.name == "output_padding";
  });
  MakeCall(SchemaOf(fmt::format("aten::conv{}d", stride->items.size())), {plain, at.graph, at.scope});
  return true;
}

bool ProgramNodes::MakeBatchNorm(const At& at) {
  if (at.node.outputs.empty() || !IsFirstOutputAlone(at.node)) return false;
  checkpoint::GraphNode norm = at.node;
  norm.outputs.resize(1);
  GraphArgument off;
  off.kind = Kind::kBool;
  GraphArgument on = off;
  on.integer = 1;
  norm.inputs.push_back({"training", off});
  norm.inputs.push_back({"cudnn_enabled", on});
  MakeCall(SchemaOf("aten::batch_norm"), {norm, at.graph, at.scope});
  return true;
}

}  // namespace torchferry::libtorch
