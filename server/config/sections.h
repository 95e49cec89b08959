// The parts of a configuration, each read and checked by a file of its own: from the parsed message
// to plain values. What is wrong goes to `source.findings` with its place; what is read then does
// not matter, for it is not used.
#pragma once

#include "inference/model_config.pb.h"
#include "server/config/findings.h"
#include "server/config/model_config.h"
#include "server/config/text_positions.h"

namespace torchferry::config {

// A message of the file, where its fields are written, and where problems go.
template <typename Message>
struct Source {
  const Message& message;
  const TextPositions& positions;
  Findings& findings;
};

using ConfigSource = Source<inference::ModelConfig>;

// name, platform, backend, runtime, default_model_filename, max_batch_size. `model_name` is the
// folder's.
void ReadGeneral(const ConfigSource& source, std::string_view model_name, ModelConfig& config);

// kInvalid for TYPE_INVALID, kBytes for TYPE_STRING.
tensor::DType ToDType(inference::DataType type);

// input and output.
void ReadTensors(const ConfigSource& source, ModelConfig& config);

// version_policy.
void ReadVersionPolicy(const ConfigSource& source, ModelConfig& config);

// dynamic_batching.
void ReadDynamicBatching(const ConfigSource& source, ModelConfig& config);

// torchferry.split_oversized and pad_to; goes after input and output, which they are held against.
void ReadRequestShapes(const ConfigSource& source, ModelConfig& config);

// instance_group. KIND_MODEL leaves the choice to the file: it sets `config.device` to "saved".
void ReadInstanceGroups(const ConfigSource& source, ModelConfig& config);

// model_warmup; goes after input, which it is held against.
void ReadWarmUps(const ConfigSource& source, ModelConfig& config);

// parameters: those of Triton's PyTorch backend are checked; what has no effect is warned of.
void ReadParameters(const ConfigSource& source, ModelConfig& config);

// torchferry { … }; goes before instance_group, over which its device has precedence.
void ReadTorchferry(const ConfigSource& source, ModelConfig& config);

// An error unless `name` names a file in a folder: no separator, no control character, not "." or
// "..".
void CheckFileName(std::string_view field, std::string_view name, TextPosition at, Findings& findings);

}  // namespace torchferry::config
