// Plans a torch.export program that is the model's file, or the architecture of a state_dict.
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

// Reads the program of `file` that planned.config names. Checks it against the list of operators, planned.config and
// the passport. Sets program, program_results, config and the decisions of `planned`. Returns the program's weights.
// Messages begin with the file's name.
// FAILED_PRECONDITION: planned.config or the passport contradicts the program, or planned.config sets a method. Else
// errors of ReadExportedProgram, CheckOperators, DescribeProgram.
absl::StatusOr<std::unique_ptr<checkpoint::Checkpoint>> ReadProgram(const std::shared_ptr<const checkpoint::File>& file,
                                                                    const PlanContext& context,
                                                                    PlannedVersion& planned);

// Plans a version whose file is a program: as ReadProgram, with the file's passport, and with the weights' devices and
// types. FAILED_PRECONDITION also where planned.config declares a state_dict. Else errors of UsePassport, too.
absl::Status PlanProgram(const VersionFiles& files, const PlanContext& context, PlannedVersion& planned);

// The tensors of a program that a state_dict fills: its parameters and persistent buffers, each key once. `weights` are
// the program's.
std::vector<ArchitectureTensor> StateDictOf(const checkpoint::ExportedProgram& program,
                                            const checkpoint::Checkpoint& weights);

}  // namespace torchferry::plan
