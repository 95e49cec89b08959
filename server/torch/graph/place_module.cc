#include "server/torch/graph/place_module.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <optional>
#include <unordered_map>

#include "server/torch/graph/copy_values.h"
#include "server/torch/graph/reachable_graph.h"
#include "server/torch/graph/rewrite_graph.h"

namespace torchferry::libtorch {
namespace {

using torch::jit::Graph;
using torch::jit::Module;

// Whether a method of another module is called, through an interface, that inlining does not reach.
bool CallsOthers(Graph& graph) {
  bool calls = false;
  ForEachNode(graph.block(),
              [&calls](const torch::jit::Node* node) { calls |= node->kind() == c10::prim::CallMethod; });
  return calls;
}

void InMethods(const Module& module, const RewriteTarget& target, Rewritten& rewritten,
               std::set<const c10::Type*>& done) {
  if (!done.insert(module.type().get()).second) return;
  for (const auto& method : module.get_methods()) {
    const auto graph = method.graph();
    torch::jit::Inline(*graph);
    RewriteGraph(*graph, target, rewritten);
  }
  for (const Module& child : module.children()) InMethods(child, target, rewritten, done);
}

// `forward` with all that it calls.
void InForward(const Module& module, const RewriteTarget& target, Rewritten& rewritten) {
  const auto graph = module.get_method("forward").graph();
  torch::jit::Inline(*graph);
  RewriteGraph(*graph, target, rewritten);
  if (!CallsOthers(*graph)) return;
  std::set<const c10::Type*> done = {module.type().get()};
  for (const Module& child : module.children()) InMethods(child, target, rewritten, done);
}

// What becomes of an attribute that names a device or element types; nothing where it stays.
std::optional<c10::IValue> Renamed(const c10::IValue& value, const RewriteTarget& target) {
  if (value.isInt() && target.Casts(static_cast<at::ScalarType>(value.toInt()))) return static_cast<int64_t>(target.to);
  if (value.isIntList()) return Cast(value.toIntVector(), target);
  if (!value.isString()) return std::nullopt;
  const auto named = DeviceNamed(value.toStringRef());
  if (!named.has_value() || !target.Renames(*named)) return std::nullopt;
  return target.device.str();
}

// Calls `visit` with each slot, of `module` and all objects in it, that code makes a device or element types of, and
// with what it should say.
template <typename Visit>
void ForEachMention(const Module& module, const RewriteTarget& target, const Rewritten& rewritten, const Visit& visit) {
  if (rewritten.attributes.empty()) return;
  std::set<const c10::ivalue::Object*> seen;
  c10::IValue(module._ivalue()).visit([&](const c10::IValue& value) {
    if (!value.isObject()) return false;
    c10::ivalue::Object& object = value.toObjectRef();
    if (!seen.insert(&object).second) return true;
    for (size_t slot = 0; slot < object.slots().size(); ++slot) {
      if (!rewritten.attributes.contains({object.type().get(), object.type()->getAttributeName(slot)})) continue;
      if (const auto renamed = Renamed(object.getSlot(slot), target)) visit(object, slot, *renamed);
    }
    return false;
  });
}

// Tried on a copy of the graph: a module whose code says nothing of devices keeps its type.
bool NeedsRewriting(const Module& module, const RewriteTarget& target) {
  const auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  if (CallsOthers(*graph)) return true;
  Rewritten trial;
  RewriteTarget counting = target;
  counting.keeps_tensors = true;
  RewriteGraph(*graph, counting, trial);
  bool mentions = false;
  ForEachMention(module, target, trial, [&mentions](auto&&...) { mentions = true; });
  return trial.count() > 0 || trial.on_host > 0 || mentions;
}

Module MoveAttributes(const Module& module, const RewriteTarget& target, Rewritten& rewritten) {
  std::unordered_map<const c10::TensorImpl*, at::Tensor> moved;
  ValueCopier copier([&](const c10::IValue& value) -> c10::IValue {
    if (value.isDevice() && target.Renames(value.toDevice())) {
      ++rewritten.devices;
      return target.device;
    }
    if (!value.isTensor() || !value.toTensor().defined()) return value;
    at::Tensor& copy = moved[value.toTensor().unsafeGetTensorImpl()];
    if (!copy.defined()) copy = MoveTensor(value.toTensor(), target);
    return copy;
  });
  return Module(copier.CopyObject(module._ivalue()));
}

using Objects = std::unordered_map<const c10::ivalue::Object*, c10::intrusive_ptr<c10::ivalue::Object>>;

// Module::clone copies a submodule for each attribute that holds it; here what is one stays one. `copies` is of what
// was seen.
void ShareSubmodules(const c10::ivalue::Object& original, c10::ivalue::Object& clone, Objects& copies) {
  for (size_t slot = 0; slot < original.slots().size(); ++slot) {
    const c10::IValue& value = original.getSlot(slot);
    if (!value.isModule()) continue;
    const auto [entry, is_new] = copies.emplace(value.toObject().get(), clone.getSlot(slot).toObject());
    if (is_new) {
      ShareSubmodules(value.toObjectRef(), *entry->second, copies);
    } else {
      clone.setSlot(slot, entry->second);
    }
  }
}

// With types, and so code, of its own; tensors are shared.
Module CloneCode(const Module& module) {
  Module clone = module.clone(/*inplace=*/true);
  Objects copies;
  ShareSubmodules(*module._ivalue(), *clone._ivalue(), copies);
  return clone;
}

}  // namespace

PlacedModule PlaceModule(const Module& module, const RewriteTarget& target) {
  Rewritten rewritten;
  CodeOwner code;
  Module source = module;
  if (NeedsRewriting(module, target)) {
    source = code.Own(module, [&] { return CloneCode(module); });
    InForward(source, target, rewritten);
  }
  Module placed = MoveAttributes(source, target, rewritten);
  ForEachMention(placed, target, rewritten, [&](c10::ivalue::Object& object, size_t slot, c10::IValue value) {
    ++(value.isString() ? rewritten.devices : rewritten.dtypes);
    object.setSlot(slot, std::move(value));
  });
  return {std::move(placed), std::move(rewritten), std::move(code)};
}

}  // namespace torchferry::libtorch
