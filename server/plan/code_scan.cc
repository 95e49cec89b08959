#include "server/plan/code_scan.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>
#include <utility>

#include "server/base/status.h"
#include "server/plan/model_operators.h"
#include "server/plan/script_lexer.h"

namespace torchferry::plan {
namespace {

// Namespaces of the operators that libtorch_cpu registers itself.
constexpr std::array<std::string_view, 29> kOwnNamespaces = {
    "aten",
    "prim",
    "prims",
    "quantized",
    "_quantized",
    "mkldnn",
    "mkldnn_prepacked",
    "onednn",
    "prepacked",
    "sparse",
    "profiler",
    "static_runtime",
    "xnnpack",
    "inductor",
    "cuda",
    "_caffe2",
    "_test",
    "rngprims",
    "c10d",
    "mkl",
    "onnx",
    "_c10d_functional",
    "_c10d_functional_autograd",
    "_dtensor",
    "symm_mem",
    "debugprims",
    "dist_rpc",
    "fsdp",
    "quantization",
};

absl::Status Unclear(std::string_view what, std::string_view where) {
  return DeniedCode(what, "hides what is called", where);
}

// Reads ahead of a token without moving past it.
class LookAhead {
 public:
  explicit LookAhead(const ScriptLexer& lexer) : lexer_(lexer) {}

  // The next token's text; empty at the end of the statement.
  std::string_view Next() { return lexer_.Next().text; }

 private:
  ScriptLexer lexer_;
};

// Whether a bracket after this token begins an expression, and no call and no index.
bool BeginsExpression(const ScriptToken& token) {
  if (token.kind == ScriptTokenKind::kLine || token.text == "return") return true;
  return token.kind == ScriptTokenKind::kSign && token.text != ")" && token.text != "]" && token.text != "}";
}

// Calls `visit` with each name that is no attribute's, what follows it, and whether a bracket that begins an expression
// is right before it, until one returns an error.
template <typename Visit>
absl::Status ForEachName(std::string_view source, Visit visit) {
  ScriptLexer lexer(source);
  bool is_after_dot = false;
  bool begins_expression = true;
  bool is_bracketed = false;
  for (ScriptToken token = lexer.Next(); token.kind != ScriptTokenKind::kEnd; token = lexer.Next()) {
    if (token.kind == ScriptTokenKind::kInvalid || (token.kind == ScriptTokenKind::kWord && !is_after_dot)) {
      FERRY_RETURN_IF_ERROR(visit(token, LookAhead(lexer), is_bracketed));
    }
    if (token.kind == ScriptTokenKind::kInvalid) break;
    is_after_dot = token.text == ".";
    is_bracketed = begins_expression && token.text == "(";
    begins_expression = BeginsExpression(token);
  }
  return absl::OkStatus();
}

// torch.NAME is aten::NAME; torch.autograd is the same namespace once more. For a submodule of that name PyTorch writes
// "torch = self.torch", which is no use of the namespace, and "(torch).forward(x, )": no operator is called forward.
absl::Status CheckTorch(LookAhead next, bool is_bracketed, const std::string& where) {
  if (LookAhead(next).Next() == "=") return absl::OkStatus();
  if (LookAhead ahead = next; is_bracketed && ahead.Next() == ")" && ahead.Next() == "." && ahead.Next() == "forward") {
    return absl::OkStatus();
  }
  std::string_view name;
  do {
    if (next.Next() != ".") return Unclear("the torch namespace as a value", where);
    name = next.Next();
  } while (name == "autograd");
  const auto reason = WhyRefused(fmt::format("aten::{}", name));
  return reason.has_value() ? DeniedCode(fmt::format("torch.{}", name), *reason, where) : absl::OkStatus();
}

// ops.NAMESPACE.NAME; nothing when it is not spelled out.
std::optional<std::pair<std::string_view, std::string_view>> ReadOperator(LookAhead next) {
  if (next.Next() != ".") return std::nullopt;
  const std::string_view name_space = next.Next();
  if (next.Next() != ".") return std::nullopt;
  return std::pair(name_space, next.Next());
}

absl::Status CheckOps(const LookAhead& next, const std::string& where) {
  const auto spelled = ReadOperator(next);
  if (!spelled.has_value()) return Unclear("an operator namespace as a value", where);
  const std::string op = fmt::format("{}::{}", spelled->first, spelled->second);
  const auto reason = WhyRefused(op);
  return reason.has_value() ? DeniedCode(op, *reason, where) : absl::OkStatus();
}

}  // namespace

absl::Status DeniedCode(std::string_view what, std::string_view reason, std::string_view where) {
  return base::MakeStatus(absl::StatusCode::kDataLoss,
                          "{}: uses {}, which {}. Remove it from the model, or, if you trust this file, start the "
                          "server with --trust-model-code",
                          where, what, reason);
}

absl::Status ScanSource(std::string_view source, std::string_view file) {
  return ForEachName(source, [&](const ScriptToken& token, const LookAhead& next, bool is_bracketed) {
    const auto where = [&] { return fmt::format("{}:{}", file, token.line); };
    if (token.kind == ScriptTokenKind::kInvalid) {
      return base::MakeStatus(absl::StatusCode::kDataLoss,
                              "{}: has a character that the language has not, or a string that does not end. "
                              "Save the model again",
                              where());
    }
    if (token.text != "torch" && token.text != "ops") return absl::OkStatus();
    if (LookAhead(next).Next() == ":") return absl::OkStatus();  // "ops : Tensor": a class's attribute of that name
    return token.text == "torch" ? CheckTorch(next, is_bracketed, where()) : CheckOps(next, where());
  });
}

std::vector<std::string> CustomOperators(std::string_view source) {
  std::vector<std::string> found;
  std::unordered_set<std::string> seen;
  (void)ForEachName(source, [&](const ScriptToken& token, const LookAhead& next, bool /*is_bracketed*/) {
    if (token.text != "ops") return absl::OkStatus();
    const auto spelled = ReadOperator(next);
    if (!spelled.has_value() || std::ranges::find(kOwnNamespaces, spelled->first) != kOwnNamespaces.end()) {
      return absl::OkStatus();
    }
    std::string name = fmt::format("{}::{}", spelled->first, spelled->second);
    if (seen.insert(name).second) found.push_back(std::move(name));
    return absl::OkStatus();
  });
  return found;
}

}  // namespace torchferry::plan
