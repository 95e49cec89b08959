// Names that contradict what is in the file. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::plan {

// A sentence for each contradiction between the words in a file's name ("resnet18_gpu_fp16.pth") and the devices and
// dtypes that were saved in it. Names decide nothing; whoever reads them should know.
std::vector<std::string> FileNameHints(std::string_view path, std::span<const std::string> saved_devices,
                                       std::span<const std::string> saved_dtypes);

// A file that is called one part of several, "model-00002-of-00003.safetensors".
struct PartName {
  std::string stem;    // "model"
  std::string suffix;  // ".safetensors"
  int64_t part = 0;
  int64_t count = 0;
};
std::optional<PartName> ParsePartName(std::string_view name);

// Of `names` those that are the parts of one model, in their order: parts 1 to N of N, each once, that differ in
// nothing else. Empty where there is no such set, or another part beside it.
std::vector<std::string> CompleteSet(std::span<const std::string> names);

// For a file that is called one part of several, "model-00002-of-00003.safetensors": "; the file's name says …" and
// what to do, to be put behind an error. Else empty.
std::string PartHint(std::string_view path);

}  // namespace torchferry::plan
