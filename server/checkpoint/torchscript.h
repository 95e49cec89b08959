// The facts that a TorchScript archive states, read without LibTorch. They are enough to describe it, and to check its
// code before `torch::jit::load` gets anything.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// A tensor that is an attribute of the module or of one of its children.
struct ModuleTensor {
  TensorInfo tensor;  // its key is the path, "layers.0.weight", as in a state_dict
  bool is_parameter = false;
};

// The content of an archive that LibTorch needs beside the code. The pickles are the very bytes that were checked. The
// storages are read from the file that was opened. Immutable; thread-safe.
struct ScriptContent {
  std::string data_pickle;
  std::string constants_pickle;
  std::unique_ptr<const ZipArchive> archive;
};

struct TorchScriptInfo {
  std::string producer;                 // "PyTorch": archives have their format's version, not PyTorch's
  int64_t version = 0;                  // of the archive's format
  std::string module_class;             // of the root: "__torch__.Net"
  std::vector<std::string> classes;     // named in its pickles, each once: "__torch__.Net"
  std::vector<StorageInfo> storages;    // of data.pkl, then of constants.pkl
  std::vector<tensor::DType> dtypes;    // of its tensors, each once, in order of appearance
  std::vector<ModuleTensor> tensors;    // in the archive's order; their storages are in `storages`
  std::vector<std::string> code_files;  // "code/__torch__.py" and so on, in the archive's order
  std::vector<std::string> code_texts;  // their texts, one for each file
  std::string passport;                 // text of its entry extra/torchferry.json, unchanged; empty: none
  std::shared_ptr<const ScriptContent> content;

  // The devices and types of the weights, each once. Weights are the module's tensors, and the constants that freezing
  // has made of tensors. Constants without dimensions, the numbers in a trace's code, do not count.
  std::vector<std::string> weight_devices;
  std::vector<tensor::DType> weight_dtypes;
};

// Checks the archive's directory against the zip limits, and reads its pickles with the restricted machine. That skips
// object attributes and builds no class. Entries that TorchScriptInfo does not have are not read, and are no part of
// the model. DATA_LOSS for a damaged or hostile archive. INVALID_ARGUMENT for a sparse tensor, which LibTorch would
// read without checks.
absl::StatusOr<TorchScriptInfo> DescribeTorchScript(std::shared_ptr<const File> file);

// The methods of the root module, in the order of its code. Names that begin with two underscores are left out. Empty
// where the archive has no code of the module.
std::vector<std::string> MethodsOf(const TorchScriptInfo& info);

// Maps a class's name, "__torch__.net.Net", to its source, from its `class` line to the next one. Views into `info`.
std::unordered_map<std::string, std::string_view> ClassSources(const TorchScriptInfo& info);

}  // namespace torchferry::checkpoint
