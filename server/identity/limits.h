// Every limit on a file of identities, and on the credentials that a call brings.
#pragma once

#include <cstddef>

namespace torchferry::identity::limits {

inline constexpr size_t kMaxFileBytes = size_t{1} << 20;
inline constexpr size_t kMaxIdentities = 1024;
// Max tokens of the whole file: each call with a token is compared with all of them.
inline constexpr size_t kMaxTokens = 4096;
inline constexpr size_t kMaxCertificateNames = 4096;
// Max model globs of one identity.
inline constexpr size_t kMaxModels = 256;
// Max bytes of an identity's name, which the log shows.
inline constexpr size_t kMaxNameBytes = 128;
// Max bytes of a glob, and of the model's name that is compared with it.
inline constexpr size_t kMaxGlobBytes = 256;
inline constexpr size_t kMaxModelBytes = 1024;
inline constexpr size_t kMaxCertificateNameBytes = 1024;
// Max bytes of the authorization that a call sends.
inline constexpr size_t kMaxAuthorizationBytes = 4096;

}  // namespace torchferry::identity::limits
