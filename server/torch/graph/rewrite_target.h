// The device and the types that a module is to run in, and their meaning for devices, element types and tensors that it
// names.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/jit_type.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace torchferry::libtorch {

// Where a module runs, and which names in its code mean where it ran before.
struct RewriteTarget {
  at::Device device = at::kCPU;
  // True: the module's own tensors were on the CPU, so "cpu" in its code, named or left out, means where it ran. False:
  // only accelerators are renamed, and tensors that code moves to the CPU on purpose still go there.
  bool renames_cpu = false;
  // Element types that become `to`, in weights and in code. Empty: all stay.
  std::vector<at::ScalarType> from = {};
  at::ScalarType to = at::kFloat;
  // For a trial: constant tensors are counted, and stay where they are.
  bool keeps_tensors = false;

  // Whether `named` in the code means where the module ran, and is not `device` already.
  bool Renames(const at::Device& named) const;
  bool Casts(at::ScalarType type) const;
};

struct Rewritten {
  int devices = 0;  // mentions
  int dtypes = 0;
  int tensors = 0;  // constants of the graph
  int on_host = 0;  // arguments that are copied to the host
  // Attributes (str, int, List[int]) from which code makes a device or element types: the class, and the attribute's
  // name.
  std::set<std::pair<const c10::Type*, std::string>> attributes;

  // The number of changed names and constants.
  int count() const { return devices + dtypes + tensors; }
};

// "cuda:0"; nothing for text that names no device.
std::optional<at::Device> DeviceNamed(const std::string& text);

// `types` with the cast types replaced; nothing where none is cast.
std::optional<std::vector<int64_t>> Cast(std::vector<int64_t> types, const RewriteTarget& target);

// Whether MoveTensor would change the tensor.
bool Moves(const at::Tensor& tensor, const RewriteTarget& target);

// A tensor of the module on the target's device and in its type; `tensor` itself where nothing changes. Integers keep
// their type. Throws what LibTorch throws.
at::Tensor MoveTensor(const at::Tensor& tensor, const RewriteTarget& target);

}  // namespace torchferry::libtorch
