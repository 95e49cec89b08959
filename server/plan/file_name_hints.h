// Finds contradictions between a file's name and its content. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::plan {

// Gives a sentence for each contradiction between the words in a file's name ("resnet18_gpu_fp16.pth") and the devices
// and dtypes that were saved in it. The server decides nothing by names, but people read them.
std::vector<std::string> FileNameHints(std::string_view path, std::span<const std::string> saved_devices,
                                       std::span<const std::string> saved_dtypes);

// The name of a file that is one part of several, "model-00002-of-00003.safetensors".
struct PartName {
  std::string stem;    // "model"
  std::string suffix;  // ".safetensors"
  int64_t part = 0;
  int64_t count = 0;
};
std::optional<PartName> ParsePartName(std::string_view name);

// Gives those of `names` that are the parts of one model, in their order. They are parts 1 to N of N, each once, and
// differ in nothing else. Other names are passed over. Empty where there is no such set, or where another part is
// beside it.
std::vector<std::string> CompleteSet(std::span<const std::string> names);

// Text to append to an error where the file's name marks one part of several: "; the file's name says …" and what to
// do. Empty for other names.
std::string PartHint(std::string_view path);

}  // namespace torchferry::plan
