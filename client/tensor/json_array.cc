#include "client/tensor/json_array.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "server/base/json_depth.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxRank = 32;

absl::Status Invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

std::optional<double> ParseNonFinite(const std::string& text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

Json NonFinite(double value) {
  if (std::isnan(value)) return "NaN";
  return value > 0 ? "Infinity" : "-Infinity";
}

// For messages: short, whatever the value.
std::string Describe(const Json& value) {
  constexpr size_t kExcerpt = 40;
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= kExcerpt ? text : text.substr(0, kExcerpt) + "…";
}

// Walks nested lists of one shape; collects the elements in row-major order.
class Flattener {
 public:
  Flattener(const Json& root, bool takes_text) : takes_text_(takes_text) {
    for (const Json* level = &root; level->is_array(); level = &level->front()) {
      shape.push_back(static_cast<int64_t>(level->size()));
      if (level->empty()) break;
    }
  }

  absl::Status Walk(const Json& value, size_t depth) {
    if (depth == shape.size()) return AddElement(value);
    if (!value.is_array()) {
      return Invalid(
          fmt::format("{} is {}, expected a list of {} as before it", Where(), Describe(value), shape[depth]));
    }
    if (static_cast<int64_t>(value.size()) != shape[depth]) {
      return Invalid(fmt::format("{} has {} elements, expected {} as in the first list of that depth", Where(),
                                 value.size(), shape[depth]));
    }
    for (size_t i = 0; i < value.size(); ++i) {
      path.push_back(static_cast<int64_t>(i));
      FERRY_RETURN_IF_ERROR(Walk(value[i], depth + 1));
      path.pop_back();
    }
    return absl::OkStatus();
  }

  tensor::Shape shape;
  std::vector<Element> elements;
  std::vector<std::string> texts;
  bool has_bool = false;
  bool has_whole = false;
  bool has_real = false;

 private:
  std::string Where() const { return path.empty() ? "the value" : "element " + tensor::ToString(path); }

  absl::Status AddElement(const Json& value) {
    if (value.is_boolean()) {
      has_bool = true;
      elements.emplace_back(value.get<bool>());
    } else if (value.is_number_unsigned()) {
      has_whole = true;
      elements.emplace_back(value.get<uint64_t>());
    } else if (value.is_number_integer()) {
      has_whole = true;
      elements.emplace_back(value.get<int64_t>());
    } else if (value.is_number()) {
      has_real = true;
      elements.emplace_back(value.get<double>());
    } else if (value.is_string() && takes_text_) {
      texts.push_back(value.get<std::string>());
    } else if (const auto non_finite = value.is_string() ? ParseNonFinite(value.get<std::string>()) : std::nullopt) {
      has_real = true;
      elements.emplace_back(*non_finite);
    } else {
      return Invalid(fmt::format("{} is {}, expected a number, true or false", Where(), Describe(value)));
    }
    return absl::OkStatus();
  }

  const bool takes_text_;
  tensor::Shape path;
};

// The elements as they travel: each after its length.
absl::StatusOr<Array> TextArray(const Flattener& values) {
  if (!values.elements.empty()) return Invalid("is a number, true or false; expected text in quotes");
  Array array{tensor::DType::kBytes, values.shape, {}};
  for (const std::string& text : values.texts) {
    const auto length = static_cast<uint32_t>(text.size());
    array.data.append(reinterpret_cast<const char*>(&length), sizeof(length)).append(text);
  }
  return array;
}

tensor::DType Inferred(const Flattener& values) {
  if (values.has_real || values.elements.empty()) return tensor::DType::kFp32;
  return values.has_bool ? tensor::DType::kBool : tensor::DType::kInt64;
}

absl::Status TooDeep() { return Invalid(fmt::format("lists nested deeper than {}", kMaxRank)); }

absl::StatusOr<Json> ParseJson(std::string_view text) {
  if (!base::IsJsonWithinDepth(text, kMaxRank)) return TooDeep();
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 3: syntax error …"
    const std::string_view what(error.what());
    const size_t end = what.find("] ");
    return Invalid(fmt::format("not JSON: {}", end == std::string_view::npos ? what : what.substr(end + 2)));
  }
}

Json ElementJson(const Array& array, int64_t index) {
  const Element element = GetElement(array, index);
  const auto* value = std::get_if<double>(&element);
  if (value == nullptr) {
    return std::visit([](auto number) { return Json(number); }, element);
  }
  if (!std::isfinite(*value)) return NonFinite(*value);
  if (array.dtype == tensor::DType::kFp64) return *value;
  // Through its shortest decimal: 0.1f is 0.1 then, not 0.10000000149011612.
  char buffer[32];
  const auto written = std::to_chars(buffer, buffer + sizeof(buffer), static_cast<float>(*value));
  double shortest = *value;
  std::from_chars(buffer, written.ptr, shortest);
  return shortest;
}

Json Nested(const Array& array, size_t depth, int64_t* index) {
  if (depth == array.shape.size()) return ElementJson(array, (*index)++);
  Json list = Json::array();
  for (int64_t i = 0; i < array.shape[depth]; ++i) list.push_back(Nested(array, depth + 1, index));
  return list;
}

}  // namespace

absl::StatusOr<Array> ParseJsonArray(std::string_view text, std::optional<tensor::DType> dtype) {
  FERRY_ASSIGN_OR_RETURN(const Json root, ParseJson(text));
  Flattener values(root, dtype == tensor::DType::kBytes);
  FERRY_RETURN_IF_ERROR(values.Walk(root, 0));
  if (dtype == tensor::DType::kBytes) return TextArray(values);
  if (values.has_bool && (values.has_whole || values.has_real)) {
    return Invalid("mixes numbers with true and false");
  }
  Array array{dtype.value_or(Inferred(values)), values.shape, {}};
  if (values.has_bool && array.dtype != tensor::DType::kBool) {
    return Invalid(fmt::format("true and false do not fit {}", Name(array.dtype)));
  }
  for (size_t i = 0; i < values.elements.size(); ++i) {
    if (const absl::Status status = AppendElement(values.elements[i], &array); !status.ok()) {
      return base::Annotate(status, "element " + PositionOf(array.shape, static_cast<int64_t>(i)));
    }
  }
  return array;
}

Json ToJson(const Array& array) {
  // [1000000000000, 0]: no data behind it, so nothing bounds its lists.
  if (array.data.empty()) return Json::array();
  int64_t index = 0;
  return Nested(array, 0, &index);
}

}  // namespace torchferry::client
