#include "server/app/tls_flags.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "server/app/flag_options.h"
#include "server/base/status.h"

namespace torchferry::app {
namespace {

// Nothing is as good as one of the words: it is the default.
std::string CheckWord(const std::string& text, std::initializer_list<std::string_view> words) {
  if (text.empty() || std::ranges::find(words, text) != words.end()) return "";
  return fmt::format("\"{}\" is not one of {}", text, fmt::join(words, ", "));
}

// Of what was given; with --tls-client-ca alone it is required.
tls::ClientAuth ClientAuthOf(const std::string& given, const tls::Files& files) {
  if (given.empty()) return files.client_ca.empty() ? tls::ClientAuth::kNone : tls::ClientAuth::kRequire;
  if (given == "none") return tls::ClientAuth::kNone;
  return given == "request" ? tls::ClientAuth::kRequest : tls::ClientAuth::kRequire;
}

void CheckTls(const ServerFlags& flags) {
  const tls::Files& files = flags.tls;
  if (files.certificate.empty() != files.key.empty()) {
    throw CLI::ValidationError(files.key.empty() ? "--tls-cert" : "--tls-key",
                               files.key.empty() ? "needs the certificate's key; add --tls-key FILE"
                                                 : "needs the key's certificate; add --tls-cert FILE");
  }
  if (files.certificate.empty() && !files.client_ca.empty()) {
    throw CLI::ValidationError("--tls-client-ca", "has no effect without TLS; add --tls-cert FILE and --tls-key FILE");
  }
  if (files.certificate.empty() && flags.metrics_tls.has_value()) {
    throw CLI::ValidationError("--metrics-tls", "needs a certificate; add --tls-cert FILE and --tls-key FILE");
  }
  if (flags.metrics_tls == tls::ClientAuth::kRequire && files.client_ca.empty()) {
    throw CLI::ValidationError("--metrics-tls", "mutual takes certificates of authorities; add --tls-client-ca FILE");
  }
  const bool asks = flags.tls_client_auth != tls::ClientAuth::kNone;
  if (asks && files.client_ca.empty()) {
    throw CLI::ValidationError("--tls-client-auth",
                               "request and require take certificates of authorities; add --tls-client-ca FILE");
  }
  if (!asks && !files.client_ca.empty() && flags.metrics_tls != tls::ClientAuth::kRequire) {
    throw CLI::ValidationError("--tls-client-ca", "has no effect with --tls-client-auth none; leave one out");
  }
}

}  // namespace

void AddTlsFlags(CLI::App& app, ServerFlags& flags, TlsWords& words) {
  AddFlag(app, "--tls-cert", flags.tls.certificate,
          "PEM file of the server's certificate, followed by its issuers. gRPC then takes only TLS. The file is read "
          "again when it changes. Empty: plain text")
      ->check(CheckFile);
  AddFlag(app, "--tls-key", flags.tls.key, "PEM file of the certificate's private key, not encrypted")
      ->check(CheckFile);
  AddFlag(app, "--tls-client-ca", flags.tls.client_ca,
          "PEM file of the authorities that issue the clients' certificates (mTLS)")
      ->check(CheckFile);
  AddFlag(app, "--tls-client-auth", words.client_auth,
          "Whether clients need a certificate: none, request (optional, but checked), require. Default: require with "
          "--tls-client-ca, else none")
      ->check([](const std::string& text) {
        return CheckWord(text, {"none", "request", "require"});
      });
  AddFlag(app, "--metrics-tls", words.metrics,
          "Whether --metrics-address takes only HTTPS, with the same certificate: off, server, mutual (clients need a "
          "certificate of --tls-client-ca)")
      ->default_str("off")
      ->check([](const std::string& text) {
        return CheckWord(text, {"off", "server", "mutual"});
      });
}

void ReadTlsFlags(const TlsWords& words, ServerFlags& flags) {
  flags.tls_client_auth = ClientAuthOf(words.client_auth, flags.tls);
  if (words.metrics == "server") flags.metrics_tls = tls::ClientAuth::kNone;
  if (words.metrics == "mutual") flags.metrics_tls = tls::ClientAuth::kRequire;
  CheckTls(flags);
}

}  // namespace torchferry::app
