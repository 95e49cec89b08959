// The text of --identities: the identities, how each is recognised, and what it may ask.
//
//   # A line is a word and its value. Lines that begin with # are skipped.
//   identity alice
//     roles predict read
//     models bert-* mlp
//     token sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae expires 2027-01-31T12:00:00Z
//     certificate dns:alice.example.com
#pragma once

#include <absl/status/statusor.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/identity/caller.h"

namespace torchferry::identity {

using WallTime = std::chrono::sys_seconds;
using TokenDigest = std::array<unsigned char, 32>;  // SHA-256

struct Token {
  TokenDigest digest;
  std::optional<WallTime> expires;  // the token is valid before that
};

// A name in a client's certificate: "dns:alice.example.com", "uri:spiffe://example/alice", "cn:alice". DNS names are in
// lower case.
using CertificateName = std::string;

// `kind` is "dns", "uri" or "cn".
CertificateName MakeCertificateName(std::string_view kind, std::string_view value);

struct IdentityEntry {
  Identity identity;
  std::vector<Token> tokens;
  std::vector<CertificateName> certificates;
};

// INVALID_ARGUMENT "NAME:LINE:COLUMN: what" for the first line that is wrong. Duplicates are wrong, and so is more than
// limits.h allows. An identity without roles, models or a way to recognise it is wrong, too. `name` is what messages
// call the text. Columns are bytes, from 1.
absl::StatusOr<std::vector<IdentityEntry>> ParseIdentities(std::string_view text, std::string_view name);

// Parses "2027-01-31" (the beginning of that day) or "2027-01-31T12:00:00Z"; empty for anything else.
std::optional<WallTime> ParseWallTime(std::string_view text);

}  // namespace torchferry::identity
