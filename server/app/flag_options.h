// Adds a flag with its environment variable and its default.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <string>

namespace torchferry::app {

// --model-store → TORCHFERRY_MODEL_STORE
inline std::string EnvironmentName(const std::string& flag) {
  std::string name = "TORCHFERRY_" + flag.substr(2);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return name;
}

template <typename T>
CLI::Option* AddFlag(CLI::App& app, const std::string& flag, T& value, const std::string& help) {
  return app.add_option(flag, value, help)->envname(EnvironmentName(flag))->capture_default_str();
}

// Checks that the file exists. An empty path passes, as an empty environment variable gives one.
inline std::string CheckFile(const std::string& text) { return text.empty() ? "" : CLI::ExistingFile(text); }

}  // namespace torchferry::app
