#include "server/checkpoint/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <charconv>

namespace torchferry::checkpoint {

struct Sha256Stream::Context {
  Context() : evp(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    is_sound = evp != nullptr && EVP_DigestInit_ex(evp.get(), EVP_sha256(), nullptr) == 1;
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> evp;
  bool is_sound = false;
};

Sha256Stream::Sha256Stream() : context_(std::make_unique<Context>()) {}

Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::Add(std::span<const std::byte> piece) {
  context_->is_sound = context_->is_sound && EVP_DigestUpdate(context_->evp.get(), piece.data(), piece.size()) == 1;
}

absl::StatusOr<Sha256Digest> Sha256Stream::Finish() {
  Sha256Digest digest;
  unsigned int length = 0;
  context_->is_sound = context_->is_sound && EVP_DigestFinal_ex(context_->evp.get(), digest.data(), &length) == 1;
  if (!context_->is_sound || length != digest.size()) return absl::InternalError("OpenSSL has no SHA-256");
  return digest;
}

absl::StatusOr<Sha256Digest> Sha256Of(std::span<const std::byte> bytes) {
  Sha256Stream stream;
  stream.Add(bytes);
  return stream.Finish();
}

std::string ToHex(const Sha256Digest& digest) { return fmt::format("{:02x}", fmt::join(digest, "")); }

std::optional<Sha256Digest> FromHex(std::string_view text) {
  Sha256Digest digest;
  if (text.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const std::string_view pair = text.substr(2 * i, 2);
    // from_chars takes no sign and no prefix for an unsigned type.
    const auto [end, error] = std::from_chars(pair.data(), pair.data() + pair.size(), digest[i], 16);
    if (error != std::errc() || end != pair.data() + pair.size()) return std::nullopt;
  }
  return digest;
}

}  // namespace torchferry::checkpoint
