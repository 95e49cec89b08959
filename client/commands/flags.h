// Kinds of flags that several commands have.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace torchferry::client {

// The positional argument MODEL[:VERSION].
inline void AddModelArgument(CLI::App& command, std::string& model, const char* description) {
  command.add_option("model", model, description)->type_name("MODEL[:VERSION]")->required();
}

// Each flag takes one value, as the next argument may be an input.
inline void AddList(CLI::App& command, const char* name, std::vector<std::string>& values, const char* description,
                    const char* type) {
  command.add_option(name, values, description)->type_name(type)->allow_extra_args(false);
}

// The help shows the default.
template <typename Value>
void AddSetting(CLI::App& command, const char* name, Value& value, const char* description, const char* type) {
  command.add_option(name, value, description)->type_name(type)->capture_default_str();
}

}  // namespace torchferry::client
