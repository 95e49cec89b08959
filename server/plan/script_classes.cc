#include "server/plan/script_classes.h"

#include <algorithm>
#include <cctype>
#include <unordered_set>

#include "server/base/status.h"
#include "server/checkpoint/display.h"

namespace torchferry::plan {
namespace {

constexpr std::string_view kCpp = "__torch__.torch.classes.";

// Of the classes that LibTorch registers (torch/custom_class.h).
constexpr std::string_view kNamespaces[] = {"_nnapi",    "_static_runtime_runner",
                                            "c10d",      "cuda",
                                            "cudnn",     "dist_c10d",
                                            "inductor",  "profiler",
                                            "dist_rpc",  "mkldnn",
                                            "metal",     "onednn",
                                            "profiling", "quantized",
                                            "rnn",       "sparse",
                                            "symm_mem",  "vulkan",
                                            "xnnpack"};

}  // namespace

bool IsLibTorchClass(std::string_view name) {
  return std::ranges::find(kNamespaces, name.substr(0, name.find('.'))) != std::end(kNamespaces);
}

std::vector<std::string> CppClasses(std::string_view code) {
  std::vector<std::string> classes;
  std::unordered_set<std::string_view> seen;
  for (size_t at = code.find(kCpp); at != std::string_view::npos; at = code.find(kCpp, at + 1)) {
    const std::string_view rest = code.substr(at + kCpp.size());
    const auto* const end =
        std::ranges::find_if(rest, [](unsigned char c) { return std::isalnum(c) == 0 && c != '_' && c != '.'; });
    const std::string_view name = rest.substr(0, static_cast<size_t>(end - rest.begin()));
    if (seen.insert(name).second) classes.emplace_back(name);
  }
  return classes;
}

absl::Status CheckClasses(const checkpoint::TorchScriptInfo& script) {
  std::vector<std::string> foreign;
  std::unordered_set<std::string> seen;
  const auto add = [&](std::string name) {
    if (!IsLibTorchClass(name) && seen.insert(name).second) foreign.push_back(std::move(name));
  };
  for (const std::string& name : script.classes) {
    if (name.starts_with(kCpp)) add(name.substr(kCpp.size()));
  }
  for (const std::string& text : script.code_texts) {
    for (std::string& name : CppClasses(text)) add(std::move(name));
  }
  if (!foreign.empty()) {
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "holds objects of C++ classes that are not PyTorch's own: {}. The server has no library of them; save the "
        "model from before that library changed it, torch.jit.script(model).save(path), or its state_dict",
        checkpoint::Listed(foreign));
  }
  const auto sources = ClassSources(script);
  for (const std::string& name : script.classes) {
    if (name.starts_with(kCpp) || sources.contains(name)) continue;
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "has no code of its class {}: it is damaged; download or copy it again, or save it anew",
                            checkpoint::Quoted(name));
  }
  return absl::OkStatus();
}

}  // namespace torchferry::plan
