// The checks that go over every field alike: what the text format lets through, and what the field
// table says.
#pragma once

#include "inference/model_config.pb.h"
#include "server/config/findings.h"
#include "server/config/text_positions.h"

namespace torchferry::config {

// Errors: strings that are not UTF-8, enum numbers that have no name. Warnings: map keys given
// twice (the last one counts).
void CheckWellFormed(const inference::ModelConfig& config, const TextPositions& positions, Findings& findings);

// An error for each field that is there and refused, a warning for each that is ignored. A field
// with its default value counts as absent.
void CheckFieldTable(const inference::ModelConfig& config, const TextPositions& positions, Findings& findings);

}  // namespace torchferry::config
