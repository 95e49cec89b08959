// The configuration that a torch.export program is served by: what its file says, and what config.pbtxt says of it.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/config/model_config.h"
#include "server/plan/program_signature.h"

namespace torchferry::plan {

// Rows that share a batch where neither the program nor config.pbtxt says how many may. A program that is exported for
// more than kMaxOwnRows says nothing: LibTorch's attention on CUDA writes 65535 by itself.
inline constexpr int64_t kDefaultRows = 64;
inline constexpr int64_t kMaxOwnRows = 1024;

struct ProgramConfig {
  // Declares all inputs and the outputs that are answered, with names, dtypes and dims. Where the file says nothing of
  // batches, and dimension 0 is the rows, with max_batch_size and dynamic_batching.
  config::ModelConfig config;
  std::vector<size_t> results;         // of each of config.outputs: its index in ExportedProgram::outputs
  std::vector<std::string> decisions;  // a sentence each
  std::vector<std::string>
      warnings;  // declared dims of outputs that the program does not give: the program's are served
};

// Pure; what it gives for its own result is the same again. Declared inputs and outputs are the program's by their
// names, by Triton's NAME__INDEX, or by order; the outputs of a dict by their keys alone. Without declared outputs all
// are answered. A file that declares tensors and no max_batch_size has tensors without a batch dimension.
// FAILED_PRECONDITION: config.pbtxt contradicts the program: unknown names, another dtype, dims that it does not take,
// more rows than it was exported for. Messages have both values and the way out.
absl::StatusOr<ProgramConfig> MergeProgram(const ProgramSignature& program, const config::ModelConfig& config);

}  // namespace torchferry::plan
