// Computes SHA-256 of bytes, by OpenSSL.
#pragma once

#include <absl/status/statusor.h>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace torchferry::checkpoint {

using Sha256Digest = std::array<unsigned char, 32>;

// Computes the digest of bytes that come in pieces.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;

  void Add(std::span<const std::byte> piece);
  // Gives the digest of all pieces. Call it once. INTERNAL: this OpenSSL has no SHA-256.
  absl::StatusOr<Sha256Digest> Finish();

 private:
  struct Context;
  const std::unique_ptr<Context> context_;
};

// Gives the digest of bytes that are in one piece. INTERNAL as above.
absl::StatusOr<Sha256Digest> Sha256Of(std::span<const std::byte> bytes);

// Writes 64 lower-case digits.
std::string ToHex(const Sha256Digest& digest);

// Reads 64 hexadecimal digits, of either case. Nothing for any other text.
std::optional<Sha256Digest> FromHex(std::string_view text);

}  // namespace torchferry::checkpoint
