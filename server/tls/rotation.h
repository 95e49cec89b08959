// Which of the credentials that come by and by in the files are served. Pure: files' contents and dates come in.
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
    std::shared_ptr<const Credentials> taken;  // that are served from now on; null: those of before
    std::string refused;                       // why the files' contents are not; once for each content
  };

  // `texts` are where `credentials` come from.
  Rotation(Texts texts, std::shared_ptr<const Credentials> credentials)
      : served_(std::move(texts)), credentials_(std::move(credentials)) {}

  // What a look at the files gave. What is good is taken at once. What is not may be half of a change: it is refused
  // when the next look finds the same, and looked at again as long as it is there, for a date may make it good.
  Step Look(const absl::StatusOr<Texts>& read, Date now);

  const std::shared_ptr<const Credentials>& credentials() const { return credentials_; }

  // A change of the served credentials' age, kValid at first; nothing while it is the same.
  std::optional<Age> NewAge(Date now);

 private:
  Texts served_;
  std::shared_ptr<const Credentials> credentials_;
  Age age_ = Age::kValid;
  // Of contents that are not served: what they are, and whether that was said.
  std::string waiting_;
  bool is_said_ = false;
};

}  // namespace torchferry::tls
