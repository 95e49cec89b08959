// A torch.export program (`torch.export.save`, .pt2), read without LibTorch: its graph and signature as plain values,
// and its weights as the tensor index that every checkpoint has.
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

// What one input of the graph is. They are in the order of ExportedGraph::inputs, but for kSpecialised.
struct ProgramInput {
  enum class Kind {
    kParameter,
    kBuffer,
    kConstant,     // a tensor that was lifted out of the code
    kUser,         // a tensor or a symbol that the caller gives
    kSpecialised,  // a number, text or None that was fixed at export: no input any more, though the graph lists it
  };
  Kind kind = Kind::kUser;
  std::string name;           // in the graph; may be empty for kSpecialised
  std::string key;            // of a tensor in ExportedProgram::weights: "conv1.weight"; empty for the last two kinds
  bool is_persistent = true;  // of a buffer: it is in the state_dict
  GraphArgument value;        // of kSpecialised: what it was fixed to
};

struct ProgramOutput {
  enum class Kind {
    kUser,
    kBufferMutation,  // written to the buffer `key` at the end of the call
    kInputMutation,   // written to what the caller gave
  };
  Kind kind = Kind::kUser;
  GraphArgument value;  // kTensor, kNone, a symbol or a constant
  std::string key;
  // Of kUser: what its place in the result is called, "logits", "boxes_0" for result["boxes"][0]; empty where the
  // result is one tensor, "0" and "1_0" in tuples.
  std::string name;
};

// What a symbolic size may be.
struct SizeRange {
  int64_t min = 0;
  std::optional<int64_t> max;  // none: no limit
};

struct ExportedProgram {
  std::string name;           // in its archive: "model"
  std::string torch_version;  // that wrote it, "2.11.0"; empty where the file does not say
  std::string passport;       // text of the archive's entry extra/torchferry.json, as it is there; empty: none
  std::string dialect;        // the verifier: "TRAINING", "ATEN" after run_decompositions
  ExportedGraph graph;
  std::vector<ProgramInput> inputs;
  std::vector<ProgramOutput> outputs;
  std::map<std::string, SizeRange> ranges;  // by symbol
  // Whether forward returned one tensor, and no tuple, list or dict.
  bool gives_one_tensor = false;
  // Parameters, buffers and constants, by their keys.
  std::unique_ptr<Checkpoint> weights;
  // The example inputs' pickle archive (torch.save of (args, kwargs)) inside the file; null: the file has none.
  std::shared_ptr<const File> samples;
};

// Whether a tensor has the dtype, the number of dimensions and the known sizes that the graph states.
bool HasForm(const TensorInfo& tensor, const ExportedTensor& stated);

// Names of the programs of the archive, in its order; for a file that has none, empty.
absl::StatusOr<std::vector<std::string>> ListPrograms(std::shared_ptr<const File> file);

// Reads the program `name`; with an empty `name` the only one, or the one called "model". Layouts of torch 2.5 to the
// newest: weights as raw entries (2.9 and later), as pickles in the archive (2.8), and the flat archive (2.7 and
// earlier). Nothing of the file is run.
// DATA_LOSS: damaged or hostile. INVALID_ARGUMENT: sound but not servable as it is: tensors that are pickled or sparse,
// TorchBind objects, another major version of the schema, kinds of argument that this server does not know; the
// message says how to export it. FAILED_PRECONDITION: several programs and no `name`, or none of that name.
absl::StatusOr<ExportedProgram> ReadExportedProgram(std::shared_ptr<const File> file, const std::string& name);

}  // namespace torchferry::checkpoint
