#include "server/torch/load/default_types.h"

#include <string>
#include <vector>

namespace torchferry::libtorch {
namespace {

using torch::jit::Expr;
using torch::jit::Ident;
using torch::jit::Maybe;
using torch::jit::Param;
using torch::jit::SourceRange;

Expr Name(const SourceRange& range, const std::string& name) {
  return torch::jit::Var::create(range, Ident::create(range, name));
}

Expr OptionalTensor(const SourceRange& range) {
  return torch::jit::Subscript::create(range, Name(range, "Optional"),
                                       torch::jit::List<Expr>::create(range, {Name(range, "Tensor")}));
}

bool IsTensor(const Expr& type) {
  if (type.kind() == torch::jit::TK_VAR) return torch::jit::Var(type).name().name() == "Tensor";
  return type.kind() == '.' && torch::jit::Select(type).selector().name() == "Tensor";
}

Maybe<Expr> TypeFor(const Param& param) {
  if (!param.defaultValue().present()) return param.type();
  const Expr value = param.defaultValue().get();
  const SourceRange& range = value.range();
  const bool is_none = value.kind() == torch::jit::TK_NONE;
  if (param.type().present()) {
    if (is_none && IsTensor(param.type().get())) return Maybe<Expr>::create(range, OptionalTensor(range));
    return param.type();
  }
  if (is_none) return Maybe<Expr>::create(range, OptionalTensor(range));
  if (value.kind() == torch::jit::TK_TRUE || value.kind() == torch::jit::TK_FALSE) {
    return Maybe<Expr>::create(range, Name(range, "bool"));
  }
  if (value.kind() == torch::jit::TK_STRINGLITERAL) return Maybe<Expr>::create(range, Name(range, "str"));
  const Expr number = value.kind() == torch::jit::TK_UNARY_MINUS ? Expr(value.tree()->trees()[0]) : value;
  if (number.kind() == torch::jit::TK_CONST) {
    const torch::jit::Const constant(number);
    if (constant.isComplex()) return param.type();
    return Maybe<Expr>::create(range, Name(range, constant.isFloatingPoint() ? "float" : "int"));
  }
  return param.type();
}

}  // namespace

torch::jit::Def WithTypesOfDefaults(const torch::jit::Def& def) {
  std::vector<Param> params;
  for (const Param& param : def.decl().params()) params.push_back(param.withType(TypeFor(param)));
  const auto list = torch::jit::List<Param>::create(def.decl().params().range(), params);
  return def.withDecl(torch::jit::Decl::create(def.decl().range(), list, def.decl().return_type()));
}

}  // namespace torchferry::libtorch
