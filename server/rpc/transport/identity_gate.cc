#include "server/rpc/transport/identity_gate.h"

#include <grpc/grpc_security_constants.h>

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include "server/base/logging.h"
#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

using identity::CertificateName;
using identity::Finding;

std::string_view View(const grpc::string_ref& text) { return {text.data(), text.size()}; }

void AddNames(const grpc::AuthContext& context, const char* property, std::string_view kind,
              std::vector<CertificateName>& names) {
  for (const grpc::string_ref& value : context.FindPropertyValues(property)) {
    names.push_back(identity::MakeCertificateName(kind, View(value)));
  }
}

// None of a connection without a certificate, or without TLS.
std::vector<CertificateName> CertificateNames(const grpc::ServerContext& call) {
  std::vector<CertificateName> names;
  const std::shared_ptr<const grpc::AuthContext> context = call.auth_context();
  if (context == nullptr || !context->IsPeerAuthenticated()) return names;
  AddNames(*context, GRPC_PEER_DNS_PROPERTY_NAME, "dns", names);
  AddNames(*context, GRPC_PEER_URI_PROPERTY_NAME, "uri", names);
  if (context->FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME).empty()) {
    AddNames(*context, GRPC_X509_CN_PROPERTY_NAME, "cn", names);
  }
  return names;
}

std::string_view Reason(Finding finding) {
  switch (finding) {
    case Finding::kNobody:
      return "it has not said who it is";
    case Finding::kUnknown:
      return "nobody has its token or certificate";
    case Finding::kExpired:
      return "its token has expired";
    case Finding::kKnown:
      break;
  }
  return "it has no role for this";
}

}  // namespace

absl::Status CheckRecognised(const identity::Recognition& recognition, const MethodRule& rule, bool probes_are_open) {
  if (rule.is_probe && probes_are_open) return absl::OkStatus();
  if (recognition.finding == Finding::kNobody) {
    return absl::UnauthenticatedError(
        "this server wants to know who calls: send a token as the metadata \"authorization: Bearer TOKEN\", or connect "
        "with a client certificate that it knows");
  }
  if (recognition.finding != Finding::kKnown) {
    return absl::UnauthenticatedError(
        "the token or certificate of this call is not one that the server knows now: ask its operator for another");
  }
  if (recognition.identity->roles.HasAnyOf(rule.any_of)) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kPermissionDenied,
                          "the identity \"{}\" has no role for this method: ask the operator of the server",
                          recognition.identity->name);
}

absl::Status IdentityGate::Admit(const grpc::ServerContext& context, const MethodRule& rule, identity::Caller& caller) {
  std::string peer = context.peer();
  std::vector<std::string_view> authorization;
  const auto [from, to] = context.client_metadata().equal_range("authorization");
  for (auto value = from; value != to; ++value) authorization.push_back(View(value->second));
  const std::vector<CertificateName> names =
      authorization.empty() ? CertificateNames(context) : std::vector<CertificateName>();
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const identity::Recognition found =
      identities_.current()->Recognise({.authorization = authorization, .certificate = names}, now);
  absl::Status status = CheckRecognised(found, rule, probes_are_open_);
  if (!status.ok()) Refused(status, found, rule, peer);
  caller = found.finding == Finding::kKnown ? identity::Caller::Known(std::move(peer), found.identity)
                                            : identity::Caller::Nobody(std::move(peer));
  return status;
}

void IdentityGate::Refused(const absl::Status& status, const identity::Recognition& recognition, const MethodRule& rule,
                           const std::string& peer) {
  const std::string code = base::CodeName(status.code());
  metrics_.CallRefused(code);
  std::optional<uint64_t> unlogged;
  {
    base::MutexLock lock(mutex_);
    unlogged = logged_.Admit(clock_.Now());
  }
  if (!unlogged.has_value()) return;
  base::LogWarning("a call was refused",
                   {{"code", code},
                    {"why", Reason(recognition.finding)},
                    {"identity", recognition.identity == nullptr ? "" : recognition.identity->name},
                    {"peer", peer},
                    {"method", rule.method},
                    {"more_before", *unlogged}});
}

}  // namespace torchferry::rpc
