// The configuration that a version is served by where its passport says what config.pbtxt does not.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/config/model_config.h"
#include "server/plan/passport.h"

namespace torchferry::plan {

// Who says what, for messages: "config.pbtxt" or "the program", and "the passport in m/1/model.pt".
struct SignatureSources {
  std::string_view config;
  std::string_view passport;
};

// FAILED_PRECONDITION where `config` contradicts `passport`: a name, a type, a number of dimensions, a size that both
// fix, a batch dimension that one of them has, more rows than the passport allows. The message has the field, both
// values and the way out. What `config` does not declare contradicts nothing, and it may leave tensors out. Pure.
absl::Status CheckAgainstPassport(const config::ModelConfig& config, const PassportSignature& passport,
                                  const SignatureSources& sources);

// `config` with the inputs, the outputs and the rows that it does not declare, as `passport` has them; with rows
// requests share batches. Where it takes anything over, signature_source is `source`, and a sentence is added to
// `decisions`. What it gives for its own result is the same again. Pure.
config::ModelConfig WithPassport(config::ModelConfig config, const PassportSignature& passport, std::string_view source,
                                 std::vector<std::string>& decisions);

}  // namespace torchferry::plan
