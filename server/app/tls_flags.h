// The flags of TLS.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "server/app/flags.h"

namespace torchferry::app {

// What CLI11 reads, before it is known what it means together.
struct TlsWords {
  std::string client_auth;
  std::string metrics;
};

// `flags` and `words` are filled in when the command line is parsed.
void AddTlsFlags(CLI::App& app, ServerFlags& flags, TlsWords& words);

// After that: fills in the rest. Throws CLI::ValidationError when they do not go together.
void ReadTlsFlags(const TlsWords& words, ServerFlags& flags);

}  // namespace torchferry::app
