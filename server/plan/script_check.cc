#include "server/plan/script_check.h"

#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/code_scan.h"
#include "server/plan/nesting.h"
#include "server/plan/script_classes.h"

namespace torchferry::plan {
namespace {

// Archives of a later format than LibTorch 2.11 and 2.15 read (caffe2/serialize/versions.h).
constexpr int64_t kNewestTorchScriptVersion = 10;

}  // namespace

absl::StatusOr<checkpoint::TorchScriptInfo> ReadScript(const std::shared_ptr<const checkpoint::File>& file,
                                                       const PlanContext& context) {
  if (!context.torchscript) {
    return base::MakeStatus(
        absl::StatusCode::kFailedPrecondition,
        "{} is a TorchScript archive, which contains code, but this server was started with --no-torchscript. Save "
        "torch.save(model.state_dict(), path) and put a forward.py beside it, or start the server without the flag",
        file->name());
  }
  FERRY_ASSIGN_OR_RETURN(checkpoint::TorchScriptInfo script, checkpoint::DescribeTorchScript(file));
  if (script.version > kNewestTorchScriptVersion) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "{}: was saved by a newer PyTorch: its TorchScript format is version {}, but {} and older "
                            "are read. Save it with an older PyTorch, or save the state_dict",
                            file->name(), script.version, kNewestTorchScriptVersion);
  }
  std::vector<std::string> custom;
  std::unordered_set<std::string> seen;
  CodeSize size;
  for (size_t i = 0; i < script.code_files.size(); ++i) {
    FERRY_RETURN_IF_ERROR(CheckNesting(script.code_texts[i], file->name() + "/" + script.code_files[i], size));
    for (std::string& name : CustomOperators(script.code_texts[i])) {
      if (seen.insert(name).second) custom.push_back(std::move(name));
    }
  }
  if (!custom.empty()) {
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "{}: calls operators that are not PyTorch's own: {}. The server has no library of them; write the model "
        "with PyTorch's operators and save it again",
        file->name(), checkpoint::Listed(custom));
  }
  FERRY_RETURN_IF_ERROR(base::Annotate(CheckClasses(script), file->name()));
  for (size_t i = 0; i < script.code_files.size() && !context.trust_model_code; ++i) {
    FERRY_RETURN_IF_ERROR(ScanSource(script.code_texts[i], file->name() + "/" + script.code_files[i]));
  }
  return script;
}

}  // namespace torchferry::plan
