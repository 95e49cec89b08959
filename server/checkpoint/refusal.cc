#include "server/checkpoint/refusal.h"

#include <algorithm>
#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"

namespace torchferry::checkpoint {
namespace {

absl::Status NotWritten(const ForeignGlobal& global, std::string_view by, std::string_view what) {
  return base::MakeStatus(absl::StatusCode::kDataLoss,
                          "refers to {}, which is not something {} writes for {}; nothing was run, and "
                          "the file should not be trusted",
                          DottedName(global.module, global.name), by, what);
}

std::vector<std::string> Names(const PickleTree& tree) {
  std::vector<std::string> names;
  for (const ForeignGlobal& global : tree.foreign) {
    names.push_back(DottedName(global.module, global.name));
  }
  return names;
}

}  // namespace

absl::Status JudgeCheckpoint(const PickleTree& tree, const absl::Status& read) {
  // First: a pickle that breaks off behind it must not hide it.
  if (tree.dangerous.has_value()) return NotWritten(*tree.dangerous, "torch.save", "tensors");
  // An opcode that only foreign objects need.
  if (!read.ok() && !tree.foreign.empty() && !tree.breaks_off) return RefuseObjects(tree);
  return read;
}

absl::Status JudgeTorchScript(const PickleTree& tree, const absl::Status& read) {
  if (!tree.foreign.empty()) return NotWritten(tree.foreign.front(), "torch.jit.save", "a module");
  return read;
}

absl::Status RefuseObjects(const PickleTree& tree) {
  const auto sharded =
      std::ranges::find_if(tree.foreign, [](const ForeignGlobal& global) { return IsOfSharding(global.module); });
  if (sharded != tree.foreign.end()) {
    PickleNode maker;
    maker.text = sharded->module;
    maker.name = sharded->name;
    return RefuseTensorOf(maker);
  }
  const bool is_model = tree.root == kNoPickleRef || tree[tree.root].kind == PickleKind::kObject;
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "holds {}: pickled Python objects of {}. It cannot be served as it is, because loading it "
                          "would run Python code. In Python, where these can be imported, save the weights alone, "
                          "torch.save(model.state_dict(), path), and put a forward.py or an architecture.pt beside "
                          "them. Or save the model with its code: torch.jit.script(model).save(path)",
                          is_model ? "a whole model" : "objects and no dict of tensors", Listed(Names(tree)));
}

absl::Status RefuseTensorOf(const PickleNode& maker) {
  const std::string name = DottedName(maker.text, maker.name);
  if (IsOfSharding(maker.text)) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "holds {}: one process's part of tensors that are spread over several. Save whole tensors: "
                            "torch.distributed.checkpoint.state_dict.get_model_state_dict(model, options="
                            "StateDictOptions(full_state_dict=True)), then torch.save on rank 0",
                            name);
  }
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "is made by {}, and what that makes of its bytes is not known without running it. In Python, "
                          "where it can be imported, save plain tensors instead",
                          name);
}

bool IsOfSharding(std::string_view module) { return module.starts_with("torch.distributed"); }

}  // namespace torchferry::checkpoint
