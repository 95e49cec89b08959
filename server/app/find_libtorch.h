// Where LibTorch is, and which of a package's servers fits it. A package has one server for each LibTorch that it was
// built for, as LibTorch's C++ interface changes from one minor version to the next.
//
// The launcher uses this before any library is loaded: the standard library and POSIX alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace torchferry::app {

struct FoundLibTorch {
  std::string root;     // holds lib/libtorch_cpu.so
  std::string version;  // "2.11.0+cu130"; empty: it does not say
};

// In `folder`: a pip site-packages, its torch/, or an unpacked libtorch zip. Nothing: it is not there.
std::optional<FoundLibTorch> LibTorchIn(const std::string& folder);

// "2.11.0+cu130" → "2.11"; empty where that is no version.
std::string MinorOf(const std::string& version);

// The minor versions that a package's servers are built for, the oldest first: of the files
// torchferry-server-process-MINOR in `folder`. Empty: it is no package.
std::vector<std::string> ServersIn(const std::string& folder);

// What the first Python of PATH says where its torch/ is, without importing it. Nothing: no Python, or no torch.
std::optional<std::string> TorchOfPython();

// Takes `--libtorch DIR` or `--libtorch=DIR` out of `arguments`. Nothing: it is not among them. An empty text: it has
// no DIR.
std::optional<std::string> TakeLibTorchFlag(std::vector<std::string>& arguments);

}  // namespace torchferry::app
