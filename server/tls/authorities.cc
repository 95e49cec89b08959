#include "server/tls/authorities.h"

#include "server/base/status.h"
#include "server/tls/chain.h"

namespace torchferry::tls {
namespace {

constexpr size_t kMaxAuthorities = 1000;

}  // namespace

absl::StatusOr<std::string> CheckAuthorities(const NamedText& file, Date now, std::vector<std::string>& warnings) {
  FERRY_ASSIGN_OR_RETURN(const Certificates authorities, ReadCertificates(file, kMaxAuthorities));
  std::vector<std::string> unusable;
  for (const CertificatePtr& authority : authorities) {
    absl::Status status = CheckDates(file.name, *authority, ValidityOf(*authority), now);
    if (!status.ok()) unusable.push_back(base::MessageOf(status));
  }
  if (unusable.size() == authorities.size()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}; no authority in it may be used", unusable.front());
  }
  warnings.insert(warnings.end(), unusable.begin(), unusable.end());
  return ToPem(authorities);
}

}  // namespace torchferry::tls
