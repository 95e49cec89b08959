#include "server/tls/client_credentials.h"

#include <vector>

#include "server/base/status.h"
#include "server/tls/authorities.h"
#include "server/tls/chain.h"
#include "server/tls/files.h"

namespace torchferry::tls {
namespace {

constexpr char kCaFlag[] = "--tls-ca";
constexpr char kCertificateFlag[] = "--tls-client-cert";
constexpr char kKeyFlag[] = "--tls-client-key";

absl::Status ReadPair(const ClientFiles& files, Date now, ClientCredentials& into) {
  FERRY_ASSIGN_OR_RETURN(const NamedText certificate, ReadFile(kCertificateFlag, files.certificate));
  FERRY_ASSIGN_OR_RETURN(const NamedText key_file, ReadFile(kKeyFlag, files.key));
  FERRY_ASSIGN_OR_RETURN(const Certificates chain, ReadCertificates(certificate, kMaxInChain));
  FERRY_ASSIGN_OR_RETURN(const KeyPtr key, ReadPrivateKey(key_file));
  FERRY_RETURN_IF_ERROR(CheckKey(certificate, key_file, chain, *key));
  FERRY_RETURN_IF_ERROR(CheckDates(certificate.name, *chain.front(), ValidityOf(*chain.front()), now));
  into.chain = ToPem(chain);
  into.key = ToPem(*key);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClientCredentials> ReadClientCredentials(const ClientFiles& files, Date now) {
  if (files.certificate.empty() != files.key.empty()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} is given without {}; a certificate needs its key",
                            files.key.empty() ? kCertificateFlag : kKeyFlag,
                            files.key.empty() ? kKeyFlag : kCertificateFlag);
  }
  ClientCredentials read;
  if (!files.ca.empty()) {
    FERRY_ASSIGN_OR_RETURN(const NamedText ca, ReadFile(kCaFlag, files.ca));
    std::vector<std::string> ignored;  // of some that are not valid: the server may have another
    FERRY_ASSIGN_OR_RETURN(read.ca, CheckAuthorities(ca, now, ignored));
  }
  if (!files.certificate.empty()) FERRY_RETURN_IF_ERROR(ReadPair(files, now, read));
  return read;
}

}  // namespace torchferry::tls
