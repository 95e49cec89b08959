// What becomes of a torch.export program: as the model's file, or as the architecture of a state_dict.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/file.h"
#include "server/config/model_config.h"
#include "server/plan/key_match.h"
#include "server/plan/load_plan.h"

namespace torchferry::plan {

// Reads the program of the architecture's file that planned.config names, holds it against the list of operators,
// against planned.config and against the passport, and puts it into `planned`: program, program_results, config and the
// decisions. Gives its weights. Messages begin with the file's name.
// FAILED_PRECONDITION: planned.config or the passport contradicts it. Else errors of ReadExportedProgram,
// CheckOperators, DescribeProgram.
absl::StatusOr<std::unique_ptr<checkpoint::Checkpoint>> ReadProgram(const std::shared_ptr<const checkpoint::File>& file,
                                                                    const PlanContext& context,
                                                                    PlannedVersion& planned);

// Of a version whose file is a program: the above, with the passport that is in it, and its weights with their devices
// and types. FAILED_PRECONDITION also where planned.config declares a state_dict; else errors of UsePassport, too.
absl::Status PlanProgram(const VersionFiles& files, const PlanContext& context, PlannedVersion& planned);

// What a state_dict fills of a program: its parameters and persistent buffers, each key once. `weights`: the program's.
std::vector<ArchitectureTensor> StateDictOf(const checkpoint::ExportedProgram& program,
                                            const checkpoint::Checkpoint& weights);

}  // namespace torchferry::plan
