#include "server/torch/load/forward_source.h"

#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/frontend/parser.h>

#include <utility>
#include <vector>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/plan/compile_report.h"
#include "server/plan/forward_imports.h"
#include "server/torch/device/convert.h"
#include "server/torch/load/declared_values.h"
#include "server/torch/load/forward_names.h"
#include "server/torch/load/python_methods.h"
#include "server/torch/load/python_prelude.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Def;
using torch::jit::Source;

std::vector<Def> Parse(const std::string& source, const std::string& file) {
  torch::jit::Parser parser(std::make_shared<Source>(source, file, 1));
  std::vector<Def> defs;
  while (parser.lexer().cur().kind != torch::jit::TK_EOF) {
    defs.emplace_back(parser.parseFunction(/*is_method=*/true));
  }
  return defs;
}

// What the module makes of the name `self` while its methods are compiled.
class ModuleSelf final : public torch::jit::Self {
 public:
  explicit ModuleSelf(c10::ClassTypePtr type) : type_(std::move(type)) {}
  std::shared_ptr<torch::jit::SugaredValue> makeSugared(torch::jit::Value* value) const override {
    value->setType(type_);
    return std::make_shared<torch::jit::SimpleValue>(value);
  }
  c10::ClassTypePtr getClassType() const override { return type_; }

 private:
  const c10::ClassTypePtr type_;
};

absl::Status CompileError(std::string_view what, const std::string& file) {
  const plan::CompileReport report = plan::ReadCompileReport(what);
  std::string place = file;
  if (report.line != 0) place += fmt::format(":{}", report.line);
  if (report.column != 0) place += fmt::format(":{}", report.column);
  const std::string hint = HintFor(plan::WithoutBacktrace(what));
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: {}{}", place, report.message,
                          hint.empty() ? "" : ". " + hint);
}

}  // namespace

absl::Status DefineForward(torch::jit::Module& module, const std::string& source, const std::string& file,
                           ForwardNotes* notes) {
  ForwardNotes found;
  FERRY_ASSIGN_OR_RETURN(const plan::ForwardImports imports, plan::ReadImports(source, file));
  try {
    const ModuleSelf self(module.type());
    const auto unit = module._ivalue()->compilation_unit();
    const auto prelude = std::make_shared<PythonPrelude>(unit.get());
    const auto resolver = MakeForwardResolver(imports.names, prelude, &found);
    std::vector<Def> defs = Parse(imports.body, file);
    std::vector<torch::jit::ResolverPtr> resolvers(defs.size(), resolver);
    for (const Def& def : defs) FERRY_RETURN_IF_ERROR(CheckDeclaredValues(def.tree(), file));
    for (Def& def : defs) def = Def(IndexNumberedChildren(def.tree(), *module.type()));
    const auto is_namespace = [&](const torch::jit::TreeRef& tree) {
      return IsNamespace(tree, *module.type(), imports.names);
    };
    for (Def& def : defs) def = Def(NamePythonMethods(def.tree(), is_namespace));
    unit->define(*module.type()->name(), /*properties=*/{}, /*propResolvers=*/{}, defs, resolvers, &self);
  } catch (const std::exception& error) {
    return CompileError(error.what(), file);
  }
  for (const std::string& note : found) base::LogWarning("forward.py", {{"file", file}, {"note", note}});
  if (notes != nullptr) *notes = std::move(found);
  if (!module.find_method("forward").has_value()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "{}: has no `def forward(self, …)`; write the model's forward pass as one", file);
  }
  return absl::OkStatus();
}

}  // namespace torchferry::libtorch
