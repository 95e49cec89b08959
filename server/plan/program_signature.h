// The inputs and outputs of a torch.export program, as its file states them: names, element types, sizes, and where the
// rows are.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/checkpoint/exported_program.h"
#include "server/tensor/dtype.h"
#include "server/tensor/shape.h"

namespace torchferry::plan {

// An input that the caller gives, or an output that the caller gets.
struct ProgramTensor {
  std::string name;
  tensor::DType dtype = tensor::DType::kInvalid;
  bool is_number = false;                       // not a tensor: an int, a float or a bool
  std::vector<checkpoint::ExportedSize> sizes;  // of a tensor; empty for a number
  bool are_sizes_known = true;                  // of an output: false where the file is known to state wrong sizes
  size_t result = 0;                            // of an output: its index in ExportedProgram::outputs
  size_t place = 0;                             // of an output: its index among all results, including None

  // The sizes; kAnyDim where a size is not known.
  tensor::Shape shape() const;
};

struct ProgramSignature {
  std::vector<ProgramTensor> inputs;   // in the order of the module's arguments
  std::vector<ProgramTensor> outputs;  // those that can be sent, in the program's order; their names differ
  bool has_keys = false;               // the program gives a dict or named fields, whose keys are the names
  std::map<std::string, checkpoint::SizeRange> ranges;  // of sizes, by symbol
  std::vector<std::string> decisions;                   // on inputs fixed at export and on outputs not sent
};

// Pure. Results without a key are called OUTPUT__0, OUTPUT__1, like those of TorchScript's tuples. INVALID_ARGUMENT: an
// input that cannot be sent, or no output that can. The message says how to export the model.
absl::StatusOr<ProgramSignature> DescribeProgram(const checkpoint::ExportedProgram& program);

// Whether dimension 0 of each tensor is the rows of a batch.
struct ProgramRows {
  bool are_first = false;
  bool may_be_first = false;   // the file does not tell
  int64_t min = 1;             // min rows that the program was exported for
  std::optional<int64_t> max;  // none: no limit
  int64_t fixed = 0;           // the size of dimension 0 where it is the same number in each tensor; else 0
  std::string decision;        // a sentence: the limits, or why there are no rows and what to write at export
};

// Looks at all inputs, and at those of the outputs that are answered. Pure.
ProgramRows FindRows(const ProgramSignature& signature, std::span<const ProgramTensor* const> outputs);

}  // namespace torchferry::plan
