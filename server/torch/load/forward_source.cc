#include "server/torch/load/forward_source.h"

#include <string>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/plan/compile_report.h"
#include "server/torch/load/forward_names.h"
#include "server/torch/load/layer_methods.h"

namespace torchferry::libtorch {
namespace {

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

absl::Status DefineForward(torch::jit::Module& module, const plan::ModuleTree& tree, ForwardNotes* notes) {
  const std::string& file = tree.file->name;
  ForwardNotes found;
  try {
    DefineMethods(module, tree, found);
  } catch (const RefusedValue& error) {
    return error.status();
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
