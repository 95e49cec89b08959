#include "server/checkpoint/exported_argument.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/exported_fields.h"
#include "server/checkpoint/exported_graph_json.h"
#include "server/checkpoint/exported_types.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

using Kind = GraphArgument::Kind;
using Reader = absl::StatusOr<GraphArgument> (*)(const JsonValue& value);

GraphArgument Text(Kind kind, std::string text) {
  GraphArgument argument;
  argument.kind = kind;
  argument.text = std::move(text);
  return argument;
}

absl::StatusOr<GraphArgument> TextOr(Kind kind, absl::StatusOr<std::string> text) {
  if (!text.ok()) return text.status();
  return Text(kind, *std::move(text));
}

absl::StatusOr<GraphArgument> ReadNone(const JsonValue&) { return GraphArgument{}; }

absl::StatusOr<GraphArgument> ReadInt(const JsonValue& value) {
  GraphArgument argument;
  argument.kind = Kind::kInt;
  FERRY_ASSIGN_OR_RETURN(argument.integer, ReadInteger(value));
  return argument;
}

absl::StatusOr<GraphArgument> ReadFloat(const JsonValue& value) {
  GraphArgument argument;
  argument.kind = Kind::kFloat;
  FERRY_ASSIGN_OR_RETURN(argument.number, ReadNumber(value));
  return argument;
}

absl::StatusOr<GraphArgument> ReadBoolean(const JsonValue& value) {
  GraphArgument argument;
  argument.kind = Kind::kBool;
  FERRY_ASSIGN_OR_RETURN(const bool is_true, ReadBool(value));
  argument.integer = is_true ? 1 : 0;
  return argument;
}

absl::StatusOr<GraphArgument> ReadString(const JsonValue& value) {
  if (value.kind != JsonValue::Kind::kString) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "is {}; expected a string", Name(value.kind));
  }
  return Text(Kind::kString, value.text);
}

// {as_name}, or a value that is known, which `read` reads.
absl::StatusOr<GraphArgument> ReadSymbol(const JsonValue& value, Kind kind, std::string_view known_tag, Reader read) {
  FERRY_ASSIGN_OR_RETURN(const Union symbol, ReadUnion(value));
  if (symbol.tag == "as_name") return TextOr(kind, ReadName(*symbol.value));
  if (symbol.tag != known_tag) return UnknownTag("a symbol", symbol.tag);
  FERRY_ASSIGN_OR_RETURN(GraphArgument known, read(*symbol.value));
  known.kind = kind;
  return known;
}

absl::StatusOr<GraphArgument> ReadSymInt(const JsonValue& value) {
  return ReadSymbol(value, Kind::kSymInt, "as_int", ReadInt);
}
absl::StatusOr<GraphArgument> ReadSymFloat(const JsonValue& value) {
  return ReadSymbol(value, Kind::kSymFloat, "as_float", ReadFloat);
}
absl::StatusOr<GraphArgument> ReadSymBool(const JsonValue& value) {
  return ReadSymbol(value, Kind::kSymBool, "as_bool", ReadBoolean);
}

absl::StatusOr<GraphArgument> ReadDTypeArgument(const JsonValue& value) {
  return TextOr(Kind::kDType, ReadScalarType(value));
}
absl::StatusOr<GraphArgument> ReadLayoutArgument(const JsonValue& value) {
  return TextOr(Kind::kLayout, ReadLayout(value));
}
absl::StatusOr<GraphArgument> ReadMemoryFormatArgument(const JsonValue& value) {
  return TextOr(Kind::kMemoryFormat, ReadMemoryFormat(value));
}
absl::StatusOr<GraphArgument> ReadDeviceArgument(const JsonValue& value) {
  return TextOr(Kind::kDevice, ReadDevice(value));
}
absl::StatusOr<GraphArgument> ReadOperator(const JsonValue& value) { return TextOr(Kind::kOperator, ReadName(value)); }
absl::StatusOr<GraphArgument> ReadObject(const JsonValue& value) {
  return TextOr(Kind::kObject, NameField(value, "name"));
}

absl::StatusOr<GraphArgument> ReadOptionalTensor(const JsonValue& value) {
  FERRY_ASSIGN_OR_RETURN(const Union tensor, ReadUnion(value));
  if (tensor.tag == "as_none") return GraphArgument{};
  if (tensor.tag != "as_tensor") return UnknownTag("an optional tensor", tensor.tag);
  return ReadTensorName(*tensor.value);
}

absl::StatusOr<GraphArgument> ReadComplex(const JsonValue& value) {
  GraphArgument argument;
  argument.kind = Kind::kComplex;
  const JsonValue* real = value.Find("real");
  const JsonValue* imaginary = value.Find("imag");
  if (real == nullptr || imaginary == nullptr) return absl::DataLossError("is a complex number without real and imag");
  FERRY_ASSIGN_OR_RETURN(argument.number, ReadNumber(*real));
  FERRY_ASSIGN_OR_RETURN(argument.imaginary, ReadNumber(*imaginary));
  return argument;
}

absl::StatusOr<GraphArgument> ReadGraphArgument(const JsonValue& value, size_t depth) {
  if (depth == limits::kMaxGraphDepth) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "graphs nest more than {} deep", limits::kMaxGraphDepth);
  }
  FERRY_ASSIGN_OR_RETURN(const JsonValue* graph, Field(value, "graph", JsonValue::Kind::kObject));
  FERRY_ASSIGN_OR_RETURN(GraphArgument argument, TextOr(Kind::kGraph, NameField(value, "name")));
  absl::StatusOr<ExportedGraph> inner = ReadGraph(*graph, depth + 1);
  if (!inner.ok()) return base::Annotate(inner.status(), "graph");
  argument.graph = std::make_shared<const ExportedGraph>(*std::move(inner));
  return argument;
}

struct Tag {
  std::string_view name;
  Kind kind;  // of the value, or of a list's items
  Reader read;
};

constexpr Tag kValues[] = {
    {"as_none", Kind::kNone, ReadNone},
    {"as_tensor", Kind::kTensor, ReadTensorName},
    {"as_optional_tensor", Kind::kTensor, ReadOptionalTensor},
    {"as_int", Kind::kInt, ReadInt},
    {"as_float", Kind::kFloat, ReadFloat},
    {"as_bool", Kind::kBool, ReadBoolean},
    {"as_string", Kind::kString, ReadString},
    {"as_complex", Kind::kComplex, ReadComplex},
    {"as_sym_int", Kind::kSymInt, ReadSymInt},
    {"as_sym_float", Kind::kSymFloat, ReadSymFloat},
    {"as_sym_bool", Kind::kSymBool, ReadSymBool},
    {"as_scalar_type", Kind::kDType, ReadDTypeArgument},
    {"as_layout", Kind::kLayout, ReadLayoutArgument},
    {"as_memory_format", Kind::kMemoryFormat, ReadMemoryFormatArgument},
    {"as_device", Kind::kDevice, ReadDeviceArgument},
    {"as_operator", Kind::kOperator, ReadOperator},
    {"as_custom_obj", Kind::kObject, ReadObject},
};

constexpr Tag kLists[] = {
    {"as_tensors", Kind::kTensor, ReadTensorName},
    {"as_optional_tensors", Kind::kTensor, ReadOptionalTensor},
    {"as_ints", Kind::kInt, ReadInt},
    {"as_floats", Kind::kFloat, ReadFloat},
    {"as_bools", Kind::kBool, ReadBoolean},
    {"as_strings", Kind::kString, ReadString},
    {"as_sym_ints", Kind::kSymInt, ReadSymInt},
    {"as_sym_floats", Kind::kSymFloat, ReadSymFloat},
    {"as_sym_bools", Kind::kSymBool, ReadSymBool},
};

constexpr Tag kListsOfLists[] = {
    {"as_nested_tensors", Kind::kTensor, ReadTensorName},
    {"as_int_lists", Kind::kInt, ReadInt},
    {"as_float_lists", Kind::kFloat, ReadFloat},
};

const Tag* FindTag(std::span<const Tag> tags, std::string_view name) {
  const auto found = std::ranges::find(tags, name, &Tag::name);
  return found == tags.end() ? nullptr : &*found;
}

absl::StatusOr<GraphArgument> ReadList(const JsonValue& value, const Tag& tag) {
  if (value.kind != JsonValue::Kind::kList) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "is {}; expected a list", Name(value.kind));
  }
  GraphArgument list;
  list.kind = Kind::kList;
  list.item_kind = tag.kind;
  list.items.reserve(value.items.size());
  for (const JsonValue& item : value.items) {
    FERRY_ASSIGN_OR_RETURN(GraphArgument read, tag.read(item));
    list.items.push_back(std::move(read));
  }
  return list;
}

absl::StatusOr<GraphArgument> ReadListOfLists(const JsonValue& value, const Tag& tag) {
  if (value.kind != JsonValue::Kind::kList) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "is {}; expected a list of lists", Name(value.kind));
  }
  GraphArgument list;
  list.kind = Kind::kList;
  list.item_kind = Kind::kList;
  for (const JsonValue& item : value.items) {
    FERRY_ASSIGN_OR_RETURN(GraphArgument read, ReadList(item, tag));
    list.items.push_back(std::move(read));
  }
  return list;
}

absl::StatusOr<GraphArgument> ReadTagged(const Union& argument, size_t depth) {
  if (const Tag* tag = FindTag(kValues, argument.tag)) return tag->read(*argument.value);
  if (const Tag* tag = FindTag(kLists, argument.tag)) return ReadList(*argument.value, *tag);
  if (const Tag* tag = FindTag(kListsOfLists, argument.tag)) return ReadListOfLists(*argument.value, *tag);
  if (argument.tag == "as_graph") return ReadGraphArgument(*argument.value, depth);
  return UnknownTag("an argument", argument.tag);
}

}  // namespace

absl::StatusOr<GraphArgument> ReadTensorName(const JsonValue& value) {
  if (value.kind == JsonValue::Kind::kString) return TextOr(Kind::kTensor, ReadName(value));
  return TextOr(Kind::kTensor, NameField(value, "name"));
}

absl::StatusOr<GraphArgument> ReadArgument(const JsonValue& value, size_t depth) {
  FERRY_ASSIGN_OR_RETURN(const Union argument, ReadUnion(value));
  absl::StatusOr<GraphArgument> read = ReadTagged(argument, depth);
  // An unknown tag names itself.
  if (!read.ok() && absl::IsDataLoss(read.status())) return base::Annotate(read.status(), argument.tag);
  return read;
}

}  // namespace torchferry::checkpoint
