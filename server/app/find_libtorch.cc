#include "server/app/find_libtorch.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

namespace torchferry::app {
namespace {

namespace fs = std::filesystem;

constexpr char kServer[] = "torchferry-server-process-";
// Of a line of a file that says a version, and of what Python prints.
constexpr size_t kMaxText = 4096;

std::string TextOf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxText, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  return text;
}

// The characters of a version that `text` begins with.
std::string VersionAt(const std::string& text) {
  const auto is_of_version = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.' || c == '+';
  };
  return std::string(text.begin(), std::ranges::find_if_not(text, is_of_version));
}

// A wheel's torch/version.py has a line __version__ = '2.11.0+cu130'; an unpacked zip has a file build-version.
std::string VersionOf(const fs::path& root) {
  const std::string python = TextOf(root / "version.py");
  const std::string key = "__version__ = '";
  const size_t at = python.find(key);
  if (at != std::string::npos) return VersionAt(python.substr(at + key.size()));
  return VersionAt(TextOf(root / "build-version"));
}

std::pair<int, int> Numbers(const std::string& minor) {
  int major_number = 0;
  int minor_number = 0;
  std::sscanf(minor.c_str(), "%d.%d", &major_number, &minor_number);
  return {major_number, minor_number};
}

[[noreturn]] void BecomePython(int out) {
  // The launcher has signals blocked for the server.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(out, STDOUT_FILENO);
  execlp("python3", "python3", "-c",
         "import importlib.util as u\n"
         "s = u.find_spec('torch')\n"
         "print(s.submodule_search_locations[0] if s and s.submodule_search_locations else '')",
         nullptr);
  _exit(127);
}

std::string ReadAll(int in) {
  std::string text;
  char buffer[256];
  ssize_t size = 0;
  while (text.size() < kMaxText && (size = read(in, buffer, sizeof(buffer))) > 0)
    text.append(buffer, static_cast<size_t>(size));
  return text;
}

}  // namespace

std::optional<FoundLibTorch> LibTorchIn(const std::string& folder) {
  if (folder.empty()) return std::nullopt;
  for (const fs::path& root : {fs::path(folder) / "torch", fs::path(folder), fs::path(folder) / "libtorch"}) {
    std::error_code error;
    if (fs::exists(root / "lib" / "libtorch_cpu.so", error)) return FoundLibTorch{root.string(), VersionOf(root)};
  }
  return std::nullopt;
}

std::string MinorOf(const std::string& version) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto dot = std::find_if_not(version.begin(), version.end(), is_digit);
  if (dot == version.begin() || dot == version.end() || *dot != '.') return "";
  const auto end = std::find_if_not(dot + 1, version.end(), is_digit);
  return end == dot + 1 ? "" : std::string(version.begin(), end);
}

std::vector<std::string> ServersIn(const std::string& folder) {
  std::vector<std::string> minors;
  std::error_code error;
  fs::directory_iterator file(folder, error);
  for (; !error && file != fs::directory_iterator(); file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (!name.starts_with(kServer)) continue;
    const std::string minor = name.substr(sizeof(kServer) - 1);
    if (!minor.empty() && MinorOf(minor) == minor) minors.push_back(minor);
  }
  std::ranges::sort(minors, {}, &Numbers);
  return minors;
}

std::optional<std::string> TorchOfPython() {
  int ends[2];
  if (pipe(ends) != 0) return std::nullopt;
  const pid_t child = fork();
  if (child == 0) BecomePython(ends[1]);
  close(ends[1]);
  std::string text = child > 0 ? ReadAll(ends[0]) : "";
  close(ends[0]);
  int status = 0;
  if (child <= 0 || waitpid(child, &status, 0) != child || status != 0) return std::nullopt;
  text.resize(std::min(text.size(), text.find('\n')));
  return text.empty() ? std::nullopt : std::optional(text);
}

std::optional<std::string> TakeLibTorchFlag(std::vector<std::string>& arguments) {
  const std::string name = "--libtorch";
  for (auto it = arguments.begin(); it != arguments.end(); ++it) {
    if (it->starts_with(name + "=")) {
      std::string value = it->substr(name.size() + 1);
      arguments.erase(it);
      return value;
    }
    if (*it != name) continue;
    const bool has_value = it + 1 != arguments.end();
    std::string value = has_value ? *(it + 1) : "";
    arguments.erase(it, it + (has_value ? 2 : 1));
    return value;
  }
  return std::nullopt;
}

}  // namespace torchferry::app
