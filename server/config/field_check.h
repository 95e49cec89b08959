// The checks that are the same for every field: faults that the text format lets through, and the rules of the field
// table.
#pragma once

#include "inference/model_config.pb.h"
#include "server/config/findings.h"
#include "server/config/text_positions.h"

namespace torchferry::config {

// Errors: strings that are not UTF-8, enum numbers that have no name. Warnings: map keys that occur twice (the last one
// counts).
void CheckWellFormed(const inference::ModelConfig& config, const TextPositions& positions, Findings& findings);

// Adds an error for each present field that is refused, and a warning for each that is ignored. A field with its
// default value counts as absent.
void CheckFieldTable(const inference::ModelConfig& config, const TextPositions& positions, Findings& findings);

}  // namespace torchferry::config
