#include "server/torch/load/state_dict.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdint>
#include <memory>
#include <thread>
#include <tuple>

#include "server/base/status.h"
#include "server/base/thread_name.h"
#include "server/torch/device/convert.h"
#include "server/torch/load/weight_memory.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Module;

// A module to be: its own tensors and its children by name.
struct Node {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, Node> children;
};

void Insert(Node& root, const std::string& key, const at::Tensor& tensor) {
  Node* node = &root;
  size_t begin = 0;
  for (size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', begin)) {
    node = &node->children[key.substr(begin, dot - begin)];
    begin = dot + 1;
  }
  node->tensors.emplace(key.substr(begin), tensor);
}

void InsertModule(Node& root, const std::string& path) {
  Node* node = &root;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('.', begin), path.size());
    node = &node->children[path.substr(begin, end - begin)];
    begin = end + 1;
  }
}

// A part of a key as a part of a class name: "0" is no identifier.
std::string ClassAtom(const std::string& name, int& count) {
  const bool is_identifier =
      std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
      std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
  return is_identifier ? name : fmt::format("_{}", count++);
}

// Each module has a class of its own, as their attributes differ, named after its path: messages show it.
Module Build(const Node& node, const std::vector<std::string>& path,
             const std::shared_ptr<torch::jit::CompilationUnit>& unit, int& count) {
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

absl::StatusOr<c10::Storage> ReadStorage(const checkpoint::Checkpoint& checkpoint, size_t index) {
  const uint64_t bytes = checkpoint.storages()[index].size_bytes;
  try {
    c10::Storage storage(c10::Storage::use_byte_size_t(), bytes, AllocateWeights(bytes), /*allocator=*/nullptr,
                         /*resizable=*/false);
    auto* data = static_cast<std::byte*>(storage.mutable_data());
    FERRY_RETURN_IF_ERROR(checkpoint.ReadStorage(index, std::span(data, bytes)));
    return storage;
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kResourceExhausted);
  }
}

// All of them, by a few threads: one is not enough for a disk, nor for memory.
absl::StatusOr<std::vector<c10::Storage>> ReadStorages(const checkpoint::Checkpoint& checkpoint) {
  constexpr size_t kMaxReaders = 4;
  const size_t count = checkpoint.storages().size();
  std::vector<c10::Storage> storages(count);
  std::vector<absl::Status> statuses(count);
  std::atomic<size_t> next = 0;
  const auto read = [&] {
    for (size_t i = next++; i < count; i = next++) {
      absl::StatusOr<c10::Storage> storage = ReadStorage(checkpoint, i);
      statuses[i] = storage.status();
      if (!storage.ok()) next = count;
      if (storage.ok()) storages[i] = *std::move(storage);
    }
  };
  {
    std::vector<std::jthread> readers;
    const size_t wanted = std::min<size_t>({kMaxReaders, count, std::max(1U, std::thread::hardware_concurrency())});
    while (readers.size() + 1 < wanted) {
      readers.emplace_back([&read] {
        base::NameThisThread("reader");
        read();
      });
    }
    read();
  }
  for (const absl::Status& status : statuses) FERRY_RETURN_IF_ERROR(status);
  return storages;
}

absl::StatusOr<at::Tensor> View(const c10::Storage& storage, const checkpoint::TensorInfo& info) {
  const auto type = ToTorch(info.dtype);
  if (!type.has_value()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "tensor \"{}\" has an element type that is not served",
                            info.key);
  }
  at::Tensor tensor = at::empty({0}, at::TensorOptions().dtype(*type));
  tensor.set_(storage, info.storage_offset, info.shape, info.strides);
  return tensor;
}

absl::Status CopyInto(at::Tensor target, const std::string& name, const at::Tensor& source) {
  if (target.sizes() != source.sizes()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "\"{}\" has shape {}; the architecture expects {}",
                            name, tensor::ToString(source.sizes()), tensor::ToString(target.sizes()));
  }
  target.copy_(source);
  return absl::OkStatus();
}

NamedTensors TensorsOf(const Module& module) {
  NamedTensors tensors;
  for (const auto& parameter : module.named_parameters()) tensors.emplace(parameter.name, parameter.value);
  for (const auto& buffer : module.named_buffers()) tensors.emplace(buffer.name, buffer.value);
  return tensors;
}

}  // namespace

absl::StatusOr<NamedTensors> ReadTensors(const checkpoint::Checkpoint& checkpoint,
                                         const std::vector<std::string>& names) {
  FERRY_ASSIGN_OR_RETURN(const std::vector<c10::Storage> storages, ReadStorages(checkpoint));
  NamedTensors tensors;
  // One tensor under several names stays one: moving it to a device would make as many copies.
  std::map<std::tuple<size_t, int64_t, tensor::DType, tensor::Shape, std::vector<int64_t>>, at::Tensor> made;
  for (size_t i = 0; i < names.size(); ++i) {
    const checkpoint::TensorInfo& info = checkpoint.tensors()[i];
    if (names[i].empty()) continue;
    at::Tensor& tensor = made[{info.storage, info.storage_offset, info.dtype, info.shape, info.strides}];
    if (!tensor.defined()) {
      FERRY_ASSIGN_OR_RETURN(tensor, View(storages[info.storage], info));
    }
    tensors.emplace(names[i], tensor);
  }
  return tensors;
}

absl::StatusOr<Module> ModuleFromKeys(const NamedTensors& tensors, const std::vector<std::string>& modules) {
  Node root;
  for (const std::string& path : modules) InsertModule(root, path);
  for (const auto& [key, tensor] : tensors) Insert(root, key, tensor);
  int count = 0;
  try {
    return Build(root, {"__torch__", "torchferry", "self"}, std::make_shared<torch::jit::CompilationUnit>(), count);
  } catch (const std::exception& error) {
    return StatusOf(error, absl::StatusCode::kInvalidArgument);
  }
}

absl::Status FillModule(Module& module, const checkpoint::Checkpoint& checkpoint,
                        const std::vector<std::string>& names) {
  const at::NoGradGuard no_grad;
  const NamedTensors targets = TensorsOf(module);
  std::vector<std::vector<size_t>> by_storage(checkpoint.storages().size());
  for (size_t i = 0; i < names.size(); ++i) {
    if (targets.contains(names[i])) by_storage[checkpoint.tensors()[i].storage].push_back(i);
  }
  for (size_t storage = 0; storage < by_storage.size(); ++storage) {
    if (by_storage[storage].empty()) continue;
    FERRY_ASSIGN_OR_RETURN(const c10::Storage bytes, ReadStorage(checkpoint, storage));
    for (const size_t i : by_storage[storage]) {
      FERRY_ASSIGN_OR_RETURN(const at::Tensor source, View(bytes, checkpoint.tensors()[i]));
      FERRY_RETURN_IF_ERROR(CopyInto(targets.at(names[i]), names[i], source));
    }
  }
  return absl::OkStatus();
}

}  // namespace torchferry::libtorch
