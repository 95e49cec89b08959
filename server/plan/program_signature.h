// What a torch.export program takes and gives, as its file says: names, element types, sizes, and where the rows are.
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

// An input or an output of the caller's.
struct ProgramTensor {
  std::string name;
  tensor::DType dtype = tensor::DType::kInvalid;
  bool is_number = false;                       // no tensor: an int, a float or a bool
  std::vector<checkpoint::ExportedSize> sizes;  // of a tensor; none of a number
  bool are_sizes_known = true;                  // of an output: false where the file is known to say them wrongly
  size_t result = 0;                            // of an output: its index in ExportedProgram::outputs
  size_t place = 0;                             // of an output: its index among all that the caller gets, None included

  // kAnyDim where a size is not known.
  tensor::Shape shape() const;
};

struct ProgramSignature {
  std::vector<ProgramTensor> inputs;   // in the order of the module's arguments
  std::vector<ProgramTensor> outputs;  // those that can be sent, in the program's order; names differ
  bool has_keys = false;               // the program gives a dict or named fields, whose keys are the names
  std::map<std::string, checkpoint::SizeRange> ranges;  // of sizes, by symbol
  std::vector<std::string> decisions;                   // of what is no input any more, and of what cannot be sent
};

// Pure. Results without a key are called OUTPUT__0, OUTPUT__1, as those of TorchScript's tuples. INVALID_ARGUMENT: an
// input that cannot be sent, or no output that can; the message says how to export the model.
absl::StatusOr<ProgramSignature> DescribeProgram(const checkpoint::ExportedProgram& program);

// Whether dimension 0 of each tensor is the rows of a batch.
struct ProgramRows {
  bool are_first = false;
  bool may_be_first = false;   // the file does not tell
  int64_t min = 1;             // that the program was exported for
  std::optional<int64_t> max;  // none: no limit
  int64_t fixed = 0;           // where dimension 0 of each tensor is the same number: that; else 0
  std::string decision;        // a sentence: the limits, or why there are no rows and what to write at export
};

// Of all inputs and those of the outputs that are answered. Pure.
ProgramRows FindRows(const ProgramSignature& signature, std::span<const ProgramTensor* const> outputs);

}  // namespace torchferry::plan
