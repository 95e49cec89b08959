// A torch.export program written by hand. A test may replace each of its parts.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/checkpoint/test_files.h"
#include "server/checkpoint/test_zip.h"

namespace torchferry::checkpoint::testing {

// {text to replace, replacement}. Each text must occur; its first occurrence is replaced.
using Edits = std::vector<std::pair<std::string, std::string>>;

inline std::string Edited(std::string text, const Edits& edits) {
  for (const auto& [from, to] : edits) {
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) text.replace(at, from.size(), to);
  }
  return text;
}

// linear(x, weight) + bias of FP32. x is [s77, 2], "weight" is a parameter of [2, 2], and "bias" is a constant of [2].
inline constexpr std::string_view kProgram = R"json({
"graph_module": {
 "graph": {
  "inputs": [{"as_tensor": {"name": "p_weight"}}, {"as_tensor": {"name": "c_bias"}}, {"as_tensor": {"name": "x"}}],
  "outputs": [{"as_tensor": {"name": "add"}}],
  "nodes": [
   {"target": "torch.ops.aten.linear.default",
    "inputs": [{"name": "input", "arg": {"as_tensor": {"name": "x"}}, "kind": 1},
               {"name": "weight", "arg": {"as_tensor": {"name": "p_weight"}}, "kind": 1}],
    "outputs": [{"as_tensor": {"name": "linear"}}],
    "metadata": {"stack_trace": "File /home/someone/model.py"}, "is_hop_single_tensor_return": null},
   {"target": "torch.ops.aten.add.Tensor",
    "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "linear"}}, "kind": 1},
               {"name": "other", "arg": {"as_tensor": {"name": "c_bias"}}, "kind": 1}],
    "outputs": [{"as_tensor": {"name": "add"}}], "metadata": {}}],
  "tensor_values": {
   "p_weight": {"dtype": 7, "sizes": [{"as_int": 2}, {"as_int": 2}], "device": {"type": "cpu", "index": null}, "layout": 7},
   "c_bias": {"dtype": 7, "sizes": [{"as_int": 2}], "device": {"type": "cpu", "index": null}, "layout": 7},
   "x": {"dtype": 7, "sizes": [{"as_expr": {"expr_str": "Symbol('s77', positive=True, integer=True)"}}, {"as_int": 2}],
         "device": {"type": "cuda", "index": 1}, "layout": 7}},
  "sym_int_values": {}, "sym_bool_values": {}},
 "signature": {
  "input_specs": [
   {"parameter": {"arg": {"name": "p_weight"}, "parameter_name": "weight"}},
   {"tensor_constant": {"arg": {"name": "c_bias"}, "tensor_constant_name": "bias"}},
   {"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
  "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "add"}}}}]},
 "module_call_graph": [{"fqn": "", "signature": {"out_spec": "[1, {\"type\": null, \"context\": null, \"children_spec\": []}]"}}],
 "metadata": {"note": "x"}, "treespec_namedtuple_fields": {}},
"opset_version": {"aten": 10}, "range_constraints": {"s77": {"min_val": 1, "max_val": 64}},
"schema_version": {"major": 8, "minor": 17}, "verifiers": ["TRAINING"], "torch_version": "2.11.0"})json";

// Describes "weight" and "bias" like the configs of their folders.
inline constexpr std::string_view kWeights = R"({"config": {
"weight": {"path_name": "weight_0", "is_param": true, "use_pickle": false, "tensor_meta": {"dtype": 7,
 "sizes": [{"as_int": 2}, {"as_int": 2}], "strides": [{"as_int": 2}, {"as_int": 1}], "storage_offset": {"as_int": 0},
 "device": {"type": "cuda", "index": 0}, "layout": 7, "requires_grad": true}}}})";
inline constexpr std::string_view kConstants = R"({"config": {
"bias": {"path_name": "tensor_0", "is_param": false, "use_pickle": false, "tensor_meta": {"dtype": 7,
 "sizes": [{"as_int": 2}], "strides": [{"as_int": 1}], "storage_offset": {"as_int": 0},
 "device": {"type": "cpu", "index": null}, "layout": 7, "requires_grad": false}}}})";

struct ProgramParts {
  std::string program = std::string(kProgram);
  std::string weights = std::string(kWeights);
  std::string constants = std::string(kConstants);
  std::string weight_bytes = std::string(16, '\x01');
  std::string sample_bytes;  // no entry while it is empty
};

// The bytes as PyTorch 2.9 and later write them.
inline std::string ProgramBytes(const ProgramParts& parts) {
  ZipBuilder zip;
  zip.Add("m/models/model.json", parts.program)
      .Add("m/data/weights/model_weights_config.json", parts.weights)
      .Add("m/data/weights/weight_0", parts.weight_bytes)
      .Add("m/data/constants/model_constants_config.json", parts.constants)
      .Add("m/data/constants/tensor_0", std::string(8, '\x02'))
      .Add("m/archive_format", "pt2")
      .Add("m/byteorder", "little");
  if (!parts.sample_bytes.empty()) zip.Add("m/data/sample_inputs/model.pt", parts.sample_bytes);
  return zip.Build();
}

inline std::shared_ptr<const File> ProgramFile(const ProgramParts& parts = {}) {
  return AsFile(ProgramBytes(parts), "m/1/model.pt2");
}

// The program with its JSON edited.
inline std::shared_ptr<const File> EditedProgram(const Edits& edits) {
  ProgramParts parts;
  parts.program = Edited(parts.program, edits);
  return ProgramFile(parts);
}

}  // namespace torchferry::checkpoint::testing
