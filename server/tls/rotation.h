// Decides which contents of the files are served, as these change over time. Pure: contents and dates are arguments.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>

#include "server/tls/credentials.h"

namespace torchferry::tls {

// Thread-compatible.
class Rotation {
 public:
  struct Step {
    std::shared_ptr<const Credentials> taken;  // served from now on; null: the ones before stay
    std::string refused;                       // why the contents are refused; once for each content
  };

  // `credentials` come from `texts`.
  Rotation(Texts texts, std::shared_ptr<const Credentials> credentials)
      : served_(std::move(texts)), credentials_(std::move(credentials)) {}

  // Takes the result of one check of the files. Good contents are taken at once. Bad contents may be half of a change,
  // so they are refused only when the next check finds the same. They are checked again while they are there, as a date
  // may make them good.
  Step Look(const absl::StatusOr<Texts>& read, Date now);

  const std::shared_ptr<const Credentials>& credentials() const { return credentials_; }

  // The served credentials' age, if it has changed; otherwise empty. It is kValid at first.
  std::optional<Age> NewAge(Date now);

 private:
  Texts served_;
  std::shared_ptr<const Credentials> credentials_;
  Age age_ = Age::kValid;
  // The contents that are not served, and whether their refusal was reported.
  std::string waiting_;
  bool is_said_ = false;
};

}  // namespace torchferry::tls
