// The flags of TLS.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "server/app/flags.h"

namespace torchferry::app {

// The texts that CLI11 reads, before they are checked together.
struct TlsWords {
  std::string client_auth;
  std::string metrics;
};

// Parsing the command line fills `flags` and `words`.
void AddTlsFlags(CLI::App& app, ServerFlags& flags, TlsWords& words);

// Call it after parsing: it sets the other TLS fields. Throws CLI::ValidationError when the flags do not fit together.
void ReadTlsFlags(const TlsWords& words, ServerFlags& flags);

}  // namespace torchferry::app
