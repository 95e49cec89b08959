#include "server/plan/key_tree.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"
#include "server/plan/key_paths.h"

namespace torchferry::plan {
namespace {

// What a path is: a tensor's name, a module's, or both, which is an error.
struct Place {
  bool is_module = false;
  const std::string* tensor = nullptr;  // whose name it is
  size_t members = 0;                   // of a module
};

// What quantises a weight lies beside it under the weight's own name. forward.py can compute with both under others.
constexpr std::string_view kBitsAndBytes =
    "these are weights that bitsandbytes has quantised. In Python, from safetensors.torch import load_file, save_file; "
    "save_file({k.replace(\".weight.\", \".weight_\"): v for k, v in load_file(\"model.safetensors\").items()}, "
    "\"model.safetensors\") gives them names that forward.py can read, and it dequantises them. Or save the model's "
    "float weights";

bool IsOfBitsAndBytes(std::string_view name) {
  constexpr std::string_view kParts[] = {"absmax", "quant_map", "nested_absmax", "nested_quant_map", "quant_state"};
  const std::string_view last = name.substr(name.rfind('.') + 1);
  return last.starts_with("bitsandbytes__") || std::ranges::find(kParts, last) != std::end(kParts);
}

class KeyTree {
 public:
  // The last path is the tensor's, those before it are modules'.
  absl::Status Add(const std::string& name) {
    size_t at = KeyPaths::kRoot;
    for (std::string_view rest = name; !rest.empty();) {
      const size_t parent = at;
      at = paths_.Below(parent, TakePart(rest));
      const bool is_new = at >= places_.size();
      places_.resize(paths_.End());
      if (is_new) ++places_[parent].members;
      if (places_[parent].members > limits::kMaxModuleMembers) return TooMany(name, parent);
      if (!rest.empty() && !places_[at].is_module) {
        places_[at].is_module = true;
        if (++modules_ > limits::kMaxKeyModules) return TooManyModules();
      }
    }
    places_[at].tensor = &name;
    return absl::OkStatus();
  }

  // Whether `name`, which has been added, goes through a tensor.
  absl::Status CheckModules(const std::string& name) {
    size_t at = KeyPaths::kRoot;
    for (std::string_view rest = name; !rest.empty();) {
      at = paths_.Below(at, TakePart(rest));
      if (rest.empty() || places_[at].tensor == nullptr) continue;
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "key {} is a tensor's, and in {} a module's; {}",
                              checkpoint::Quoted(*places_[at].tensor), checkpoint::Quoted(name),
                              IsOfBitsAndBytes(name) ? kBitsAndBytes : "rename one of them");
    }
    return absl::OkStatus();
  }

 private:
  absl::Status TooMany(std::string_view name, size_t module) {
    size_t at = KeyPaths::kRoot;
    std::string_view rest = name;
    while (at != module) at = paths_.Below(at, TakePart(rest));
    const std::string_view path = name.substr(0, name.size() - rest.size());
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "more than {} keys and modules lie directly below {}; LibTorch would take minutes to make "
                            "that module. Stack its tensors, or name them so that they lie in several modules",
                            limits::kMaxModuleMembers, checkpoint::Quoted(path));
  }

  static absl::Status TooManyModules() {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "the keys name more than {} modules, one for each part before a dot; stack tensors of "
                            "equal modules, or save the model as TorchScript",
                            limits::kMaxKeyModules);
  }

  KeyPaths paths_;
  std::vector<Place> places_ = std::vector<Place>(1);  // by number
  size_t modules_ = 0;
};

}  // namespace

absl::Status CheckKeyTree(std::span<const std::string> names) {
  KeyTree tree;
  for (const std::string& name : names) {
    if (name.empty()) continue;
    if (name.starts_with('.') || name.ends_with('.') || name.find("..") != std::string::npos) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "key {} has an empty part between dots, which no module can be called; rename it",
                              checkpoint::Quoted(name));
    }
    FERRY_RETURN_IF_ERROR(tree.Add(name));
  }
  for (const std::string& name : names) FERRY_RETURN_IF_ERROR(tree.CheckModules(name));
  return absl::OkStatus();
}

}  // namespace torchferry::plan
