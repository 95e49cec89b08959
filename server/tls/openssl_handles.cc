#include "server/tls/openssl_handles.h"

#include <openssl/err.h>

namespace torchferry::tls {

BioPtr ReadingBio(std::string_view text) { return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

BioPtr WritingBio() { return BioPtr(BIO_new(BIO_s_mem())); }

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);  // NOLINT(google-runtime-int): OpenSSL's type
  return length > 0 ? std::string(data, static_cast<size_t>(length)) : "";
}

std::string TakeError() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

}  // namespace torchferry::tls
