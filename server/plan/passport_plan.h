// What becomes of a version's passport: it is read, held against config.pbtxt, and says what that does not.
#pragma once

#include <absl/status/status.h>

#include <string_view>

#include "server/plan/load_plan.h"

namespace torchferry::plan {

// `embedded`: the text that lies in the model's file; empty where there is none. With that, or with
// VersionFiles::passport_file, or with both, `planned` gets `passport`, and of its signature what planned.config does
// not say; what is ignored is in the plan's warnings. Without either nothing changes.
// INVALID_ARGUMENT: no passport, or two that differ. FAILED_PRECONDITION: a later version of the format, or a signature
// that contradicts planned.config. Messages name the file and the field, and have the way out.
absl::Status UsePassport(const VersionFiles& files, std::string_view embedded, PlannedVersion& planned);

// Once planned.config is that of the program: FAILED_PRECONDITION where that contradicts the passport.
absl::Status CheckProgramAgainstPassport(const PlannedVersion& planned);

}  // namespace torchferry::plan
