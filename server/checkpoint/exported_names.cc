#include "server/checkpoint/exported_names.h"

#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/exported_fields.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

// A dict's key as part of a name: strings, numbers, and members of enumerations by theirs. Empty for another.
std::string KeyText(const JsonValue& key) {
  if (key.kind == JsonValue::Kind::kString) return IsCleanUtf8(key.text) ? key.text : "";
  if (key.kind == JsonValue::Kind::kInt) return fmt::format("{}", key.integer);
  const JsonValue* member = key.Find("name");
  return member != nullptr && member->kind == JsonValue::Kind::kString && IsCleanUtf8(member->text) ? member->text : "";
}

std::optional<std::vector<std::string>> KeyTexts(const JsonValue* keys, size_t count) {
  if (keys == nullptr || keys->kind != JsonValue::Kind::kList || keys->items.size() != count) return std::nullopt;
  std::vector<std::string> texts;
  for (const JsonValue& key : keys->items) texts.push_back(KeyText(key));
  return texts;
}

// Names the leaves of a tree of {type, context, children_spec}; a leaf has no type.
class TreeNamer {
 public:
  TreeNamer(const JsonValue& graph_module, size_t outputs) : outputs_(outputs) {
    const JsonValue* tuples = graph_module.Find("treespec_namedtuple_fields");
    if (tuples == nullptr) return;
    for (const JsonValue& tuple : tuples->items) fields_.emplace(tuple.key, tuple.Find("field_names"));
  }

  absl::Status Visit(const JsonValue& spec, const std::string& path) {
    if (path.size() > limits::kMaxProgramNameBytes) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "calls a result {}, a name of {} bytes; at most {} are read",
                              Quoted(path), path.size(), limits::kMaxProgramNameBytes);
    }
    FERRY_ASSIGN_OR_RETURN(const JsonValue* children, Field(spec, "children_spec", JsonValue::Kind::kList));
    const JsonValue* type = spec.Find("type");
    if (type == nullptr || type->kind != JsonValue::Kind::kString) return AddLeaf(path);
    const std::vector<std::string> keys = ChildNames(type->text, spec.Find("context"), children->items.size());
    for (size_t i = 0; i < children->items.size(); ++i) {
      const std::string own = keys[i].empty() ? fmt::format("{}", i) : keys[i];
      FERRY_RETURN_IF_ERROR(Visit(children->items[i], path.empty() ? own : fmt::format("{}_{}", path, own)));
    }
    return absl::OkStatus();
  }

  std::vector<std::string> Take() { return std::move(names_); }

 private:
  absl::Status AddLeaf(const std::string& path) {
    if (names_.size() == outputs_) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "has more results than the {} of the signature", outputs_);
    }
    std::string name = path;
    size_t& suffix = suffixes_[path];
    while (!taken_.insert(name).second) name = fmt::format("{}_{}", path, ++suffix);
    names_.push_back(std::move(name));
    return absl::OkStatus();
  }

  // Empty texts where numbers are to be used.
  std::vector<std::string> ChildNames(std::string_view type, const JsonValue* context, size_t count) const {
    std::optional<std::vector<std::string>> keys;
    if (context != nullptr && context->kind == JsonValue::Kind::kObject) {
      keys = KeyTexts(context->Find("dict_context"), count);  // collections.defaultdict
    } else if (context != nullptr && context->kind == JsonValue::Kind::kString) {
      keys = type == "collections.namedtuple" ? KeyTexts(FieldsOf(context->text), count) : KeysIn(context->text, count);
    }
    return keys.has_value() ? *std::move(keys) : std::vector<std::string>(count);
  }

  // A list of keys as JSON in a string.
  static std::optional<std::vector<std::string>> KeysIn(std::string_view context, size_t count) {
    const absl::StatusOr<JsonValue> keys = ParseProgramJson(context);
    return keys.ok() ? KeyTexts(&*keys, count) : std::nullopt;
  }

  const JsonValue* FieldsOf(std::string_view named_tuple) const {
    const auto found = fields_.find(named_tuple);
    return found == fields_.end() ? nullptr : found->second;
  }

  const size_t outputs_;
  std::unordered_map<std::string_view, const JsonValue*> fields_;  // by named tuple
  std::vector<std::string> names_;
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, size_t> suffixes_;  // by path, the last that was tried
};

// "[1, {…}]" of the outermost module's call; null where the file has none.
const JsonValue* FindSpecText(const JsonValue& graph_module) {
  const JsonValue* calls = graph_module.Find("module_call_graph");
  if (calls == nullptr || calls->kind != JsonValue::Kind::kList || calls->items.empty()) return nullptr;
  const JsonValue* signature = calls->items.front().Find("signature");
  const JsonValue* spec = signature == nullptr ? nullptr : signature->Find("out_spec");
  return spec != nullptr && spec->kind == JsonValue::Kind::kString && !spec->text.empty() ? spec : nullptr;
}

OutputNames Numbers(size_t outputs) {
  OutputNames result;
  for (size_t i = 0; i < outputs; ++i) result.names.push_back(fmt::format("{}", i));
  return result;
}

}  // namespace

absl::StatusOr<OutputNames> ReadOutputNames(const JsonValue& graph_module, size_t outputs) {
  if (outputs > limits::kMaxProgramOutputs) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "gives {} results; at most {} are served", outputs,
                            limits::kMaxProgramOutputs);
  }
  const JsonValue* text = FindSpecText(graph_module);
  if (text == nullptr) return Numbers(outputs);
  absl::StatusOr<JsonValue> spec = ParseProgramJson(text->text);
  if (!spec.ok()) return base::Annotate(spec.status(), "out_spec");
  if (spec->kind != JsonValue::Kind::kList || spec->items.size() != 2) {
    return absl::DataLossError("out_spec is no list of a version and a tree");
  }
  TreeNamer namer(graph_module, outputs);
  const absl::Status named = namer.Visit(spec->items[1], "");
  if (!named.ok()) return base::Annotate(named, "out_spec");
  OutputNames result;
  result.names = namer.Take();
  if (result.names.size() != outputs) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "out_spec has {} results; the signature has {}",
                            result.names.size(), outputs);
  }
  const JsonValue* type = spec->items[1].Find("type");
  result.is_one_tensor = type == nullptr || type->kind == JsonValue::Kind::kNull;
  return result;
}

}  // namespace torchferry::checkpoint
