#include "server/plan/golden_rows.h"

#include <absl/strings/escaping.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <tuple>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"
#include "server/plan/passport_fields.h"

namespace torchferry::plan {
namespace {

using checkpoint::JsonValue;
using checkpoint::Quoted;
using Kind = JsonValue::Kind;

class GoldenReader {
 public:
  explicit GoldenReader(std::vector<std::string>& unknown) : unknown_(unknown) {}

  absl::StatusOr<GoldenRows> Read(const JsonValue& value) {
    FERRY_ASSIGN_OR_RETURN(const PassportObject object,
                           PassportObject::Of(value, "golden", {"rtol", "atol", "rows"}, unknown_));
    GoldenRows golden;
    FERRY_RETURN_IF_ERROR(ReadTolerance(object, value, "rtol", golden.rtol));
    FERRY_RETURN_IF_ERROR(ReadTolerance(object, value, "atol", golden.atol));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* rows, object.Find("rows", Kind::kList));
    if (rows == nullptr) return golden;
    FERRY_RETURN_IF_ERROR(ForEachItem(*rows, object.PathOf("rows"), limits::kMaxGoldenRows,
                                      [&](const JsonValue& item, const std::string& path) -> absl::Status {
                                        FERRY_ASSIGN_OR_RETURN(GoldenRow row, ReadRow(item, path));
                                        golden.rows.push_back(std::move(row));
                                        return absl::OkStatus();
                                      }));
    return golden;
  }

 private:
  static absl::Status ReadTolerance(const PassportObject& object, const JsonValue& golden, std::string_view name,
                                    double& tolerance) {
    const JsonValue* value = golden.Find(name);
    if (value == nullptr || value->kind == Kind::kNull) return absl::OkStatus();
    if (value->kind != Kind::kFloat && value->kind != Kind::kInt) {
      return Invalid("{} is {}; expected a number", object.PathOf(name), checkpoint::Name(value->kind));
    }
    tolerance = value->kind == Kind::kFloat ? value->number : static_cast<double>(value->integer);
    if (tolerance >= 0 && tolerance <= limits::kMaxGoldenTolerance) return absl::OkStatus();
    return Invalid("{} is {}; expected 0 to {}", object.PathOf(name), tolerance, limits::kMaxGoldenTolerance);
  }

  absl::StatusOr<GoldenRow> ReadRow(const JsonValue& value, const std::string& path) {
    FERRY_ASSIGN_OR_RETURN(const PassportObject object,
                           PassportObject::Of(value, path, {"inputs", "outputs"}, unknown_));
    GoldenRow row;
    FERRY_ASSIGN_OR_RETURN(const JsonValue* inputs, object.Get("inputs", Kind::kObject));
    FERRY_RETURN_IF_ERROR(
        ForEachTensor(*inputs, object.PathOf("inputs"),
                      [&](const JsonValue& member, const std::string& at) { return ReadInput(member, at, row); }));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* outputs, object.Get("outputs", Kind::kObject));
    FERRY_RETURN_IF_ERROR(
        ForEachTensor(*outputs, object.PathOf("outputs"),
                      [&](const JsonValue& member, const std::string& at) { return ReadOutput(member, at, row); }));
    if (row.outputs.empty()) return Invalid("{} has no tensor; expected one or more", object.PathOf("outputs"));
    return row;
  }

  static absl::Status ForEachTensor(
      const JsonValue& members, const std::string& path,
      const std::function<absl::Status(const JsonValue& value, const std::string& path)>& read) {
    if (members.items.size() > limits::kMaxPassportTensors) {
      return Invalid("{} has {} entries; expected at most {}", path, members.items.size(), limits::kMaxPassportTensors);
    }
    for (const JsonValue& member : members.items) {
      if (member.key.empty() || member.key.size() > limits::kMaxPassportTextBytes ||
          !checkpoint::IsCleanUtf8(member.key)) {
        return Invalid("{} has the name {}; expected a text without control characters, of 1 to {} bytes", path,
                       Quoted(member.key), limits::kMaxPassportTextBytes);
      }
      FERRY_RETURN_IF_ERROR(read(member, fmt::format("{}.{}", path, member.key)));
    }
    return absl::OkStatus();
  }

  absl::Status ReadInput(const JsonValue& value, const std::string& path, GoldenRow& row) {
    FERRY_ASSIGN_OR_RETURN(const PassportObject object,
                           PassportObject::Of(value, path, {"type", "shape", "data", "fill"}, unknown_));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* data, object.Find("data", Kind::kString));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* fill, object.Find("fill", Kind::kObject));
    if ((data == nullptr) == (fill == nullptr)) {
      return Invalid("{} has {}; expected one of \"data\", its elements, and \"fill\", which generates them", path,
                     data == nullptr ? "neither \"data\" nor \"fill\"" : "both \"data\" and \"fill\"");
    }
    if (data != nullptr) {
      FERRY_ASSIGN_OR_RETURN(row.inputs[value.key], ReadStored(object, *data));
    } else {
      FERRY_ASSIGN_OR_RETURN(row.fills[value.key], ReadFill(object, *fill));
    }
    return absl::OkStatus();
  }

  absl::Status ReadOutput(const JsonValue& value, const std::string& path, GoldenRow& row) {
    FERRY_ASSIGN_OR_RETURN(const PassportObject object,
                           PassportObject::Of(value, path, {"type", "shape", "data"}, unknown_));
    if (value.Find("fill") != nullptr) {
      return Invalid("{} is an output with \"fill\", which only inputs may have; expected its elements as \"data\"",
                     path);
    }
    FERRY_ASSIGN_OR_RETURN(const JsonValue* data, object.Get("data", Kind::kString));
    FERRY_ASSIGN_OR_RETURN(row.outputs[value.key], ReadStored(object, *data));
    return absl::OkStatus();
  }

  // The type and the shape, of numbers.
  static absl::StatusOr<std::pair<tensor::DType, tensor::Shape>> ReadLayout(const PassportObject& object) {
    FERRY_ASSIGN_OR_RETURN(const std::string type, object.Name("type"));
    FERRY_ASSIGN_OR_RETURN(const tensor::DType dtype, PassportDType(type, object.PathOf("type")));
    if (dtype == tensor::DType::kBytes) return Invalid("{} is BYTES; expected numbers", object.PathOf("type"));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* list, object.Get("shape", Kind::kList));
    FERRY_ASSIGN_OR_RETURN(tensor::Shape shape, PassportShape(*list, object.PathOf("shape"), 0));
    return std::pair(dtype, std::move(shape));
  }

  absl::StatusOr<tensor::HostTensor> ReadStored(const PassportObject& object, const JsonValue& data) {
    tensor::HostTensor tensor;
    FERRY_ASSIGN_OR_RETURN(std::tie(tensor.dtype, tensor.shape), ReadLayout(object));
    const absl::StatusOr<int64_t> wanted = tensor::ByteCount(tensor.dtype, tensor.shape);
    if (!wanted.ok() || static_cast<uint64_t>(*wanted) > stored_left_) {
      return Invalid("{} is {} of {}; expected at most {} bytes of all tensors of golden rows", object.PathOf("shape"),
                     tensor::ToString(tensor.shape), Name(tensor.dtype), limits::kMaxGoldenBytes);
    }
    stored_left_ -= static_cast<size_t>(*wanted);
    auto bytes = std::make_shared<std::string>();
    if (!absl::Base64Unescape(data.text, bytes.get())) return Invalid("{} is no base64", object.PathOf("data"));
    if (bytes->size() != static_cast<uint64_t>(*wanted)) {
      return Invalid("{} has {} bytes; expected {}, as {} of shape {} has", object.PathOf("data"), bytes->size(),
                     *wanted, Name(tensor.dtype), tensor::ToString(tensor.shape));
    }
    tensor.bytes = std::as_bytes(std::span<const char>(*bytes));
    tensor.owner = std::move(bytes);
    return tensor;
  }

  absl::StatusOr<GoldenFill> ReadFill(const PassportObject& object, const JsonValue& value) {
    GoldenFill fill;
    FERRY_ASSIGN_OR_RETURN(std::tie(fill.dtype, fill.shape), ReadLayout(object));
    if (!IsFillable(fill.dtype)) {
      return Invalid("{} is {}; expected FP32 or FP64, the types that \"fill\" generates", object.PathOf("type"),
                     Name(fill.dtype));
    }
    const absl::StatusOr<int64_t> bytes = tensor::ByteCount(fill.dtype, fill.shape);
    if (!bytes.ok() || static_cast<uint64_t>(*bytes) > filled_left_) {
      return Invalid("{} is {} of {}; expected at most {} bytes of all generated inputs of golden rows",
                     object.PathOf("shape"), tensor::ToString(fill.shape), Name(fill.dtype), limits::kMaxFilledBytes);
    }
    filled_left_ -= static_cast<size_t>(*bytes);
    FERRY_ASSIGN_OR_RETURN(const PassportObject by,
                           PassportObject::Of(value, object.PathOf("fill"), {"seed"}, unknown_));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* seed, by.Get("seed", Kind::kInt));
    FERRY_ASSIGN_OR_RETURN(const int64_t number, PassportInteger(*seed, by.PathOf("seed"), 0, INT64_MAX));
    fill.seed = static_cast<uint64_t>(number);
    return fill;
  }

  std::vector<std::string>& unknown_;
  size_t stored_left_ = limits::kMaxGoldenBytes;
  size_t filled_left_ = limits::kMaxFilledBytes;
};

// `tensors`: by name, with dtype and shape.
template <typename Tensors>
absl::Status CheckTensors(const Tensors& tensors, const std::vector<PassportTensor>& declared, bool has_rows,
                          const std::string& path) {
  for (const auto& [name, tensor] : tensors) {
    const auto found = std::ranges::find(declared, name, &PassportTensor::name);
    if (found == declared.end()) return Invalid("{} has {}, which the signature does not declare", path, Quoted(name));
    tensor::Shape shape = found->dims;
    if (has_rows) shape.insert(shape.begin(), 1);
    if (tensor.dtype == found->dtype && tensor::Matches(shape, tensor.shape)) continue;
    // An answer of fewer bits is kept as FP32.
    const bool is_widened = tensor.dtype == tensor::DType::kFp32 && tensor::IsFloating(found->dtype);
    if (is_widened && tensor::Matches(shape, tensor.shape)) continue;
    return Invalid("{}.{} is {} of shape {}; expected {} of shape {}, as the signature says{}", path, name,
                   Name(tensor.dtype), tensor::ToString(tensor.shape), Name(found->dtype), tensor::ToString(shape),
                   has_rows ? ", with one row" : "");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GoldenRows> ReadGoldenRows(const JsonValue& value, std::vector<std::string>& unknown) {
  return GoldenReader(unknown).Read(value);
}

absl::Status CheckGoldenRows(const GoldenRows& golden, const PassportSignature& signature) {
  const bool has_rows = signature.max_batch_size > 0;
  for (size_t i = 0; i < golden.rows.size(); ++i) {
    const std::string path = fmt::format("golden.rows[{}]", i);
    FERRY_RETURN_IF_ERROR(CheckTensors(golden.rows[i].inputs, signature.inputs, has_rows, path + ".inputs"));
    FERRY_RETURN_IF_ERROR(CheckTensors(golden.rows[i].fills, signature.inputs, has_rows, path + ".inputs"));
    FERRY_RETURN_IF_ERROR(CheckTensors(golden.rows[i].outputs, signature.outputs, has_rows, path + ".outputs"));
  }
  return absl::OkStatus();
}

std::map<std::string, tensor::HostTensor> InputsOf(const GoldenRow& row) {
  std::map<std::string, tensor::HostTensor> inputs = row.inputs;
  for (const auto& [name, fill] : row.fills) inputs.emplace(name, Generate(fill));
  return inputs;
}

absl::StatusOr<tensor::DType> PassportDType(std::string_view name, const std::string& path) {
  const absl::StatusOr<tensor::DType> dtype = tensor::ParseDType(name);
  // The wire has no others.
  if (dtype.ok() && *dtype != tensor::DType::kInvalid && *dtype <= tensor::DType::kBytes) return *dtype;
  return Invalid("{} is {}; expected a type of the API: FP32, FP16, BF16, INT64, BOOL and so on", path, Quoted(name));
}

}  // namespace torchferry::plan
