#include "server/tls/chain.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "server/base/cut_text.h"
#include "server/base/status.h"

namespace torchferry::tls {
namespace {

constexpr size_t kMaxOfSubject = 200;  // bytes

// A time that is none is the epoch: such a certificate has expired, or is valid for no time.
Date DateOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return Date(std::chrono::seconds(timegm(&parts)));
}

bool IsSelfSigned(X509& certificate) { return X509_self_signed(&certificate, 0) == 1; }

// The number of a certificate in its file, for messages: of one alone none is said.
std::string PlaceOf(size_t index) { return index == 0 ? "the certificate" : fmt::format("certificate {}", index + 1); }

}  // namespace

std::string SubjectOf(const X509& certificate) {
  const BioPtr bio = WritingBio();
  // RFC 2253's form escapes control characters and what is not ASCII.
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253);
  const std::string text = TextOf(bio.get());
  return text.empty() ? "without a subject" : base::CutText(text, kMaxOfSubject);
}

Validity ValidityOf(const X509& certificate) {
  return {DateOf(X509_get0_notBefore(&certificate)), DateOf(X509_get0_notAfter(&certificate))};
}

bool HasAlternativeName(const X509& certificate) {
  return X509_get_ext_by_NID(&certificate, NID_subject_alt_name, -1) >= 0;
}

absl::Status CheckKey(const NamedText& certificate, const NamedText& key_file, const Certificates& chain,
                      EVP_PKEY& key) {
  if (X509_check_private_key(chain.front().get(), &key) == 1) return absl::OkStatus();
  ERR_clear_error();
  const bool is_of_other = std::any_of(chain.begin() + 1, chain.end(), [&key](const CertificatePtr& other) {
    return X509_check_private_key(other.get(), &key) == 1;
  });
  ERR_clear_error();
  if (is_of_other) {
    return base::MakeStatus(kInvalid, "{}: the key's certificate is not the first; put that certificate first",
                            certificate.name);
  }
  return base::MakeStatus(kInvalid,
                          "{}: the key does not fit the certificate of {} ({}); expected the key that it was made with",
                          key_file.name, certificate.name, SubjectOf(*chain.front()));
}

absl::Status CheckDates(const std::string& file, const X509& certificate, const Validity& validity, Date now) {
  const Age age = AgeOf(validity, now);
  if (age == Age::kNotYet) {
    return base::MakeStatus(kInvalid,
                            "{}: the certificate of {} is not valid before {}; is this host's clock right? It says {}",
                            file, SubjectOf(certificate), ToText(validity.not_before), ToText(now));
  }
  if (age == Age::kExpired) {
    return base::MakeStatus(kInvalid, "{}: the certificate of {} expired at {}; renew it", file, SubjectOf(certificate),
                            ToText(validity.not_after));
  }
  return absl::OkStatus();
}

absl::Status CheckOrder(const std::string& file, const Certificates& chain) {
  for (size_t i = 1; i < chain.size(); ++i) {
    const bool is_issuer = X509_check_issued(chain[i].get(), chain[i - 1].get()) == X509_V_OK &&
                           X509_verify(chain[i - 1].get(), X509_get0_pubkey(chain[i].get())) == 1;
    ERR_clear_error();
    if (is_issuer) continue;
    return base::MakeStatus(kInvalid,
                            "{}: certificate {} ({}) has not issued {} ({}); expected the server's certificate, then "
                            "its issuer, and so on",
                            file, i + 1, SubjectOf(*chain[i]), PlaceOf(i - 1), SubjectOf(*chain[i - 1]));
  }
  return absl::OkStatus();
}

absl::StatusOr<Validity> CheckChainDates(const std::string& file, const Certificates& chain, Date now) {
  Validity all = ValidityOf(*chain.front());
  for (size_t i = 0; i < chain.size(); ++i) {
    if (i > 0 && IsSelfSigned(*chain[i])) continue;
    const Validity one = ValidityOf(*chain[i]);
    FERRY_RETURN_IF_ERROR(CheckDates(file, *chain[i], one, now));
    all = {std::max(all.not_before, one.not_before), std::min(all.not_after, one.not_after)};
  }
  return all;
}

}  // namespace torchferry::tls
