#include "server/checkpoint/refusal.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"

namespace torchferry::checkpoint {
namespace {

// Modules whose functions reach outside the process, and builtins that run what they are given. A
// whole model does refer to `builtins.getattr` now and then (bound methods), so that one is not
// here.
constexpr std::array kDangerousModules = {
    std::string_view("os"),         std::string_view("posix"),   std::string_view("nt"),
    std::string_view("subprocess"), std::string_view("sys"),     std::string_view("shutil"),
    std::string_view("socket"),     std::string_view("runpy"),   std::string_view("pty"),
    std::string_view("importlib"),  std::string_view("ctypes"),  std::string_view("webbrowser"),
    std::string_view("code"),       std::string_view("pdb"),     std::string_view("timeit"),
    std::string_view("commands"),   std::string_view("pickle"),  std::string_view("marshal"),
    std::string_view("pip"),        std::string_view("asyncio"), std::string_view("multiprocessing"),
};
constexpr std::array kDangerousBuiltins = {
    std::string_view("eval"),  std::string_view("exec"),       std::string_view("compile"),
    std::string_view("open"),  std::string_view("__import__"), std::string_view("execfile"),
    std::string_view("input"), std::string_view("breakpoint"),
};

bool IsDangerous(const ForeignGlobal& global) {
  const std::string_view top = global.module.substr(0, global.module.find('.'));
  if (top == "builtins" || top == "__builtin__") {
    return std::ranges::find(kDangerousBuiltins, global.name) != kDangerousBuiltins.end();
  }
  return std::ranges::find(kDangerousModules, top) != kDangerousModules.end();
}

// Functions that are everywhere, and of which some run what they are given.
bool IsOfLibraries(const ForeignGlobal& global) {
  const std::string_view top = global.module.substr(0, global.module.find('.'));
  return top == "builtins" || top == "__builtin__" || top == "torch" || top == "numpy" || top == "operator" ||
         top == "functools";
}

// DTensor, ShardedTensor and what belongs to them.
bool IsSharded(const ForeignGlobal& global) { return global.module.starts_with("torch.distributed"); }

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

absl::Status RefuseForeign(const PickleTree& tree) {
  const ForeignGlobal* called = nullptr;
  bool has_instances = false;
  for (const ForeignGlobal& global : tree.foreign) {
    if (IsDangerous(global)) return NotWritten(global, "torch.save", "tensors");
    if (called == nullptr && global.is_called) called = &global;
    has_instances |= global.is_instantiated;
  }
  const auto sharded = std::ranges::find_if(tree.foreign, IsSharded);
  if (sharded != tree.foreign.end()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "holds {}: one process's part of tensors that are spread over several. Save whole tensors: "
                            "torch.distributed.checkpoint.state_dict.get_model_state_dict(model, options="
                            "StateDictOptions(full_state_dict=True)), then torch.save on rank 0",
                            DottedName(sharded->module, sharded->name));
  }
  // Enum members and bound methods are calls, too, but a model's pickle has instances beside them.
  if (called != nullptr && !has_instances && IsOfLibraries(*called)) {
    return NotWritten(*called, "torch.save", "tensors");
  }
  const bool is_model = tree.root == kNoPickleRef || tree[tree.root].kind == PickleKind::kObject;
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "holds {}: pickled Python objects of {}. It cannot be served as it is, because loading it "
                          "would run Python code. In Python, either save the weights alone, torch.save("
                          "model.state_dict(), path), and put a forward.py or an architecture.pt beside them, or save "
                          "the model with its code: torch.jit.script(model).save(path)",
                          is_model ? "a whole model" : "more than tensors", Listed(Names(tree)));
}

absl::Status RefuseForeignInTorchScript(const PickleTree& tree) {
  return NotWritten(tree.foreign.front(), "torch.jit.save", "a module");
}

}  // namespace torchferry::checkpoint
