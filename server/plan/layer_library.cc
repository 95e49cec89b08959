#include "server/plan/layer_library.h"

#include <fmt/format.h>

#include <cstdlib>

#include "server/plan/layer_texts.h"
#include "server/plan/python_file.h"

namespace torchferry::plan {
namespace {

std::shared_ptr<const PythonFile> ReadLibrary() {
  ForwardImports source;
  for (const std::string_view text : {kDenseLayers, kConvolutionLayers, kNormLayers, kPoolLayers, kActivationLayers,
                                      kRecurrentLayers, kAttentionLayers}) {
    source.body += text;
  }
  absl::StatusOr<std::shared_ptr<const PythonFile>> file = ReadPythonFile(source, "torch.nn", /*is_library=*/true);
  if (!file.ok()) std::abort();  // a test reads it
  return *std::move(file);
}

}  // namespace

const PythonFile& LayerLibrary() {
  static const std::shared_ptr<const PythonFile> library = ReadLibrary();
  return *library;
}

const std::string& LayerNames() {
  static const std::string names = [] {
    std::string list;
    for (const auto& [name, type] : LayerLibrary().classes) {
      if (!name.starts_with('_')) list += (list.empty() ? "" : ", ") + name;
    }
    return list;
  }();
  return names;
}

}  // namespace torchferry::plan
