#include "server/torch/graph/rewrite_target.h"

#include <algorithm>

namespace torchferry::libtorch {

bool RewriteTarget::Renames(const at::Device& named) const {
  const bool is_there = named.type() == device.type() && (device.is_cpu() || named.index() == device.index());
  return !is_there && (!named.is_cpu() || renames_cpu) && !named.is_meta();
}

bool RewriteTarget::Casts(at::ScalarType type) const {
  return type != to && std::ranges::find(from, type) != from.end();
}

std::optional<at::Device> DeviceNamed(const std::string& text) {
  try {
    return at::Device(text);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::optional<std::vector<int64_t>> Cast(std::vector<int64_t> types, const RewriteTarget& target) {
  const std::vector<int64_t> before = types;
  for (int64_t& one : types) {
    if (target.Casts(static_cast<at::ScalarType>(one))) one = static_cast<int64_t>(target.to);
  }
  return types == before ? std::nullopt : std::optional(std::move(types));
}

bool Moves(const at::Tensor& tensor, const RewriteTarget& target) {
  return tensor.defined() && (tensor.device() != target.device || target.Casts(tensor.scalar_type()));
}

at::Tensor MoveTensor(const at::Tensor& tensor, const RewriteTarget& target) {
  if (!Moves(tensor, target)) return tensor;
  const at::ScalarType type = target.Casts(tensor.scalar_type()) ? target.to : tensor.scalar_type();
  // A leaf again, of which a model may ask the gradient.
  return tensor.detach().to(target.device, type).set_requires_grad(tensor.requires_grad());
}

}  // namespace torchferry::libtorch
