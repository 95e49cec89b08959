// Any bytes as a file of identities: what is taken keeps to the limits, each identity in it can be recognised, and
// nobody else is. The rest of the bytes, from the first NUL on, is what a caller sends as its authorization.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/identity/identity_file.h"
#include "server/identity/identity_set.h"
#include "server/identity/limits.h"

namespace {

using namespace torchferry::identity;

void Expect(bool is_so) {
  if (!is_so) std::abort();
}

void CheckEntry(const IdentityEntry& entry) {
  Expect(!entry.identity.name.empty() && entry.identity.name.size() <= limits::kMaxNameBytes);
  Expect(!entry.identity.roles.empty());
  Expect(!entry.identity.models.empty() && entry.identity.models.size() <= limits::kMaxModels);
  Expect(!entry.tokens.empty() || !entry.certificates.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(all.find('\0'), all.size());
  auto entries = ParseIdentities(all.substr(0, end), "people");
  if (!entries.ok()) {
    Expect(entries.status().message().substr(0, 7) == "people:");
    return 0;
  }
  Expect(entries->size() <= limits::kMaxIdentities);
  std::vector<std::pair<CertificateName, std::string>> certificates;
  for (const IdentityEntry& entry : *entries) {
    CheckEntry(entry);
    for (const CertificateName& name : entry.certificates) certificates.emplace_back(name, entry.identity.name);
  }
  const IdentitySet set(*std::move(entries));
  for (const auto& [name, owner] : certificates) {
    const Recognition found = set.Recognise({.authorization = {}, .certificate = {&name, 1}}, WallTime());
    Expect(found.finding == Finding::kKnown && found.identity->name == owner);
  }
  const std::string_view sent = all.substr(std::min(end + 1, all.size()));
  Expect(set.Recognise({.authorization = {&sent, 1}, .certificate = {}}, WallTime()).finding == Finding::kUnknown);
  return 0;
}
