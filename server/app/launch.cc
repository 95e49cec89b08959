// torchferry-server as it is called: holds back the signals that stop a server, finds LibTorch, and becomes the server.
//
// The server's libraries take 30 ms of a processor to be mapped and relocated, and a signal that comes then would end
// the process. This program is linked statically: stop_signals.cc has the signals blocked a fraction of a millisecond
// after exec. A second exec keeps them blocked, and keeps one that has come.
//
// A build has one server, which knows where its LibTorch is. A package has one for each LibTorch that it was built for,
// and none of them knows: what is on this host decides.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "server/app/find_libtorch.h"

namespace torchferry::app {
namespace {

constexpr int kWrongFlags = 2;

int Fail(int code, const std::string& text) {
  std::fprintf(stderr, "torchferry-server: %s\n", text.c_str());
  return code;
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

int Become(const std::string& path, std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execv(path.c_str(), argv.data());
  return Fail(1, "cannot run " + path + ": " + std::strerror(errno) + "; it is installed beside bin/");
}

// The server's own libraries are found first, whatever this holds: it has a DT_RPATH.
void AddToLibraryPath(const std::string& folder) {
  const char* before = std::getenv("LD_LIBRARY_PATH");
  const std::string path = before == nullptr || *before == '\0' ? folder : folder + ":" + before;
  setenv("LD_LIBRARY_PATH", path.c_str(), 1);
}

// A folder that somebody has named: it is right, or an error.
struct Named {
  std::string by;
  std::string folder;
};

std::optional<FoundLibTorch> FindUnnamed(const std::string& prefix) {
  // An image has it in the package; a wheel is a folder of the package `torchferry` in site-packages.
  for (const char* folder : {"", "/../.."}) {
    if (auto found = LibTorchIn(prefix + folder)) return found;
  }
  const std::optional<std::string> of_python = TorchOfPython();
  return of_python.has_value() ? LibTorchIn(*of_python) : std::nullopt;
}

int RunPackaged(const std::string& prefix, const std::string& libexec, const std::optional<Named>& named,
                std::vector<std::string> arguments) {
  const std::vector<std::string> servers = ServersIn(libexec);
  if (servers.empty()) return Fail(1, "no server in " + libexec + "; it is installed beside bin/");
  const auto found = named.has_value() ? LibTorchIn(named->folder) : FindUnnamed(prefix);
  const std::string ways_out =
      "pip install 'torch==" + servers.back() + ".*', or name a folder that has LibTorch with --libtorch DIR";
  if (!found.has_value() && named.has_value()) {
    return Fail(kWrongFlags, named->by + ": no lib/libtorch_cpu.so in " + named->folder +
                                 ", in its torch/ or in its libtorch/; it is a Python's site-packages, the torch/ in "
                                 "it, or an unpacked libtorch zip");
  }
  if (!found.has_value()) {
    return Fail(1, "LibTorch is not found, beside this package or by a python3 of PATH. " + ways_out);
  }
  const std::string minor = MinorOf(found->version);
  const std::string server = libexec + "/torchferry-server-process-" + minor;
  std::error_code error;
  if (minor.empty() || !std::filesystem::exists(server, error)) {
    return Fail(1, "LibTorch " + (found->version.empty() ? "of an unknown version" : found->version) + ", in " +
                       found->root + ", does not fit: this package has servers for LibTorch " + Joined(servers) + ". " +
                       ways_out);
  }
  AddToLibraryPath(found->root + "/lib");
  return Become(server, std::move(arguments));
}

int Run(int argc, char** argv) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Fail(1, "/proc/self/exe does not say where this program lies; mount /proc");
  const std::string prefix = self.parent_path().parent_path().string();
  const std::string libexec = prefix + "/libexec/torchferry";
  std::vector<std::string> arguments(argv, argv + argc);
  const std::optional<std::string> flag = TakeLibTorchFlag(arguments);
  if (flag.has_value() && flag->empty()) return Fail(kWrongFlags, "--libtorch needs a folder");

  const std::string built = libexec + "/torchferry-server-process";
  if (std::filesystem::exists(built, error)) {
    if (!flag.has_value()) return Become(built, std::move(arguments));
    return Fail(kWrongFlags,
                "--libtorch is for packages; this server was built for one LibTorch and knows where it is");
  }
  std::optional<Named> named;
  const char* variable = std::getenv("TORCHFERRY_LIBTORCH");
  if (flag.has_value()) {
    named = Named{"--libtorch", *flag};
  } else if (variable != nullptr && *variable != '\0') {
    named = Named{"TORCHFERRY_LIBTORCH", variable};
  }
  return RunPackaged(prefix, libexec, named, std::move(arguments));
}

}  // namespace
}  // namespace torchferry::app

int main(int argc, char** argv) { return torchferry::app::Run(argc, argv); }
