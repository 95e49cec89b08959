#include "client/inspect/inspection_json.h"

#include <utility>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const plan::LoadPlan& plan) {
  return {{"device", tensor::ToString(plan.placement.device)},
          {"requested_device", plan.placement.requested},
          {"fallback", plan.placement.fallback},
          {"fallback_reason", Name(plan.placement.fallback_reason)},
          {"precision", plan.precision.computes_in},
          {"state_dict_key", plan.state_dict_key},
          {"removed_prefixes", plan.removed_prefixes},
          {"load_memory_bytes", plan.memory.peak_bytes()},
          {"decisions", plan.decisions},
          {"warnings", plan.warnings}};
}

Json ArgumentsJson(const std::vector<InspectedArgument>& arguments) {
  Json list = Json::array();
  for (const InspectedArgument& argument : arguments) {
    list.push_back({{"name", argument.name}, {"datatype", Name(argument.dtype)}, {"shape", argument.shape}});
  }
  return list;
}

Json ToJson(const InspectedProgram& program) {
  return {{"name", program.name},
          {"inputs", ArgumentsJson(program.inputs)},
          {"outputs", ArgumentsJson(program.outputs)},
          {"max_batch_size", program.max_batch_size},
          {"dynamic_batching", program.dynamic_batching}};
}

Json TensorsJson(const std::vector<plan::PassportTensor>& tensors) {
  Json list = Json::array();
  for (const plan::PassportTensor& tensor : tensors) {
    list.push_back({{"name", tensor.name}, {"datatype", Name(tensor.dtype)}, {"dims", tensor.dims}});
  }
  return list;
}

Json ToJson(const model::Provenance& provenance) {
  return {{"saved_device", provenance.saved_device},
          {"saved_dtypes", provenance.saved_dtypes},
          {"torch_version", provenance.torch_version},
          {"created", provenance.created},
          {"program", provenance.program},
          {"git_commit", provenance.git_commit},
          {"git_dirty", provenance.git_dirty.has_value() ? Json(*provenance.git_dirty) : Json()},
          {"run_id", provenance.run_id},
          {"metrics", provenance.metrics},
          {"source", provenance.source},
          {"sha256", provenance.sha256}};
}

Json ToJson(const plan::Passport& passport) {
  Json document = {{"provenance", ToJson(passport.provenance)}, {"golden_rows", passport.golden.rows.size()}};
  if (passport.signature.has_value()) {
    document["signature"] = {{"max_batch_size", passport.signature->max_batch_size},
                             {"inputs", TensorsJson(passport.signature->inputs)},
                             {"outputs", TensorsJson(passport.signature->outputs)}};
  }
  return document;
}

Json TensorsJson(const Inspection& inspection) {
  Json list = Json::array();
  for (const InspectedTensor& tensor : inspection.tensors) {
    list.push_back({{"key", tensor.key},
                    {"name", tensor.name},
                    {"dtype", Name(tensor.dtype)},
                    {"shape", tensor.shape},
                    {"bytes", tensor.bytes}});
  }
  return list;
}

}  // namespace

Json ToJson(const Inspection& inspection) {
  const plan::LoadPlan& plan = inspection.plan;
  Json dicts = Json::array();
  for (const checkpoint::NestedDict& dict : inspection.dicts)
    dicts.push_back({{"key", dict.key}, {"tensors", dict.tensors}});
  Json document = {{"path", inspection.path},
                   {"format", Name(plan.format)},
                   {"producer", plan.producer},
                   {"size_bytes", inspection.file_bytes},
                   {"sha256", inspection.sha256},
                   {"saved_devices", plan.saved_devices},
                   {"saved_dtypes", plan.saved_dtypes},
                   {"architecture", inspection.architecture},
                   {"parameters", inspection.parameters},
                   {"tensor_bytes", inspection.tensor_bytes},
                   {"nested_dicts", std::move(dicts)},
                   {"other_entries", inspection.other_entries},
                   {"tied", inspection.tied},
                   {"plan", ToJson(plan)}};
  if (inspection.passport != nullptr) document["passport"] = ToJson(*inspection.passport);
  if (inspection.program.has_value()) document["program"] = ToJson(*inspection.program);
  if (!inspection.missing.ok()) document["needs"] = base::MessageOf(inspection.missing);
  if (!plan.left_to_server.empty()) document["only_the_server_can_tell"] = plan.left_to_server;
  if (!inspection.suggested_config.empty()) document["suggested_config"] = inspection.suggested_config;
  if (!inspection.scaffold.empty()) document["scaffold"] = inspection.scaffold;
  document["tensors"] = TensorsJson(inspection);
  return document;
}

}  // namespace torchferry::client
