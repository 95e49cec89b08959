#include "server/plan/code_scan.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

// Operators of LibTorch 2.11 and 2.15 that touch files, start calls on other processes, or run Python.
constexpr std::array<std::string_view, 7> kDeniedOperators = {
    "aten::from_file",  "aten::save",     "prim::rpc_async",      "prim::rpc_sync",
    "prim::rpc_remote", "prim::PythonOp", "prim::IgnoredPythonOp"};
// Whole namespaces: distributed communication and debugging aids that read files.
constexpr std::array<std::string_view, 7> kDeniedNamespaces = {
    "c10d::",       "_c10d_functional::", "_c10d_functional_autograd::", "_dtensor::", "symm_mem::",
    "debugprims::", "dist_rpc::"};

// Namespaces of the operators that libtorch_cpu registers itself.
constexpr std::array<std::string_view, 19> kOwnNamespaces = {
    "aten",   "prim",      "prims",  "quantized", "_quantized",     "mkldnn",  "mkldnn_prepacked",
    "onednn", "prepacked", "sparse", "profiler",  "static_runtime", "xnnpack", "inductor",
    "cuda",   "_caffe2",   "_test",  "rngprims",  "c10d",
};

struct Token {
  std::string text;
  int line;
  bool after_dot;  // an attribute's name
};

// Identifiers and the punctuation that matters here. Comments are left out; a string literal is one token with its
// quotes.
std::vector<Token> Tokenize(std::string_view source) {
  std::vector<Token> tokens;
  int line = 1;
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (size_t i = 0; i < source.size();) {
    const char c = source[i];
    size_t end = i + 1;
    if (c == '#') {
      end = std::min(source.find('\n', i), source.size());
    } else if (c == '"' || c == '\'') {
      while (end < source.size() && source[end] != c && source[end] != '\n') end += source[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, source.size());
    } else if (is_word(c)) {
      while (end < source.size() && is_word(source[end])) ++end;
    }
    if (c == '\n') ++line;
    if (c != '#' && c != '\\' && std::isspace(static_cast<unsigned char>(c)) == 0) {
      const bool after_dot = !tokens.empty() && tokens.back().text == ".";
      tokens.push_back({std::string(source.substr(i, end - i)), line, after_dot});
    }
    i = end;
  }
  return tokens;
}

class SourceScan {
 public:
  SourceScan(std::string_view source, std::string_view file) : tokens_(Tokenize(source)), file_(file) {}

  absl::Status FindDenied() const {
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].after_dot || At(i + 1) == ":") continue;  // "ops : Tensor": a class's attribute of that name
      if (tokens_[i].text == "torch") FERRY_RETURN_IF_ERROR(CheckTorch(i));
      if (tokens_[i].text == "ops") FERRY_RETURN_IF_ERROR(CheckOps(i));
    }
    return absl::OkStatus();
  }

  std::vector<std::string> FindCustomOperators() const {
    std::vector<std::string> found;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].after_dot || tokens_[i].text != "ops" || At(i + 1) != "." || At(i + 3) != ".") {
        continue;
      }
      std::string name = fmt::format("{}::{}", At(i + 2), At(i + 4));
      const bool is_own = std::ranges::find(kOwnNamespaces, At(i + 2)) != kOwnNamespaces.end();
      if (!is_own && !IsDeniedOperator(name)) found.push_back(std::move(name));
    }
    return found;
  }

 private:
  std::string_view At(size_t i) const { return i < tokens_.size() ? std::string_view(tokens_[i].text) : ""; }
  std::string Where(size_t i) const { return fmt::format("{}:{}", file_, tokens_[i].line); }

  // torch.NAME is aten::NAME; torch.autograd is the same namespace once more.
  absl::Status CheckTorch(size_t i) const {
    size_t name = i;
    do {
      if (At(name + 1) != ".") return DeniedCode("the torch namespace as a value", Where(i));
      name += 2;
    } while (At(name) == "autograd");
    const std::string op = fmt::format("aten::{}", At(name));
    return IsDeniedOperator(op) ? DeniedCode(fmt::format("torch.{}", At(name)), Where(name)) : absl::OkStatus();
  }

  // ops.NAMESPACE.NAME
  absl::Status CheckOps(size_t i) const {
    if (At(i + 1) != "." || At(i + 3) != ".") return DeniedCode("an operator namespace as a value", Where(i));
    const std::string op = fmt::format("{}::{}", At(i + 2), At(i + 4));
    return IsDeniedOperator(op) ? DeniedCode(op, Where(i)) : absl::OkStatus();
  }

  const std::vector<Token> tokens_;
  const std::string file_;
};

}  // namespace

bool IsDeniedOperator(std::string_view qualified_name) {
  for (const std::string_view denied : kDeniedOperators) {
    if (qualified_name == denied) return true;
  }
  for (const std::string_view prefix : kDeniedNamespaces) {
    if (qualified_name.starts_with(prefix)) return true;
  }
  return false;
}

absl::Status DeniedCode(std::string_view what, std::string_view where) {
  return base::MakeStatus(absl::StatusCode::kDataLoss,
                          "{}: uses {}, which reaches outside the model. Nothing was run. Remove it from "
                          "the model, or, if you trust this file, start the server with "
                          "--trust-model-code",
                          where, what);
}

absl::Status ScanSource(std::string_view source, std::string_view file) {
  return SourceScan(source, file).FindDenied();
}

std::vector<std::string> CustomOperators(std::string_view source) {
  return SourceScan(source, "").FindCustomOperators();
}

}  // namespace torchferry::plan
