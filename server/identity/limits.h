// Every cap on a file of identities, and on what a call brings to say who it is.
#pragma once

#include <cstddef>

namespace torchferry::identity::limits {

inline constexpr size_t kMaxFileBytes = size_t{1} << 20;
inline constexpr size_t kMaxIdentities = 1024;
// Of the whole file: each call with a token is held against all of them.
inline constexpr size_t kMaxTokens = 4096;
inline constexpr size_t kMaxCertificateNames = 4096;
// Of one identity.
inline constexpr size_t kMaxModels = 256;
// Bytes of an identity's name, which stands in the log.
inline constexpr size_t kMaxNameBytes = 128;
// Bytes of a glob, and of the model's name that is held against it.
inline constexpr size_t kMaxGlobBytes = 256;
inline constexpr size_t kMaxModelBytes = 1024;
inline constexpr size_t kMaxCertificateNameBytes = 1024;
// Bytes of the authorization that a call sends.
inline constexpr size_t kMaxAuthorizationBytes = 4096;

}  // namespace torchferry::identity::limits
