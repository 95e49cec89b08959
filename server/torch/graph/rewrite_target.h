// Where a module is to run and in which types, and what that means for devices, element types and tensors that it
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

// Where a module runs, and what of its code means where it ran before.
struct RewriteTarget {
  at::Device device = at::kCPU;
  // The module's own tensors were on the CPU, so that "cpu" in its code, said or left out, is where it ran. Otherwise
  // only accelerators are renamed, and what went to the CPU on purpose still goes there.
  bool renames_cpu = false;
  // Element types that become `to`, in weights and in code; none: all stay.
  std::vector<at::ScalarType> from = {};
  at::ScalarType to = at::kFloat;
  // For a trial: constant tensors are counted, and stay where they are.
  bool keeps_tensors = false;

  // Whether a mention of `named` is one of where the module ran, and not of `device` already.
  bool Renames(const at::Device& named) const;
  bool Casts(at::ScalarType type) const;
};

struct Rewritten {
  int devices = 0;  // mentions
  int dtypes = 0;
  int tensors = 0;  // constants of the graph
  int on_host = 0;  // arguments that are fetched to the host
  // Attributes that code makes a device or element types of, str, int and List[int]: the class that has it, and its
  // name.
  std::set<std::pair<const c10::Type*, std::string>> attributes;

  // What is said otherwise than before.
  int count() const { return devices + dtypes + tensors; }
};

// "cuda:0"; nothing for text that names no device.
std::optional<at::Device> DeviceNamed(const std::string& text);

// Element types with those that are cast replaced; nothing where none is.
std::optional<std::vector<int64_t>> Cast(std::vector<int64_t> types, const RewriteTarget& target);

// Whether MoveTensor would change it.
bool Moves(const at::Tensor& tensor, const RewriteTarget& target);

// A tensor of the module as `target` wants it; `tensor` itself where nothing changes. Integers keep their type. Throws
// what LibTorch throws.
at::Tensor MoveTensor(const at::Tensor& tensor, const RewriteTarget& target);

}  // namespace torchferry::libtorch
