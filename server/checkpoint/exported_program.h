// A torch.export program (`torch.export.save`, .pt2), read without LibTorch. Its graph and signature are plain values.
// Its weights have the same tensor index as every checkpoint.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/exported_graph.h"
#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

// An input of the graph. Inputs are in the order of ExportedGraph::inputs, except kSpecialised.
struct ProgramInput {
  enum class Kind {
    kParameter,
    kBuffer,
    kConstant,     // a tensor that was lifted out of the code
    kUser,         // a tensor or a symbol from the caller
    kSpecialised,  // a number, text or None that was fixed at export: no input now, though the graph lists it
  };
  Kind kind = Kind::kUser;
  std::string name;           // in the graph; may be empty for kSpecialised
  std::string key;            // of a tensor in ExportedProgram::weights: "conv1.weight"; empty for the last two kinds
  bool is_persistent = true;  // of a buffer: it is in the state_dict
  GraphArgument value;        // of kSpecialised: its fixed value
};

struct ProgramOutput {
  enum class Kind {
    kUser,
    kBufferMutation,  // written to the buffer `key` at the end of the call
    kInputMutation,   // written to an input of the caller
  };
  Kind kind = Kind::kUser;
  GraphArgument value;  // kTensor, kNone, a symbol or a constant
  std::string key;
  // For kUser: the name of its place in the result, "logits", or "boxes_0" for result["boxes"][0]. Empty where the
  // result is one tensor; "0" and "1_0" in tuples.
  std::string name;
};

// The bounds of a symbolic size.
struct SizeRange {
  int64_t min = 0;
  std::optional<int64_t> max;  // none: no limit
};

struct ExportedProgram {
  std::string name;           // in its archive: "model"
  std::string torch_version;  // of the PyTorch that wrote it, "2.11.0"; empty where the file does not say
  std::string passport;       // text of the archive's entry extra/torchferry.json, unchanged; empty: none
  std::string dialect;        // the verifier: "TRAINING", "ATEN" after run_decompositions
  ExportedGraph graph;
  std::vector<ProgramInput> inputs;
  std::vector<ProgramOutput> outputs;
  std::map<std::string, SizeRange> ranges;  // by symbol
  // Whether forward returned one tensor, and not a tuple, list or dict.
  bool gives_one_tensor = false;
  // Parameters, buffers and constants, by their keys.
  std::unique_ptr<Checkpoint> weights;
  // The example inputs' pickle archive inside the file (torch.save of (args, kwargs)). Null: the file has none.
  std::shared_ptr<const File> samples;
};

// Whether a tensor has the dtype, the number of dimensions and the known sizes that the graph states.
bool HasForm(const TensorInfo& tensor, const ExportedTensor& stated);

// Names of the archive's programs, in its order. Empty for an archive without programs.
absl::StatusOr<std::vector<std::string>> ListPrograms(std::shared_ptr<const File> file);

// Reads the program `name`; with an empty `name` the only one, or the one called "model". It reads the layouts of torch
// 2.5 to the newest. Weights are raw entries (2.9 and later) or pickles in the archive (2.8), and 2.7 and earlier wrote
// a flat archive. It runs nothing of the file.
// DATA_LOSS: damaged or hostile. INVALID_ARGUMENT: sound but not servable as it is: pickled or sparse tensors,
// TorchBind objects, another major version of the schema, or unknown kinds of argument. The message says how to export
// it. FAILED_PRECONDITION: several programs and no `name`, or none of that name.
absl::StatusOr<ExportedProgram> ReadExportedProgram(std::shared_ptr<const File> file, const std::string& name);

}  // namespace torchferry::checkpoint
