#include "client/commands/model_json.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "client/tensor/array_proto.h"

namespace torchferry::client {
namespace {

using Json = nlohmann::ordered_json;
using v1::ModelVersion;
using v1::TensorSpec;

Json ToJson(const google::protobuf::RepeatedPtrField<TensorSpec>& specs) {
  Json list = Json::array();
  for (const TensorSpec& spec : specs) {
    Json entry = {{"name", spec.name()}, {"kind", spec.kind()}, {"optional", spec.optional()}};
    entry["dtype"] = FromProto(spec.dtype()) == tensor::DType::kInvalid ? Json() : Json(DTypeName(spec.dtype()));
    entry["shape"] = spec.has_shape() ? Json(ShapeOf(spec)) : Json();
    list.push_back(std::move(entry));
  }
  return list;
}

Json ToJson(const v1::Provenance& provenance) {
  Json document = {
      {"saved_device", provenance.saved_device()},
      {"saved_dtypes", std::vector<std::string>(provenance.saved_dtypes().begin(), provenance.saved_dtypes().end())},
      {"torch_version", provenance.torch_version()},
      {"created", provenance.created()},
      {"program", provenance.program()},
      {"git_commit", provenance.git_commit()},
      {"git_dirty", provenance.has_git_dirty() ? Json(provenance.git_dirty()) : Json()},
      {"run_id", provenance.run_id()},
      {"metrics", std::map<std::string, double>(provenance.metrics().begin(), provenance.metrics().end())},
      {"source", provenance.source()},
      {"sha256", provenance.sha256()}};
  return document;
}

Json ToJson(const v1::Parity& parity) {
  return {{"device", parity.device()},
          {"precision", parity.precision()},
          {"state", ParityName(parity)},
          {"rows", parity.rows()},
          {"difference", parity.difference()},
          {"allowed", parity.allowed()},
          {"where", parity.where()},
          {"rtol", parity.rtol()},
          {"atol", parity.atol()},
          {"detail", parity.detail()}};
}

Json ToJson(const v1::ModelFile& file) {
  Json document = {
      {"path", file.path()},
      {"format", file.format()},
      {"producer", file.producer()},
      {"saved_devices", std::vector<std::string>(file.saved_devices().begin(), file.saved_devices().end())},
      {"saved_dtypes", std::vector<std::string>(file.saved_dtypes().begin(), file.saved_dtypes().end())},
      {"size_bytes", file.size_bytes()},
      {"sha256", file.sha256()},
      {"architecture", file.architecture()},
      {"state_dict_key", file.state_dict_key()},
      {"removed_prefixes", std::vector<std::string>(file.removed_prefixes().begin(), file.removed_prefixes().end())}};
  if (file.has_provenance()) document["provenance"] = ToJson(file.provenance());
  return document;
}

Json ToJson(const v1::Placement& placement) {
  Json document = {{"device", placement.device()},
                   {"requested_device", placement.requested_device()},
                   {"fallback", placement.fallback()},
                   {"fallback_from", placement.fallback_from()},
                   {"fallback_reason", placement.fallback_reason()},
                   {"precision", placement.precision()},
                   {"rewritten_constants", placement.rewritten_constants()},
                   {"decisions", std::vector<std::string>(placement.decisions().begin(), placement.decisions().end())}};
  if (placement.has_precision_deviation()) document["precision_deviation"] = placement.precision_deviation();
  for (const v1::Parity& parity : placement.parity()) document["parity"].push_back(ToJson(parity));
  if (placement.has_memory()) {
    const v1::Memory& memory = placement.memory();
    document["memory"] = {{"weight_bytes", memory.weight_bytes()},
                          {"small_batch_weight_bytes", memory.small_batch_weight_bytes()},
                          {"standby_weight_bytes", memory.standby_weight_bytes()},
                          {"pass_bytes", memory.pass_bytes()},
                          {"pass_rows", memory.pass_rows()}};
  }
  if (placement.has_tuning()) {
    const v1::Tuning& tuning = placement.tuning();
    document["tuning"] = {
        {"variant", tuning.variant()},       {"intra_op_threads", tuning.intra_op_threads()},
        {"batch_rows", tuning.batch_rows()}, {"rows_per_second", tuning.rows_per_second()},
        {"baseline", tuning.baseline()},     {"baseline_rows_per_second", tuning.baseline_rows_per_second()},
        {"deviation", tuning.deviation()},   {"kept", tuning.kept()},
        {"is_final", tuning.is_final()}};
    if (tuning.has_latency()) {
      const v1::TuningLatency& latency = tuning.latency();
      document["tuning"]["latency"] = {{"variant", latency.variant()},
                                       {"intra_op_threads", latency.intra_op_threads()},
                                       {"max_rows", latency.max_rows()},
                                       {"seconds", latency.seconds()},
                                       {"throughput_seconds", latency.throughput_seconds()}};
    }
  }
  return document;
}

Json ToJson(const ModelVersion& version) {
  Json document = {{"model_name", version.model_name()},
                   {"model_version", version.model_version()},
                   {"state", StateName(version.state())}};
  if (version.error_code() != 0) {
    document["error"] = {{"code", ErrorCodeName(version)}, {"message", version.error_message()}};
  }
  document["inputs"] = ToJson(version.inputs());
  document["outputs"] = ToJson(version.outputs());
  document["max_batch_size"] = version.max_batch_size();
  document["dynamic_batching"] = version.dynamic_batching();
  document["stateful"] = version.stateful();
  if (version.has_file()) document["file"] = ToJson(version.file());
  if (version.has_placement()) document["placement"] = ToJson(version.placement());
  document["load_seconds"] = version.load_seconds();
  return document;
}

}  // namespace

Json ToJson(const ModelVersions& versions) {
  Json list = Json::array();
  for (const ModelVersion& version : versions) list.push_back(ToJson(version));
  return {{"versions", std::move(list)}};
}

}  // namespace torchferry::client
