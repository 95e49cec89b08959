// Names that contradict what is in the file. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::plan {

// A sentence for each contradiction between the words in a file's name ("resnet18_gpu_fp16.pth") and the devices and
// dtypes that were saved in it. Names decide nothing; whoever reads them should know.
std::vector<std::string> FileNameHints(std::string_view path, std::span<const std::string> saved_devices,
                                       std::span<const std::string> saved_dtypes);

// For a file that is called one part of several, "model-00002-of-00003.safetensors": "; the file's name says …" and
// what to do, to be put behind an error. Else empty.
std::string PartHint(std::string_view path);

}  // namespace torchferry::plan
