#include "server/tls/rotation.h"

#include <utility>

#include "server/base/status.h"

namespace torchferry::tls {
namespace {

// All of the contents, or the reason why there are none: what differs is another change.
std::string KeyOf(const absl::StatusOr<Texts>& read) {
  if (!read.ok()) return "!" + base::MessageOf(read.status());
  return fmt::format("{} {} {}{}{}", read->certificate.text.size(), read->key.text.size(), read->certificate.text,
                     read->key.text, read->client_ca.text);
}

bool IsSame(const Texts& a, const Texts& b) {
  return a.certificate.text == b.certificate.text && a.key.text == b.key.text && a.client_ca.text == b.client_ca.text;
}

}  // namespace

Rotation::Step Rotation::Look(const absl::StatusOr<Texts>& read, Date now) {
  if (read.ok() && IsSame(*read, served_)) {
    waiting_.clear();
    return {};
  }
  absl::StatusOr<Credentials> checked = read.ok() ? CheckCredentials(*read, now) : read.status();
  if (checked.ok()) {
    served_ = *read;
    credentials_ = std::make_shared<const Credentials>(*std::move(checked));
    age_ = Age::kValid;
    waiting_.clear();
    return {.taken = credentials_, .refused = ""};
  }
  std::string key = KeyOf(read);
  if (key != waiting_) {
    waiting_ = std::move(key);
    is_said_ = false;
    return {};
  }
  if (std::exchange(is_said_, true)) return {};
  return {.taken = nullptr, .refused = base::MessageOf(checked.status())};
}

std::optional<Age> Rotation::NewAge(Date now) {
  const Age age = AgeOf(credentials_->validity, now);
  return std::exchange(age_, age) == age ? std::nullopt : std::optional(age);
}

}  // namespace torchferry::tls
