#include "server/torch/state_dict.h"

#include <algorithm>
#include <cctype>
#include <memory>
#include <set>

#include "server/base/status.h"
#include "server/torch/convert.h"

namespace torchferry {
namespace {

using torch::jit::Module;

// A module to be: its own tensors and its children by name.
struct Node {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, Node> children;
};

absl::Status Insert(Node& root, const std::string& key, const at::Tensor& tensor) {
  Node* node = &root;
  size_t begin = 0;
  for (size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', begin)) {
    node = &node->children[key.substr(begin, dot - begin)];
    begin = dot + 1;
  }
  node->tensors.emplace(key.substr(begin), tensor);
  return absl::OkStatus();
}

absl::Status CheckNames(const Node& node, const std::string& path) {
  for (const auto& [name, child] : node.children) {
    const std::string child_path = path.empty() ? name : path + "." + name;
    if (name.empty()) {
      return MakeStatus(absl::StatusCode::kInvalidArgument, "the state_dict has a key with an empty part below \"{}\"", path);
    }
    if (node.tensors.contains(name)) {
      return MakeStatus(absl::StatusCode::kInvalidArgument,
                        "the state_dict's key \"{}\" names a tensor and, in longer keys, a module", child_path);
    }
    TF_RETURN_IF_ERROR(CheckNames(child, child_path));
  }
  if (node.tensors.contains("")) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, "the state_dict has a key with an empty part below \"{}\"", path);
  }
  return absl::OkStatus();
}

// A part of a key as a part of a class name: "0" is no identifier.
std::string ClassAtom(const std::string& name, int& count) {
  const bool is_identifier = std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
                             std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
  return is_identifier ? name : "_" + std::to_string(count++);
}

// Each module has a class of its own, as their attributes differ, named after its path: messages show it.
Module Build(const Node& node, const std::vector<std::string>& path, const std::shared_ptr<torch::jit::CompilationUnit>& unit,
             int& count) {
  Module module(c10::QualifiedName(path), unit);
  for (const auto& [name, tensor] : node.tensors) {
    module.register_parameter(name, tensor, /*is_buffer=*/!tensor.is_floating_point());
  }
  for (const auto& [name, child] : node.children) {
    std::vector<std::string> child_path = path;
    child_path.push_back(ClassAtom(name, count));
    module.register_module(name, Build(child, child_path, unit, count));
  }
  return module;
}

std::string Listing(const std::vector<std::string>& keys) {
  constexpr size_t kShown = 20;
  std::string text;
  for (size_t i = 0; i < keys.size() && i < kShown; ++i) text += (i == 0 ? "" : ", ") + keys[i];
  return keys.size() > kShown ? fmt::format("{} and {} more", text, keys.size() - kShown) : text;
}

absl::Status CopyInto(at::Tensor target, const std::string& key, const at::Tensor& source, const std::string& file,
                      std::vector<std::string>& cast) {
  if (target.sizes() != source.sizes()) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, "{}: \"{}\" has shape {}; the architecture expects {}", file, key,
                      ToString(source.sizes()), ToString(target.sizes()));
  }
  if (target.scalar_type() != source.scalar_type()) {
    cast.push_back(fmt::format("{} ({} to {})", key, Name(FromTorch(source.scalar_type())), Name(FromTorch(target.scalar_type()))));
  }
  target.copy_(source);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::map<std::string, at::Tensor>> ReadTensors(const Checkpoint& checkpoint) {
  std::vector<c10::Storage> storages;
  for (size_t i = 0; i < checkpoint.storages().size(); ++i) {
    const uint64_t bytes = checkpoint.storages()[i].size_bytes;
    try {
      storages.emplace_back(c10::Storage::use_byte_size_t(), bytes, at::getCPUAllocator(), /*resizable=*/false);
    } catch (const std::exception& error) {
      return StatusOf(error, absl::StatusCode::kResourceExhausted);
    }
    auto* data = static_cast<std::byte*>(storages.back().mutable_data());
    TF_RETURN_IF_ERROR(checkpoint.ReadStorage(i, std::span(data, bytes)));
  }
  std::map<std::string, at::Tensor> tensors;
  for (const TensorInfo& info : checkpoint.tensors()) {
    const auto type = ToTorch(info.dtype);
    if (!type.has_value()) {
      return MakeStatus(absl::StatusCode::kInvalidArgument, "tensor \"{}\" has an element type that is not served", info.key);
    }
    at::Tensor tensor = at::empty({0}, at::TensorOptions().dtype(*type));
    tensor.set_(storages[info.storage], info.storage_offset, info.shape, info.strides);
    tensors.emplace(info.key, std::move(tensor));
  }
  return tensors;
}

absl::StatusOr<Module> ModuleFromKeys(const std::map<std::string, at::Tensor>& tensors) {
  Node root;
  for (const auto& [key, tensor] : tensors) TF_RETURN_IF_ERROR(Insert(root, key, tensor));
  TF_RETURN_IF_ERROR(CheckNames(root, ""));
  int count = 0;
  try {
    return Build(root, {"__torch__", "torchferry", "self"}, std::make_shared<torch::jit::CompilationUnit>(), count);
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kInvalidArgument);
  }
}

absl::Status FillModule(Module& module, const std::map<std::string, at::Tensor>& tensors, bool strict,
                        const std::string& file, std::vector<std::string>& decisions) {
  const at::NoGradGuard no_grad;
  std::set<std::string> known;
  std::vector<std::string> missing;
  std::vector<std::string> kept;
  std::vector<std::string> cast;
  for (const auto& parameter : module.named_parameters()) {
    known.insert(parameter.name);
    const auto it = tensors.find(parameter.name);
    if (it == tensors.end()) {
      missing.push_back(parameter.name);
    } else {
      TF_RETURN_IF_ERROR(CopyInto(parameter.value, parameter.name, it->second, file, cast));
    }
  }
  for (const auto& buffer : module.named_buffers()) {
    known.insert(buffer.name);
    const auto it = tensors.find(buffer.name);
    if (it == tensors.end()) {
      kept.push_back(buffer.name);
    } else {
      TF_RETURN_IF_ERROR(CopyInto(buffer.value, buffer.name, it->second, file, cast));
    }
  }
  std::vector<std::string> unexpected;
  for (const auto& [key, tensor] : tensors) {
    if (!known.contains(key)) unexpected.push_back(key);
  }
  if (strict && (!missing.empty() || !unexpected.empty())) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      "{}: its keys are not the architecture's. Missing: {}. Unexpected: {}. Save both from the same model, or set "
                      "state_dict {{ strict: false }} in config.pbtxt to go on without",
                      file, missing.empty() ? "none" : Listing(missing), unexpected.empty() ? "none" : Listing(unexpected));
  }
  const auto decide = [&](const std::vector<std::string>& keys, const char* what) {
    if (!keys.empty()) decisions.push_back(fmt::format("{}: {}", what, Listing(keys)));
  };
  decide(missing, "parameters that the state_dict lacks keep the architecture's values");
  decide(kept, "buffers that the state_dict lacks keep the architecture's values");
  decide(unexpected, "keys that the architecture does not have are ignored");
  decide(cast, "cast to the architecture's dtype");
  return absl::OkStatus();
}

}  // namespace torchferry
