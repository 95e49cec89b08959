// The configuration that a version is served by, where its passport adds to config.pbtxt.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/config/model_config.h"
#include "server/plan/passport.h"

namespace torchferry::plan {

// The sources' names for messages: "config.pbtxt" or "the program", and "the passport in m/1/model.pt".
struct SignatureSources {
  std::string_view config;
  std::string_view passport;
};

// FAILED_PRECONDITION where `config` contradicts `passport`: a name, a type, a number of dimensions, or a size that
// both fix. The same code is for a batch dimension that only one has, and for more rows than the passport allows. The
// message has the field, both values and the way out. `config` may leave fields and tensors out without a
// contradiction. Pure.
absl::Status CheckAgainstPassport(const config::ModelConfig& config, const PassportSignature& passport,
                                  const SignatureSources& sources);

// Adds to `config` the inputs, outputs and rows that it does not declare, as `passport` has them. With rows, requests
// share batches. If it adds anything, signature_source becomes `source`, and `decisions` gets a sentence. Calling it on
// its own result changes nothing. Pure.
config::ModelConfig WithPassport(config::ModelConfig config, const PassportSignature& passport, std::string_view source,
                                 std::vector<std::string>& decisions);

}  // namespace torchferry::plan
