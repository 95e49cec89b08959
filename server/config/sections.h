// The parts of a configuration. Each has its own file, which reads and checks it, from the parsed message to plain
// values. Faults go to `source.findings` with their place. After a fault the values do not matter, because they are not
// used.
#pragma once

#include "inference/model_config.pb.h"
#include "server/config/findings.h"
#include "server/config/model_config.h"
#include "server/config/text_positions.h"

namespace torchferry::config {

// A message of the file, the places of its fields, and the list of findings.
template <typename Message>
struct Source {
  const Message& message;
  const TextPositions& positions;
  Findings& findings;
};

using ConfigSource = Source<inference::ModelConfig>;

// name, platform, backend, runtime, default_model_filename, max_batch_size. `model_name` is the folder's name.
void ReadGeneral(const ConfigSource& source, std::string_view model_name, ModelConfig& config);

// kInvalid for TYPE_INVALID, kBytes for TYPE_STRING.
tensor::DType ToDType(inference::DataType type);

// input and output.
void ReadTensors(const ConfigSource& source, ModelConfig& config);

// version_policy.
void ReadVersionPolicy(const ConfigSource& source, ModelConfig& config);

// dynamic_batching.
void ReadDynamicBatching(const ConfigSource& source, ModelConfig& config);

// torchferry.split_oversized and pad_to. Call it after ReadTensors: it checks them against input and output.
void ReadRequestShapes(const ConfigSource& source, ModelConfig& config);

// instance_group. KIND_MODEL leaves the choice to the file: it sets `config.device` to "saved".
void ReadInstanceGroups(const ConfigSource& source, ModelConfig& config);

// model_warmup. Call it after ReadTensors: it checks the requests against input.
void ReadWarmUps(const ConfigSource& source, ModelConfig& config);

// parameters. Those of Triton's PyTorch backend are checked; those without effect give a warning.
void ReadParameters(const ConfigSource& source, ModelConfig& config);

// torchferry { … }. Call it before ReadInstanceGroups: its device has precedence over instance_group.
void ReadTorchferry(const ConfigSource& source, ModelConfig& config);

// Adds an error unless `name` names a file in a folder: no separator, no control character, not "." or "..".
void CheckFileName(std::string_view field, std::string_view name, TextPosition at, Findings& findings);

}  // namespace torchferry::config
