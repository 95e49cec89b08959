#include "server/torch/load/forward_source.h"

#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/frontend/parser.h>

#include <regex>
#include <vector>

#include "server/base/status.h"
#include "server/torch/device/convert.h"
#include "server/torch/load/forward_imports.h"
#include "server/torch/load/forward_names.h"

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

// LibTorch's report holds the message, then `File "F", line N` and the line with a mark below it.
absl::Status CompileError(const std::string& what, const std::string& file) {
  const std::string text = what.substr(0, what.find("\nException raised from"));
  static const std::regex kPlace("File \"[^\"\n]*\", line ([0-9]+)");
  std::smatch match;
  std::string place = file;
  std::string message = text;
  if (std::regex_search(text, match, kPlace)) {
    message = text.substr(0, static_cast<size_t>(match.position(0)));
    place =
        fmt::format("{}:{}{}", file, match.str(1), ColumnOfMark(text.substr(static_cast<size_t>(match.position(0)))));
  }
  while (!message.empty() && (std::isspace(static_cast<unsigned char>(message.back())) != 0 || message.back() == ':')) {
    message.pop_back();
  }
  // Classes made from keys are named after their path; LibTorch adds an address to it.
  static const std::regex kClassName(R"(__torch__\.torchferry\.([^\s']*)( \(of Python compilation unit at: \w+\))?)");
  message = std::regex_replace(message, kClassName, "$1");
  const size_t first = message.find_first_not_of(" \n\t");
  if (first != std::string::npos) message = message.substr(first);
  const std::string hint = HintFor(text);
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: {}{}", place, message,
                          hint.empty() ? "" : ". " + hint);
}

}  // namespace

absl::Status DefineForward(torch::jit::Module& module, const std::string& source, const std::string& file) {
  FERRY_ASSIGN_OR_RETURN(const ForwardImports imports, ReadImports(source, file));
  try {
    const ModuleSelf self(module.type());
    const auto resolver = MakeForwardResolver(imports.names);
    std::vector<Def> defs = Parse(imports.body, file);
    std::vector<torch::jit::ResolverPtr> resolvers(defs.size(), resolver);
    for (Def& def : defs) def = Def(IndexNumberedChildren(def.tree(), *module.type()));
    module._ivalue()->compilation_unit()->define(*module.type()->name(), /*properties=*/{}, /*propResolvers=*/{}, defs,
                                                 resolvers, &self);
  } catch (const std::exception& error) {
    return CompileError(error.what(), file);
  }
  if (!module.find_method("forward").has_value()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "{}: has no `def forward(self, …)`; write the model's forward pass as one", file);
  }
  return absl::OkStatus();
}

}  // namespace torchferry::libtorch
