// Any bytes as a config.pbtxt: parsed, or refused with the file's name in front.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "server/base/status.h"
#include "server/config/model_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto config = torchferry::config::ParseModelConfig(text, "m/config.pbtxt", "m");
  if (!config.ok()) {
    if (!torchferry::base::MessageOf(config.status()).starts_with("m/config.pbtxt")) std::abort();
    return 0;
  }
  if (config->name != "m" || config->max_batch_size < 0) std::abort();
  (void)torchferry::config::SelectVersions(config->version_policy, {1, 2, 3});
  return 0;
}
