// Any bytes as the files of a listener: a chain, its key and the authorities of clients, with a NUL after each. What is
// taken is written as PEM that is taken again, and each refusal names the file.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "server/tls/authorities.h"
#include "server/tls/credentials.h"

namespace {

using namespace torchferry::tls;

// Within the time of the seeds' certificates.
constexpr Date kNow = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);

void Expect(bool is_so) {
  if (!is_so) std::abort();
}

std::string TakePart(std::string_view& rest) {
  const size_t end = std::min(rest.find('\0'), rest.size());
  std::string part(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

bool Names(const absl::Status& status, const Texts& texts) {
  const std::string message(status.message());
  const auto is_first = [&](const NamedText& file) { return message.starts_with(file.name); };
  return is_first(texts.certificate) || is_first(texts.key) || is_first(texts.client_ca);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  Texts texts{{"the chain", TakePart(rest)}, {"the key", TakePart(rest)}, {"the authorities", TakePart(rest)}};
  const auto taken = CheckCredentials(texts, kNow);
  if (taken.ok()) {
    Expect(taken->validity.not_before <= kNow && kNow <= taken->validity.not_after);
    const Texts again{{"the chain", taken->chain}, {"the key", taken->key}, {"the authorities", taken->client_ca}};
    Expect(CheckCredentials(again, kNow).ok());
  } else {
    Expect(Names(taken.status(), texts));
  }
  std::vector<std::string> warnings;
  const auto authorities = CheckAuthorities(texts.client_ca, kNow, warnings);
  Expect(authorities.ok() || Names(authorities.status(), texts));
  return 0;
}
