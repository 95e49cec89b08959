#include "server/tls/credentials_watch.h"

#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"

namespace torchferry::tls {
namespace {

constexpr base::Duration kInterval = std::chrono::seconds(1);

Date Now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

void Tell(const char* message, const Credentials& credentials) {
  base::LogInfo(message, {{"subject", credentials.subject},
                          {"valid_until", ToText(credentials.validity.not_after)},
                          {"client_authorities", credentials.client_ca.empty() ? "none" : "as in --tls-client-ca"}});
  for (const std::string& warning : credentials.warnings) base::LogWarning("TLS", {{"reason", warning}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<CredentialsWatch>> CredentialsWatch::Open(const Files& files, Events events) {
  FERRY_ASSIGN_OR_RETURN(Texts texts, ReadFiles(files));
  FERRY_ASSIGN_OR_RETURN(Credentials credentials, CheckCredentials(texts, Now()));
  if (const std::string why = WhyKeyIsOpen(files); !why.empty()) base::LogWarning("TLS", {{"reason", why}});
  Tell("TLS: the certificate is served", credentials);
  events.on_taken(credentials);
  Rotation rotation(std::move(texts), std::make_shared<const Credentials>(std::move(credentials)));
  std::unique_ptr<CredentialsWatch> watch(new CredentialsWatch(files, std::move(rotation), std::move(events)));
  watch->loop_.Start();
  return watch;
}

CredentialsWatch::CredentialsWatch(Files files, Rotation rotation, Events events)
    : files_(std::move(files)),
      events_(std::move(events)),
      rotation_(std::move(rotation)),
      current_(rotation_.credentials()) {}

std::shared_ptr<const Credentials> CredentialsWatch::Current() const {
  base::MutexLock lock(mutex_);
  return current_;
}

base::TimePoint CredentialsWatch::Look() {
  const Date now = Now();
  const Rotation::Step step = rotation_.Look(ReadFiles(files_), now);
  if (step.taken != nullptr) Take(step.taken);
  if (!step.refused.empty()) {
    base::LogWarning("TLS: the files' new contents are refused, and what was served stays",
                     {{"reason", step.refused},
                      {"subject", rotation_.credentials()->subject},
                      {"valid_until", ToText(rotation_.credentials()->validity.not_after)}});
    events_.on_refused();
  }
  TellAge(now);
  return base::Clock::Real().Now() + kInterval;
}

void CredentialsWatch::Take(const std::shared_ptr<const Credentials>& credentials) {
  {
    base::MutexLock lock(mutex_);
    current_ = credentials;
  }
  Tell("TLS: new connections have the files' new contents", *credentials);
  events_.on_taken(*credentials);
}

void CredentialsWatch::TellAge(Date now) {
  const std::optional<Age> age = rotation_.NewAge(now);
  if (age != Age::kEndsSoon && age != Age::kExpired) return;
  const Credentials& credentials = *rotation_.credentials();
  const char* const what = age == Age::kExpired
                               ? "TLS: the served certificate has expired, and clients refuse it; renew it"
                               : "TLS: the served certificate ends soon; renew it";
  base::LogWarning(what, {{"subject", credentials.subject}, {"valid_until", ToText(credentials.validity.not_after)}});
}

}  // namespace torchferry::tls
