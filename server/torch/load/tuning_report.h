// The result of a search as a kept record, as ModelInfo shows it, and as text. Pure.
#pragma once

#include <string>
#include <vector>

#include "server/model/loaded_model.h"
#include "server/plan/tuning_record.h"
#include "server/plan/tuning_search.h"

namespace torchferry::libtorch {

// `budget_seconds` is the search's budget.
plan::TuningRecord RecordOf(const plan::TuningResult& result, double budget_seconds, double deviation);

model::TuningInfo InfoOf(const plan::TuningRecord& record, const plan::TuningSpace& space, bool is_kept);

// For a search that ran for `seconds`. `refused`: what was left out, and why.
std::string TextOfSearch(const plan::TuningResult& result, const plan::TuningRecord& record,
                         const plan::TuningSpace& space, double seconds, const std::vector<std::string>& refused);

std::string TextOfKept(const plan::TuningRecord& record, const plan::TuningSpace& space);

// For a search that went on while the server was idle.
std::string TextOfRefined(const plan::TuningResult& result, const plan::TuningRecord& record,
                          const plan::TuningSpace& space);

}  // namespace torchferry::libtorch
