#include "server/plan/program_operators.h"

#include <algorithm>
#include <array>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/model_operators.h"

namespace torchferry::plan {
namespace {

using checkpoint::ExportedGraph;
using checkpoint::GraphArgument;
using checkpoint::GraphNode;

constexpr std::string_view kOperators = "torch.ops.";
constexpr std::string_view kHigherOrder = "torch.ops.higher_order.";

// torch._export.serde.serialize._SYM_OPS, as it is written.
constexpr auto kSizeOperators = std::to_array<std::string_view>(
    {"_operator.eq",   "_operator.ne",       "_operator.le",     "_operator.ge",     "_operator.lt",
     "_operator.gt",   "_operator.neg",      "_operator.pos",    "_operator.mul",    "_operator.add",
     "_operator.sub",  "_operator.floordiv", "_operator.mod",    "_operator.pow",    "_operator.truediv",
     "_operator.and_", "_operator.or_",      "_operator.lshift", "_operator.rshift", "math.trunc",
     "torch.sym_not",  "torch.sym_int",      "torch.sym_float",  "torch.sym_ite",    "torch.sym_max",
     "torch.sym_min",  "torch.sym_sqrt",     "torch._sym_sqrt"});

// Statements on sizes that export writes. They are checks, and no kernel of LibTorch is run for them.
constexpr auto kChecks = std::to_array<std::string_view>(
    {"aten::_assert_scalar", "aten::sym_constrain_range", "aten::sym_constrain_range_for_size"});

// Those that run a graph inside.
constexpr auto kRunGraphs = std::to_array<std::string_view>(
    {"cond", "while_loop", "wrap_with_set_grad_enabled", "wrap_with_autocast", "invoke_subgraph"});

struct WayOut {
  std::string_view name;
  std::string_view way_out;
};
constexpr auto kWaysOut = std::to_array<WayOut>({
    {"map_impl", "write torch.vmap(f)(xs), or a loop over a fixed number"},
    {"scan", "write the loop with torch.cumsum and the like, or with torch._higher_order_ops.while_loop"},
    {"associative_scan", "write the loop with torch.cumsum and the like, or with torch._higher_order_ops.while_loop"},
    {"flex_attention", "call torch.nn.functional.scaled_dot_product_attention with a mask"},
});

// LibTorch's own, of which export writes none; still others are of libraries that the server does not have.
constexpr auto kOtherNamespaces = std::to_array<std::string_view>(
    {"prims", "prim", "quantized_decomposed", "quantized", "_quantized", "prepacked", "profiler", "c10d",
     "_c10d_functional", "inductor", "mkldnn", "mkl", "onednn", "sparse"});

template <typename List, typename Value>
bool Contains(const List& list, const Value& value) {
  return std::ranges::find(list, value) != list.end();
}

// "aten.save" of torch.ops.aten.save.
std::string PythonName(const OperatorName& op) {
  const size_t colons = op.name.find("::");
  return op.name.substr(0, colons) + "." + op.name.substr(colons + 2);
}

void AddOnce(std::string text, std::vector<std::string>& list) {
  if (!Contains(list, text)) list.push_back(std::move(text));
}

class OperatorCheck {
 public:
  explicit OperatorCheck(bool trust) : trust_(trust) {}

  absl::Status Run(const checkpoint::ExportedProgram& program) {
    Walk(program.graph);
    if (!foreign_.empty()) {
      return base::MakeStatus(
          absl::StatusCode::kInvalidArgument,
          "calls operators that are not PyTorch's own: {}. The server has no library of them; write "
          "the model with PyTorch's operators and export it again",
          checkpoint::Listed(foreign_));
    }
    if (has_autocast_) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "has regions of torch.autocast, which are not run here. In Python, ep = "
                              "torch.export.load(\"model.pt2\"); torch.export.save(ep.run_decompositions({{}}), "
                              "\"model.pt2\") writes their casts into the program");
    }
    if (!not_run_.empty()) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "calls what is not run here: {}. Write the model without it and export it again{}{}",
                              checkpoint::Listed(not_run_), way_out_.empty() ? "" : ": ", way_out_);
    }
    if (refused_.empty()) return absl::OkStatus();
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "calls {}, which {}. Write the model without it, or start the server with --trust-model-code. If "
        "run_decompositions() has brought it in, export the model without that call, or with run_decompositions({{}})",
        checkpoint::Listed(refused_), reason_);
  }

 private:
  void Walk(const ExportedGraph& graph) {
    for (const GraphNode& node : graph.nodes) {
      Check(node);
      for (const checkpoint::NamedArgument& input : node.inputs) WalkArgument(input.value);
    }
  }

  void WalkArgument(const GraphArgument& argument) {
    if (argument.graph != nullptr) Walk(*argument.graph);
    for (const GraphArgument& item : argument.items) WalkArgument(item);
  }

  void Check(const GraphNode& node) {
    if (const std::string_view name = HigherOrderName(node.target); !name.empty()) return CheckHigherOrder(node, name);
    const std::optional<OperatorName> op = ParseOperator(node.target);
    if (op.has_value()) return CheckOperator(*op);
    if (!IsSizeOperator(node.target)) AddOnce(checkpoint::Quoted(node.target), not_run_);
  }

  void CheckHigherOrder(const GraphNode& node, std::string_view name) {
    if (!Contains(kRunGraphs, name)) {
      AddOnce(checkpoint::Quoted(name), not_run_);
      const auto known = std::ranges::find(kWaysOut, name, &WayOut::name);
      if (known != kWaysOut.end()) way_out_ = known->way_out;
      return;
    }
    // Of (device type, dtype, enabled, cache enabled, graph, …).
    if (name == "wrap_with_autocast" && (node.inputs.size() < 3 || node.inputs[2].value.integer != 0)) {
      has_autocast_ = true;
    }
  }

  void CheckOperator(const OperatorName& op) {
    const std::string_view ns = std::string_view(op.name).substr(0, op.name.find(':'));
    if (ns != "aten" && !Contains(kOtherNamespaces, ns)) return AddOnce(PythonName(op), foreign_);
    if (ns != "aten") return Refuse(op, "is no operator of torch.ops.aten");
    if (trust_ || Contains(kChecks, op.name)) return;
    if (const std::optional<std::string_view> reason = WhyRefused(op.name)) Refuse(op, *reason);
  }

  // The first reason that is met is said, with all operators that it is true of.
  void Refuse(const OperatorName& op, std::string_view reason) {
    if (refused_.empty()) reason_ = reason;
    if (reason == reason_) AddOnce(PythonName(op), refused_);
  }

  const bool trust_;
  std::vector<std::string> foreign_;
  std::vector<std::string> not_run_;
  std::vector<std::string> refused_;
  std::string_view reason_;
  std::string way_out_;
  bool has_autocast_ = false;
};

}  // namespace

std::optional<OperatorName> ParseOperator(std::string_view target) {
  if (!target.starts_with(kOperators) || target.starts_with(kHigherOrder)) return std::nullopt;
  target.remove_prefix(kOperators.size());
  const size_t first = target.find('.');
  const size_t last = target.rfind('.');
  if (first == std::string_view::npos || first == 0 || last <= first + 1 || last + 1 == target.size()) {
    return std::nullopt;
  }
  const std::string_view overload = target.substr(last + 1);
  return OperatorName{fmt::format("{}::{}", target.substr(0, first), target.substr(first + 1, last - first - 1)),
                      overload == "default" ? "" : std::string(overload)};
}

std::string_view HigherOrderName(std::string_view target) {
  return target.starts_with(kHigherOrder) ? target.substr(kHigherOrder.size()) : std::string_view();
}

bool IsSizeOperator(std::string_view target) { return Contains(kSizeOperators, target); }

absl::Status CheckOperators(const checkpoint::ExportedProgram& program, bool trust_model_code) {
  return OperatorCheck(trust_model_code).Run(program);
}

}  // namespace torchferry::plan
