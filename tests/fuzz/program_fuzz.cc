// torch.export programs. Bytes that begin like a zip are a file; all others become the program's JSON in a sound
// archive with some weights, and the JSON of its weights' config where they begin with {"config", since a fuzzer seldom
// finds its way through the directory.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "check_tensors.h"
#include "server/checkpoint/exported_program.h"
#include "server/checkpoint/exported_samples.h"
#include "server/checkpoint/test_zip.h"

namespace {

using torchferry::checkpoint::ExportedProgram;
using torchferry::checkpoint::GraphArgument;
using torchferry::checkpoint::ProgramInput;
using torchferry::checkpoint::testing::CheckTensors;

constexpr std::string_view kConfig = "{\"config\"";

// A tensor of 2 × 2 floats for each of some keys, over one storage.
std::string WeightsConfig() {
  std::string config;
  for (const char* key : {"weight", "0.weight", "w"}) {
    config += (config.empty() ? "{\"config\": {\"" : ", \"") + std::string(key) +
              R"(": {"path_name": "weight_0", "is_param": true, "use_pickle": false, "tensor_meta": {"dtype": 7,
                 "sizes": [{"as_int": 2}, {"as_int": 2}], "strides": [{"as_int": 2}, {"as_int": 1}],
                 "storage_offset": {"as_int": 0}, "device": {"type": "cpu", "index": null}, "layout": 7}})";
  }
  return config + "}}";
}

constexpr std::string_view kEmptyProgram =
    R"({"graph_module": {"graph": {"inputs": [], "outputs": [], "nodes": [], "tensor_values": {}},
        "signature": {"input_specs": [], "output_specs": []}}, "schema_version": {"major": 8, "minor": 17}})";

std::string ArchiveWith(const std::string& json) {
  const bool is_config = json.starts_with(kConfig);
  return torchferry::checkpoint::testing::ZipBuilder()
      .Add("m/models/model.json", is_config ? std::string(kEmptyProgram) : json)
      .Add("m/data/weights/model_weights_config.json", is_config ? json : WeightsConfig())
      .Add("m/data/weights/weight_0", std::string(64, '\x01'))
      .Add("m/data/constants/model_constants_config.json", "{\"config\": {}}")
      .Build();
}

// What planning and converting rely on.
void CheckProgram(const ExportedProgram& program) {
  if (program.inputs.size() != program.graph.inputs.size()) std::abort();
  if (program.outputs.size() != program.graph.outputs.size()) std::abort();
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const ProgramInput& input = program.inputs[i];
    if (input.kind == ProgramInput::Kind::kSpecialised) continue;
    if (input.name.empty() || input.name != program.graph.inputs[i].text) std::abort();
    const bool is_tensor = program.graph.inputs[i].kind == GraphArgument::Kind::kTensor;
    if (is_tensor && !program.graph.tensors.contains(input.name)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (!bytes.starts_with("PK")) bytes = ArchiveWith(bytes);
  const std::shared_ptr<const torchferry::checkpoint::File> file =
      torchferry::checkpoint::File::FromBytes(std::move(bytes), "fuzz");
  (void)torchferry::checkpoint::ListPrograms(file);
  const auto program = torchferry::checkpoint::ReadExportedProgram(file, "");
  if (!program.ok()) return 0;
  CheckProgram(*program);
  CheckTensors(*program->weights);
  const auto samples = torchferry::checkpoint::ReadProgramSamples(*program);
  if (samples.ok()) CheckTensors(*samples->tensors);
  return 0;
}
