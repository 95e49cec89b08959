// What a search has found, as it is kept, shown and said. Pure.
#pragma once

#include <string>
#include <vector>

#include "server/model/loaded_model.h"
#include "server/plan/tuning_record.h"
#include "server/plan/tuning_search.h"

namespace torchferry::libtorch {

// `budget_seconds`: that the search had.
plan::TuningRecord RecordOf(const plan::TuningResult& result, double budget_seconds, double deviation);

model::TuningInfo InfoOf(const plan::TuningRecord& record, const plan::TuningSpace& space, bool is_kept);

// A search that ran for so long; `refused`: what was left out, and why.
std::string TextOfSearch(const plan::TuningResult& result, const plan::TuningRecord& record,
                         const plan::TuningSpace& space, double seconds, const std::vector<std::string>& refused);

std::string TextOfKept(const plan::TuningRecord& record, const plan::TuningSpace& space);

// After a search that went on while the server was idle.
std::string TextOfRefined(const plan::TuningResult& result, const plan::TuningRecord& record,
                          const plan::TuningSpace& space);

}  // namespace torchferry::libtorch
