// A request of more rows than a batch may have, run in parts.
#pragma once

#include <cstdint>

#include "server/serving/servable.h"

namespace torchferry::serving {

// Submits `task`, of a model with rows and without state, in parts of at most `rows` rows, some at a time, and answers
// it with their outputs, joined by rows. The first error of a part is its answer, and no more are submitted then.
// Its `done` gets, beside Servable::Submit's errors, FAILED_PRECONDITION where the outputs are not by rows, and
// RESOURCE_EXHAUSTED where they have more than `max_bytes`. `servable` outlives the call of `done`.
void SubmitInParts(Servable& servable, PredictTask task, int64_t rows, int64_t max_bytes);

}  // namespace torchferry::serving
