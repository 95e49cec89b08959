#include "server/torch/graph/argument_tree.h"

#include <ATen/core/jit_type.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <utility>

#include "server/base/status.h"
#include "server/torch/graph/dict_keys.h"

namespace torchferry::libtorch {
namespace {

using Kind = ArgumentNode::Kind;

std::optional<tensor::ArgumentKind> InputKind(const c10::TypePtr& type, bool is_optional) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType:
      return is_optional ? tensor::ArgumentKind::kOptionalTensor : tensor::ArgumentKind::kTensor;
    case c10::TypeKind::IntType:
      return tensor::ArgumentKind::kInt;
    case c10::TypeKind::FloatType:
      return tensor::ArgumentKind::kFloat;
    case c10::TypeKind::BoolType:
      return tensor::ArgumentKind::kBool;
    case c10::TypeKind::StringType:
      return tensor::ArgumentKind::kString;
    case c10::TypeKind::ListType: {
      const c10::TypeKind element = type->castRaw<c10::ListType>()->getElementType()->kind();
      if (element == c10::TypeKind::TensorType) return tensor::ArgumentKind::kTensorList;
      if (element == c10::TypeKind::StringType) return tensor::ArgumentKind::kStringList;
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

bool IsTextDict(const c10::TypePtr& type) {
  const auto dict = type->cast<c10::DictType>();
  return dict != nullptr && dict->getKeyType()->kind() == c10::TypeKind::StringType;
}

c10::TypePtr WithoutOptional(const c10::TypePtr& type) {
  const auto optional = type->cast<c10::OptionalType>();
  return optional == nullptr ? type : optional->getElementType();
}

// "image_0" → 0 when `text` begins with a number that ends there or before "_".
std::optional<size_t> LeadingIndex(std::string_view text) {
  const std::string_view digits = text.substr(0, text.find('_'));
  const bool is_number =
      !digits.empty() && digits.size() <= 4 && std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number) return std::nullopt;
  return static_cast<size_t>(std::stoul(std::string(digits)));
}

class Builder {
 public:
  Builder(const c10::Argument& argument, const DeclaredNames& declared) : argument_(argument), declared_(declared) {}

  absl::StatusOr<ArgumentNode> Build(const c10::TypePtr& given, const std::string& name, const Values& values,
                                     bool keys_are_names) {
    ArgumentNode node;
    node.type = WithoutOptional(given);
    node.name = name;
    node.may_be_left_out = node.type != given;
    if (const auto kind = InputKind(node.type, node.may_be_left_out)) {
      node.input_kind = *kind;
      return node;
    }
    absl::Status status = absl::OkStatus();
    if (const auto tuple = node.type->cast<c10::TupleType>()) {
      status = AddElements(*tuple, values, node);
    } else if (IsTextDict(node.type)) {
      status = AddEntries(node.type->castRaw<c10::DictType>()->getValueType(), values, keys_are_names, node);
    } else if (node.type->kind() == c10::TypeKind::ListType) {
      status = AddItems(node.type->castRaw<c10::ListType>()->getElementType(), node);
    } else {
      status = CannotBeSent();
    }
    if (!status.ok()) return status;
    return node;
  }

  absl::Status CannotBeSent() const {
    return base::MakeStatus(
        absl::StatusCode::kFailedPrecondition,
        "forward's argument \"{}\" is a {}. Served are Tensor, int, float, bool, str, Optional of these, List[Tensor], "
        "List[str], and Tuple or Dict[str, …] of these. Wrap the model in one whose forward takes these",
        argument_.name(), argument_.type()->annotation_str());
  }

 private:
  absl::Status AddElements(const c10::TupleType& tuple, const Values& values, ArgumentNode& node) {
    node.kind = Kind::kTuple;
    const auto& schema = tuple.schema();
    for (size_t i = 0; i < tuple.elements().size(); ++i) {
      const std::string element = schema == nullptr ? std::to_string(i) : ExportName(schema->arguments()[i].name());
      FERRY_ASSIGN_OR_RETURN(node.parts.emplace_back(),
                             Build(tuple.elements()[i], node.name + "_" + element, ElementsRead(values, i), false));
    }
    return absl::OkStatus();
  }

  absl::Status AddEntries(const c10::TypePtr& type, const Values& values, bool keys_are_names, ArgumentNode& node) {
    node.kind = Kind::kDict;
    const auto read = KeysRead(values);
    // The names under which its entries are known; the keys themselves.
    std::map<std::string, std::string> keys;
    if (read.has_value()) {
      for (const auto& [key, how] : *read) {
        const bool is_new = keys.emplace(keys_are_names ? key : ExportName(key), key).second;
        if (!is_new) keys.emplace(key, key);
      }
    }
    for (const std::string& key : keys_are_names ? AllDeclared() : DeclaredKeys(type, node.name)) {
      // As the config calls it.
      if (!keys.contains(key)) std::erase_if(keys, [&](const auto& known) { return known.second == key; });
      keys.emplace(key, key);
    }
    if (keys.empty() && !read.has_value()) return Unknown(type, node);
    for (const auto& [name, key] : keys) {
      const bool is_read = read.has_value() && read->contains(key);
      const std::string part_name = keys_are_names ? name : node.name + "_" + name;
      FERRY_ASSIGN_OR_RETURN(ArgumentNode part,
                             Build(type, part_name, is_read ? read->at(key).values : Values(), false));
      const auto declared = declared_.find(part_name);
      const bool is_optional = declared != declared_.end() && declared->second;
      part.may_be_left_out |= is_read ? read->at(key).may_be_missing : is_optional;
      node.keys.push_back(key);
      node.parts.push_back(std::move(part));
    }
    return absl::OkStatus();
  }

  // Neither the config nor the code tells the keys.
  absl::Status Unknown(const c10::TypePtr& type, ArgumentNode& node) const {
    if (type->kind() != c10::TypeKind::TensorType) {
      return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                              "forward's argument \"{}\" is a {}, whose keys its code does not tell. Declare each part "
                              "of it as an input in config.pbtxt: \"{}_KEY_0\" is element 0 of the value at KEY",
                              argument_.name(), argument_.type()->annotation_str(), node.name);
    }
    node.kind = Kind::kInput;
    node.input_kind = tensor::ArgumentKind::kTensorDict;
    return absl::OkStatus();
  }

  absl::Status AddItems(const c10::TypePtr& type, ArgumentNode& node) {
    node.kind = Kind::kList;
    size_t count = 0;
    for (const std::string& rest : DeclaredBelow(node.name)) {
      if (const auto index = LeadingIndex(rest)) count = std::max(count, *index + 1);
    }
    if (count == 0 || count > declared_.size()) return CannotBeSent();
    for (size_t i = 0; i < count; ++i) {
      FERRY_ASSIGN_OR_RETURN(node.parts.emplace_back(), Build(type, node.name + "_" + std::to_string(i), {}, false));
    }
    return absl::OkStatus();
  }

  std::vector<std::string> AllDeclared() const {
    std::vector<std::string> names;
    for (const auto& [declared, is_optional] : declared_) names.push_back(declared);
    return names;
  }

  // What follows "NAME_" in the declared names.
  std::vector<std::string> DeclaredBelow(const std::string& name) const {
    std::vector<std::string> rests;
    for (const auto& [declared, is_optional] : declared_) {
      if (declared.size() > name.size() + 1 && declared.starts_with(name) && declared[name.size()] == '_')
        rests.push_back(declared.substr(name.size() + 1));
    }
    return rests;
  }

  // Keys of a dict of that name: "image" of "batch_image", and where it holds tuples "pair" of "batch_pair_0".
  std::vector<std::string> DeclaredKeys(const c10::TypePtr& type, const std::string& name) {
    std::vector<std::string> keys;
    const c10::TypePtr entry = WithoutOptional(type);
    const bool is_input = InputKind(entry, false).has_value();
    std::vector<std::string> endings;
    if (!is_input && entry->kind() == c10::TypeKind::TupleType) {
      absl::StatusOr<ArgumentNode> tree = Build(type, "", {}, false);
      int groups = 0;
      if (tree.ok())
        ForEachInput(
            *tree, [&](ArgumentNode& input, int) { endings.push_back(input.name); }, groups);
    }
    for (const std::string& rest : DeclaredBelow(name)) {
      std::string key = is_input ? rest : rest.substr(0, rest.find('_'));
      for (const std::string& ending : endings) {
        if (rest.size() > ending.size() && rest.ends_with(ending)) key = rest.substr(0, rest.size() - ending.size());
      }
      if (std::ranges::find(keys, key) == keys.end()) keys.push_back(std::move(key));
    }
    return keys;
  }

  const c10::Argument& argument_;
  const DeclaredNames& declared_;
};

}  // namespace

bool IsDict(const c10::Argument& argument) { return IsTextDict(WithoutOptional(argument.type())); }

std::string ExportName(const std::string& text) {
  std::string name = text;
  for (char& c : name) {
    const auto byte = static_cast<unsigned char>(c);
    c = std::isalnum(byte) != 0 ? static_cast<char>(std::tolower(byte)) : '_';
  }
  return name;
}

absl::StatusOr<ArgumentNode> MakeArgumentTree(const c10::Argument& argument, const DeclaredNames& declared,
                                              const Values& values, bool keys_are_names) {
  const c10::TypePtr type = WithoutOptional(argument.type());
  const bool is_input = InputKind(type, false).has_value();
  absl::StatusOr<ArgumentNode> tree =
      Builder(argument, declared)
          .Build(argument.type(), is_input ? argument.name() : ExportName(argument.name()), values, keys_are_names);
  const bool has_default = argument.default_value().has_value();
  if (!tree.ok()) {
    if (!has_default && type == argument.type()) return tree.status();
    ArgumentNode node;
    node.kind = Kind::kDefault;
    node.type = type;
    node.name = argument.name();
    node.may_be_left_out = true;
    return node;
  }
  tree->may_be_left_out |= has_default;
  return tree;
}

void ForEachInput(ArgumentNode& tree, const std::function<void(ArgumentNode& input, int group)>& visit, int& groups) {
  const auto walk = [&](const auto& self, ArgumentNode& node, int group) -> void {
    if (node.kind == Kind::kInput) visit(node, group);
    if (node.may_be_left_out && group == 0 && !node.parts.empty()) group = ++groups;
    for (ArgumentNode& part : node.parts) self(self, part, group);
  };
  walk(walk, tree, 0);
}

}  // namespace torchferry::libtorch
