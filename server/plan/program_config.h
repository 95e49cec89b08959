// The configuration that a torch.export program is served by, from the program's file and from config.pbtxt.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/config/model_config.h"
#include "server/plan/program_signature.h"

namespace torchferry::plan {

// Max rows of a batch where neither the program nor config.pbtxt states a max. A program exported for more than
// kMaxOwnRows rows states none: LibTorch's attention on CUDA writes 65535 by itself.
inline constexpr int64_t kDefaultRows = 64;
inline constexpr int64_t kMaxOwnRows = 1024;

struct ProgramConfig {
  // Declares all inputs and the outputs that are answered, with names, dtypes and dims. It gets max_batch_size and
  // dynamic_batching where dimension 0 is the rows and the file does not set batches.
  config::ModelConfig config;
  std::vector<size_t> results;         // for each of config.outputs: its index in ExportedProgram::outputs
  std::vector<std::string> decisions;  // a sentence each
  std::vector<std::string>
      warnings;  // declared dims of outputs that the program does not give: the program's are served
};

// Pure. Calling it on its own result changes nothing. Declared inputs and outputs match the program's by their names,
// by Triton's NAME__INDEX, or by order. The outputs of a dict match by their keys alone. Without declared outputs all
// are answered. A file that declares tensors and no max_batch_size has tensors without a batch dimension.
// FAILED_PRECONDITION: config.pbtxt contradicts the program. It has unknown names, another dtype, dims that the program
// does not take, or more rows than the export allows. Messages have both values and the way out.
absl::StatusOr<ProgramConfig> MergeProgram(const ProgramSignature& program, const config::ModelConfig& config);

}  // namespace torchferry::plan
