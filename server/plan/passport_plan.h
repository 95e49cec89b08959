// Uses a version's passport: reads it, checks it against config.pbtxt, and takes from it what config.pbtxt lacks.
#pragma once

#include <absl/status/status.h>

#include <string_view>

#include "server/plan/load_plan.h"

namespace torchferry::plan {

// `embedded` is the text in the model's file; empty where the file has none. With that text,
// VersionFiles::passport_file or both, `planned` gets the passport. `planned.config` then gets the parts of the
// signature that it does not declare. Ignored fields are in the plan's warnings. Without a passport nothing changes.
// INVALID_ARGUMENT: the text is no passport, or the two differ. FAILED_PRECONDITION: a later version of the format, or
// a signature that contradicts planned.config. Messages name the file and the field, and have the way out.
absl::Status UsePassport(const VersionFiles& files, std::string_view embedded, PlannedVersion& planned);

// Runs when planned.config has the program's tensors. FAILED_PRECONDITION where these contradict the passport.
absl::Status CheckProgramAgainstPassport(const PlannedVersion& planned);

}  // namespace torchferry::plan
