#include "server/plan/passport.h"

#include <algorithm>
#include <initializer_list>
#include <set>
#include <utility>

#include "server/base/json_depth.h"
#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"
#include "server/plan/golden_rows.h"
#include "server/plan/passport_fields.h"

namespace torchferry::plan {
namespace {

using checkpoint::JsonValue;
using checkpoint::Quoted;
using Kind = JsonValue::Kind;

constexpr std::string_view kFormat = "torchferry-passport";
constexpr int64_t kVersion = 1;

absl::Status CheckFormat(const PassportObject& top) {
  FERRY_ASSIGN_OR_RETURN(const std::string format, top.Text("format"));
  if (format != kFormat) return Invalid("format is {}; expected {}", Quoted(format), Quoted(kFormat));
  FERRY_ASSIGN_OR_RETURN(const JsonValue* version, top.Get("version", Kind::kInt));
  if (version->integer < 1) return Invalid("version is {}; expected {}", version->integer, kVersion);
  if (version->integer == kVersion) return absl::OkStatus();
  return base::MakeStatus(
      absl::StatusCode::kFailedPrecondition,
      "version is {}, and this server knows version {}: update the server, or save the model with an "
      "older torchferry",
      version->integer, kVersion);
}

// Finding a member looks at each. Nesting is bounded by now.
absl::Status CheckMembers(const JsonValue& value) {
  if (value.kind == Kind::kObject && value.items.size() > limits::kMaxPassportMembers) {
    return Invalid("an object has {} members; at most {} are read", value.items.size(), limits::kMaxPassportMembers);
  }
  for (const JsonValue& item : value.items) FERRY_RETURN_IF_ERROR(CheckMembers(item));
  return absl::OkStatus();
}

class Reader {
 public:
  absl::StatusOr<Passport> Read(const JsonValue& tree) {
    FERRY_ASSIGN_OR_RETURN(const PassportObject top,
                           Object(tree, "", {"format", "version", "signature", "saved", "origin", "golden"}));
    FERRY_RETURN_IF_ERROR(CheckFormat(top));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* signature, top.Find("signature", Kind::kObject));
    if (signature != nullptr) FERRY_RETURN_IF_ERROR(ReadSignature(*signature));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* saved, top.Find("saved", Kind::kObject));
    if (saved != nullptr) FERRY_RETURN_IF_ERROR(ReadSaved(*saved));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* origin, top.Find("origin", Kind::kObject));
    if (origin != nullptr) FERRY_RETURN_IF_ERROR(ReadOrigin(*origin));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* golden, top.Find("golden", Kind::kObject));
    if (golden != nullptr) {
      FERRY_ASSIGN_OR_RETURN(passport_.golden, ReadGoldenRows(*golden, passport_.unknown_fields));
      if (passport_.signature.has_value()) {
        FERRY_RETURN_IF_ERROR(CheckGoldenRows(passport_.golden, *passport_.signature));
      }
    }
    return std::move(passport_);
  }

 private:
  absl::StatusOr<PassportObject> Object(const JsonValue& value, std::string path,
                                        std::initializer_list<std::string_view> known) {
    return PassportObject::Of(value, std::move(path), known, passport_.unknown_fields);
  }

  absl::Status ReadSignature(const JsonValue& value) {
    FERRY_ASSIGN_OR_RETURN(const PassportObject object,
                           Object(value, "signature", {"max_batch_size", "inputs", "outputs"}));
    PassportSignature signature;
    FERRY_ASSIGN_OR_RETURN(const JsonValue* rows, object.Find("max_batch_size", Kind::kInt));
    if (rows != nullptr) {
      FERRY_ASSIGN_OR_RETURN(signature.max_batch_size,
                             PassportInteger(*rows, object.PathOf("max_batch_size"), 0, limits::kMaxPassportRows - 1));
    }
    FERRY_ASSIGN_OR_RETURN(const JsonValue* inputs, object.Get("inputs", Kind::kList));
    FERRY_ASSIGN_OR_RETURN(signature.inputs, ReadTensors(*inputs, object.PathOf("inputs")));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* outputs, object.Get("outputs", Kind::kList));
    FERRY_ASSIGN_OR_RETURN(signature.outputs, ReadTensors(*outputs, object.PathOf("outputs")));
    passport_.signature = std::move(signature);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<PassportTensor>> ReadTensors(const JsonValue& list, const std::string& path) {
    std::vector<PassportTensor> tensors;
    std::set<std::string> names;
    FERRY_RETURN_IF_ERROR(ForEachItem(list, path, limits::kMaxPassportTensors,
                                      [&](const JsonValue& item, const std::string& at) -> absl::Status {
                                        FERRY_ASSIGN_OR_RETURN(PassportTensor tensor, ReadTensor(item, at));
                                        if (!names.insert(tensor.name).second)
                                          return Invalid("{} has the name {} once more", at, Quoted(tensor.name));
                                        tensors.push_back(std::move(tensor));
                                        return absl::OkStatus();
                                      }));
    return tensors;
  }

  absl::StatusOr<PassportTensor> ReadTensor(const JsonValue& value, const std::string& path) {
    FERRY_ASSIGN_OR_RETURN(const PassportObject object, Object(value, path, {"name", "type", "dims"}));
    PassportTensor tensor;
    FERRY_ASSIGN_OR_RETURN(tensor.name, object.Name("name"));
    FERRY_ASSIGN_OR_RETURN(const std::string type, object.Name("type"));
    FERRY_ASSIGN_OR_RETURN(tensor.dtype, PassportDType(type, object.PathOf("type")));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* dims, object.Get("dims", Kind::kList));
    FERRY_ASSIGN_OR_RETURN(tensor.dims, PassportShape(*dims, object.PathOf("dims"), tensor::kAnyDim));
    return tensor;
  }

  absl::Status ReadSaved(const JsonValue& value) {
    FERRY_ASSIGN_OR_RETURN(const PassportObject object,
                           Object(value, "saved", {"device", "dtypes", "torch", "created", "program"}));
    model::Provenance& provenance = passport_.provenance;
    FERRY_ASSIGN_OR_RETURN(provenance.saved_device, object.Text("device"));
    FERRY_ASSIGN_OR_RETURN(provenance.torch_version, object.Text("torch"));
    FERRY_ASSIGN_OR_RETURN(provenance.created, object.Text("created"));
    FERRY_ASSIGN_OR_RETURN(provenance.program, object.Text("program"));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* dtypes, object.Find("dtypes", Kind::kList));
    if (dtypes == nullptr) return absl::OkStatus();
    return ForEachItem(*dtypes, object.PathOf("dtypes"), limits::kMaxPassportFacts,
                       [&](const JsonValue& item, const std::string& path) -> absl::Status {
                         FERRY_ASSIGN_OR_RETURN(std::string dtype, PassportText(item, path));
                         provenance.saved_dtypes.push_back(std::move(dtype));
                         return absl::OkStatus();
                       });
  }

  absl::Status ReadOrigin(const JsonValue& value) {
    FERRY_ASSIGN_OR_RETURN(
        const PassportObject object,
        Object(value, "origin", {"git_commit", "git_dirty", "run_id", "metrics", "source", "sha256"}));
    model::Provenance& provenance = passport_.provenance;
    FERRY_ASSIGN_OR_RETURN(provenance.git_commit, object.Text("git_commit"));
    FERRY_ASSIGN_OR_RETURN(provenance.run_id, object.Text("run_id"));
    FERRY_ASSIGN_OR_RETURN(provenance.source, object.Text("source"));
    FERRY_ASSIGN_OR_RETURN(provenance.sha256, object.Text("sha256"));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* dirty, object.Find("git_dirty", Kind::kBool));
    if (dirty != nullptr) provenance.git_dirty = dirty->integer != 0;
    FERRY_ASSIGN_OR_RETURN(const JsonValue* metrics, object.Find("metrics", Kind::kObject));
    return metrics == nullptr ? absl::OkStatus() : ReadMetrics(*metrics, object.PathOf("metrics"));
  }

  absl::Status ReadMetrics(const JsonValue& metrics, const std::string& path) {
    if (metrics.items.size() > limits::kMaxPassportFacts) {
      return Invalid("{} has {} entries; expected at most {}", path, metrics.items.size(), limits::kMaxPassportFacts);
    }
    for (const JsonValue& metric : metrics.items) {
      if (metric.key.size() > limits::kMaxPassportTextBytes || !checkpoint::IsCleanUtf8(metric.key)) {
        return Invalid("{} has the name {}; expected a text without control characters, of at most {} bytes", path,
                       Quoted(metric.key), limits::kMaxPassportTextBytes);
      }
      if (metric.kind == Kind::kNull) continue;  // JSON has no NaN
      if (metric.kind != Kind::kFloat && metric.kind != Kind::kInt) {
        return Invalid("{}.{} is {}; expected a number", path, metric.key, checkpoint::Name(metric.kind));
      }
      passport_.provenance.metrics[metric.key] =
          metric.kind == Kind::kFloat ? metric.number : static_cast<double>(metric.integer);
    }
    return absl::OkStatus();
  }

  Passport passport_;
};

}  // namespace

absl::StatusOr<JsonValue> ParsePassportJson(std::string_view text) {
  if (text.size() > limits::kMaxPassportBytes) {
    return Invalid("it has {} bytes; at most {} are read: save fewer or smaller golden rows", text.size(),
                   limits::kMaxPassportBytes);
  }
  if (!base::IsJsonWithinDepth(text, limits::kMaxPassportDepth)) {
    return Invalid("it nests more than {} deep", limits::kMaxPassportDepth);
  }
  absl::StatusOr<JsonValue> tree = checkpoint::ParseProgramJson(text);
  if (!tree.ok()) return Invalid("its text {}", base::MessageOf(tree.status()));
  FERRY_RETURN_IF_ERROR(CheckMembers(*tree));
  return tree;
}

absl::StatusOr<Passport> ReadPassport(const JsonValue& tree) { return Reader().Read(tree); }

absl::StatusOr<Passport> ParsePassport(std::string_view text) {
  FERRY_ASSIGN_OR_RETURN(const JsonValue tree, ParsePassportJson(text));
  return ReadPassport(tree);
}

}  // namespace torchferry::plan
