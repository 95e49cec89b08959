// Finds LibTorch, and the server of a package that fits it. A package has one server for each LibTorch that it was
// built for, as LibTorch's C++ interface changes from one minor version to the next.
//
// The launcher uses this before any library is loaded, so it needs only the standard library and POSIX.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace torchferry::app {

struct FoundLibTorch {
  std::string root;     // the folder that holds lib/libtorch_cpu.so
  std::string version;  // "2.11.0+cu130"; empty: its files do not say
};

// Looks in `folder`: a pip site-packages, its torch/, or an unpacked libtorch zip. nullopt: LibTorch is not there.
std::optional<FoundLibTorch> LibTorchIn(const std::string& folder);

// "2.11.0+cu130" → "2.11"; empty where that is not a version.
std::string MinorOf(const std::string& version);

// The minor versions that a package's servers are built for, the oldest first. They are read from the names of the
// files torchferry-server-process-MINOR in `folder`. Empty: `folder` is not a package.
std::vector<std::string> ServersIn(const std::string& folder);

// Asks the first Python in PATH for the path of its torch/, without importing it. nullopt: there is no Python, or no
// torch.
std::optional<std::string> TorchOfPython();

// Takes `--libtorch DIR` or `--libtorch=DIR` out of `arguments`, and returns DIR. nullopt: it is not among them. An
// empty text: it has no DIR.
std::optional<std::string> TakeLibTorchFlag(std::vector<std::string>& arguments);

}  // namespace torchferry::app
