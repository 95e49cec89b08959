#include "server/torch/graph/dict_keys.h"

#include <torch/csrc/jit/ir/constants.h>

#include <string_view>
#include <utility>

namespace torchferry::libtorch {
namespace {

using torch::jit::Node;
using torch::jit::Value;

// What an Optional is once it is known not to be None.
bool IsRefinement(const Node* node) {
  return node->kind() == c10::prim::unchecked_cast || node->kind() == c10::prim::unchecked_unwrap_optional ||
         node->kind() == c10::aten::_unwrap_optional;
}

bool IsNoneCheck(const Node* node) { return node->kind() == c10::aten::__is__ || node->kind() == c10::aten::__isnot__; }

// With what they are refined to.
Values WithRefined(Values values) {
  for (size_t i = 0; i < values.size(); ++i) {
    for (const torch::jit::Use& use : values[i]->uses()) {
      if (IsRefinement(use.user)) values.push_back(use.user->output());
    }
  }
  return values;
}

bool ReadKeyOf(const torch::jit::Use& use, std::map<std::string, ReadKey>& keys) {
  const std::string_view name = use.user->kind().toQualString();
  const bool is_item = name == "aten::__getitem__";
  const bool is_get = name == "aten::get";
  if ((!is_item && !is_get && name != "aten::__contains__") || use.offset != 0) return false;
  const auto key = torch::jit::toIValue(use.user->input(1));
  if (!key.has_value() || !key->isString()) return false;
  ReadKey& read = keys[key->toStringRef()];
  read.may_be_missing |= !is_item;
  if (is_item || is_get) read.values.push_back(use.user->output());
  return true;
}

}  // namespace

std::optional<std::map<std::string, ReadKey>> KeysRead(const Values& dicts) {
  if (dicts.empty()) return std::nullopt;
  std::map<std::string, ReadKey> keys;
  for (const Value* dict : WithRefined(dicts)) {
    for (const torch::jit::Use& use : dict->uses()) {
      if (!IsRefinement(use.user) && !IsNoneCheck(use.user) && !ReadKeyOf(use, keys)) return std::nullopt;
    }
  }
  return keys;
}

Values ElementsRead(const Values& tuples, size_t index) {
  Values elements;
  for (const Value* tuple : WithRefined(tuples)) {
    for (const torch::jit::Use& use : tuple->uses()) {
      if (use.user->kind() == c10::prim::TupleUnpack) {
        elements.push_back(use.user->outputs()[index]);
      } else if (use.user->kind() == c10::prim::TupleIndex) {
        const auto at = torch::jit::toIValue(use.user->input(1));
        if (at.has_value() && at->isInt() && at->toInt() == static_cast<int64_t>(index))
          elements.push_back(use.user->output());
      }
    }
  }
  return elements;
}

}  // namespace torchferry::libtorch
